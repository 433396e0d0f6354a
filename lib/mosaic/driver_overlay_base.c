/*
 * Clones of volumes that were written to. What the volume holds becomes a layer of a hidden base
 * volume, ".base-UUID", which the volume and its copies stand on from then on; all that moves is
 * one directory. A base is {tree} or {tree, below -> what it stands on}, and never written again.
 * It goes with the last volume that stands on it.
 *
 * How volume V {upper, parent -> P} hands its content to a base B. After every step V has the same
 * content as before, so dying between two of them harms nothing:
 *
 *	1. B {tree: empty, below -> P} comes to be	   V: upper, P
 *	2. V's parent becomes B, by a rename		   V: upper, nothing, P
 *	3. V's upper and B's tree change places		   V: nothing, what was upper, P
 *
 * Of a created volume V {data} first a clone is made: V gets work and parent -> B {tree: empty},
 * and then its data is renamed to upper.
 *
 * A volume on OVERLAY_LAYERS layers is folded instead: B's tree is a copy of upper and all layers
 * but the lowest, merged. Again 2. changes nothing, because a layer above its own copy is no
 * layer, and in 3. V's upper changes places with an empty directory, which is thrown away.
 *
 * Locks: the maker of a base, and of what stands on it, holds a lock of it until somebody stands on
 * it in "volumes" or "staging"; overlay_release_base() waits for these.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/copy_tree.h"
#include "mosaic/overlay.h"

enum { EXCHANGE = 2 }; /* RENAME_EXCHANGE, which only newer C libraries declare */

#define BASE_PREFIX ".base-"
#define NEW_PARENT  "parent.new"

