/* What lies in the store and belongs to nothing there; and writing anew what can be told. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "store/internal.h"

enum { OBJECT_TEXT = STORE_IMAGE_PATH + LIMIT_NAME_BYTES + 2 };

struct strays {
	struct store *store;
	int (*fn)(const struct store_stray *stray, void *arg);
	void *arg;
	const char *id; /* of the image whose directory is walked */
};

static int tell(const struct strays *w, const char *object, const char *why)
{
	const struct store_stray stray = { .object = object, .id = w->id, .why = why };

	return w->fn(&stray, w->arg);
}

bool store_has(struct store *s, const char *id)
{
	char path[STORE_IMAGE_PATH];

	store_image_path(path, id, NULL);
	return store_is_id(id) && faccessat(s->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- what is known --------------------------------------------------------------------------- */

static bool is_among(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

/* What an image's directory can have (store.h). */
static bool is_image_file(const char *name)
{
	static const char *const files[] = { "aci",          "aci.asc",  "implied",
					     "info",         "manifest", "oci-config",
					     "oci-manifest", "origin",   "pinned" };

	return is_among(name, files, ARRAY_SIZE(files)) || str_starts(name, "blob.sha256-") ||
	       str_starts(name, "blob.sha512-");
}

static int look_at_file(int dir, const char *name, void *arg)
{
	const struct strays *w = arg;
	char object[OBJECT_TEXT];
	struct stat st;
	const char *why = NULL;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!is_image_file(name))
		why = "no file of an image has this name";
	else if (!S_ISREG(st.st_mode))
		why = "it is no regular file";
	if (!why)
		return 0;
	snprintf(object, sizeof(object), "images/%s/%s", w->id, name);
	return tell(w, object, why);
}

static int look_at_image(int dir, const char *name, void *arg)
{
	struct strays *w = arg;
	_close_ int fd = -1;
	char object[OBJECT_TEXT];
	int r;

	snprintf(object, sizeof(object), "images/%s", name);
	if (!store_is_id(name))
		return tell(w, object, "it is no image");
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return tell(w, object, "it is no directory");
	w->id = name;
	r = dir_each(fd, look_at_file, w);
	w->id = NULL;
	return r;
}

/* ---- what somebody was at -------------------------------------------------------------------- */

static bool is_held(int dir, const char *name, int flags)
{
	_close_ int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | flags);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* Still nobody's after a moment? A maker may be between mkdir and flock. */
static bool is_abandoned(int dir, const char *name)
{
	static const struct timespec moment = { 0, 20000000 };

	if (is_held(dir, name, O_DIRECTORY) || nanosleep(&moment, NULL) < 0)
		return false;
	return !is_held(dir, name, O_DIRECTORY) &&
	       faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int look_at_staged(int dir, const char *name, void *arg)
{
	char object[OBJECT_TEXT];

	if (!is_abandoned(dir, name))
		return 0;
	snprintf(object, sizeof(object), "staging/%s", name);
	return tell(arg, object, "who made it has died");
}

static int look_at_partial(int dir, const char *name, void *arg)
{
	char object[OBJECT_TEXT], data[LIMIT_NAME_BYTES + 6];

	/* whoever fetches has the directory, the program that it started the data */
	snprintf(data, sizeof(data), "%s/data", name);
	if (!is_abandoned(dir, name) || is_held(dir, data, 0))
		return 0;
	snprintf(object, sizeof(object), "partial/%s", name);
	return tell(arg, object,
		    hex_is(name, 64) ? "a download that is not complete" : "it is no download");
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int look_at_top(_unused_ int dir, const char *name, void *arg)
{
	static const char *const known[] = { "images", "lock", "names", "partial", "staging" };

	return is_among(name, known, ARRAY_SIZE(known))
		       ? 0
		       : tell(arg, name, "nothing of the store has this name");
}

static int look_at_name(const char *file, const char *why, void *arg)
{
	const struct strays *w = arg;
	char object[OBJECT_TEXT];
	const struct store_stray stray = { .object = object, .why = why, .is_index = true };

	snprintf(object, sizeof(object), "names/%s", file);
	return w->fn(&stray, w->arg);
}

static int walk(struct strays *w, const char *directory,
		int (*fn)(int dir, const char *name, void *arg), struct error *err)
{
	_close_ int dir = openat(w->store->fd, directory,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (dir < 0)
		return errno == ENOENT ? 0
				       : error_set(err, -errno, "cannot open %s/%s", w->store->path,
						   directory);
	r = dir_each(dir, fn, w);
	return r < 0 && err && !err->code
		       ? error_set(err, r, "cannot go through %s/%s", w->store->path, directory)
		       : r;
}

int store_each_stray(struct store *s, int (*fn)(const struct store_stray *stray, void *arg),
		     void *arg, struct error *err)
{
	static const struct {
		const char *directory;
		int (*fn)(int dir, const char *name, void *arg);
	} places[] = {
		{ ".", look_at_top },
		{ "images", look_at_image },
		{ "staging", look_at_staged },
		{ "partial", look_at_partial },
	};
	struct strays w = { .store = s, .fn = fn, .arg = arg };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(places); i++)
		r = walk(&w, places[i].directory, places[i].fn, err);
	return r == 0 ? store_names_check(s, look_at_name, &w, err) : r;
}

int store_index_repair(struct store *s, struct error *err)
{
	return store_names_rebuild(s, err);
}

int store_stray_remove(struct store *s, const char *object, struct error *err)
{
	const char *slash = strrchr(object, '/');
	_free_ char *parent = slash ? strndup(object, (size_t)(slash - object)) : strdup(".");
	_close_ int dir = -1;
	int r;

	if (!parent)
		return error_set(err, -ENOMEM, "out of memory");
	dir = path_open(s->fd, parent, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	r = dir < 0 ? dir : path_remove_tree(dir, slash ? slash + 1 : object);
	return r < 0 ? error_set(err, r, "cannot remove %s/%s", s->path, object) : 0;
}

/* ---- anew ------------------------------------------------------------------------------------ */

static int open_image(struct store *s, const char *id, struct error *err)
{
	char path[STORE_IMAGE_PATH];
	int fd;

	store_image_path(path, id, NULL);
	fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_set(err, -errno, "cannot open %s/%s", s->path, path) : fd;
}

/* What has the name and cannot be replaced by a file goes first. */
static void clear_place(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		(void)!path_remove_tree(dir, name);
}

int store_repair_info(struct store *s, const struct store_info *info, struct error *err)
{
	_close_ int dir = open_image(s, info->id, err);

	if (dir < 0)
		return dir;
	clear_place(dir, "info");
	return store_info_write(dir, info, err);
}

int store_repair_file(struct store *s, const char *id, const char *name, const char *data,
		      size_t len, struct error *err)
{
	_close_ int dir = open_image(s, id, err);
	int r;

	if (dir < 0)
		return dir;
	clear_place(dir, name);
	r = file_write(dir, name, data, len, 0644, FILE_SYNC);
	return r < 0 ? error_set(err, r, "cannot write %s of image %s", name, id) : 0;
}
