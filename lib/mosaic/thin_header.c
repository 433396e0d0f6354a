#include <inttypes.h>
#include <string.h>

#include "mosaic/thin.h"

#define MAGIC "Carob thin pool 1\n"

enum {
	MIB = 1 << 20,
	MIB_SECTORS = MIB / SECTOR,
	BLOCK_DEFAULT = 64 << 10, /* bytes, as the limits of the thin-pool target */
	BLOCK_MIN = 64 << 10,
	BLOCK_MAX = 1 << 30,
	METADATA_PER_BLOCK = 64, /* bytes; the kernel's documentation says 48, without snapshots */
	METADATA_MIN_MIB = 4,
	METADATA_MAX_MIB = 16192, /* the target uses no more */
	DATA_MIN_MIB = 96,
	OWN_PART = 16, /* of the data, for the mosaic's own volume */
	OWN_MIN_MIB = 64,
	OWN_MAX_MIB = 1024,
};

static uint64_t choose_own(uint64_t data, uint64_t wanted)
{
	uint64_t mib = data / OWN_PART / MIB;

	if (wanted)
		return (wanted + MIB - 1) / MIB * MIB;
	mib = mib < OWN_MIN_MIB ? OWN_MIN_MIB : mib;
	return (mib > OWN_MAX_MIB ? OWN_MAX_MIB : mib) * MIB;
}

int thin_header_plan(uint64_t bytes, uint32_t block_size, uint64_t own, struct thin_header *ret,
		     struct error *err)
{
	uint64_t block = block_size ? block_size : BLOCK_DEFAULT, metadata;
	struct thin_header h = { 0 };

	if (block < BLOCK_MIN || block > BLOCK_MAX || block % BLOCK_MIN != 0)
		return error_set(err, -EINVAL,
				 "a pool's blocks are of 64 KiB to 1 GiB, a multiple of 64 KiB.");
	metadata = bytes / block * METADATA_PER_BLOCK / MIB + 1; /* MiB from here */
	metadata = metadata < METADATA_MIN_MIB ? METADATA_MIN_MIB : metadata;
	metadata = metadata > METADATA_MAX_MIB ? METADATA_MAX_MIB : metadata;
	if (bytes / MIB < 1 + metadata + DATA_MIN_MIB)
		return error_set(err, -ENOSPC, "a pool needs at least %" PRIu64 " MiB.",
				 1 + metadata + DATA_MIN_MIB);
	h.block = block / SECTOR;
	h.metadata_start = MIB_SECTORS;
	h.metadata_length = metadata * MIB_SECTORS;
	h.data_start = h.metadata_start + h.metadata_length;
	h.data_length = (bytes / SECTOR - h.data_start) / h.block * h.block;
	h.own = choose_own(h.data_length * SECTOR, own);
	if (h.own < (uint64_t)OWN_MIN_MIB * MIB || h.own > h.data_length * SECTOR / 4 * 3)
		return error_set(err, -EINVAL,
				 "the mosaic's own volume needs 64 MiB, and may take three "
				 "quarters of the pool's %" PRIu64 " bytes.",
				 h.data_length * SECTOR);
	*ret = h;
	return 0;
}

void thin_header_format(const struct thin_header *h, char dst[THIN_HEADER_BYTES])
{
	memset(dst, 0, THIN_HEADER_BYTES);
	snprintf(dst, THIN_HEADER_BYTES,
		 MAGIC "id %s\nstate %s\nblock %" PRIu64 "\nmetadata %" PRIu64 " %" PRIu64
		       "\ndata %" PRIu64 " %" PRIu64 "\n"
		       "own %" PRIu64 "\n",
		 h->id, h->made ? "made" : "begun", h->block, h->metadata_start, h->metadata_length,
		 h->data_start, h->data_length, h->own);
}

