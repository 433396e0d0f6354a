#include "layers.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "kernel/kernel.h"
#include "mosaic/overlay.h"

int layers_setup(void **state)
{
	struct error err = { 0 };
	struct scratch *s;

	scratch_setup(state);
	s = *state;
	assert_ok(mosaic_open(&s->mosaic, s->location, "overlay", MOSAIC_OPEN_CREATE, &err), &err);
	return 0;
}

bool layers_own_mounts(void)
{
	bool alone = unshare(CLONE_NEWNS) == 0 && mount_all_private() == 0;

	if (!alone)
		print_error("this test needs root\n");
	return alone;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char *list[256];
	size_t n;
};

static int add_name(int dirfd, const char *name, void *arg)
{
	struct names *names = arg;

	(void)dirfd;
	names->list[names->n++] = strdup(name);
	return names->n == ARRAY_SIZE(names->list);
}

void assert_entries(int dirfd, const char *path, const char *expected)
{
	_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct names names = { .n = 0 };
	char text[4096] = "";
	size_t len = 0;

	assert_true(fd >= 0);
	assert_int_equal(dir_each(fd, add_name, &names), 0);
	qsort(names.list, names.n, sizeof(names.list[0]), compare_names);
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;

		assert_int_equal(fstatat(fd, names.list[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					names.list[i]);
		free(names.list[i]);
	}
	assert_string_equal(text, expected);
}

void make_volume(struct scratch *s, const char *name)
{
	struct error err = { 0 };

	assert_ok(mosaic_create(s->mosaic, name, NULL, &err), &err);
}

void write_to(struct scratch *s, const char *volume, const char *file, const char *text)
{
	int fd = mount_here(s, volume, 0);

	if (text)
		put(fd, file, text);
	else
		assert_int_equal(unlinkat(fd, file, 0), 0);
	umount_here(s, &fd, volume);
	reopen(s);
}

void assert_in(struct scratch *s, const char *volume, const char *file, const char *text)
{
	int fd = mount_here(s, volume, MOSAIC_MOUNT_READONLY);

	if (text)
		assert_file(fd, file, text);
	else
		assert_missing(fd, file);
	umount_here(s, &fd, volume);
	reopen(s);
}

void snapshot(struct scratch *s, const char *name, const char *from)
{
	struct error err = { 0 };

	assert_ok(mosaic_snapshot(s->mosaic, name, from, &err), &err);
}

void clone_volume(struct scratch *s, const char *name, const char *from)
{
	struct error err = { 0 };

	assert_ok(mosaic_clone(s->mosaic, name, from, &err), &err);
}

void drop(struct scratch *s, const char *name)
{
	struct error err = { 0 };

	assert_ok(mosaic_drop(s->mosaic, name, MOSAIC_DROP_UNCHECKED, &err), &err);
}

void assert_nothing_left(struct scratch *s)
{
	assert_int_equal(count_entries(s, "volumes"), 0);
	assert_int_equal(count_entries(s, "staging"), 0);
}

size_t depth_of(struct scratch *s, const char *name)
{
	_volume_ struct volume v = VOLUME_CLOSED;
	_layers_ struct layers l = LAYERS_CLOSED;
	struct error err = { 0 };

	assert_ok(volume_open(s->mosaic, name, &v, &err), &err);
	assert_int_equal(layers_open(s->mosaic->dirfd, v.dirfd, &v, &l), 0);
	return l.n;
}

void commit_directories(struct scratch *s)
{
	struct mosaic_staged staged;
	struct error err = { 0 };
	_close_ int root = -1;

	assert_ok(mosaic_stage(s->mosaic, &staged, &root, &err), &err);
	assert_int_equal(mkdirat(root, "a", 0755), 0);
	assert_int_equal(mkdirat(root, "b", 0755), 0);
	put(root, "a/1", "tree");
	put(root, "a/2", "tree");
	put(root, "b/1", "tree");
	put(root, "b/2", "tree");
	put(root, "c", "tree");
	assert_ok(mosaic_commit(s->mosaic, &staged, "tree", &err), &err);
}
