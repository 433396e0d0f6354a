/* Until events.c, mounts.c and data.c are there. */
#include <sys/file.h>

#include "base/base.h"
#include "mosaic/driver.h"

void volume_event(struct mosaic *m, enum mosaic_event_kind kind, const char *volume,
		  const char *other)
{
	(void)m;
	(void)kind;
	(void)volume;
	(void)other;
}

int volume_need_unused(struct mosaic *m, const struct volume *v, const char *what,
		       struct error *err)
{
	(void)m;
	if (flock(v->dirfd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return error_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
			 "volume %s is in use: nobody may use it during %s.", v->name, what);
}

int volume_copy_data(const struct volume *v, int dirfd, struct error *err)
{
	(void)v;
	(void)dirfd;
	(void)err;
	return 0;
}

int volume_problem(struct check *c, const char *where, bool mended, const char *fmt, ...)
{
	struct mosaic_problem p = { .where = where, .text = fmt, .mended = mended };

	c->n += !mended;
	return c->fn ? c->fn(&p, c->arg) : 0;
}
