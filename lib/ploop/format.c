#include "ploop/format.h"

#include <endian.h>
#include <string.h>

static const char magic[16] = { 'W', 'i', 't', 'h', 'o', 'u', 'F', 'r',
				'e', 'S', 'p', 'a', 'c', 'E', 'x', 't' };

enum {
	VERSION = 2,
	HEADS = 16, /* a geometry that nobody looks at; qemu-img writes the same */
	SECTORS_PER_TRACK = 32,
	AT_VERSION = 16,
	AT_HEADS = 20,
	AT_CYLINDERS = 24,
	AT_TRACKS = 28, /* the cluster, in sectors */
	AT_ENTRIES = 32,
	AT_SECTORS = 36, /* u64, not aligned */
	AT_IN_USE = 44,
	AT_DATA_START = 48,
	AT_FLAGS = 52,
	AT_EXTENSIONS = 56, /* u64: dirty bitmaps and the like */
	ENTRY = 4,
};

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

/* Others leave the start of the data to be inferred. */
static uint32_t inferred_start(uint32_t entries)
{
	return (uint32_t)(round_up(PLOOP_HEADER + (uint64_t)entries * ENTRY, PLOOP_CLUSTER) /
			  PLOOP_SECTOR);
}

static int check(const struct ploop_header *h, struct error *err)
{
	uint64_t clusters;

	if (h->sectors > PLOOP_SIZE_MAX / PLOOP_SECTOR) /* and rounded up it may be none at all */
		return error_set(err, -EBADMSG, "the image has %llu sectors, over %llu.",
				 (unsigned long long)h->sectors,
				 (unsigned long long)(PLOOP_SIZE_MAX / PLOOP_SECTOR));
	clusters = round_up(h->sectors, PLOOP_CLUSTER_SECTORS) / PLOOP_CLUSTER_SECTORS;
	if (h->entries > PLOOP_ENTRIES_MAX)
		return error_set(err, -EBADMSG, "the image's table has %u entries, over %u.",
				 h->entries, PLOOP_ENTRIES_MAX);
	if (clusters != h->entries)
		return error_set(err, -EBADMSG,
				 "the image has %llu sectors, which %u clusters do not fit.",
				 (unsigned long long)h->sectors, h->entries);
	if (h->data_start % PLOOP_CLUSTER_SECTORS || h->data_start < inferred_start(0))
		return error_set(err, -EBADMSG, "the image's data start at sector %u.",
				 h->data_start);
	if (ploop_room(h) < h->entries)
		return error_set(err, -EBADMSG, "the image's table reaches into its data.");
	return 0;
}

int ploop_header_decode(const uint8_t raw[PLOOP_HEADER], struct ploop_header *ret,
			struct error *err)
{
	struct ploop_header h;
	int r;

	if (memcmp(raw, magic, sizeof(magic)) != 0)
		return error_set(err, -EBADMSG, "it is no image of the parallels format.");
	if (get32(raw + AT_VERSION) != VERSION)
		return error_set(err, -EBADMSG, "the image has version %u, not %d.",
				 get32(raw + AT_VERSION), VERSION);
	if (get32(raw + AT_TRACKS) != PLOOP_CLUSTER_SECTORS)
		return error_set(err, -EBADMSG, "the image has clusters of %u sectors, not %d.",
				 get32(raw + AT_TRACKS), PLOOP_CLUSTER_SECTORS);
	if (get64(raw + AT_EXTENSIONS) != 0)
		return error_set(err, -EBADMSG, "the image has extensions, which are not known.");
	h = (struct ploop_header){
		.entries = get32(raw + AT_ENTRIES),
		.in_use = get32(raw + AT_IN_USE),
		.data_start = get32(raw + AT_DATA_START),
		.sectors = get64(raw + AT_SECTORS),
	};
	if (h.data_start == 0 && h.entries <= PLOOP_ENTRIES_MAX)
		h.data_start = inferred_start(h.entries);
	r = check(&h, err);
	if (r < 0)
		return r;
	*ret = h;
	return 0;
}

void ploop_header_encode(const struct ploop_header *h, uint8_t raw[PLOOP_HEADER])
{
	memset(raw, 0, PLOOP_HEADER);
	memcpy(raw, magic, sizeof(magic));
	put32(raw + AT_VERSION, VERSION);
	put32(raw + AT_HEADS, HEADS);
	put32(raw + AT_CYLINDERS, (uint32_t)(h->sectors / HEADS / SECTORS_PER_TRACK));
	put32(raw + AT_TRACKS, PLOOP_CLUSTER_SECTORS);
	put32(raw + AT_ENTRIES, h->entries);
	put64(raw + AT_SECTORS, h->sectors);
	put32(raw + AT_IN_USE, h->in_use);
	put32(raw + AT_DATA_START, h->data_start);
	put32(raw + AT_FLAGS, 0);
}

int ploop_header_new(uint64_t bytes, uint64_t room_for, struct ploop_header *ret)
{
	uint64_t entries = bytes / PLOOP_CLUSTER, room = entries * PLOOP_GROWTH;

	if (bytes == 0 || bytes % PLOOP_CLUSTER)
		return -EINVAL;
	if (bytes > PLOOP_SIZE_MAX || room_for > PLOOP_SIZE_MAX)
		return -EFBIG;
	if (room < room_for / PLOOP_CLUSTER)
		room = room_for / PLOOP_CLUSTER;
	if (room < PLOOP_GROWTH_MIN)
		room = PLOOP_GROWTH_MIN;
	if (room > PLOOP_ENTRIES_MAX)
		room = PLOOP_ENTRIES_MAX;
	/* whole clusters of table; the first has 16 entries less, for the header */
	*ret = (struct ploop_header){ .entries = (uint32_t)entries,
				      .data_start = inferred_start((uint32_t)room -
								   PLOOP_HEADER / ENTRY),
				      .sectors = bytes / PLOOP_SECTOR };
	if (ploop_room(ret) < entries || ploop_room(ret) < room_for / PLOOP_CLUSTER)
		ret->data_start += PLOOP_CLUSTER_SECTORS; /* to the last cluster */
	return 0;
}

uint32_t ploop_room(const struct ploop_header *h)
{
	uint64_t room = ((uint64_t)h->data_start * PLOOP_SECTOR - PLOOP_HEADER) / ENTRY;

	return room > PLOOP_ENTRIES_MAX ? PLOOP_ENTRIES_MAX : (uint32_t)room;
}

uint32_t ploop_first_cluster(const struct ploop_header *h)
{
	return h->data_start / PLOOP_CLUSTER_SECTORS;
}
