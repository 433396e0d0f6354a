/*
 * Looking at everything that is there, and mending what somebody left who died: what was never
 * finished is removed, a finished volume never is. What one volume has does not keep the others
 * from being looked at.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/driver.h"

enum { PROBLEM_TEXT = 1024, SHOWN_NAME = 4 * 256 };

int volume_problem(struct check *c, const char *where, bool mended, const char *fmt, ...)
{
	char text[PROBLEM_TEXT];
	const struct mosaic_problem p = { .where = where, .text = text, .mended = mended };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!mended)
		c->n++;
	mosaic_log(MOSAIC_LOG_INFO, "%s: %s%s", where, text, mended ? " (mended)" : "");
	c->ended = c->fn ? c->fn(&p, c->arg) : 0;
	return c->ended;
}

/* What a check could not do is a problem of what it looked at. */
static int failed(struct check *c, const char *where, int r, const struct error *err)
{
	if (c->ended)
		return c->ended;
	return r < 0 ? volume_problem(c, where, false, "cannot be checked: %s", err->text) : 0;
}

/* ---- the mosaic's own ------------------------------------------------------------------------ */

static int check_directories(struct check *c)
{
	static const char *const names[] = { "volumes", "staging" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r == 0; i++) {
		bool made;

		if (faccessat(c->m->dirfd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		made = c->repair && mkdirat(c->m->dirfd, names[i], 0700) == 0;
		r = volume_problem(c, names[i], made, "the directory is missing");
	}
	return r;
}

/* What file_write() writes beside a file: ".NAME.PID". */
static bool is_unfinished_file(const char *name)
{
	const char *dot = strrchr(name, '.');
	uint64_t pid;

	return name[0] == '.' && dot > name && str_to_u64(dot + 1, INT32_MAX, &pid) == 0 &&
	       kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static int check_file(int dirfd, const char *name, void *arg)
{
	struct check *c = arg;

	if (!is_unfinished_file(name))
		return 0;
	return volume_problem(c, name, c->repair && unlinkat(dirfd, name, 0) == 0,
			      "a file that was never finished: who wrote it is not there any more");
}

static int check_files(struct check *c, struct error *err)
{
	int r = dir_each(c->m->dirfd, check_file, c);

	return r < 0 && !c->ended ? error_set(err, r, "cannot list %s", c->m->location) : r;
}

/* ---- leftovers ------------------------------------------------------------------------------- */

struct leftovers {
	char **list;
	size_t n;
};

static void leftovers_free(struct leftovers *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i]);
	free(l->list);
}

static int remember(const char *where, void *arg)
{
	struct leftovers *l = arg;
	char **more = reallocarray(l->list, l->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	l->list = more;
	l->list[l->n] = strdup(where);
	return l->list[l->n++] ? 0 : -ENOMEM;
}

static int check_leftovers(struct check *c, struct error *err)
{
	_cleanup_(leftovers_free) struct leftovers l = { 0 };
	struct error why = { 0 };
	unsigned n;
	int r;

	r = mosaic_each_leftover(c->m, remember, &l, &why);
	if (r == 0 && c->repair && l.n > 0)
		(void)!mosaic_collect(c->m, &n, &why); /* what stays is told */
	else if (r < 0)
		return error_set(err, r, "cannot look for leftovers in %s: %s.", c->m->location,
				 why.text);
	for (size_t i = 0; i < l.n && r == 0; i++) {
		bool gone = faccessat(c->m->dirfd, l.list[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0;

		r = volume_problem(
			c, l.list[i], gone,
			"was never finished: who made or dropped it is not there any more%s%s",
			!gone && why.code ? "; " : "", gone ? "" : why.text);
	}
	return r;
}

/* ---- volumes --------------------------------------------------------------------------------- */

/* Private data that died being written, unless somebody may be writing some now. */
static int check_data(struct check *c, const char *where, const struct volume *v)
{
	unsigned n = 0;
	int r;

	if (flock(v->dirfd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	r = volume_clean_data(v->dirfd, c->repair, &n);
	flock(v->dirfd, LOCK_UN);
	if (r < 0)
		return volume_problem(c, where, false, "private data cannot be read: %s",
				      strerror(-r));
	return n == 0 ? 0
		      : volume_problem(c, where, c->repair,
				       "%u values of private data were never finished", n);
}

static int check_volume(struct check *c, const char *where, const struct volume *v)
{
	struct error err = { 0 };
	int r = 0;

	/* hidden ones may be left over, and are the driver's matter */
	if (v->name[0] != '.' && v->parent[0] && volume_find(c->m, v->parent, NULL) <= 0)
		r = volume_problem(c, where, false, "needs volume %s, which is not there",
				   v->parent);
	if (r == 0)
		r = check_data(c, where, v);
	if (r != 0 || !c->m->driver->check)
		return r;
	r = c->m->driver->check(c->m, v, c, &err);
	return failed(c, where, r, &err);
}

static int check_entry(int dirfd, const char *name, void *arg)
{
	struct check *c = arg;
	_volume_ struct volume v = VOLUME_CLOSED;
	char where[SHOWN_NAME], shown[SHOWN_NAME - 16];
	struct error err = { 0 };
	struct stat st;
	int r;

	str_escape(shown, sizeof(shown), name);
	snprintf(where, sizeof(where), "volumes/%s", shown);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : volume_problem(c, where, false, "cannot be looked at: %s",
							strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return volume_problem(c, where, false, "is no directory, so no volume");
	if (name[0] != '.' && volume_check_name(name, NULL) < 0)
		return volume_problem(c, where, false, "no volume can have that name");
	r = volume_find(c->m, name, NULL);
	if (r == VOLUME_NONE) /* in the making; otherwise it is a leftover */
		return 0;
	r = volume_open(c->m, name, &v, &err);
	if (r == -ENOENT)
		return 0; /* dropped just now */
	if (r < 0)
		return volume_problem(c, where, false, "is damaged: %s", err.text);
	return check_volume(c, where, &v);
}

static int check_volumes(struct check *c, struct error *err)
{
	_close_ int dir = openat(c->m->dirfd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : dir_each(dir, check_entry, c);

	return r < 0 && !c->ended ? error_set(err, r, "cannot list %s/volumes", c->m->location) : r;
}

static int check_driver(struct check *c)
{
	struct error err = { 0 };
	int r = c->m->driver->check ? c->m->driver->check(c->m, NULL, c, &err) : 0;

	return failed(c, c->m->location, r, &err);
}

int mosaic_check(struct mosaic *m, unsigned flags,
		 int (*fn)(const struct mosaic_problem *p, void *arg), void *arg, unsigned *ret_n,
		 struct error *err)
{
	struct check c = { .m = m, .repair = flags & MOSAIC_CHECK_REPAIR, .fn = fn, .arg = arg };
	int r = check_directories(&c);

	if (r == 0)
		r = check_files(&c, err);
	if (r == 0)
		r = check_leftovers(&c, err);
	if (r == 0)
		r = check_volumes(&c, err);
	if (r == 0)
		r = check_driver(&c);
	if (r == 0)
		*ret_n = c.n;
	return r;
}
