/* Volumes that are image files: their sizes, how these change, and what a volume takes. */
#include "image_cases.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "mosaic/ploop_images.h"

enum { LARGER_MIB = 512, SMALLER_MIB = 64 };

static uint64_t bytes_of(int root)
{
	struct statvfs st;

	assert_int_equal(fstatvfs(root, &st), 0);
	return (uint64_t)st.f_blocks * st.f_frsize;
}

static void a_volume_has_its_size_and_its_file_system(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume info;
	struct error err = { 0 };
	int root;

	make(s, "v", LARGER_MIB, 0);
	assert_no_device(s, "v");
	assert_ok(mosaic_info(s->mosaic, "v", &info, &err), &err);
	assert_int_equal(info.size, LARGER_MIB * MIB);
	assert_string_equal(info.fs, setup->fs);
	assert_false(info.read_only || info.raw);
	root = use(s, "v", 0);
	assert_in_range(bytes_of(root), LARGER_MIB * MIB / 2, LARGER_MIB * MIB);
	assert_missing(root, "lost+found");
	unuse(s, "v", &root);
	assert_no_device(s, "v");
}

/* Growing a mounted ext4 needs a capability that not every root has. */
static bool may_grow(void)
{
	uint64_t has;

	assert_int_equal(caps_permitted(&has), 0);
	return !str_eq(setup->fs, "ext4") || has & CAP_BIT(24) /* SYS_RESOURCE */;
}

static void it_grows_while_it_is_mounted(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume info;
	struct error err = { 0 };
	uint64_t before;
	int root, r;

	make(s, "v", SIZE_MIB, 0);
	root = use(s, "v", 0);
	before = bytes_of(root);
	put(root, "file", "stays");
	r = mosaic_resize(s->mosaic, "v", LARGER_MIB * MIB, &err);
	if (!may_grow()) { /* then it says why, and works when nobody uses it */
		assert_int_equal(r, -EPERM);
		assert_non_null(strstr(err.text, "CAP_SYS_RESOURCE"));
		unuse(s, "v", &root);
		r = mosaic_resize(s->mosaic, "v", LARGER_MIB * MIB, &err);
		root = use(s, "v", 0);
	}
	assert_ok(r, &err);
	assert_in_range(bytes_of(root), before + 150 * MIB, LARGER_MIB * MIB);
	if (may_grow())
		assert_ok(mosaic_resize(s->mosaic, "v", LARGER_MIB * MIB, &err),
			  &err); /* it has that */
	put(root, "more", "fits");
	unuse(s, "v", &root);
	assert_ok(mosaic_resize(s->mosaic, "v", 2 * LARGER_MIB * MIB, &err),
		  &err); /* and when not */
	assert_no_device(s, "v");
	assert_ok(mosaic_info(s->mosaic, "v", &info, &err), &err);
	assert_int_equal(info.size, 2 * LARGER_MIB * MIB);
	root = use(s, "v", 0);
	assert_in_range(bytes_of(root), before + 600 * MIB, 2 * LARGER_MIB * MIB);
	assert_file(root, "file", "stays");
	assert_file(root, "more", "fits");
	unuse(s, "v", &root);
	assert_int_equal(mosaic_resize(s->mosaic, "v", 1ULL << 50, &err), -EFBIG);
	assert_int_equal(mosaic_resize(s->mosaic, "v", 0, &err), -EINVAL);
}

/* Killed when the new top had its name, and the server did not know of it yet. */
static void it_grows_after_a_copy_that_was_killed(void **state)
{
	_ploop_images_ struct ploop_images p = PLOOP_IMAGES_NONE;
	struct scratch *s = *state;
	struct mosaic_volume info;
	struct error err = { 0 };
	uint64_t bytes, before;
	struct volume v;
	int root;

	if (!str_eq(setup->type, "ploop") || !may_grow())
		return;
	make(s, "v", SIZE_MIB, 0);
	root = use(s, "v", 0);
	before = bytes_of(root);
	put(root, "file", "stays");
	assert_ok(volume_open(s->mosaic, "v", &v, &err), &err);
	assert_int_equal(ploop_images_open(v.dirfd, "data", true, &p), 0);
	assert_int_equal(ploop_images_size(&p, &bytes), 0);
	assert_int_equal(ploop_images_push(&p, bytes, 0), 0);
	volume_close(&v);
	assert_ok(mosaic_resize(s->mosaic, "v", LARGER_MIB * MIB, &err), &err);
	put(root, "more", "fits");
	unuse(s, "v", &root);
	assert_ok(mosaic_info(s->mosaic, "v", &info, &err), &err);
	assert_int_equal(info.size, LARGER_MIB * MIB);
	root = use(s, "v", 0);
	assert_in_range(bytes_of(root), before + 150 * MIB, LARGER_MIB * MIB);
	assert_file(root, "file", "stays");
	assert_file(root, "more", "fits");
	unuse(s, "v", &root);
}

static void fill(int root, const char *name, size_t mib)
{
	_close_ int fd = openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	static char block[MIB];

	memset(block, 'x', sizeof(block));
	for (size_t i = 0; i < mib; i++)
		assert_int_equal(write_all(fd, block, sizeof(block)), 0);
	assert_int_equal(fsync(fd), 0);
}

