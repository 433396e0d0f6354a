/* Volumes at either end of a stream. */
#include "mosaic/stream_volume.h"

#include <fcntl.h>
#include <sys/stat.h>

/* ---- identity -------------------------------------------------------------------------------- */

/* 1, or 0 when the file does not say one. */
static int read_identity(int dirfd, const char *file, char ret[STREAM_ID_TEXT])
{
	_free_ char *text = NULL;
	int r = file_read(dirfd, file, STREAM_ID_TEXT, &text, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	text[strcspn(text, "\n")] = '\0';
	if (!hex_is(text, STREAM_ID))
		return 0;
	memcpy(ret, text, STREAM_ID_TEXT);
	return 1;
}

/* Who comes second takes what is there, unless it is to be another. */
static int make_identity(int dirfd, bool another, char ret[STREAM_ID_TEXT])
{
	char uuid[UUID_TEXT], text[STREAM_ID_TEXT + 1];
	size_t n = 0;
	int r = uuid_new(uuid);

	if (r < 0)
		return r;
	for (const char *p = uuid; *p; p++)
		if (*p != '-')
			text[n++] = *p;
	text[n++] = '\n';
	r = file_write(dirfd, "id", text, n, 0644,
		       another ? FILE_SYNC : FILE_SYNC | FILE_EXCLUSIVE);
	if (r < 0 && r != -EEXIST)
		return r;
	if (another) { /* ours, whatever another sender has made of it by now */
		text[n - 1] = '\0';
		memcpy(ret, text, STREAM_ID_TEXT);
		return 1;
	}
	r = read_identity(dirfd, "id", ret);
	return r == 0 ? -EBADMSG : r;
}

/* What two streams of one volume that was written to in between are based on is not the same. */
int stream_identity(const struct volume *v, bool again, char ret[STREAM_ID_TEXT], struct error *err)
{
	bool stays = v->kind == VOLUME_TREE || v->kind == VOLUME_LAYER;
	int r = 0;

	if (stays)
		r = read_identity(v->dirfd, "received", ret);
	if (r == 0 && (stays || again))
		r = read_identity(v->dirfd, "id", ret);
	if (r == 0)
		r = make_identity(v->dirfd, !stays, ret);
	return r < 0 ? error_set(err, r, "cannot give volume %s an identity", v->name) : 0;
}

struct search {
	const struct mosaic *m;
	const char *id;
	char name[MOSAIC_NAME_MAX + 1];
};

static int is_sought(int dirfd, const char *name, void *arg)
{
	struct search *s = arg;
	char id[STREAM_ID_TEXT];
	_close_ int fd = -1;
	int kind = volume_find(s->m, name, NULL), r;

	if (kind != VOLUME_TREE && kind != VOLUME_LAYER)
		return 0;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = read_identity(fd, "received", id);
	if (r == 0)
		r = read_identity(fd, "id", id);
	if (r <= 0 || !str_eq(id, s->id))
		return r < 0 ? r : 0;
	snprintf(s->name, sizeof(s->name), "%s", name);
	return 1;
}

int stream_find_volume(const struct mosaic *m, const char *id, const char *sought,
		       char ret[MOSAIC_NAME_MAX + 1], struct error *err)
{
	_close_ int dir = openat(m->dirfd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct search s = { .m = m, .id = id };
	int r = dir < 0 ? -errno : dir_each(dir, is_sought, &s);

	if (r < 0)
		return error_set(err, r, "cannot look for a volume in %s", m->location);
	if (r == 0)
		return error_set(
			err, -ENOENT,
			"the stream says what changed since '%s', but %s has no snapshot with that content (%s).",
			sought, m->location, id);
	memcpy(ret, s.name, sizeof(s.name));
	return 0;
}

/* ---- content --------------------------------------------------------------------------------- */

static bool has(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int read_parent(int dirfd, const char *link, char ret[MOSAIC_NAME_MAX + 1])
{
	ssize_t n = readlinkat(dirfd, link, ret, MOSAIC_NAME_MAX);

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

int stream_look(int dirfd, const char *name, struct volume *ret)
{
	struct volume v = { .name = name, .kind = VOLUME_NONE, .dirfd = dirfd };
	int r = 0;

	if (has(dirfd, "parent")) {
		v.kind = VOLUME_CLONE;
		r = read_parent(dirfd, "parent", v.parent);
	} else if (has(dirfd, "tree")) {
		v.kind = has(dirfd, "below") ? VOLUME_LAYER : VOLUME_TREE;
		if (v.kind == VOLUME_LAYER)
			r = read_parent(dirfd, "below", v.parent);
	} else if (has(dirfd, "data")) {
		v.kind = VOLUME_DATA;
	}
	if (r < 0)
		return r;
	v.raw = has(dirfd, "raw");
	*ret = v;
	return 0;
}

void stream_content_close(struct stream_content *c)
{
	cleanup_close(&c->fd);
	cleanup_close(&c->hold);
}

static int open_device(struct mosaic *m, const struct volume *v, bool writable,
		       struct stream_content *ret, struct error *err)
{
	_stream_content_ struct stream_content c = STREAM_CONTENT_CLOSED;
	char device[MOSAIC_DEVICE_MAX];
	int r;

	if (!m->driver->attach)
		return error_set(err, -EOPNOTSUPP, "the driver %s has no raw volumes.",
				 m->driver->name);
	r = m->driver->attach(m, v, writable ? 0 : MOSAIC_ATTACH_READONLY, device, &c.hold, err);
	if (r < 0)
		return r;
	c.fd = open(device, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (c.fd < 0)
		return error_set(err, -errno, "cannot open %s", device);
	*ret = c;
	c = (struct stream_content)STREAM_CONTENT_CLOSED;
	return 0;
}

int stream_open_content(struct mosaic *m, const struct volume *v, bool writable,
			struct stream_content *ret, struct error *err)
{
	const struct mosaic_mount how = { .flags = writable ? 0 : MOSAIC_MOUNT_READONLY };
	_stream_content_ struct stream_content c = STREAM_CONTENT_CLOSED;
	int r;

	if (v->raw)
		return open_device(m, v, writable, ret, err);
	r = m->driver->mount(m, v, &how, &c.hold, err);
	if (r < 0)
		return r;
	c.fd = openat(c.hold, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c.fd < 0)
		return error_set(err, -errno, "cannot open the root of volume %s", v->name);
	*ret = c;
	c = (struct stream_content)STREAM_CONTENT_CLOSED;
	return 0;
}

/* ---- copies ---------------------------------------------------------------------------------- */

static int copy_to(struct mosaic *m, const struct volume *from, bool read_only, int dirfd,
		   struct error *err)
{
	const struct volume_copy c = { .dirfd = dirfd, .from = from, .read_only = read_only };
	_close_ int raw = -1;

	if (!m->driver->copy)
		return error_set(err, -EOPNOTSUPP, "the driver %s of %s cannot copy volumes.",
				 m->driver->name, m->location);
	if (symlinkat(from->name, dirfd, "origin") < 0)
		return error_set(err, -errno, "cannot note where a copy of %s is from", from->name);
	if (from->raw)
		raw = openat(dirfd, "raw", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (from->raw && raw < 0)
		return error_set(err, -errno, "cannot mark a copy of %s as raw", from->name);
	return m->driver->copy(m, &c, err);
}

int stream_copy(struct mosaic *m, const struct volume *from, bool read_only,
		struct mosaic_staged *ret, struct error *err)
{
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	int r = volume_begin(m, &s, err);

	if (r < 0)
		return r;
	r = copy_to(m, from, read_only, s.lock_fd, err);
	if (r < 0) {
		mosaic_discard(m, &s);
		return r;
	}
	*ret = s;
	return 0;
}

/* ---- sealing --------------------------------------------------------------------------------- */

int stream_seal(struct mosaic *m, int dirfd, struct error *err)
{
	if (renameat(dirfd, "data", dirfd, "tree") < 0 && (errno != ENOENT || !has(dirfd, "tree")))
		return error_set(err, -errno, "cannot make a received volume read-only");
	return m->driver->commit ? m->driver->commit(m, dirfd, err) : 0;
}
