/* The driver dm-thin, as far as it needs no device mapper: headers, records, numbers, the pool's
 * own metadata. */
#include "scratch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "mosaic/thin.h"

#define GIB (1ULL << 30)
#define MIB (1ULL << 20)

static void test_plan(void **state)
{
	struct thin_header h;
	struct error err = { 0 };

	(void)state;
	assert_ok(thin_header_plan(10 * GIB, 0, 0, &h, &err), &err);
	assert_int_equal(h.block, 128);
	assert_int_equal(h.metadata_start, 2048);
	assert_int_equal(h.data_start, h.metadata_start + h.metadata_length);
	assert_true(h.metadata_length * SECTOR >= 10 * GIB / (64 << 10) * 64);
	assert_int_equal(h.data_length % h.block, 0);
	assert_true((h.data_start + h.data_length) * SECTOR <= 10 * GIB);
	assert_int_equal(h.own, 10 * GIB / 16 / MIB * MIB - MIB);
	assert_ok(thin_header_plan(1000 * GIB, 0, 0, &h, &err), &err);
	assert_int_equal(h.own, GIB);
	assert_ok(thin_header_plan(200 * MIB, 1 << 20, 70 * MIB, &h, &err), &err);
	assert_int_equal(h.block, 2048);
	assert_int_equal(h.own, 70 * MIB);
	assert_int_equal(thin_header_plan(50 * MIB, 0, 0, &h, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "MiB"));
	assert_int_equal(thin_header_plan(GIB, 4096, 0, &h, &err), -EINVAL);
	assert_int_equal(thin_header_plan(GIB, 100000, 0, &h, &err), -EINVAL);
	assert_int_equal(thin_header_plan(GIB, 0, GIB, &h, &err), -EINVAL);
	assert_int_equal(thin_header_plan(GIB, 0, MIB, &h, &err), -EINVAL);
}

static void test_header(void **state)
{
	struct thin_header h = { .id = "0123456789abcdef0123456789abcdef" }, back;
	char text[THIN_HEADER_BYTES];
	struct error err = { 0 };

	(void)state;
	assert_ok(thin_header_plan(GIB, 0, 0, &h, &err), &err);
	memcpy(h.id, "0123456789abcdef0123456789abcdef", 33);
	for (int made = 0; made < 2; made++) {
		h.made = made;
		thin_header_format(&h, text);
		assert_int_equal(thin_header_parse(text, sizeof(text), &back), 0);
		assert_memory_equal(&h, &back, sizeof(h));
	}
	for (size_t len = 0; len < 18; len++)
		assert_int_equal(thin_header_parse(text, len, &back), -ENODATA);
	for (size_t len = 18; len < strlen(text) - 12; len++)
		assert_int_equal(thin_header_parse(text, len, &back), -EBADMSG);
	*strstr(text, "id 0") = 'x';
	assert_int_equal(thin_header_parse(text, sizeof(text), &back), -EBADMSG);
	h.data_start = 0; /* over the metadata */
	thin_header_format(&h, text);
	assert_int_equal(thin_header_parse(text, sizeof(text), &back), -EBADMSG);
}

static void test_signatures(void **state)
{
	static const struct {
		size_t at;
		const char *bytes, *name;
	} known[] = {
		{ 1080, "\x53\xef", "ext2, ext3 or ext4" },
		{ 0, "XFSB", "xfs" },
		{ 0x10040, "_BHRfS_M", "btrfs" },
		{ 0, "Carob thin pool 1\n", "a pool of a mosaic" },
		{ 510, "\x55\xaa", "a partition table or a FAT file system" },
		{ 200000, "x", "data of an unknown kind" },
	};
	char *disk = calloc(1, SIGNATURE_BYTES);

	(void)state;
	assert_non_null(disk);
	assert_null(signature_find(disk, SIGNATURE_BYTES));
	assert_null(signature_find(disk, 0));
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		memset(disk, 0, SIGNATURE_BYTES);
		memcpy(disk + known[i].at, known[i].bytes, strlen(known[i].bytes));
		assert_string_equal(signature_find(disk, SIGNATURE_BYTES), known[i].name);
		assert_null(signature_find(disk, known[i].at)); /* not read beyond */
	}
	free(disk);
}

static void assert_same(const struct thin_record *a, const struct thin_record *b)
{
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->bytes, b->bytes);
	assert_string_equal(a->fs, b->fs);
}

static void test_records(void **state)
{
	static const char *const bad[] = {
		"",
		"thin 0 bytes 4096 fs ext4",
		"thin 16777216 bytes 4096 fs ext4",
		"thin 1 bytes 0 fs ext4",
		"thin 1 bytes 4097 fs ext4",
		"thin 1 bytes 4096 fs",
		"thin x bytes 4096 fs ext4",
		"thin 1 bytes 4096 fs /",
	};
	struct scratch *s = *state;
	const struct thin_record record = { 16777215, 1ULL << 40, "xfs" }, raw = { 1, 4096, "" };
	struct thin_record back;

	assert_int_equal(thin_record_read(s->dirfd, "data", &back), -ENOENT);
	assert_int_equal(thin_record_write(s->dirfd, "data", &record), 0);
	assert_int_equal(thin_record_read(s->dirfd, "data", &back), 0);
	assert_same(&record, &back);
	assert_int_equal(thin_record_write(s->dirfd, "data", &raw), 0);
	assert_int_equal(thin_record_read(s->dirfd, "data", &back), 0);
	assert_same(&raw, &back);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(thin_record_parse(bad[i], &back), -EBADMSG);
}

