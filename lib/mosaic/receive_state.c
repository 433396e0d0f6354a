/*
 * What is kept of a stream that broke off: the staged volume with the file "receiving", which says
 * how far it came. It is written after what it speaks of is on disk. Such a directory is no
 * leftover for a week after it was last written; then it is one like any other.
 */
#include <fcntl.h>
#include <jansson.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "mosaic/stream_volume.h"

#define STATE_FILE "receiving"

enum { STATE_BYTES = 64 << 10 };
#define KEPT_NS (7 * 86400 * 1000000000LL)

/* ---- the file -------------------------------------------------------------------------------- */

/* Names are bytes, JSON is not: they are written in hexadecimal. */
static int set_hex(json_t *o, const char *key, const void *data, size_t len)
{
	_free_ char *text = malloc(2 * len + 1);

	if (!text)
		return -ENOMEM;
	hex_encode(text, data, len);
	return json_object_set_new(o, key, json_string(text)) < 0 ? -ENOMEM : 0;
}

int receive_state_write(int dirfd, const struct receive_state *s)
{
	const struct apply_cursor *c = &s->cursor;
	_json_ json_t *o = json_pack("{s:I, s:I, s:I, s:b, s:b, s:b, s:I, s:I}", "frames",
				     (json_int_t)s->at.frames, "bytes", (json_int_t)s->at.bytes,
				     "content", (json_int_t)s->content, "removed", c->removed,
				     "open", c->open, "complete", c->complete, "size",
				     (json_int_t)c->size, "end", (json_int_t)c->end);
	_free_ char *text = NULL;
	int r = o ? 0 : -ENOMEM;

	if (r == 0)
		r = set_hex(o, "name", s->name, strlen(s->name));
	if (r == 0)
		r = set_hex(o, "stream", s->id, sizeof(s->id));
	if (r == 0)
		r = set_hex(o, "chain", s->at.chain, sizeof(s->at.chain));
	if (r == 0)
		r = set_hex(o, "directory", c->directory, strlen(c->directory));
	if (r == 0)
		r = set_hex(o, "last", c->last, strlen(c->last));
	if (r == 0)
		r = json_write_text(o, &text);
	return r < 0 ? r : file_write(dirfd, STATE_FILE, text, strlen(text), 0600, FILE_SYNC);
}

struct text_state {
	char *name, *stream, *chain, *directory, *last;
	int64_t frames, bytes, content, size, end;
	bool removed, open, complete;
};

static void text_free(struct text_state *t)
{
	free(t->name);
	free(t->stream);
	free(t->chain);
	free(t->directory);
	free(t->last);
}

static const struct json_range sizes = { .min = 0, .max = INT64_MAX };

#define FIELD(key, member, kind, read, arg)                                              \
	{                                                                                \
		key, kind, read, offsetof(struct text_state, member), JSON_REQUIRED, arg \
	}
#define STRING_FIELD(name)  FIELD(#name, name, JSON_KIND_STRING, json_read_string, NULL)
#define NUMBER_FIELD(name)  FIELD(#name, name, JSON_KIND_INTEGER, json_read_s64, &sizes)
#define BOOLEAN_FIELD(name) FIELD(#name, name, JSON_KIND_BOOLEAN, json_read_boolean, NULL)

static const struct json_field fields[] = {
	STRING_FIELD(name),      STRING_FIELD(stream),
	STRING_FIELD(chain),     STRING_FIELD(directory),
	STRING_FIELD(last),      NUMBER_FIELD(frames),
	NUMBER_FIELD(bytes),     NUMBER_FIELD(content),
	NUMBER_FIELD(size),      NUMBER_FIELD(end),
	BOOLEAN_FIELD(removed),  BOOLEAN_FIELD(open),
	BOOLEAN_FIELD(complete), { NULL },
};

/* The number of bytes; -EBADMSG. */
static int hex_decode(void *dst, size_t size, const char *text)
{
	size_t n = strlen(text) / 2;
	uint8_t *p = dst;

	if (!hex_is(text, 2 * n) || n > size)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -EBADMSG;
		p[i] = (uint8_t)byte;
	}
	return (int)n;
}

static bool decode_string(char *dst, size_t size, const char *text)
{
	int n = hex_decode(dst, size - 1, text);

	if (n < 0 || memchr(dst, 0, (size_t)n))
		return false;
	dst[n] = '\0';
	return true;
}

