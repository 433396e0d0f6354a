/*
 * The numbers of thin volumes. The last one that was given is in the file "thin-ids" of the
 * metadata volume, on disk before the number is used: a number that a dead maker's record has is
 * nobody else's. Only after all 16 million were given does it begin again, and then looks at every
 * record.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "mosaic/thin.h"

enum {
	TEXT = 32, /* "ROUND NUMBER", of fixed width: written in place */
};

const char *const thin_record_names[] = { "tree", "data", "gone", "next", NULL };

struct counter {
	unsigned round;
	uint32_t last;
};

static int read_counter(int fd, struct counter *ret)
{
	char text[TEXT + 1] = "";
	ssize_t n = pread(fd, text, TEXT, 0);

	if (n < 0)
		return -errno;
	*ret = (struct counter){ 0 };
	if (n > 0 &&
	    (sscanf(text, "%u %" SCNu32, &ret->round, &ret->last) != 2 || ret->last > THIN_ID_MAX))
		return -EBADMSG;
	return 0;
}

static int write_counter(int fd, const struct counter *c)
{
	char text[TEXT + 1];

	snprintf(text, sizeof(text), "%010u %010" PRIu32 "         \n", c->round, c->last);
	if (pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
		return errno ? -errno : -EIO;
	return fdatasync(fd) < 0 ? -errno : 0;
}

/* The next one; after a round, the next that no record has. */
static int advance(struct mosaic *m, struct counter *c, struct error *err)
{
	_thin_ids_ struct thin_ids ids = { NULL };
	int r;

	if (c->round == 0 && c->last < THIN_ID_MAX) {
		c->last++;
		return 0;
	}
	r = thin_ids_read(m, &ids, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < THIN_ID_MAX; i++) {
		if (c->last++ == THIN_ID_MAX) {
			c->round++;
			c->last = 1;
		}
		if (!thin_ids_have(&ids, c->last))
			return 0;
	}
	return error_set(err, -ENOSPC, "the pool has %d volumes, and can have no more.",
			 THIN_ID_MAX);
}

int thin_new_id(struct mosaic *m, uint32_t *ret, struct error *err)
{
	_close_ int fd = openat(m->dirfd, "thin-ids", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				0600);
	struct counter c;
	int r = fd < 0 ? -errno : read_counter(fd, &c);

	if (r < 0)
		return error_set(err, r, "cannot read the file thin-ids of %s", m->location);
	r = advance(m, &c, err);
	if (r < 0)
		return r;
	r = write_counter(fd, &c);
	if (r < 0)
		return error_set(err, r, "cannot write the file thin-ids of %s", m->location);
	*ret = c.last;
	return 0;
}

/* ---- those that are taken -------------------------------------------------------------------- */

bool thin_ids_have(const struct thin_ids *ids, uint32_t id)
{
	return id <= THIN_ID_MAX && ids->bits && ids->bits[id / 8] & 1 << id % 8;
}

void thin_ids_free(struct thin_ids *ids)
{
	free(ids->bits);
	ids->bits = NULL;
}

static int note_volume(int dirfd, const char *name, void *arg)
{
	struct thin_ids *ids = arg;
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct thin_record record;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	for (const char *const *n = thin_record_names; *n; n++) {
		int r = thin_record_read(fd, *n, &record);

		if (r == 0)
			ids->bits[record.id / 8] |= (uint8_t)(1 << record.id % 8);
		else if (r != -ENOENT && r != -EBADMSG) /* a damaged one is told of by its check */
			return r;
	}
	return 0;
}

/* A volume that is moved meanwhile is met in one of the two. */
int thin_ids_read(struct mosaic *m, struct thin_ids *ret, struct error *err)
{
	static const char *const places[] = { "staging", "volumes", "staging" };
	_thin_ids_ struct thin_ids ids = { calloc(1, THIN_ID_MAX / 8 + 1) };
	int r = ids.bits ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(places) && r == 0; i++) {
		_close_ int dir = openat(m->dirfd, places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = dir < 0 ? -errno : dir_each(dir, note_volume, &ids);
	}
	if (r < 0)
		return error_set(err, r, "cannot read the records of %s", m->location);
	*ret = ids;
	ids.bits = NULL;
	return 0;
}
