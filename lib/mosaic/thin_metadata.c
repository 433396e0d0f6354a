/*
 * Which thin volumes a pool has: the kernel answers no such question, but lets a snapshot of the
 * pool's metadata be read. Only the tree of devices is looked at: a B-tree from the number to
 * {blocks mapped, ...}. Layout: the kernel's drivers/md/dm-thin-metadata.c and
 * persistent-data/dm-btree-internal.h.
 */
#include <endian.h>
#include <fcntl.h>
#include <string.h>

#include "mosaic/thin.h"

enum {
	BLOCK = 4096,
	SUPER_MAGIC_AT = 32,
	SUPER_DETAILS_AT = 328,
	SUPER_MAGIC = 27022010,
	NODE_FLAGS_AT = 4,
	NODE_BLOCK_AT = 8,
	NODE_ENTRIES_AT = 16,
	NODE_MAX_AT = 20,
	NODE_VALUE_AT = 24,
	NODE_HEADER = 32,
	NODE_INTERNAL = 1,
	DETAILS_BYTES = 24,
	KEY_BYTES = 8,
	DEPTH_MAX = 16,
};

struct block {
	_Alignas(BLOCK) unsigned char bytes[BLOCK];
};

static uint32_t get32(const struct block *b, size_t at)
{
	uint32_t v;

	memcpy(&v, b->bytes + at, sizeof(v));
	return le32toh(v);
}

static uint64_t get64(const struct block *b, size_t at)
{
	uint64_t v;

	memcpy(&v, b->bytes + at, sizeof(v));
	return le64toh(v);
}

struct walk {
	const struct thin_metadata *t;
	thin_id_fn fn;
	void *arg;
};

/* A node whose entries are all within it. */
static int read_node(const struct walk *w, uint64_t at, struct block *b)
{
	int r = w->t->read(at, b->bytes, w->t->arg);
	uint64_t entries, max, value;

	if (r < 0)
		return r;
	entries = get32(b, NODE_ENTRIES_AT);
	max = get32(b, NODE_MAX_AT);
	value = get32(b, NODE_VALUE_AT);
	if (get64(b, NODE_BLOCK_AT) != at || entries > max || value < KEY_BYTES ||
	    NODE_HEADER + max * (KEY_BYTES + value) > BLOCK)
		return -EBADMSG;
	return 0;
}

static int walk_node(const struct walk *w, uint64_t at, unsigned depth)
{
	_free_ struct block *b = NULL;
	size_t entries, values, value;
	int r;

	if (depth > DEPTH_MAX)
		return -EBADMSG;
	b = aligned_alloc(BLOCK, sizeof(*b));
	if (!b)
		return -ENOMEM;
	r = read_node(w, at, b);
	if (r < 0)
		return r;
	entries = get32(b, NODE_ENTRIES_AT);
	value = get32(b, NODE_VALUE_AT);
	values = NODE_HEADER + (size_t)get32(b, NODE_MAX_AT) * KEY_BYTES;
	for (size_t i = 0; i < entries && r == 0; i++) {
		uint64_t first = get64(b, values + i * value);

		if (get32(b, NODE_FLAGS_AT) & NODE_INTERNAL)
			r = walk_node(w, first, depth + 1);
		else if (value == DETAILS_BYTES)
			r = w->fn((uint32_t)get64(b, NODE_HEADER + i * KEY_BYTES), first, w->arg);
		else
			r = -EBADMSG;
	}
	return r;
}

int thin_metadata_each(const struct thin_metadata *t, uint64_t held, thin_id_fn fn, void *arg)
{
	const struct walk w = { t, fn, arg };
	_free_ struct block *super = aligned_alloc(BLOCK, sizeof(*super));
	int r;

	if (!super)
		return -ENOMEM;
	r = t->read(held, super->bytes, t->arg);
	if (r < 0)
		return r;
	if (get64(super, SUPER_MAGIC_AT) != SUPER_MAGIC)
		return -EBADMSG;
	return walk_node(&w, get64(super, SUPER_DETAILS_AT), 0);
}

/* ---- of a pool that is up -------------------------------------------------------------------- */

static int read_block(uint64_t block, void *dst, void *arg)
{
	const int *fd = arg;
	ssize_t n = pread(*fd, dst, BLOCK, (off_t)(block * BLOCK));

	if (n < 0)
		return -errno;
	return n == BLOCK ? 0 : -EBADMSG;
}

/* One at a time: what a dead reader has left goes first. */
static int reserve(const struct thin *t, const char *pool)
{
	int r = dm_message(t->control, pool, "reserve_metadata_snap");

	if (r == -EBUSY && dm_message(t->control, pool, "release_metadata_snap") == 0)
		r = dm_message(t->control, pool, "reserve_metadata_snap");
	return r;
}

int thin_each(struct thin *t, thin_id_fn fn, void *arg, struct error *err)
{
	char pool[DM_NAME_MAX + 1], meta[DM_NAME_MAX + 1];
	_close_ int fd = -1;
	const struct thin_metadata metadata = { read_block, &fd };
	struct dm_pool_status s;
	int r, last;

	snprintf(pool, sizeof(pool), "mosaic-%s-pool", t->header.id);
	snprintf(meta, sizeof(meta), "mosaic-%s-tmeta", t->header.id);
	fd = dm_open_device(t->control, meta, O_RDONLY | O_DIRECT, NULL);
	if (fd < 0)
		return error_set(err, fd, "cannot open the metadata of the pool on %s", t->path);
	r = reserve(t, pool);
	if (r < 0)
		return error_set(err, r, "cannot take a snapshot of the metadata of the pool on %s",
				 t->path);
	r = thin_pool_status(t, &s, err);
	if (r == 0) {
		r = thin_metadata_each(&metadata, s.held_root, fn, arg);
		if (r < 0)
			error_set(err, r, "cannot read the metadata of the pool on %s", t->path);
	}
	last = dm_message(t->control, pool, "release_metadata_snap");
	if (last < 0 && r == 0)
		r = error_set(err, last, "cannot let go of the metadata snapshot of the pool on %s",
			      t->path);
	return r;
}