static bool decode(const struct text_state *t, struct receive_state *s)
{
	struct apply_cursor *c = &s->cursor;

	*s = (struct receive_state){
		.at = { .frames = (uint64_t)t->frames, .bytes = (uint64_t)t->bytes },
		.content = (uint64_t)t->content,
		.cursor = { .removed = t->removed,
			    .open = t->open,
			    .complete = t->complete,
			    .size = (uint64_t)t->size,
			    .end = (uint64_t)t->end },
	};
	return decode_string(s->name, sizeof(s->name), t->name) &&
	       decode_string(c->directory, sizeof(c->directory), t->directory) &&
	       decode_string(c->last, sizeof(c->last), t->last) &&
	       hex_decode(s->id, sizeof(s->id), t->stream) == STREAM_DIGEST &&
	       hex_decode(s->at.chain, sizeof(s->at.chain), t->chain) == STREAM_DIGEST;
}

static int no_report(void *arg, bool warning, const char *path, const char *text)
{
	(void)arg;
	(void)warning;
	(void)path;
	(void)text;
	return 0;
}

int receive_state_read(int dirfd, struct receive_state *ret)
{
	struct json_reader reader = { .report = no_report };
	_cleanup_(text_free) struct text_state t = { 0 };
	_free_ char *text = NULL;
	_json_ json_t *root = NULL;
	size_t len;
	int r = file_read(dirfd, STATE_FILE, STATE_BYTES, &text, &len);

	if (r < 0)
		return r == -ENOENT ? MOSAIC_NO_STATE : r;
	if (json_read_text(&reader, text, len, STATE_BYTES, &root) == 0)
		json_read_object(&reader, root, fields, &t);
	r = json_status(&reader);
	if (r == -EBADMSG)
		return MOSAIC_NO_STATE;
	if (r < 0)
		return r;
	return decode(&t, ret) ? 0 : MOSAIC_NO_STATE;
}

/* ---- finding it ------------------------------------------------------------------------------ */

bool receive_is_kept(int dirfd)
{
	struct stat st;

	if (fstatat(dirfd, STATE_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return time_now_ns() - (st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec) < KEPT_NS;
}

struct search {
	const char *name;
	char found[40]; /* as in struct mosaic_staged */
	struct receive_state *state;
	int fd;
};

static int is_sought(int dirfd, const char *name, void *arg)
{
	struct search *s = arg;
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0 || strlen(name) >= sizeof(s->found))
		return 0;
	r = receive_state_read(fd, s->state);
	if (r != 0 || !str_eq(s->state->name, s->name))
		return r < 0 ? r : 0;
	snprintf(s->found, sizeof(s->found), "%s", name);
	s->fd = take_fd(&fd);
	return 1;
}

int receive_state_find(struct mosaic *m, const char *name, struct mosaic_staged *ret,
		       struct receive_state *ret_state, struct error *err)
{
	struct search s = { .name = name, .state = ret_state, .fd = -1 };
	_close_ int dir = openat(m->dirfd, "staging", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	int r = dir < 0 ? -errno : dir_each(dir, is_sought, &s);

	if (r < 0)
		return error_set(err, r, "cannot look for what was received of volume %s", name);
	if (r == 0)
		return MOSAIC_NO_STATE;
	fd = s.fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, -EBUSY, "volume %s is being received just now.", name);
	/* it may have come further, or have been finished, before we had the lock */
	r = receive_state_read(fd, ret_state);
	if (r < 0)
		return error_set(err, r, "cannot read what was received of volume %s", name);
	if (r == MOSAIC_NO_STATE || faccessat(dir, s.found, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return MOSAIC_NO_STATE;
	*ret = (struct mosaic_staged)MOSAIC_STAGED_NONE;
	memcpy(ret->name, s.found, sizeof(ret->name));
	ret->lock_fd = take_fd(&fd);
	return 0;
}

int mosaic_receive_state(struct mosaic *m, const char *name, char token[MOSAIC_TOKEN_MAX],
			 struct error *err)
{
	_free_ struct receive_state *state = calloc(1, sizeof(*state));
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r < 0)
		return r;
	if (!state)
		return error_set(err, -ENOMEM, "volume %s", name);
	r = receive_state_find(m, name, &s, state, err);
	if (r != 0)
		return r;
	stream_token(token, state->id, &state->at);
	cleanup_close(&s.lock_fd);
	return 0;
}

int mosaic_receive_forget(struct mosaic *m, const char *name, struct error *err)
{
	_free_ struct receive_state *state = calloc(1, sizeof(*state));
	struct mosaic_staged s = MOSAIC_STAGED_NONE;
	char mapped[MOSAIC_NAME_MAX + 1];
	int r = volume_name(m, &name, mapped, err);

	if (r < 0)
		return r;
	if (!state)
		return error_set(err, -ENOMEM, "volume %s", name);
	r = receive_state_find(m, name, &s, state, err);
	if (r != 0)
		return r < 0 ? r : 0;
	mosaic_discard(m, &s);
	return 0;
}
