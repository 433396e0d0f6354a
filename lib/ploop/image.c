#include "ploop/image.h"

#include <endian.h>
#include <string.h>
#include <sys/stat.h>

#include "ploop/ploop.h"

enum {
	ENTRY = 4,
	CHUNK = 4096, /* of the table, and of what is left out when it is zero */
};

int image_read(int fd, void *data, size_t len, uint64_t at)
{
	uint8_t *to = data;

	while (len > 0) {
		ssize_t n = pread(fd, to, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			memset(to, 0, len);
			return 0;
		}
		to += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

bool image_is_zero(const uint8_t *data, size_t len)
{
	return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

int image_write_sparse(int fd, const uint8_t *data, size_t len, uint64_t at)
{
	int r = 0;

	for (size_t i = 0; i < len && r == 0; i += CHUNK) {
		size_t n = len - i < CHUNK ? len - i : CHUNK;

		if (!image_is_zero(data + i, n))
			r = pwrite_all(fd, data + i, n, at + i);
	}
	return r;
}

int ploop_image_header(int fd, struct ploop_header *ret, struct error *err)
{
	uint8_t raw[PLOOP_HEADER];
	int r = image_read(fd, raw, sizeof(raw), 0);

	return r < 0 ? error_set(err, r, "cannot read the header of an image")
		     : ploop_header_decode(raw, ret, err);
}

int image_write_header(int fd, const struct ploop_header *h)
{
	uint8_t raw[PLOOP_HEADER];

	ploop_header_encode(h, raw);
	return pwrite_all(fd, raw, sizeof(raw), 0);
}

int image_read_table(int fd, const struct ploop_header *h, uint32_t **ret, struct error *err)
{
	_free_ uint32_t *table = calloc(h->entries ? h->entries : 1, sizeof(*table));
	uint64_t end;
	struct stat st;
	int r;

	if (!table)
		return error_set(err, -ENOMEM, "an image's table of %u entries", h->entries);
	r = fstat(fd, &st) < 0 ? -errno
			       : image_read(fd, table, (size_t)h->entries * ENTRY, PLOOP_HEADER);
	if (r < 0)
		return error_set(err, r, "cannot read an image's table");
	end = ((uint64_t)st.st_size + PLOOP_CLUSTER - 1) / PLOOP_CLUSTER;
	for (uint32_t i = 0; i < h->entries; i++) {
		table[i] = le32toh(table[i]);
		if (table[i] == PLOOP_NOWHERE ||
		    (table[i] >= ploop_first_cluster(h) && table[i] < end))
			continue;
		if (h->in_use != PLOOP_IN_USE)
			return error_set(err, -EBADMSG,
					 "entry %u of the image's table says cluster %u, which is "
					 "not in the file.",
					 i, table[i]);
		table[i] = PLOOP_NOWHERE;
	}
	*ret = take_ptr(&table);
	return 0;
}

int image_write_table(int fd, const uint32_t *table, uint32_t from, uint32_t n)
{
	uint32_t raw[CHUNK / ENTRY];

	while (n > 0) {
		uint32_t part = n < ARRAY_SIZE(raw) ? n : (uint32_t)ARRAY_SIZE(raw);
		int r;

		for (uint32_t i = 0; i < part; i++)
			raw[i] = htole32(table[from + i]);
		r = pwrite_all(fd, raw, (size_t)part * ENTRY,
			       PLOOP_HEADER + (uint64_t)from * ENTRY);
		if (r < 0)
			return r;
		from += part;
		n -= part;
	}
	return 0;
}

int ploop_image_make(int fd, uint64_t bytes, uint64_t room_for)
{
	struct ploop_header h;
	int r = ploop_header_new(bytes, room_for, &h);

	if (r == 0)
		r = image_write_header(fd, &h);
	if (r == 0 && ftruncate(fd, (off_t)h.data_start * PLOOP_SECTOR) < 0)
		r = -errno;
	return r;
}

int ploop_image_set_size(int fd, uint64_t bytes)
{
	static const uint32_t nowhere[CHUNK / ENTRY];
	struct ploop_header h;
	uint32_t entries = (uint32_t)(bytes / PLOOP_CLUSTER);
	int r = ploop_image_header(fd, &h, NULL);

	if (r < 0)
		return r;
	if (bytes > PLOOP_SIZE_MAX || entries > ploop_room(&h))
		return -EFBIG;
	for (uint32_t i = entries; i < h.entries && r == 0; i += ARRAY_SIZE(nowhere)) {
		uint32_t n = h.entries - i;

		if (n > ARRAY_SIZE(nowhere))
			n = ARRAY_SIZE(nowhere);
		r = pwrite_all(fd, nowhere, (size_t)n * ENTRY, PLOOP_HEADER + (uint64_t)i * ENTRY);
	}
	h.entries = entries;
	h.sectors = bytes / PLOOP_SECTOR;
	if (r == 0)
		r = image_write_header(fd, &h);
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

int ploop_image_check(int fd, struct error *err)
{
	_free_ uint32_t *table = NULL;
	_free_ uint8_t *taken = NULL;
	struct ploop_header h;
	struct stat st;
	uint64_t end;
	int r = ploop_image_header(fd, &h, err);

	if (r == 0)
		r = image_read_table(fd, &h, &table, err);
	if (!table)
		return r;
	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot look at an image");
	end = ((uint64_t)st.st_size + PLOOP_CLUSTER - 1) / PLOOP_CLUSTER;
	taken = calloc(end + 1, 1);
	if (!taken)
		return error_set(err, -ENOMEM, "an image of %llu clusters",
				 (unsigned long long)end);
	for (uint32_t i = 0; i < h.entries; i++)
		if (table[i] != PLOOP_NOWHERE && taken[table[i]]++)
			return error_set(err, -EBADMSG,
					 "entry %u of the image's table says cluster %u, which "
					 "another has too.",
					 i, table[i]);
	return 0;
}