static bool is_sound(const struct thin_header *h)
{
	return h->block >= BLOCK_MIN / SECTOR && h->metadata_start >= THIN_HEADER_BYTES / SECTOR &&
	       h->metadata_length > 0 && h->data_length >= h->block &&
	       h->data_start >= h->metadata_start + h->metadata_length && h->own > 0 &&
	       h->own <= h->data_length * SECTOR;
}

int thin_header_parse(const char *src, size_t size, struct thin_header *ret)
{
	struct thin_header h = { 0 };
	char text[THIN_HEADER_BYTES + 1], state[8];
	size_t len = strlen(MAGIC);

	if (size > THIN_HEADER_BYTES)
		size = THIN_HEADER_BYTES;
	memcpy(text, src, size);
	text[size] = '\0';
	if (strncmp(text, MAGIC, len) != 0)
		return -ENODATA;
	if (sscanf(text + len,
		   "id %32[0-9a-f] state %7s block %" SCNu64 " metadata %" SCNu64 " %" SCNu64
		   " data %" SCNu64 " %" SCNu64 " own %" SCNu64,
		   h.id, state, &h.block, &h.metadata_start, &h.metadata_length, &h.data_start,
		   &h.data_length, &h.own) != 8 ||
	    !hex_is(h.id, 32) || !is_sound(&h))
		return -EBADMSG;
	h.made = str_eq(state, "made");
	*ret = h;
	return 0;
}

/* ---- what else may be there ------------------------------------------------------------------ */

static const struct {
	const char *name;
	uint32_t at;
	uint8_t len;
	const char *magic;
} signatures[] = {
	{ "ext2, ext3 or ext4", 1080, 2, "\x53\xef" },
	{ "xfs", 0, 4, "XFSB" },
	{ "btrfs", 0x10040, 8, "_BHRfS_M" },
	{ "a LUKS container", 0, 6, "LUKS\xba\xbe" },
	{ "an LVM volume", 0, 8, "LABELONE" },
	{ "an LVM volume", 512, 8, "LABELONE" },
	{ "an LVM volume", 1024, 8, "LABELONE" },
	{ "an LVM volume", 1536, 8, "LABELONE" },
	{ "swap space", 4086, 10, "SWAPSPACE2" },
	{ "a partition table (GPT)", 512, 8, "EFI PART" },
	{ "squashfs", 0, 4, "hsqs" },
	{ "erofs", 1024, 4, "\xe2\xe1\xf5\xe0" },
	{ "f2fs", 1024, 4, "\x10\x20\xf5\xf2" },
	{ "an ISO 9660 file system", 0x8001, 5, "CD001" },
	{ "a part of a RAID array", 4096, 4, "\xfc\x4e\x2b\xa9" },
	{ "a part of a RAID array", 0, 4, "\xfc\x4e\x2b\xa9" },
	{ "a bcache device", 4120, 4, "\xc6\x85\x73\xf6" },
	{ "a part of a ZFS pool", 0x20000, 8, "\x0c\xb1\xba\x00\x00\x00\x00\x00" },
	{ "a part of a ZFS pool", 0x21000, 8, "\x0c\xb1\xba\x00\x00\x00\x00\x00" },
	{ "a qcow2 image", 0, 4, "QFI\xfb" },
	{ "a ploop image", 0, 16, "WithoutFreeSpace" },
	{ "a ploop image", 0, 16, "WithouFreSpacExt" },
	{ "thin-pool metadata", 32, 4, "\xba\x52\x9c\x01" },
	{ "a pool of a mosaic", 0, 17, "Carob thin pool 1" },
	{ "NTFS", 3, 4, "NTFS" },
	{ "a partition table or a FAT file system", 510, 2, "\x55\xaa" },
};

const char *signature_find(const char *src, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++)
		if (signatures[i].at + signatures[i].len <= size &&
		    memcmp(src + signatures[i].at, signatures[i].magic, signatures[i].len) == 0)
			return signatures[i].name;
	for (size_t i = 0; i < size; i++)
		if (src[i])
			return "data of an unknown kind";
	return NULL;
}
