#include "scratch.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "kernel/kernel.h"

int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	snprintf(s->path, sizeof(s->path), "/tmp/test-mosaic-XXXXXX");
	assert_non_null(mkdtemp(s->path));
	/* a name that overlayfs and fsconfig would read as something else, and longer than they
	 * take */
	snprintf(s->location, sizeof(s->location), "%s/a:b,c\\d/%0200d", s->path, 7);
	s->dirfd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(s->dirfd >= 0);
	*state = s;
	return 0;
}

int scratch_teardown(void **state)
{
	struct scratch *s = *state;
	_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	mosaic_close(s->mosaic);
	close(s->dirfd);
	assert_int_equal(path_remove_tree(tmp, s->path + strlen("/tmp/")), 0);
	free(s);
	return 0;
}

void assert_ok_at(int r, const struct error *err, const char *file, int line)
{
	char text[1024];

	if (r >= 0)
		return;
	error_format(err, text, sizeof(text));
	print_error("%d: %s\n", r, text);
	_fail(file, line);
}

void put(int dirfd, const char *name, const char *text)
{
	_close_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

void assert_file(int dirfd, const char *name, const char *text)
{
	_free_ char *data = NULL;

	assert_int_equal(file_read(dirfd, name, 4096, &data, NULL), 0);
	assert_string_equal(data, text);
}

void assert_missing(int dirfd, const char *name)
{
	assert_int_equal(faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(errno, ENOENT);
}

static int count(int dirfd, const char *name, void *arg)
{
	(void)dirfd;
	(void)name;
	(*(unsigned *)arg)++;
	return 0;
}

unsigned count_entries(const struct scratch *s, const char *directory)
{
	_close_ int location = open(s->location, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_close_ int dir = openat(location, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned n = 0;

	assert_true(dir >= 0);
	assert_int_equal(dir_each(dir, count, &n), 0);
	return n;
}

void commit_hello(struct scratch *s, const char *name)
{
	struct mosaic_staged staged;
	struct error err = { 0 };
	_close_ int root = -1;

	assert_ok(mosaic_stage(s->mosaic, &staged, &root, &err), &err);
	put(root, "hello", "hello");
	cleanup_close(&root);
	assert_ok(mosaic_commit(s->mosaic, &staged, name, &err), &err);
	assert_int_equal(staged.lock_fd, -1);
}

int scratch_setup_vol(void **state, const char *driver)
{
	struct error err = { 0 };
	struct scratch *s;

	scratch_setup(state);
	s = *state;
	assert_ok(mosaic_open(&s->mosaic, s->location, driver, MOSAIC_OPEN_CREATE, &err), &err);
	commit_hello(s, "tree");
	assert_ok(mosaic_clone(s->mosaic, "vol", "tree", &err), &err);
	return 0;
}

int mount_here(struct scratch *s, const char *volume, unsigned flags)
{
	struct error err = { 0 };
	_close_ int fd = -1, target = -1;
	char place[64];

	assert_ok(mosaic_mount(s->mosaic, volume,
			       &(struct mosaic_mount){ .flags = flags, .attributes = MOUNT_NOSUID },
			       &fd, &err),
		  &err);
	snprintf(place, sizeof(place), "at-%s", volume);
	assert_true(mkdirat(s->dirfd, place, 0755) == 0 || errno == EEXIST);
	target = openat(s->dirfd, place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mount_attach(fd, target), 0);
	return openat(s->dirfd, place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void umount_here(struct scratch *s, int *fd, const char *volume)
{
	char place[256];

	cleanup_close(fd);
	snprintf(place, sizeof(place), "%s/at-%s", s->path, volume);
	assert_int_equal(umount2(place, MNT_DETACH), 0);
}

void reopen(struct scratch *s)
{
	struct error err = { 0 };

	mosaic_close(s->mosaic);
	s->mosaic = NULL;
	assert_ok(mosaic_open(&s->mosaic, s->location, NULL, 0, &err), &err);
}
