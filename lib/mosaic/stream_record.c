/* Records: what a frame of a portable stream says, and back. */
#include <string.h>
#include <sys/sysmacros.h>

#include "mosaic/stream.h"

/* ---- reading --------------------------------------------------------------------------------- */

struct cursor {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static const uint8_t *take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->bad || c->left < n) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	c->left -= n;
	return p;
}

static uint16_t take16(struct cursor *c)
{
	const uint8_t *p = take(c, 2);

	return p ? (uint16_t)(p[0] | p[1] << 8) : 0;
}

static uint32_t take32(struct cursor *c)
{
	const uint8_t *p = take(c, 4);

	return p ? stream_get32(p) : 0;
}

static uint64_t take64(struct cursor *c)
{
	const uint8_t *p = take(c, 8);

	return p ? stream_get64(p) : 0;
}

/* A string of at least one byte that fits into dst and has no NUL in it. */
static void take_string(struct cursor *c, char *dst, size_t size)
{
	size_t n = take16(c);
	const uint8_t *p = take(c, n);

	if (!p || n == 0 || n >= size || memchr(p, 0, n)) {
		c->bad = true;
		return;
	}
	memcpy(dst, p, n);
	dst[n] = '\0';
}

static bool name_is_sound(const char *name)
{
	return *name && !strchr(name, '/') && !str_eq(name, ".") && !str_eq(name, "..");
}

bool stream_path_is_sound(const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (!path[n])
			return true;
		path += n + 1;
	}
}

static void take_name(struct cursor *c, struct stream_record *r)
{
	take_string(c, r->name, sizeof(r->name));
	if (!c->bad && !name_is_sound(r->name))
		c->bad = true;
}

bool stream_xattr_is_kept(const char *name)
{
	return str_starts(name, "user.") || str_starts(name, "security.") ||
	       str_eq(name, "system.posix_acl_access") ||
	       str_eq(name, "system.posix_acl_default") ||
	       (str_starts(name, "trusted.") && !str_starts(name, "trusted.overlay."));
}

static bool take_xattr(struct cursor *c, struct stream_xattr *x)
{
	take_string(c, x->name, sizeof(x->name));
	if (!c->bad && !stream_xattr_is_kept(x->name))
		c->bad = true;
	x->len = take32(c);
	x->value = take(c, x->len);
	return !c->bad;
}

bool stream_next_xattr(const struct stream_attributes *a, size_t *at, struct stream_xattr *ret)
{
	struct cursor c = { .left = a->xattrs_len - *at };

	if (c.left == 0)
		return false;
	c.p = a->xattrs + *at;
	if (!take_xattr(&c, ret))
		return false;
	*at = a->xattrs_len - c.left;
	return true;
}

/* Always the rest of the payload. */
static void take_attributes(struct cursor *c, struct stream_attributes *a)
{
	struct stream_xattr x[2];

	a->mode = take32(c);
	a->uid = take32(c);
	a->gid = take32(c);
	a->seconds = (int64_t)take64(c);
	a->nanoseconds = take32(c);
	a->n_xattrs = take32(c);
	a->xattrs = c->p;
	a->xattrs_len = c->left;
	if (a->mode & ~07777U || a->nanoseconds > 999999999 || a->uid == UINT32_MAX ||
	    a->gid == UINT32_MAX)
		c->bad = true;
	x[1].name[0] = '\0';
	for (uint32_t i = 0; i < a->n_xattrs && take_xattr(c, &x[0]); i++) {
		if (strcmp(x[0].name, x[1].name) <= 0)
			c->bad = true;
		memcpy(x[1].name, x[0].name, sizeof(x[0].name));
	}
}

static void take_rest(struct cursor *c, struct stream_record *r)
{
	r->data = c->p;
	r->len = c->left;
	c->left = 0;
	if (r->len == 0 || r->offset > INT64_MAX - r->len)
		c->bad = true;
}

/* Which parts a record has, in this order; data is the rest. */
enum part {
	PART_NAME = 1,
	PART_OFFSET = 2,
	PART_SIZE = 4,
	PART_TARGET = 8,
	PART_NODE = 16,
	PART_ATTRIBUTES = 32,
	PART_DATA = 64,
};

static const unsigned parts[STREAM_END + 1] = {
	[STREAM_DIRECTORY] = PART_NAME,
	[STREAM_ENTER] = PART_NAME,
	[STREAM_REMOVE] = PART_NAME,
	[STREAM_LEAVE] = PART_ATTRIBUTES,
	[STREAM_DONE] = PART_ATTRIBUTES,
	[STREAM_FILE] = PART_NAME | PART_SIZE,
	[STREAM_PATCH] = PART_NAME | PART_SIZE,
	[STREAM_DATA] = PART_OFFSET | PART_DATA,
	[STREAM_ZERO] = PART_OFFSET | PART_SIZE,
	[STREAM_LINK] = PART_NAME | PART_TARGET,
	[STREAM_SYMLINK] = PART_NAME | PART_TARGET | PART_ATTRIBUTES,
	[STREAM_NODE] = PART_NAME | PART_NODE | PART_ATTRIBUTES,
	[STREAM_CHANGE] = PART_NAME | PART_ATTRIBUTES,
};