static void it_shrinks_when_nobody_uses_it(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume info;
	struct error err = { 0 };
	int root, r;

	make(s, "v", SIZE_MIB, 0);
	root = use(s, "v", 0);
	fill(root, "large", 20);
	assert_int_equal(mosaic_resize(s->mosaic, "v", SMALLER_MIB * MIB, &err),
			 str_eq(setup->fs, "xfs") ? -EINVAL : -EBUSY);
	unuse(s, "v", &root);
	r = mosaic_resize(s->mosaic, "v", SMALLER_MIB * MIB, &err);
	if (str_eq(setup->fs, "xfs")) {
		assert_int_equal(r, -EINVAL);
		assert_int_equal(mosaic_resize(s->mosaic, "v", 310 * MIB, &err), -EOPNOTSUPP);
		return;
	}
	assert_ok(r, &err);
	assert_ok(mosaic_info(s->mosaic, "v", &info, &err), &err);
	assert_int_equal(info.size, SMALLER_MIB * MIB);
	r = mosaic_resize(s->mosaic, "v", 24 * MIB, &err);
	assert_int_equal(r, -ENOSPC);
	assert_non_null(strstr(err.text, "holds"));
	root = use(s, "v", 0);
	assert_in_range(bytes_of(root), 24 * MIB, SMALLER_MIB * MIB);
	unuse(s, "v", &root);
}

static void a_full_volume_says_so_and_can_be_dropped(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	static char block[MIB];
	_close_ int fd = -1;
	ssize_t n = 1;
	int root;

	make(s, "v", 0, 0);
	root = use(s, "v", 0);
	fd = openat(root, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (int i = 0; i < SIZE_MIB + 1 && n > 0; i++)
		n = write(fd, block, sizeof(block));
	assert_int_equal(n, -1);
	assert_int_equal(errno, ENOSPC);
	cleanup_close(&fd);
	unuse(s, "v", &root);
	assert_ok(mosaic_drop(s->mosaic, "v", 0, &err), &err);
	assert_false(mosaic_have(s->mosaic, "v"));
}

static void what_a_volume_takes_is_told(void **state)
{
	struct scratch *s = *state;
	struct mosaic_usage before, after, shared;
	struct error err = { 0 };
	struct volume v;
	int root;

	make(s, "v", 0, 0);
	assert_ok(volume_open(s->mosaic, "v", &v, &err), &err);
	assert_ok(s->mosaic->driver->usage(s->mosaic, &v, &before, &err), &err);
	root = use(s, "v", 0);
	fill(root, "file", 20);
	unuse(s, "v", &root);
	assert_ok(s->mosaic->driver->usage(s->mosaic, &v, &after, &err), &err);
	assert_in_range(after.used - before.used, 19 * MIB, 30 * MIB);
	assert_int_equal(after.exclusive, after.used);
	assert_ok(mosaic_snapshot(s->mosaic, "s", "v", &err), &err);
	assert_ok(s->mosaic->driver->usage(s->mosaic, &v, &shared, &err), &err);
	if (mosaic_features(s->mosaic) & MOSAIC_EXCLUSIVE)
		assert_in_range(shared.shared, 20 * MIB, 120 * MIB);
	assert_int_equal(shared.exclusive + shared.shared, shared.used);
	volume_close(&v);
}

static void limits_and_faults_are_named(void **state)
{
	const struct mosaic_create small = { .size = MIB }, large = { .size = 1ULL << 60 };
	struct scratch *s = *state;
	struct error err = { 0 };
	unsigned told = 0;
	struct check c = { .m = s->mosaic, .fn = count_problem, .arg = &told };
	_close_ int fd = -1;
	struct volume v;

	assert_int_equal(mosaic_create(s->mosaic, "v", &small, &err), -EINVAL);
	assert_non_null(strstr(err.text, "bytes"));
	assert_int_equal(mosaic_create(s->mosaic, "v", &large, &err), -EFBIG);
	assert_int_equal(count_entries(s, "staging"), 0);
	make(s, "v", 0, 0);
	assert_ok(volume_open(s->mosaic, "v", &v, &err), &err);
	assert_ok(s->mosaic->driver->check(s->mosaic, &v, &c, &err), &err);
	assert_int_equal(told, 0);
	if (str_eq(setup->type, "fsimg")) {
		fd = openat(v.dirfd, "data", O_WRONLY | O_CLOEXEC);
		assert_int_equal(ftruncate(fd, 100 * MIB), 0);
		assert_ok(s->mosaic->driver->check(s->mosaic, &v, &c, &err), &err);
		assert_int_equal(told, 1);
	}
	volume_close(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_volume_has_its_size_and_its_file_system),
		CASE(it_grows_while_it_is_mounted),
		CASE(it_grows_after_a_copy_that_was_killed),
		CASE(it_shrinks_when_nobody_uses_it),
		CASE(a_full_volume_says_so_and_can_be_dropped),
		CASE(what_a_volume_takes_is_told),
		CASE(limits_and_faults_are_named),
	};

	return image_run(tests, ARRAY_SIZE(tests));
}
