/* The rules that need no archive to be seen at work, and the set of paths. */
#include "bench.h"

#include "images/unpack/layout.h"

struct fixture {
	struct report report;
	struct layout layout;
	char path[LIMIT_PATH_BYTES], target[LIMIT_PATH_BYTES];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->report = (struct report)REPORT_INIT;
	assert_int_equal(layout_init(&f->layout, &f->report), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	layout_deinit(&f->layout);
	report_deinit(&f->report);
	free(f);
	return 0;
}

static int see(struct fixture *f, const char *name, enum member_type type, const char *target)
{
	struct member m = { .name = name, .type = type, .target = target };

	return image_rules.member(&f->layout, &m, f->path, f->target);
}

static void test_paths(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(see(f, "./", MEMBER_DIRECTORY, NULL), LAYOUT_SKIP);
	assert_int_equal(see(f, "./manifest", MEMBER_FILE, NULL), LAYOUT_MANIFEST);
	assert_int_equal(see(f, "rootfs/", MEMBER_DIRECTORY, NULL), LAYOUT_TREE);
	assert_string_equal(f->path, ".");
	assert_int_equal(see(f, "rootfs//usr/./lib/x", MEMBER_FILE, NULL), LAYOUT_TREE);
	assert_string_equal(f->path, "usr/lib/x");
	assert_int_equal(see(f, "rootfs/y", MEMBER_HARDLINK, "./rootfs/usr//lib/x"), LAYOUT_TREE);
	assert_string_equal(f->target, "usr/lib/x");
	assert_int_equal(f->report.faults, 0);
	assert_int_equal(image_rules.end(&f->layout), 0);
	assert_int_equal(f->layout.implied.len, strlen("usr") + 1 + strlen("usr/lib") + 1);
	assert_memory_equal(f->layout.implied.data, "usr\0usr/lib", f->layout.implied.len);
}

static void test_implied_become_real(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(see(f, "rootfs/a/b/c", MEMBER_FILE, NULL), LAYOUT_TREE);
	assert_int_equal(see(f, "rootfs/a", MEMBER_DIRECTORY, NULL), LAYOUT_TREE);
	assert_int_equal(see(f, "rootfs/a", MEMBER_DIRECTORY, NULL), LAYOUT_SKIP);
	assert_int_equal(f->report.faults, 1);
	assert_int_equal(image_rules.end(&f->layout), 0);
	assert_int_equal(f->report.faults, 3); /* no manifest, no rootfs */
	assert_string_equal(f->layout.implied.data, "a/b");
}

/* Faults are collected, but not without end. */
static void test_many_faults(void **state)
{
	struct fixture *f = *state;
	int r = LAYOUT_SKIP;

	for (int i = 0; i < UNPACK_FAULTS_MAX - 1; i++)
		assert_int_equal(see(f, "../x", MEMBER_FILE, NULL), LAYOUT_SKIP);
	r = see(f, "../x", MEMBER_FILE, NULL);
	assert_int_equal(r, -EBADMSG);
	assert_int_equal(f->report.faults, UNPACK_FAULTS_MAX);
}

static void test_member_limit(void **state)
{
	struct fixture *f = *state;
	int r = LAYOUT_TREE;

	f->layout.members = LIMIT_ARCHIVE_MEMBERS - 2;
	f->layout.stream = LIMIT_ARCHIVE_BYTES;
	assert_int_equal(see(f, "rootfs/a", MEMBER_FILE, NULL), LAYOUT_TREE); /* and rootfs */
	r = see(f, "rootfs/b", MEMBER_FILE, NULL);
	assert_int_equal(r, -EBADMSG);
}

/* Beyond LIMIT_ARCHIVE_SMALL a member needs bytes of the archive. */
static void test_small_members(void **state)
{
	struct fixture *f = *state;
	int r = LAYOUT_TREE;

	f->layout.members = LIMIT_ARCHIVE_SMALL - 1;
	assert_int_equal(see(f, "rootfs", MEMBER_DIRECTORY, NULL), LAYOUT_TREE);
	f->layout.stream = LIMIT_ARCHIVE_MEMBER_BYTES;
	assert_int_equal(see(f, "rootfs/a", MEMBER_FILE, NULL), LAYOUT_TREE);
	r = see(f, "rootfs/b", MEMBER_FILE, NULL);
	assert_int_equal(r, -EBADMSG);
}

static void test_byte_limit(void **state)
{
	struct fixture *f = *state;
	struct member half = { .name = "rootfs/a", .size = LIMIT_ARCHIVE_BYTES / 2 };
	struct member rest = { .name = "rootfs/b", .size = LIMIT_ARCHIVE_BYTES / 2 };
	struct member more = { .name = "rootfs/c", .size = 1 };

	assert_int_equal(image_rules.member(&f->layout, &half, f->path, f->target), LAYOUT_TREE);
	assert_int_equal(image_rules.member(&f->layout, &rest, f->path, f->target), LAYOUT_TREE);
	assert_int_equal(image_rules.member(&f->layout, &more, f->path, f->target), -EBADMSG);
	assert_int_equal(f->layout.bytes, LIMIT_ARCHIVE_BYTES);
}

static void test_depth_limit(void **state)
{
	struct fixture *f = *state;
	char name[LIMIT_PATH_BYTES] = "rootfs";

	for (int i = 1; i < LIMIT_ARCHIVE_DEPTH; i++)
		memcpy(name + 4 + 2 * i, "/d", 3);
	assert_int_equal(see(f, name, MEMBER_DIRECTORY, NULL), LAYOUT_TREE);
	memcpy(name + strlen(name), "/d", 3);
	assert_int_equal(see(f, name, MEMBER_DIRECTORY, NULL), LAYOUT_SKIP);
	assert_int_equal(f->report.faults, 1);
}

/* ---- the set of paths ------------------------------------------------------------------------ */

static void test_seen(_unused_ void **state)
{
	enum { MANY = 100000 };
	struct seen s;
	char name[16];

	assert_int_equal(seen_init(&s), 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(seen_get(&s, seen_step(&s, 1, name, strlen(name))), SEEN_NOT);
		assert_int_equal(seen_set(&s, seen_step(&s, 1, name, strlen(name)),
					  i % 2 ? SEEN_FILE : SEEN_OTHER),
				 0);
	}
	assert_int_equal(s.n, MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(seen_get(&s, seen_step(&s, 1, name, strlen(name))),
				 i % 2 ? SEEN_FILE : SEEN_OTHER);
		assert_int_equal(seen_get(&s, seen_step(&s, 2, name, strlen(name))), SEEN_NOT);
	}
	assert_int_equal(seen_set(&s, seen_step(&s, 1, "7", 1), SEEN_DIRECTORY), 0);
	assert_int_equal(s.n, MANY);
	assert_int_equal(seen_get(&s, seen_step(&s, 1, "7", 1)), SEEN_DIRECTORY);
	seen_deinit(&s);
}

/* The vectors of the SipHash paper: key 00..0f, message 00..0e; the first word of the message
 * is what we give as the parent. */
static void test_siphash(_unused_ void **state)
{
	struct seen s = { .key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };
	const char rest[] = "\x08\x09\x0a\x0b\x0c\x0d\x0e";

	assert_true(seen_step(&s, 0x0706050403020100, rest, 7) == 0xa129ca6149be45e5);
	assert_true(seen_step(&s, 0x0706050403020100, rest, 0) == 0x93f5f5799a932462);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_implied_become_real, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_member_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_small_members, setup, teardown),
		cmocka_unit_test_setup_teardown(test_byte_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_depth_limit, setup, teardown),
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_siphash),
	};

	return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