static void take_node(struct cursor *c, struct stream_record *r)
{
	bool device;

	r->node = take32(c);
	r->major = take32(c);
	r->minor = take32(c);
	device = r->node == S_IFCHR || r->node == S_IFBLK;
	if ((!device && (r->major || r->minor)) || r->major > 0xfff || r->minor > 0xfffff ||
	    (!device && r->node != S_IFIFO && r->node != S_IFSOCK))
		c->bad = true;
}

static void take_size(struct cursor *c, struct stream_record *r)
{
	r->size = take64(c);
	if (r->size > INT64_MAX)
		c->bad = true;
	if (r->type == STREAM_ZERO && (r->size == 0 || r->offset > INT64_MAX - r->size))
		c->bad = true;
}

static void take_parts(struct cursor *c, struct stream_record *r, unsigned has)
{
	if (has & PART_NAME)
		take_name(c, r);
	if (has & PART_OFFSET)
		r->offset = take64(c);
	if (has & PART_SIZE)
		take_size(c, r);
	if (has & PART_TARGET)
		take_string(c, r->target, sizeof(r->target));
	if (has & PART_NODE)
		take_node(c, r);
	if (has & PART_ATTRIBUTES)
		take_attributes(c, &r->attributes);
	if (has & PART_DATA)
		take_rest(c, r);
	if (r->type == STREAM_LINK && !c->bad && !stream_path_is_sound(r->target))
		c->bad = true;
}

int stream_record_decode(struct stream_record *ret, const struct stream_frame *frame,
			 struct error *err)
{
	struct cursor c = { .p = frame->data, .left = frame->len };
	unsigned has;

	ret->type = (enum stream_type)frame->type;
	ret->name[0] = ret->target[0] = '\0';
	ret->size = ret->offset = ret->len = 0;
	ret->node = ret->major = ret->minor = 0;
	ret->attributes = (struct stream_attributes){ 0 };
	has = frame->type <= STREAM_END ? parts[frame->type] : 0;
	take_parts(&c, ret, has);
	if (has == 0 || c.bad || c.left > 0)
		return error_set(err, -EBADMSG, "a record of kind %u says nothing that can be.",
				 frame->type);
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int put_number(struct buf *b, uint64_t v, size_t bytes)
{
	uint8_t p[8];

	stream_put64(p, v);
	return buf_add(b, p, bytes);
}

static int put_string(struct buf *b, const char *s)
{
	size_t len = strlen(s);
	int r = put_number(b, len, 2);

	return r < 0 ? r : buf_add(b, s, len);
}

int stream_put_xattr(struct buf *b, const char *name, const void *value, size_t len)
{
	int r = put_string(b, name);

	if (r == 0)
		r = put_number(b, len, 4);
	return r == 0 && len > 0 ? buf_add(b, value, len) : r;
}

static int put_attributes(struct buf *b, const struct stream_attributes *a)
{
	const uint64_t numbers[][2] = {
		{ a->mode, 4 },        { a->uid, 4 },
		{ a->gid, 4 },         { (uint64_t)a->seconds, 8 },
		{ a->nanoseconds, 4 }, { a->n_xattrs, 4 },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(numbers) && r == 0; i++)
		r = put_number(b, numbers[i][0], numbers[i][1]);
	return r == 0 && a->xattrs_len > 0 ? buf_add(b, a->xattrs, a->xattrs_len) : r;
}

static int put_node(struct buf *b, const struct stream_record *r)
{
	int result = put_number(b, r->node, 4);

	if (result == 0)
		result = put_number(b, r->major, 4);
	return result == 0 ? put_number(b, r->minor, 4) : result;
}

int stream_record_encode(const struct stream_record *r, struct buf *b)
{
	unsigned has = parts[r->type];
	int result = 0;

	if (has & PART_NAME)
		result = put_string(b, r->name);
	if (result == 0 && has & PART_OFFSET)
		result = put_number(b, r->offset, 8);
	if (result == 0 && has & PART_SIZE)
		result = put_number(b, r->size, 8);
	if (result == 0 && has & PART_TARGET)
		result = put_string(b, r->target);
	if (result == 0 && has & PART_NODE)
		result = put_node(b, r);
	if (result == 0 && has & PART_ATTRIBUTES)
		result = put_attributes(b, &r->attributes);
	return result;
}
