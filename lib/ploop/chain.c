#include "ploop/chain.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "ploop/image.h"

enum {
	PAGE_ENTRIES = 1024, /* of the table: what is written at once */
	LAYER_NONE = 0xff,   /* nobody has it */
	LAYER_STALE = 0xfe,  /* an image has it, but the disk was shorter since */
};

struct ploop_chain {
	int fds[PLOOP_CHAIN_MAX];
	size_t n;
	bool writable;
	struct ploop_header top;
	uint32_t room;      /* entries of the arrays below: of the top's table */
	uint32_t next_free; /* cluster of the top's file */
	uint32_t *place;    /* where in its image each cluster of the disk is ... */
	uint8_t *layer;     /* ... and in which */
	uint32_t *table;    /* the top's own */
	uint8_t *dirty;     /* pages of it that are not written */
	bool any_dirty;
	bool data_dirty; /* something was written since the last sync */
	uint8_t *buffer; /* a cluster */
};

static size_t pages_of(uint32_t entries)
{
	return (entries + PAGE_ENTRIES - 1) / PAGE_ENTRIES;
}

static void free_chain(struct ploop_chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		cleanup_close(&c->fds[i]);
	free(c->place);
	free(c->layer);
	free(c->table);
	free(c->dirty);
	free(c->buffer);
	free(c);
}

