/* The overlay driver's layers: a stack of them that gets too high is folded. */
#include "layers.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "mosaic/overlay.h"

/* Round i makes "i" and "dir/i", takes i - 2 away, and makes the directory "again" anew. */
static void fold_round(struct scratch *s, unsigned i)
{
	char name[32];
	int fd = mount_here(s, "data", 0);

	if (i > 0) {
		snprintf(name, sizeof(name), "again/%u", i - 1);
		assert_int_equal(unlinkat(fd, name, 0), 0);
		assert_int_equal(unlinkat(fd, "again", AT_REMOVEDIR), 0);
	}
	assert_int_equal(mkdirat(fd, "again", 0755), 0);
	snprintf(name, sizeof(name), "again/%u", i);
	put(fd, name, "again");
	snprintf(name, sizeof(name), "dir/%u", i);
	put(fd, name, "dir");
	snprintf(name, sizeof(name), "%u", i);
	put(fd, name, "file");
	put(fd, "count", name);
	if (i >= 2) {
		snprintf(name, sizeof(name), "dir/%u", i - 2);
		assert_int_equal(unlinkat(fd, name, 0), 0);
		snprintf(name, sizeof(name), "%u", i - 2);
		assert_int_equal(unlinkat(fd, name, 0), 0);
	}
	umount_here(s, &fd, "data");
	reopen(s);
}

static void assert_round(struct scratch *s, const char *volume, unsigned i)
{
	char text[64], all[128], last[16], before[16];
	int fd = mount_here(s, volume, MOSAIC_MOUNT_READONLY);

	snprintf(last, sizeof(last), "%u", i);
	snprintf(before, sizeof(before), "%u", i - 1);
	if (strcmp(last, before) > 0)
		snprintf(text, sizeof(text), "%s %s", before, last);
	else
		snprintf(text, sizeof(text), "%s %s", last, before);
	assert_entries(fd, "dir", text);
	assert_entries(fd, "again", last);
	snprintf(all, sizeof(all), "%s a again b c count dir hello", text);
	assert_entries(fd, ".", all);
	assert_file(fd, "count", last);
	assert_entries(fd, "a", "2");
	umount_here(s, &fd, volume);
	reopen(s);
}

enum { ROUNDS = 2 * OVERLAY_LAYERS + 3 };

static void stacks_are_folded(void **state)
{
	struct scratch *s = *state;
	char name[32];
	int fd;

	commit_directories(s);
	clone_volume(s, "data", "tree");
	fd = mount_here(s, "data", 0);
	assert_int_equal(unlinkat(fd, "a/1", 0), 0);
	assert_int_equal(mkdirat(fd, "dir", 0755), 0);
	put(fd, "hello", "hello");
	umount_here(s, &fd, "data");
	reopen(s);
	for (unsigned i = 0; i < ROUNDS; i++) {
		fold_round(s, i);
		snprintf(name, sizeof(name), "snapshot-%u", i);
		snapshot(s, name, "data");
		assert_true(depth_of(s, "data") <= OVERLAY_LAYERS);
	}
	for (unsigned i = 1; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "snapshot-%u", i);
		assert_round(s, name, i);
	}
	assert_round(s, "data", ROUNDS - 1);
	assert_in(s, "tree", "a/1", "tree");
	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "snapshot-%u", i);
		drop(s, name);
	}
	assert_round(s, "data", ROUNDS - 1);
	drop(s, "data");
	drop(s, "tree");
	assert_nothing_left(s);
}

/* Without snapshots in between, what a fold made a copy of is let go. */
static void folding_frees_layers(void **state)
{
	struct scratch *s = *state;
	char name[32];

	make_volume(s, "data");
	write_to(s, "data", "file", "first");
	for (unsigned i = 0; i <= OVERLAY_LAYERS; i++) {
		clone_volume(s, "clone", "data");
		drop(s, "clone");
		snprintf(name, sizeof(name), "file-%u", i);
		write_to(s, "data", name, "more");
	}
	assert_true(depth_of(s, "data") <= 3);
	assert_int_equal(count_entries(s, "volumes"), 1 + depth_of(s, "data"));
	assert_in(s, "data", "file", "first");
	assert_in(s, "data", "file-0", "more");
	assert_in(s, "data", name, "more");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stacks_are_folded),
		TEST(folding_frees_layers),
	};

	if (!layers_own_mounts())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