static void put_record(int dirfd, const char *path, uint32_t id)
{
	const struct thin_record record = { id, 4096, "ext4" };

	assert_int_equal(mkdirat(dirfd, path, 0700), 0);
	_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(thin_record_write(fd, "data", &record), 0);
}

static void test_numbers(void **state)
{
	struct scratch *s = *state;
	struct mosaic m = { .dirfd = s->dirfd, .location = s->path };
	struct error err = { 0 };
	uint32_t id;

	assert_int_equal(mkdirat(s->dirfd, "volumes", 0700), 0);
	assert_int_equal(mkdirat(s->dirfd, "staging", 0700), 0);
	for (uint32_t i = 1; i < 5; i++) {
		assert_ok(thin_new_id(&m, &id, &err), &err);
		assert_int_equal(id, i);
	}
	/* a round later those that have owners are passed over */
	put_record(s->dirfd, "volumes/a", 1);
	put_record(s->dirfd, "staging/b", 2);
	put(s->dirfd, "thin-ids", "0000000000 0016777214         \n");
	assert_ok(thin_new_id(&m, &id, &err), &err);
	assert_int_equal(id, THIN_ID_MAX);
	assert_ok(thin_new_id(&m, &id, &err), &err);
	assert_int_equal(id, 3);
	assert_ok(thin_new_id(&m, &id, &err), &err);
	assert_int_equal(id, 4);
	put(s->dirfd, "thin-ids", "what\n");
	assert_int_equal(thin_new_id(&m, &id, &err), -EBADMSG);
}

/* ---- the pool's metadata --------------------------------------------------------------------- */

enum { BLOCK = 4096, BLOCKS = 8 };
static unsigned char disk[BLOCKS][BLOCK];

static void put32(uint64_t block, size_t at, uint32_t v)
{
	memcpy(disk[block] + at, &v, sizeof(v));
}

static void put64(uint64_t block, size_t at, uint64_t v)
{
	memcpy(disk[block] + at, &v, sizeof(v));
}

static int read_disk(uint64_t block, void *dst, void *arg)
{
	(void)arg;
	if (block >= BLOCKS)
		return -EIO;
	memcpy(dst, disk[block], BLOCK);
	return 0;
}

static void put_node(uint64_t block, bool internal, uint32_t max, uint32_t value)
{
	memset(disk[block], 0, BLOCK);
	put32(block, 4, internal ? 1 : 2);
	put64(block, 8, block);
	put32(block, 20, max);
	put32(block, 24, value);
}

static void put_entry(uint64_t block, uint64_t key, uint64_t first)
{
	uint32_t n, max, value;

	memcpy(&n, disk[block] + 16, 4);
	memcpy(&max, disk[block] + 20, 4);
	memcpy(&value, disk[block] + 24, 4);
	put64(block, 32 + n * 8, key);
	put64(block, 32 + max * 8 + n * value, first);
	put32(block, 16, n + 1);
}

static int sum(uint32_t id, uint64_t mapped, void *arg)
{
	uint64_t *all = arg;

	all[0]++;
	all[1] = all[1] * 1000 + id;
	all[2] += mapped;
	return 0;
}

static void make_metadata(void)
{
	memset(disk, 0, sizeof(disk));
	put64(1, 32, 27022010);
	put64(1, 328, 2);
	put_node(2, true, 252, 8);
	put_node(3, false, 126, 24);
	put_node(4, false, 126, 24);
	put_entry(2, 0, 3);
	put_entry(2, 5, 4);
	put_entry(3, 0, 1024);
	put_entry(3, 3, 10);
	put_entry(4, 5, 7);
}

static void test_metadata(void **state)
{
	const struct thin_metadata t = { .read = read_disk };
	uint64_t all[3] = { 0 };

	(void)state;
	make_metadata();
	assert_int_equal(thin_metadata_each(&t, 1, sum, all), 0);
	assert_int_equal(all[0], 3);
	assert_int_equal(all[1], 3005);
	assert_int_equal(all[2], 1041);
}

static void test_damaged_metadata(void **state)
{
	const struct thin_metadata t = { .read = read_disk };
	uint64_t all[3] = { 0 };

	(void)state;
	make_metadata();
	assert_int_equal(thin_metadata_each(&t, 2, sum, all), -EBADMSG); /* no superblock */
	put64(4, 8, 3); /* a block that is not itself */
	assert_int_equal(thin_metadata_each(&t, 1, sum, all), -EBADMSG);
	make_metadata();
	put32(4, 16, 127); /* more entries than fit */
	assert_int_equal(thin_metadata_each(&t, 1, sum, all), -EBADMSG);
	make_metadata();
	put32(4, 20, 0x10000000); /* and an array beyond the block */
	assert_int_equal(thin_metadata_each(&t, 1, sum, all), -EBADMSG);
	make_metadata();
	put32(4, 24, 0);
	assert_int_equal(thin_metadata_each(&t, 1, sum, all), -EBADMSG);
	make_metadata();
	put_entry(2, 9, 2); /* in a circle */
	assert_int_equal(thin_metadata_each(&t, 1, sum, all), -EBADMSG);
	make_metadata();
	put_entry(2, 9, BLOCKS); /* out of the device */
	assert_int_equal(thin_metadata_each(&t, 1, sum, all), -EIO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test_setup_teardown(test_records, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_numbers, scratch_setup, scratch_teardown),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_damaged_metadata),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