static void free_chainp(struct ploop_chain **c)
{
	if (*c)
		free_chain(*c);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int allocate(struct ploop_chain *c)
{
	c->room = ploop_room(&c->top);
	c->place = calloc(c->room, sizeof(*c->place));
	c->layer = malloc(c->room);
	c->table = calloc(c->room, sizeof(*c->table));
	c->dirty = calloc(pages_of(c->room), 1);
	c->buffer = malloc(PLOOP_CLUSTER);
	if (!c->place || !c->layer || !c->table || !c->dirty || !c->buffer)
		return -ENOMEM;
	memset(c->layer, LAYER_NONE, c->room);
	return 0;
}

/* Lays image k over those below: what it has is seen, what is behind its end is not any more. */
static int lay_over(struct ploop_chain *c, size_t k, struct error *err)
{
	_free_ uint32_t *table = NULL;
	struct ploop_header h;
	int r = ploop_image_header(c->fds[k], &h, err);

	if (r == 0)
		r = image_read_table(c->fds[k], &h, &table, err);
	if (!table)
		return r;
	for (uint32_t i = 0; i < h.entries && i < c->room; i++) {
		if (table[i] == PLOOP_NOWHERE)
			continue;
		c->place[i] = table[i];
		c->layer[i] = (uint8_t)k;
	}
	for (uint32_t i = h.entries; i < c->room; i++)
		if (c->layer[i] != LAYER_NONE)
			c->layer[i] = LAYER_STALE;
	if (k == c->n - 1)
		memcpy(c->table, table, (size_t)h.entries * sizeof(*table));
	return 0;
}

/* Behind the last cluster that the table knows there may be what a dead writer has left: what is
 * new has to read as zeros. */
static int begin_writing(struct ploop_chain *c)
{
	int top = c->fds[c->n - 1];

	c->next_free = ploop_first_cluster(&c->top);
	for (uint32_t i = 0; i < c->top.entries; i++)
		if (c->table[i] >= c->next_free)
			c->next_free = c->table[i] + 1;
	if (c->top.in_use == PLOOP_IN_USE) {
		/* entries that pointed to nowhere are nowhere from now on */
		int r = image_write_table(top, c->table, 0, c->top.entries);

		if (r < 0)
			return r;
	}
	if (ftruncate(top, (off_t)c->next_free * PLOOP_CLUSTER) < 0)
		return -errno;
	c->top.in_use = PLOOP_IN_USE;
	if (image_write_header(top, &c->top) < 0 || fdatasync(top) < 0)
		return -errno;
	return 0;
}

int ploop_chain_open(const int *fds, size_t n, bool writable, struct ploop_chain **ret,
		     struct error *err)
{
	_cleanup_(free_chainp) struct ploop_chain *c = calloc(1, sizeof(*c));
	int r;

	if (!c || n == 0 || n > PLOOP_CHAIN_MAX) {
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
		return error_set(err, c ? -E2BIG : -ENOMEM, "a chain of %zu images", n);
	}
	memcpy(c->fds, fds, n * sizeof(*fds));
	c->n = n;
	c->writable = writable;
	r = ploop_image_header(fds[n - 1], &c->top, err);
	if (r < 0)
		return r;
	if (allocate(c) < 0)
		return error_set(err, -ENOMEM, "the table of an image");
	for (size_t k = 0; k < n && r == 0; k++) {
		r = lay_over(c, k, err);
		if (r < 0)
			return error_prefix(err, r, "image %zu of %zu", k, n);
	}
	r = writable ? begin_writing(c) : 0;
	if (r < 0)
		return error_set(err, r, "cannot begin to write to the image");
	*ret = take_ptr(&c);
	return 0;
}

/* The top is complete, and says so. */
static int finish(struct ploop_chain *c)
{
	struct ploop_header h = c->top;
	int r = ploop_chain_sync(c), top = c->fds[c->n - 1];

	if (r < 0)
		return r;
	h.in_use = 0;
	r = image_write_header(top, &h);
	return r == 0 && fdatasync(top) < 0 ? -errno : r;
}

void ploop_chain_close(struct ploop_chain *c)
{
	if (!c)
		return;
	if (c->writable)
		(void)!finish(c);
	free_chain(c);
}

uint64_t ploop_chain_size(const struct ploop_chain *c)
{
	return c->top.sectors * PLOOP_SECTOR;
}

bool ploop_chain_is_dirty(const struct ploop_chain *c)
{
	return c->any_dirty;
}

/* ---- reading and writing --------------------------------------------------------------------- */

static bool is_of_image(const struct ploop_chain *c, uint32_t i)
{
	return c->layer[i] < LAYER_STALE;
}

static bool is_of_top(const struct ploop_chain *c, uint32_t i)
{
	return c->layer[i] == c->n - 1;
}

static uint64_t place_of(const struct ploop_chain *c, uint32_t i)
{
	return (uint64_t)c->place[i] * PLOOP_CLUSTER;
}

/* A range within one cluster. */
struct part {
	uint32_t cluster;
	uint32_t at;
	size_t len;
};

static struct part first_part(uint64_t at, uint64_t len)
{
	struct part p = { .cluster = (uint32_t)(at / PLOOP_CLUSTER), .at = at % PLOOP_CLUSTER };

	p.len = len < PLOOP_CLUSTER - p.at ? len : PLOOP_CLUSTER - p.at;
	return p;
}

static bool is_inside(const struct ploop_chain *c, uint64_t at, uint64_t len)
{
	uint64_t size = ploop_chain_size(c);

	return at <= size && len <= size - at;
}

static int read_part(struct ploop_chain *c, const struct part *p, void *data)
{
	if (!is_of_image(c, p->cluster)) {
		memset(data, 0, p->len);
		return 0;
	}
	return image_read(c->fds[c->layer[p->cluster]], data, p->len,
			  place_of(c, p->cluster) + p->at);
}

int ploop_chain_read(struct ploop_chain *c, void *data, size_t len, uint64_t at)
{
	uint8_t *to = data;
	int r = is_inside(c, at, len) ? 0 : -EINVAL;

	while (len > 0 && r == 0) {
		struct part p = first_part(at, len);

		r = read_part(c, &p, to);
		to += p.len;
		at += p.len;
		len -= p.len;
	}
	return r;
}

/* Cluster i of the disk is the next of the top's file, which holds its data already. */
static void enter(struct ploop_chain *c, uint32_t i)
{
	c->place[i] = c->table[i] = c->next_free++;
	c->layer[i] = (uint8_t)(c->n - 1);
	c->dirty[i / PAGE_ENTRIES] = 1;
	c->any_dirty = true;
}

/* A new cluster, with these bytes in it and around them what images below have. */
static int write_new(struct ploop_chain *c, const struct part *p, const uint8_t *data)
{
	uint64_t at = (uint64_t)c->next_free * PLOOP_CLUSTER;
	const struct part whole = { .cluster = p->cluster, .len = PLOOP_CLUSTER };
	int top = c->fds[c->n - 1], r = 0;

	if (is_of_image(c, p->cluster) && p->len < PLOOP_CLUSTER) {
		r = read_part(c, &whole, c->buffer);
		if (r == 0) {
			memcpy(c->buffer + p->at, data, p->len);
			r = image_write_sparse(top, c->buffer, PLOOP_CLUSTER, at);
		}
	} else {
		r = pwrite_all(top, data, p->len, at + p->at);
	}
	if (r == 0 && ftruncate(top, (off_t)(at + PLOOP_CLUSTER)) < 0)
		r = -errno;
	if (r < 0) { /* nothing of it stays: the next one begins with zeros */
		(void)!ftruncate(top, (off_t)at);
		return r;
	}
	enter(c, p->cluster);
	return 0;
}

int ploop_chain_write(struct ploop_chain *c, const void *data, size_t len, uint64_t at)
{
	const uint8_t *from = data;
	int r = !c->writable ? -EROFS : is_inside(c, at, len) ? 0 : -EINVAL;

	while (len > 0 && r == 0) {
		struct part p = first_part(at, len);

		r = is_of_top(c, p.cluster) ? pwrite_all(c->fds[c->n - 1], from, p.len,
							 place_of(c, p.cluster) + p.at)
					    : write_new(c, &p, from);
		from += p.len;
		at += p.len;
		len -= p.len;
		c->data_dirty = true;
	}
	return r;
}

/* An empty cluster of the top hides what is below. */
static int cover(struct ploop_chain *c, uint32_t i)
{
	off_t end = ((off_t)c->next_free + 1) * PLOOP_CLUSTER;

	if (ftruncate(c->fds[c->n - 1], end) < 0)
		return -errno;
	enter(c, i);
	return 0;
}

static int zero_part(struct ploop_chain *c, const struct part *p)
{
	static const uint8_t zeros[PLOOP_CLUSTER];
	int top = c->fds[c->n - 1];

	if (!is_of_image(c, p->cluster))
		return 0;
	if (!is_of_top(c, p->cluster))
		return p->len == PLOOP_CLUSTER ? cover(c, p->cluster) : write_new(c, p, zeros);
	if (fallocate(top, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)(place_of(c, p->cluster) + p->at), (off_t)p->len) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return -errno;
	return pwrite_all(top, zeros, p->len, place_of(c, p->cluster) + p->at);
}

int ploop_chain_zero(struct ploop_chain *c, uint64_t at, uint64_t len)
{
	int r = !c->writable ? -EROFS : is_inside(c, at, len) ? 0 : -EINVAL;

	while (len > 0 && r == 0) {
		struct part p = first_part(at, len);

		r = zero_part(c, &p);
		at += p.len;
		len -= p.len;
		c->data_dirty = true;
	}
	return r;
}

int ploop_chain_sync(struct ploop_chain *c)
{
	int top = c->fds[c->n - 1], r = 0;

	if (!c->writable || (!c->data_dirty && !c->any_dirty))
		return 0;
	if (fdatasync(top) < 0)
		return -errno;
	c->data_dirty = false;
	if (!c->any_dirty)
		return 0;
	for (size_t page = 0; page < pages_of(c->room) && r == 0; page++) {
		uint32_t from = (uint32_t)page * PAGE_ENTRIES, n = c->room - from;

		if (!c->dirty[page])
			continue;
		r = image_write_table(top, c->table, from, n < PAGE_ENTRIES ? n : PAGE_ENTRIES);
	}
	if (r == 0 && fdatasync(top) < 0)
		r = -errno;
	if (r < 0)
		return r;
	memset(c->dirty, 0, pages_of(c->room));
	c->any_dirty = false;
	return 0;
}

/* ---- changes of the chain -------------------------------------------------------------------- */

int ploop_chain_resize(struct ploop_chain *c, uint64_t bytes)
{
	struct ploop_header h = c->top;
	uint64_t entries = bytes / PLOOP_CLUSTER;
	int r = 0;

	if (!c->writable)
		return -EROFS;
	if (bytes == 0 || bytes % PLOOP_CLUSTER || entries < c->top.entries)
		return -EINVAL;
	if (entries > c->room)
		return -EFBIG;
	for (uint32_t i = c->top.entries; i < entries && r == 0; i++)
		if (c->layer[i] == LAYER_STALE)
			r = cover(c, i);
	if (r == 0)
		r = ploop_chain_sync(c);
	if (r < 0)
		return r;
	h.entries = (uint32_t)entries;
	h.sectors = bytes / PLOOP_SECTOR;
	r = image_write_header(c->fds[c->n - 1], &h);
	if (r == 0 && fdatasync(c->fds[c->n - 1]) < 0)
		r = -errno;
	if (r == 0)
		c->top = h;
	return r;
}

int ploop_chain_switch(struct ploop_chain *c, const int *fds, size_t n, struct error *err)
{
	_ploop_chain_ struct ploop_chain *other = NULL;
	struct ploop_chain swap;
	int r = c->writable ? finish(c) : -EROFS;

	if (r < 0) {
		for (size_t i = 0; i < n; i++)
			close(fds[i]);
		return error_set(err, r, "cannot complete the image");
	}
	r = ploop_chain_open(fds, n, true, &other, err);
	if (r == 0 && ploop_chain_size(other) != ploop_chain_size(c))
		r = error_set(err, -EINVAL, "the new chain has another size.");
	if (r < 0) {
		/* as it was: in use */
		(void)!image_write_header(c->fds[c->n - 1], &c->top);
		return r;
	}
	swap = *c;
	*c = *other;
	*other = swap;
	other->writable = false; /* is finished */
	return 0;
}

/* ---- several images -------------------------------------------------------------------------- */

static int duplicate_all(const int *fds, size_t n, int *ret)
{
	for (size_t i = 0; i < n; i++) {
		ret[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (ret[i] >= 0)
			continue;
		for (size_t j = 0; j < i; j++)
			close(ret[j]);
		return -errno;
	}
	return 0;
}

/* The images as a chain that is only read; the caller keeps his descriptors. */
static int open_to_read(const int *fds, size_t n, struct ploop_chain **ret, struct error *err)
{
	int own[PLOOP_CHAIN_MAX];
	int r = n > PLOOP_CHAIN_MAX ? -E2BIG : duplicate_all(fds, n, own);

	return r < 0 ? error_set(err, r, "cannot take %zu images", n)
		     : ploop_chain_open(own, n, false, ret, err);
}

/* Where the file system can, the cluster is shared. */
static int copy_cluster(struct ploop_chain *c, uint32_t i, int to, uint64_t at)
{
	const struct part whole = { .cluster = i, .len = PLOOP_CLUSTER };
	const struct file_clone_range range = {
		.src_fd = c->fds[c->layer[i]],
		.src_offset = place_of(c, i),
		.src_length = PLOOP_CLUSTER,
		.dest_offset = at,
	};
	int r;

	if (ioctl(to, FICLONERANGE, &range) == 0)
		return 0;
	r = read_part(c, &whole, c->buffer);
	return r < 0 ? r : image_write_sparse(to, c->buffer, PLOOP_CLUSTER, at);
}

static int merge_into(struct ploop_chain *c, int to)
{
	_free_ uint32_t *table = calloc(c->top.entries, sizeof(*table));
	struct ploop_header h;
	int r = table ? ploop_image_header(to, &h, NULL) : -ENOMEM;
	uint32_t next = r < 0 ? 0 : ploop_first_cluster(&h);

	for (uint32_t i = 0; i < c->top.entries && r == 0; i++) {
		/* what is stale is covered: an image below the merged ones may have it */
		if (c->layer[i] == LAYER_NONE)
			continue;
		if (is_of_image(c, i))
			r = copy_cluster(c, i, to, (uint64_t)next * PLOOP_CLUSTER);
		table[i] = next++;
	}
	if (r == 0 && ftruncate(to, (off_t)next * PLOOP_CLUSTER) < 0)
		r = -errno;
	if (r == 0)
		r = image_write_table(to, table, 0, c->top.entries);
	return r == 0 && fsync(to) < 0 ? -errno : r;
}

int ploop_merge(const int *fds, size_t n, int to, struct error *err)
{
	_ploop_chain_ struct ploop_chain *c = NULL;
	int r = open_to_read(fds, n, &c, err);

	if (!c)
		return r;
	r = merge_into(c, to);
	return r < 0 ? error_set(err, r, "cannot merge %zu images", n) : 0;
}

int ploop_has_data_from(const int *fds, size_t n, uint64_t bytes, struct error *err)
{
	_ploop_chain_ struct ploop_chain *c = NULL;
	int r = open_to_read(fds, n, &c, err);

	if (!c)
		return r;
	for (uint32_t i = (uint32_t)(bytes / PLOOP_CLUSTER); i < c->top.entries; i++) {
		const struct part whole = { .cluster = i, .len = PLOOP_CLUSTER };

		r = read_part(c, &whole, c->buffer);
		if (r < 0)
			return error_set(err, r, "cannot read cluster %u", i);
		if (!image_is_zero(c->buffer, PLOOP_CLUSTER))
			return 1;
	}
	return 0;
}
