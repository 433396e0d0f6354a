#include "images/unpack/place.h"

#include <fcntl.h>
#include <sys/stat.h>

static const struct timespec epoch[] = { { 0 }, { 0 } };

int place_init(struct place *p, int root, bool over)
{
	*p = (struct place){ .root = root, .over = over, .fd = -1 };
	return over ? seen_init(&p->made) : 0;
}

void place_deinit(struct place *p)
{
	cleanup_close(&p->fd);
	seen_deinit(&p->made);
}

int place_fail(struct error *err, int code, const char *path, const char *what)
{
	char shown[LIMIT_PATH_BYTES];

	str_escape(shown, sizeof(shown), path);
	return error_set(err, code, "cannot %s rootfs/%.512s", what, shown);
}

/* ---- what this layer made -------------------------------------------------------------------- */

int place_made(struct place *p, const char *name)
{
	p->changed = true;
	return p->over ? seen_set(&p->made, seen_step(&p->made, p->ino, name, strlen(name)),
				  SEEN_OTHER)
		       : 0;
}

bool place_has_made(const struct place *p, ino_t directory, const char *name)
{
	return seen_get(&p->made, seen_step(&p->made, directory, name, strlen(name))) != SEEN_NOT;
}

int place_set_own(struct place *p, ino_t directory)
{
	return p->over ? seen_set(&p->made, seen_step(&p->made, directory, "", 0), SEEN_DIRECTORY)
		       : 0;
}

bool place_is_own(const struct place *p, ino_t directory)
{
	return seen_get(&p->made, seen_step(&p->made, directory, "", 0)) != SEEN_NOT;
}

/* ---- going there ----------------------------------------------------------------------------- */

static int set_mtime(int fd, struct timespec mtime)
{
	const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, mtime };

	return futimens(fd, times) < 0 ? -errno : 0;
}

int place_leave(struct place *p, struct error *err)
{
	int r = p->fd >= 0 && p->changed ? set_mtime(p->fd, p->mtime) : 0;

	cleanup_close(&p->fd);
	p->changed = false;
	return r < 0 ? place_fail(err, r, p->path, "set the time of") : 0;
}

static int arrive(struct place *p, int fd, struct error *err)
{
	struct stat st;

	p->fd = fd;
	if (fstat(fd, &st) < 0)
		return place_fail(err, -errno, p->path, "look at");
	p->ino = st.st_ino;
	p->mtime = st.st_mtim;
	p->set_gid = st.st_mode & S_ISGID;
	return fd;
}

/* A step on the way, and the directory it starts from. */
struct step {
	struct place *place;
	int fd;
	struct stat st;
	const char *name;
	char prefix[LIMIT_PATH_BYTES]; /* up to and with name */
};

static int open_child(const struct step *s)
{
	int fd = path_open(s->fd, s->name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);

	if (fd == -ELOOP && s->place->over)
		fd = path_open(s->place->root, s->prefix, PATH_IN_ROOT, O_RDONLY | O_DIRECTORY, 0);
	return fd;
}

static int make_child(const struct step *s)
{
	_close_ int fd = -1;
	struct stat st;
	int r;

	/* lint: path ok: one component, below a descriptor of path_open */
	if (mkdirat(s->fd, s->name, 0755) < 0) /* a link to nothing is -EEXIST */
		return -errno;
	fd = path_open(s->fd, s->name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	if (s->st.st_mode & S_ISGID && (fchown(fd, 0, 0) < 0 || fchmod(fd, 0755) < 0))
		return -errno;
	if (fstat(fd, &st) < 0 || futimens(fd, epoch) < 0)
		return -errno;
	r = place_set_own(s->place, st.st_ino);
	if (r == 0)
		r = set_mtime(s->fd, s->st.st_mtim);
	return r < 0 ? r : take_fd(&fd);
}

static int take_step(struct step *s)
{
	struct place *p = s->place;
	int fd, r;

	if (fstat(s->fd, &s->st) < 0)
		return -errno;
	fd = open_child(s);
	if (fd == -ENOENT)
		fd = make_child(s);
	if (fd < 0)
		return fd;
	r = p->over ? seen_set(&p->made,
			       seen_step(&p->made, s->st.st_ino, s->name, strlen(s->name)),
			       SEEN_OTHER)
		    : 0;
	close(s->fd);
	s->fd = fd;
	return r;
}

/* From the root to p->path, making what is missing and remembering what is passed. */
static int walk(struct place *p)
{
	struct step s = { .place = p };
	_close_ int fd = -1;
	int r = 0;

	s.fd = path_open(p->root, ".", PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (s.fd < 0)
		return s.fd;
	for (size_t at = 0, len; r == 0 && p->path[at]; at += len, at += p->path[at] == '/') {
		len = strcspn(p->path + at, "/");
		memcpy(s.prefix, p->path, at + len);
		s.prefix[at + len] = '\0';
		s.name = s.prefix + at;
		r = take_step(&s);
	}
	fd = s.fd;
	return r < 0 ? r : take_fd(&fd);
}

static bool no_way(int code)
{
	return code == -ENOTDIR || code == -ELOOP || code == -EEXIST;
}

/* Whether the place is the one of path already; else it is left. */
static bool is_here(struct place *p, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	*ret_name = slash ? slash + 1 : path;
	return p->fd >= 0 && strlen(p->path) == len && memcmp(p->path, path, len) == 0;
}

static void set_path(struct place *p, const char *path, const char *name)
{
	size_t len = name > path ? (size_t)(name - path) - 1 : 0;

	memcpy(p->path, path, len);
	p->path[len] = '\0';
}

int place_enter(struct place *p, const char *path, const char **ret_name, struct error *err)
{
	int fd = -ENOENT, r;

	if (is_here(p, path, ret_name) && p->on_the_way)
		return p->fd;
	r = place_leave(p, err);
	if (r < 0)
		return r;
	set_path(p, path, *ret_name);
	p->on_the_way = true;
	if (!p->over)
		fd = path_open(p->root, p->path, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOENT)
		fd = walk(p);
	if (no_way(fd) && p->over)
		return error_set(err, -EBADMSG, "%.512s is below what is no directory.", path);
	return fd < 0 ? place_fail(err, fd, p->path, "enter the directory") : arrive(p, fd, err);
}

int place_look(struct place *p, const char *path, const char **ret_name, struct error *err)
{
	int fd, r;

	if (is_here(p, path, ret_name))
		return 0;
	r = place_leave(p, err);
	if (r < 0)
		return r;
	set_path(p, path, *ret_name);
	p->on_the_way = false;
	fd = path_open(p->root, p->path, PATH_IN_ROOT, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOENT || no_way(fd))
		return -ENOENT;
	if (fd < 0)
		return place_fail(err, fd, p->path, "enter the directory");
	r = arrive(p, fd, err);
	return r < 0 ? r : 0;
}
