#include "image_cases.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/kernel.h"

static const struct setup setups[] = {
	{ "fsimg", "ext4" },
	{ "fsimg", "xfs" },
	{ "ploop", "ext4" },
	{ "ploop", "xfs" },
};
const struct setup *setup;

int image_setup(void **state)
{
	struct mosaic_option option = { (char *)"size", (char *)"320M" };
	struct mosaic_config config = { .options = &option, .n_options = 1 };
	struct error err = { 0 };
	struct scratch *s = calloc(1, sizeof(*s));
	const char *dir = getenv("IMAGE_TEST_DIR");

	if (!s)
		return -1;
	snprintf(s->path, sizeof(s->path), "%s/test-mosaic-XXXXXX", dir ? dir : "/tmp");
	assert_non_null(mkdtemp(s->path));
	snprintf(s->location, sizeof(s->location), "%s/a b:c", s->path);
	s->dirfd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	config.location = s->location;
	config.type = (char *)setup->type;
	config.default_fs = (char *)setup->fs;
	assert_ok(mosaic_open_config(&s->mosaic, &config, MOSAIC_OPEN_CREATE, &err), &err);
	*state = s;
	return 0;
}

static int count_ours(struct loopdev *d, const struct loopdev_status *status, void *arg)
{
	(void)d;
	return strstr(status->label, arg) ? 1 : 0;
}

/* The last umount may be under way still. */
int image_teardown(void **state)
{
	struct scratch *s = *state;
	_close_ int parent = -1;
	char id[17], *name = strrchr(s->path, '/');
	int left = 1;

	snprintf(id, sizeof(id), "%.16s", mosaic_id(s->mosaic));
	mosaic_close(s->mosaic);
	close(s->dirfd);
	for (int i = 0; i < 100 && left; i++) {
		left = loopdev_each(count_ours, id);
		usleep(left ? 20000 : 0);
	}
	assert_int_equal(left, 0);
	*name = '\0';
	parent = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_remove_tree(parent, name + 1), 0);
	free(s);
	return 0;
}

void make(struct scratch *s, const char *name, uint64_t mib, unsigned flags)
{
	const struct mosaic_create how = { .size = mib * MIB, .flags = flags };
	struct error err = { 0 };

	assert_ok(mosaic_create(s->mosaic, name, &how, &err), &err);
}

int use(struct scratch *s, const char *name, unsigned flags)
{
	const struct mosaic_mount how = { .flags = flags };
	struct error err = { 0 };
	_close_ int fd = -1;
	int root;

	assert_ok(mosaic_mount(s->mosaic, name, &how, &fd, &err), &err);
	root = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	return root;
}

void unuse(struct scratch *s, const char *name, int *root)
{
	cleanup_close(root);
	while (volume_unuse(s->mosaic, name, false))
		;
}

void write_in(struct scratch *s, const char *volume, const char *file, const char *text)
{
	int root = use(s, volume, 0);

	put(root, file, text);
	unuse(s, volume, &root);
}

void assert_in(struct scratch *s, const char *volume, const char *file, const char *text)
{
	int root = use(s, volume, MOSAIC_MOUNT_READONLY);

	if (text)
		assert_file(root, file, text);
	else
		assert_missing(root, file);
	unuse(s, volume, &root);
}

void assert_no_device(struct scratch *s, const char *name)
{
	char device[MOSAIC_DEVICE_MAX];
	struct error err = { 0 };
	struct volume v;

	assert_ok(volume_open(s->mosaic, name, &v, &err), &err);
	assert_int_equal(s->mosaic->driver->device(s->mosaic, &v, device, &err), MOSAIC_NO_DEVICE);
	volume_close(&v);
}

int count_problem(const struct mosaic_problem *p, void *arg)
{
	(void)p;
	(*(unsigned *)arg)++;
	return 0;
}

int image_run(const struct CMUnitTest *cases, size_t n)
{
	const char *only = getenv("IMAGE_TEST_SETUP"); /* "fsimg-xfs" */
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(setups); i++) {
		char name[32];

		setup = &setups[i];
		snprintf(name, sizeof(name), "%s-%s", setup->type, setup->fs);
		if (!only || str_eq(only, name))
			failed += _cmocka_run_group_tests(name, cases, n, NULL, NULL);
	}
	return failed;
}