static int set_times(int dirfd, const char *name, const struct stat *st)
{
	const struct timespec times[] = { st->st_atim, st->st_mtim };

	return utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int overlay_make_like(int dirfd, const char *name, int root, const struct stat *st)
{
	_close_ int fd = -1;
	int r;

	r = volume_mkdir(dirfd, name, st->st_mode & 07777);
	if (r < 0)
		return r;
	if ((st->st_uid || st->st_gid) &&
	    fchownat(dirfd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (flistxattr(root, NULL, 0) > 0) {
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = fd < 0 ? -errno : copy_xattrs(root, fd, "trusted.overlay.");
	}
	return r < 0 ? r : set_times(dirfd, name, st);
}

static int lock_directory(int fd, int how)
{
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Is what fd was opened as still there? */
static bool is_there(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* ---- letting go ------------------------------------------------------------------------------ */

struct search {
	const char *name;
	const struct stat *except; /* or NULL */
};

static int stands_on(int dirfd, const char *entry, void *arg)
{
	static const char *const links[] = { "parent", "below" };
	char link[MOSAIC_NAME_MAX + 16], target[MOSAIC_NAME_MAX + 1];
	const struct search *s = arg;
	struct stat st;

	if (strlen(entry) > MOSAIC_NAME_MAX)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		snprintf(link, sizeof(link), "%s/%s", entry, links[i]);
		if (overlay_read_link(dirfd, link, target) <= 0 || !str_eq(target, s->name))
			continue;
		if (!s->except || fstatat(dirfd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    st.st_ino != s->except->st_ino)
			return 1;
	}
	return 0;
}

/* Staging first: what gets its name meanwhile is then seen in either place. */
static int has_child(struct mosaic *m, const char *name, int except)
{
	static const char *const places[] = { "staging", "volumes" };
	struct search s = { .name = name };
	struct stat st;
	int r = 0;

	if (except >= 0) {
		if (fstat(except, &st) < 0)
			return -errno;
		s.except = &st;
	}
	for (size_t i = 0; i < ARRAY_SIZE(places) && r == 0; i++) {
		_close_ int dir = openat(m->dirfd, places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = dir < 0 ? -errno : dir_each(dir, stands_on, &s);
	}
	return r;
}

static int open_base(struct mosaic *m, const char *name)
{
	char path[VOLUME_PATH];
	int fd;

	volume_path(path, name, NULL);
	fd = openat(m->dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The base, locked, when nobody stands on it; or -EBUSY, -EWOULDBLOCK, -ENOENT. */
static int open_orphan(struct mosaic *m, const char *name, int except, bool wait)
{
	_close_ int fd = open_base(m, name);
	int r;

	if (fd < 0)
		return fd;
	r = lock_directory(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
	if (r < 0)
		return r;
	if (!is_there(fd))
		return -ENOENT;
	r = has_child(m, name, except);
	if (r != 0)
		return r < 0 ? r : -EBUSY;
	return take_fd(&fd);
}

int overlay_release_base(struct mosaic *m, const char *name, int except, bool wait)
{
	_close_ int fd = open_orphan(m, name, except, wait);

	if (fd < 0)
		return fd == -EBUSY || fd == -EWOULDBLOCK || fd == -ENOENT ? 0 : fd;
	/* in place: it is no volume that anybody could miss, and a full disk is not in the way */
	volume_remove_unfinished(m, name);
	return 1;
}

int overlay_base_is_orphan(struct mosaic *m, const char *name)
{
	_close_ int fd = open_orphan(m, name, -1, false);

	if (fd < 0)
		return fd == -EBUSY || fd == -EWOULDBLOCK || fd == -ENOENT ? 0 : fd;
	return 1;
}

/* Nobody removes it while the descriptor is open. -1 for what is removed by its user's will alone.
 */
static int hold(struct mosaic *m, const char *name, int *ret)
{
	_close_ int fd = -1;
	int r;

	*ret = -1;
	if (!overlay_is_base(name))
		return 0;
	fd = open_base(m, name);
	r = fd < 0 ? fd : lock_directory(fd, LOCK_SH);
	if (r < 0)
		return r;
	if (!is_there(fd))
		return -ENOENT;
	*ret = take_fd(&fd);
	return 0;
}

/* ---- making ---------------------------------------------------------------------------------- */

struct base {
	char name[MOSAIC_NAME_MAX + 1];
	int dirfd; /* locked */
};

struct making {
	struct mosaic *m;
	const struct volume *v;
	int content; /* upper or data */
	struct stat st;
	struct layers layers; /* none of a created volume */
	struct error *err;
};

static int fail(const struct making *k, int r, const char *step)
{
	return error_set(k->err, r, "cannot %s of volume %s", step, k->v->name);
}

static bool is_deep(const struct making *k)
{
	if (k->layers.n < OVERLAY_STRING_LAYERS)
		return false;
	return k->layers.n >= OVERLAY_LAYERS || !layers_can_grow(&k->layers);
}

/* "tree": all layers but the lowest, which it stays on. */
static int merge(const struct making *k, int dirfd)
{
	const struct layers *l = &k->layers;
	_close_ int tree = -1;
	int r = volume_mkdir(dirfd, "tree", 0700);

	if (r < 0)
		return fail(k, r, "make a layer");
	tree = openat(dirfd, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0)
		return fail(k, -errno, "open a layer");
	r = copy_tree(k->content, tree, k->err);
	for (size_t i = 0; i + 1 < l->n && r == 0; i++)
		r = copy_tree_below(l->lower[i], tree, k->err);
	return r == 0 ? copy_tree_settle(tree, l->lower[l->n - 1], k->err) : r;
}

enum fill {
	FILL_NOTHING, /* an empty directory that looks like the content */
	FILL_COPY,    /* the content */
	FILL_MERGED,  /* the content and the layers below */
};

static int fill_base(const struct making *k, int dirfd, enum fill fill)
{
	const char *below = fill == FILL_MERGED ? k->layers.bottom : k->v->parent;
	int r;

	if (*below && symlinkat(below, dirfd, "below") < 0)
		return fail(k, -errno, "link a layer");
	if (fill == FILL_MERGED)
		return merge(k, dirfd);
	if (fill == FILL_COPY)
		return directory_copy_as(k->m, k->v->dirfd, volume_content(k->v->kind), dirfd,
					 "tree", k->err);
	r = overlay_make_like(dirfd, "tree", k->content, &k->st);
	return r < 0 ? fail(k, r, "make a layer") : 0;
}

static int make_base(const struct making *k, enum fill fill, struct base *ret)
{
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	struct base b = { .dirfd = -1 };
	int r = volume_begin(k->m, &s, k->err);

	if (r < 0)
		return r;
	snprintf(b.name, sizeof(b.name), BASE_PREFIX "%s", s.name);
	r = fill_base(k, s.lock_fd, fill);
	/* before anything that it is a copy of may be let go */
	if (r == 0 && fill != FILL_NOTHING && syncfs(s.lock_fd) < 0)
		r = fail(k, -errno, "sync a copy");
	if (r == 0) {
		b.dirfd = fcntl(s.lock_fd, F_DUPFD_CLOEXEC, 3); /* the lock with it */
		if (b.dirfd < 0)
			r = fail(k, -errno, "hold a layer");
	}
	if (r == 0)
		r = volume_finish(k->m, &s, b.name, k->err);
	if (r == MOSAIC_EXISTS)
		r = error_set(k->err, -EEXIST, "there is a volume %s already.", b.name);
	mosaic_discard(k->m, &s);
	if (r < 0) {
		cleanup_close(&b.dirfd);
		return r;
	}
	*ret = b;
	return 0;
}

/* Step 2. */
static int set_parent(const struct making *k, const char *name)
{
	int volume = k->v->dirfd;

	if (unlinkat(volume, NEW_PARENT, 0) < 0 && errno != ENOENT)
		return -errno;
	if (symlinkat(name, volume, NEW_PARENT) < 0 ||
	    renameat(volume, NEW_PARENT, volume, "parent") < 0)
		return -errno;
	return 0;
}

static int become_clone(const struct making *k)
{
	int volume = k->v->dirfd;

	if (k->v->kind != VOLUME_DATA)
		return 0;
	return renameat(volume, "data", volume, "upper") < 0 ? -errno : 0;
}

static int make_work(const struct making *k)
{
	if (k->v->kind != VOLUME_DATA)
		return 0;
	return mkdirat(k->v->dirfd, "work", 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Step 3. */
static int exchange_upper(const struct making *k, int dirfd, const char *with)
{
	return syscall(SYS_renameat2, k->v->dirfd, "upper", dirfd, with, EXCHANGE) < 0 ? -errno : 0;
}

/* V's content goes to the base. */
static int hand_over(const struct making *k, const struct base *b)
{
	int r = make_work(k);

	if (r == 0)
		r = set_parent(k, b->name);
	if (r < 0) {
		volume_remove_unfinished(k->m, b->name);
		return fail(k, r, "change the layers");
	}
	r = become_clone(k);
	if (r == 0)
		r = exchange_upper(k, b->dirfd, "tree");
	return r < 0 ? fail(k, r, "change the layers") : 0;
}

/* The same for a base that has a copy of it. What V stood on before goes if nobody needs it. */
static int stand_on_copy(const struct making *k, const struct base *b)
{
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	int r = volume_begin(k->m, &s, k->err);

	if (r == 0) {
		r = overlay_make_like(s.lock_fd, "upper", k->content, &k->st);
		if (r == 0)
			r = set_parent(k, b->name);
		if (r < 0)
			fail(k, r, "change the layers");
	}
	if (r < 0) {
		volume_remove_unfinished(k->m, b->name);
		mosaic_discard(k->m, &s);
		return r;
	}
	r = exchange_upper(k, s.lock_fd, "upper");
	if (r < 0)
		fail(k, r, "change the layers");
	mosaic_discard(k->m, &s);
	if (overlay_is_base(k->v->parent))
		(void)!overlay_release_base(k->m, k->v->parent, -1, true); /* or by check */
	return r;
}

static int hand_to_base(const struct making *k, bool used, struct base *ret)
{
	bool deep = is_deep(k);
	struct base b = { .dirfd = -1 };
	int r = make_base(k, deep ? FILL_MERGED : used ? FILL_COPY : FILL_NOTHING, &b);

	if (r == 0 && !used)
		r = deep ? stand_on_copy(k, &b) : hand_over(k, &b);
	if (r < 0) {
		cleanup_close(&b.dirfd);
		return r;
	}
	*ret = b;
	return 0;
}

static int any(int dirfd, const char *name, void *arg)
{
	(void)dirfd;
	(void)name;
	(void)arg;
	return 1;
}

static int share_writable(struct mosaic *m, const struct volume *v, bool used,
			  char ret_parent[MOSAIC_NAME_MAX + 1], int *ret_hold, struct error *err)
{
	struct making k = { .m = m, .v = v, .content = -1, .layers = LAYERS_CLOSED, .err = err };
	_layers_ struct layers layers = LAYERS_CLOSED;
	_close_ int content = -1;
	struct base b;
	int r = v->kind == VOLUME_CLONE ? layers_open(m->dirfd, v->dirfd, v, &layers) : 0;

	if (r < 0)
		return error_set(err, r, "volume %s, a clone of %s, is damaged", v->name,
				 v->parent);
	k.layers = layers;
	content = openat(v->dirfd, volume_content(v->kind),
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	k.content = content;
	if (content < 0 || fstat(content, &k.st) < 0)
		return error_set(err, -errno, "cannot open volume %s", v->name);
	r = v->kind == VOLUME_CLONE ? dir_each(content, any, NULL) : 1;
	if (r == 0) { /* nothing was written since it was made, or handed over */
		r = hold(m, v->parent, ret_hold);
		if (r < 0)
			return error_set(err, r, "cannot lock what volume %s stands on", v->name);
		snprintf(ret_parent, MOSAIC_NAME_MAX + 1, "%s", v->parent);
		return 0;
	}
	r = r < 0 ? error_set(err, r, "cannot list volume %s", v->name)
		  : hand_to_base(&k, used, &b);
	if (r < 0)
		return r;
	snprintf(ret_parent, MOSAIC_NAME_MAX + 1, "%s", b.name);
	*ret_hold = b.dirfd;
	return 0;
}

int overlay_share(struct mosaic *m, const struct volume *v, bool used,
		  char ret_parent[MOSAIC_NAME_MAX + 1], int *ret_hold, struct error *err)
{
	const char *parent = v->kind == VOLUME_LAYER ? v->parent : v->name;
	int r;

	if (v->kind == VOLUME_CLONE || v->kind == VOLUME_DATA)
		return share_writable(m, v, used, ret_parent, ret_hold, err);
	r = hold(m, parent, ret_hold);
	if (r < 0)
		return error_set(err, r, "cannot lock what volume %s stands on", v->name);
	snprintf(ret_parent, MOSAIC_NAME_MAX + 1, "%s", parent);
	return 0;
}
