/* The btrfs driver, on a btrfs of its own in a file. */
#include "scratch.h"

#include <btrfsutil.h>
#include <endian.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel/kernel.h"
#include "mosaic/btrfs.h"
#include "mosaic/program.h"

#define MIB      (1ULL << 20)
#define FS_BYTES (256 * MIB)

static void run(const char *const *argv)
{
	const struct program p = {
		.name = argv[0], .argv = argv, .input = -1, .output = -1, .keep_fd = -1
	};
	struct error err = { 0 };

	assert_ok(program_run(&p, &err), &err);
}

static int btrfs_setup(void **state)
{
	struct error err = { 0 };
	char image[128], fs[128];
	struct scratch *s;
	int fd;

	scratch_setup(state);
	s = *state;
	snprintf(image, sizeof(image), "%s/image", s->path);
	snprintf(fs, sizeof(fs), "%s/fs", s->path);
	fd = open(image, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (off_t)FS_BYTES), 0);
	close(fd);
	run((const char *[]){ "mkfs.btrfs", "-q", image, NULL });
	assert_int_equal(mkdirat(s->dirfd, "fs", 0755), 0);
	run((const char *[]){ "mount", "-o", "loop", image, fs, NULL });
	snprintf(s->location, sizeof(s->location), "%s/fs/mosaic", s->path);
	assert_ok(mosaic_open(&s->mosaic, s->location, "btrfs", MOSAIC_OPEN_CREATE, &err), &err);
	return 0;
}

static int btrfs_teardown(void **state)
{
	struct scratch *s = *state;
	char fs[128];

	mosaic_close(s->mosaic);
	s->mosaic = NULL;
	snprintf(fs, sizeof(fs), "%s/fs", s->path);
	assert_int_equal(umount2(fs, 0), 0);
	return scratch_teardown(state);
}

static void make_volume(struct scratch *s, const char *name, uint64_t size)
{
	const struct mosaic_create how = { .size = size };
	struct error err = { 0 };

	assert_ok(mosaic_create(s->mosaic, name, &how, &err), &err);
}

static void drop(struct scratch *s, const char *name)
{
	struct error err = { 0 };

	assert_ok(mosaic_drop(s->mosaic, name, 0, &err), &err);
}

/* Writes until it is done, or there is no room: then the errno. */
static int fill(int dirfd, const char *name, uint64_t bytes)
{
	_close_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	static char block[64 << 10];
	int r = fd < 0 ? -errno : 0;

	memset(block, 'x', sizeof(block));
	for (uint64_t at = 0; at < bytes && r == 0; at += sizeof(block)) {
		block[0] = (char)at; /* nothing alike */
		r = write_all(fd, block, sizeof(block));
	}
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

static int count_problem(const struct mosaic_problem *p, void *arg)
{
	print_message("%s: %s\n", p->where, p->text);
	(*(unsigned *)arg)++;
	return 0;
}

static void assert_sound(struct scratch *s)
{
	struct error err = { 0 };
	unsigned told = 0, n;

	assert_ok(mosaic_check(s->mosaic, 0, count_problem, &told, &n, &err), &err);
	assert_int_equal(told, 0);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void elsewhere_it_is_refused(void **state)
{
	struct scratch *s = *state;
	struct mosaic *m = NULL;
	struct error err = { 0 };
	char place[128];

	snprintf(place, sizeof(place), "%s/other", s->path);
	assert_int_equal(mosaic_open(&m, place, "btrfs", MOSAIC_OPEN_CREATE, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "no btrfs"));
	assert_int_equal(count_entries(s, "staging"), 0);
}

static void trees_are_read_only_subvolumes(void **state)
{
	struct scratch *s = *state;
	struct mosaic_volume v;
	struct error err = { 0 };
	int fd;

	commit_hello(s, "tree");
	assert_ok(mosaic_info(s->mosaic, "tree", &v, &err), &err);
	assert_true(v.read_only);
	fd = mount_here(s, "tree", 0);
	assert_file(fd, "hello", "hello");
	assert_int_equal(mkdirat(fd, "new", 0755), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(mosaic_is_mounted(s->mosaic, "tree", &err), 1);
	assert_int_equal(mosaic_drop(s->mosaic, "tree", 0, &err), -EBUSY);
	umount_here(s, &fd, "tree");
	reopen(s);
	assert_int_equal(mosaic_is_mounted(s->mosaic, "tree", &err), 0);
	assert_sound(s);
	drop(s, "tree");
	assert_int_equal(count_entries(s, "volumes"), 0);
	assert_int_equal(count_entries(s, "staging"), 0);
}

static void snapshots_are_taken_of_what_is_written(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int fd, old;

	make_volume(s, "data", 0);
	fd = mount_here(s, "data", 0);
	put(fd, "file", "one");
	assert_ok(mosaic_snapshot(s->mosaic, "snapshot", "data", &err), &err);
	put(fd, "file", "two");
	assert_ok(mosaic_clone(s->mosaic, "clone", "data", &err), &err);
	put(fd, "file", "three");
	old = mount_here(s, "snapshot", 0);
	assert_file(old, "file", "one");
	umount_here(s, &old, "snapshot");
	old = mount_here(s, "clone", 0);
	assert_file(old, "file", "two");
	put(old, "file", "four");
	umount_here(s, &old, "clone");
	assert_file(fd, "file", "three");
	assert_int_equal(mosaic_rollback(s->mosaic, "data", "snapshot", &err), -EBUSY);
	umount_here(s, &fd, "data");
	reopen(s);
	assert_ok(mosaic_rollback(s->mosaic, "data", "snapshot", &err), &err);
	fd = mount_here(s, "data", 0);
	assert_file(fd, "file", "one");
	put(fd, "file", "five");
	umount_here(s, &fd, "data");
	reopen(s);
	assert_sound(s);
	drop(s, "data");
	drop(s, "snapshot");
	drop(s, "clone");
	assert_int_equal(count_entries(s, "volumes"), 0);
	assert_int_equal(count_entries(s, "staging"), 0);
}

static uint64_t size_of(struct scratch *s, const char *name)
{
	struct mosaic_volume v;
	struct error err = { 0 };

	assert_ok(mosaic_info(s->mosaic, name, &v, &err), &err);
	return v.size;
}

static void sizes_limit_what_a_volume_holds(void **state)
{
	struct scratch *s = *state;
	struct mosaic_limits limits;
	struct error err = { 0 };
	char number[32];
	int fd;

	make_volume(s, "free", 0);
	fd = mount_here(s, "free", 0);
	assert_int_equal(fill(fd, "before", 8 * MIB), 0); /* quotas are off still */
	assert_int_equal(size_of(s, "free"), 0);
	make_volume(s, "data", 16 * MIB);
	assert_int_equal(size_of(s, "data"), 16 * MIB);
	umount_here(s, &fd, "free");
	fd = mount_here(s, "data", 0);
	assert_int_equal(fill(fd, "much", 32 * MIB), -EDQUOT);
	assert_int_equal(unlinkat(fd, "much", 0), 0);
	assert_ok(mosaic_resize(s->mosaic, "data", 64 * MIB, &err), &err);
	assert_int_equal(fill(fd, "much", 32 * MIB), 0);
	assert_int_equal(mosaic_resize(s->mosaic, "data", 16 * MIB, &err), -ENOSPC);
	snprintf(number, sizeof(number), "%llu", 16 * MIB);
	assert_non_null(strstr(err.text, number));
	assert_int_equal(size_of(s, "data"), 64 * MIB);
	umount_here(s, &fd, "data");
	reopen(s);

	assert_ok(mosaic_clone(s->mosaic, "clone", "data", &err), &err);
	assert_int_equal(size_of(s, "clone"), 64 * MIB);
	assert_ok(mosaic_resize(s->mosaic, "data", 0, &err), &err);
	assert_int_equal(size_of(s, "data"), 0);
	fd = mount_here(s, "data", 0);
	assert_int_equal(fill(fd, "more", 48 * MIB), 0);
	umount_here(s, &fd, "data");
	assert_int_equal(mosaic_resize(s->mosaic, "data", 4096, &err), -EINVAL);
	assert_ok(mosaic_limits(s->mosaic, &limits, &err), &err);
	assert_true(limits.size_min > 0 && limits.size_max > limits.size_min);
	assert_true(limits.total == FS_BYTES && limits.available < limits.total);
}

static bool about(uint64_t a, uint64_t mib)
{
	return a >= mib * MIB && a < mib * MIB + MIB;
}

static void usage_tells_what_is_shared(void **state)
{
	struct scratch *s = *state;
	struct mosaic_usage u;
	struct error err = { 0 };
	int fd;

	for (int with_quota = 0; with_quota < 2; with_quota++) {
		make_volume(s, "data", 0);
		if (with_quota)
			assert_ok(mosaic_resize(s->mosaic, "data", 64 * MIB, &err), &err);
		fd = mount_here(s, "data", 0);
		assert_int_equal(fill(fd, "shared", 8 * MIB), 0);
		assert_ok(mosaic_snapshot(s->mosaic, "snapshot", "data", &err), &err);
		assert_int_equal(fill(fd, "own", 4 * MIB), 0);
		assert_int_equal(linkat(fd, "own", fd, "again", 0), 0);
		umount_here(s, &fd, "data");
		assert_ok(mosaic_usage(s->mosaic, "data", &u, &err), &err);
		assert_true(about(u.used, 12));
		assert_true(about(u.exclusive, 4));
		assert_true(u.shared == u.used - u.exclusive);
		assert_ok(mosaic_usage(s->mosaic, "snapshot", &u, &err), &err);
		assert_true(about(u.used, 8));
		assert_true(u.exclusive < MIB);
		reopen(s);
		drop(s, "data");
		drop(s, "snapshot");
	}
}

/* Made by root in the volume, as an engine in a container would. */
static void subvolumes_inside_go_along(void **state)
{
	struct scratch *s = *state;
	struct mosaic_usage u;
	struct error err = { 0 };
	_close_ int inner = -1;
	int fd;

	make_volume(s, "data", 32 * MIB);
	fd = mount_here(s, "data", 0);
	assert_int_equal(mkdirat(fd, "dir", 0755), 0);
	inner = openat(fd, "dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(btrfs_util_create_subvolume_fd(inner, "inner", 0, NULL, NULL), 0);
	put(inner, "inner/file", "inside");
	cleanup_close(&inner);
	inner = openat(fd, "dir/inner", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fill(inner, "much", 4 * MIB), 0);
	assert_int_equal(btrfs_util_create_subvolume_fd(inner, "innermost", 0, NULL, NULL), 0);
	cleanup_close(&inner);
	assert_ok(mosaic_snapshot(s->mosaic, "snapshot", "data", &err), &err);
	put(fd, "dir/inner/file", "changed");
	umount_here(s, &fd, "data");
	assert_ok(mosaic_clone(s->mosaic, "clone", "snapshot", &err), &err);
	fd = mount_here(s, "clone", 0);
	assert_file(fd, "dir/inner/file", "inside");
	umount_here(s, &fd, "clone");
	assert_ok(mosaic_usage(s->mosaic, "clone", &u, &err), &err);
	assert_true(about(u.used, 4));
	reopen(s);
	assert_sound(s);
	drop(s, "snapshot");
	drop(s, "data");
	drop(s, "clone");
	assert_int_equal(count_entries(s, "volumes"), 0);
	assert_int_equal(count_entries(s, "staging"), 0);
}

static void drop_works_with_a_spent_quota(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	int fd, r;

	make_volume(s, "data", 8 * MIB);
	fd = mount_here(s, "data", 0);
	assert_int_equal(fill(fd, "much", 32 * MIB), -EDQUOT);
	assert_ok(mosaic_snapshot(s->mosaic, "snapshot", "data", &err), &err);
	assert_int_equal(unlinkat(fd, "much", 0), 0);
	assert_int_equal(btrfs_util_create_subvolume_fd(fd, "inner", 0, NULL, NULL), 0);
	assert_int_equal(fill(fd, "much", 32 * MIB), -EDQUOT);
	r = mosaic_snapshot(s->mosaic, "other", "data", &err);
	if (r < 0) { /* putting the inner one into the copy takes a block of the same quota */
		assert_int_equal(r, -EDQUOT);
		assert_non_null(strstr(err.text, "quota of 8388608 bytes"));
	}
	umount_here(s, &fd, "data");
	reopen(s);
	drop(s, "snapshot");
	drop(s, "other");
	drop(s, "data");
	assert_int_equal(count_entries(s, "volumes"), 0);
	assert_int_equal(count_entries(s, "staging"), 0);
}

static void drop_works_on_a_full_disk(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };
	char name[32];
	int fd, r = 0;

	make_volume(s, "data", 0);
	fd = mount_here(s, "data", 0);
	for (uint64_t bytes = 64 * MIB; bytes >= 64 << 10; bytes /= 2) {
		do {
			static unsigned n;

			snprintf(name, sizeof(name), "%u", n++);
			r = fill(fd, name, bytes);
		} while (r == 0);
		assert_int_equal(r, -ENOSPC);
	}
	for (unsigned i = 0; i < 100000; i++) { /* and of metadata */
		static char text[1024];
		_close_ int file = -1;

		snprintf(name, sizeof(name), "small-%u", i);
		file = openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (file < 0 || write(file, text, sizeof(text)) < 0)
			break;
	}
	r = mosaic_snapshot(s->mosaic, "snapshot", "data", &err);
	if (r < 0) {
		assert_int_equal(r, -ENOSPC);
		assert_non_null(strstr(err.text, "bytes are free"));
	}
	umount_here(s, &fd, "data");
	reopen(s);
	drop(s, "data");
	drop(s, "snapshot");
	assert_false(mosaic_have(s->mosaic, "data"));
	assert_int_equal(count_entries(s, "volumes"), 0);
}

static int open_pipe_file(struct scratch *s)
{
	return openat(s->dirfd, "stream", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

/* The driver plain shares data here, and has to say so; not on a tmpfs. */
static void plain_tells_what_it_shares(void **state)
{
	struct scratch *s = *state;
	_mosaic_ struct mosaic *here = NULL, *there = NULL;
	struct error err = { 0 };
	char place[400];

	snprintf(place, sizeof(place), "%s/fs/plain", s->path);
	assert_ok(mosaic_open(&here, place, "plain", MOSAIC_OPEN_CREATE, &err), &err);
	assert_int_equal(mosaic_features(here), MOSAIC_CLONE | MOSAIC_SNAPSHOT);
	snprintf(place, sizeof(place), "/dev/shm/test-mosaic-%d", getpid());
	assert_ok(mosaic_open(&there, place, "plain", MOSAIC_OPEN_CREATE, &err), &err);
	assert_int_equal(mosaic_features(there), 0);
	run((const char *[]){ "rm", "-rf", place, NULL });
}

/* By the driver's own functions: mosaic_send() is about the frame. */
static void streams_are_sent_and_received(void **state)
{
	struct scratch *s = *state;
	_volume_ struct volume one = VOLUME_CLOSED, two = VOLUME_CLOSED, data = VOLUME_CLOSED;
	struct mosaic_staged staged = MOSAIC_STAGED_NONE;
	_close_ int stream = -1;
	struct error err = { 0 };
	int fd;

	make_volume(s, "data", 0);
	fd = mount_here(s, "data", 0);
	put(fd, "file", "one");
	assert_ok(mosaic_snapshot(s->mosaic, "one", "data", &err), &err);
	put(fd, "file", "two");
	umount_here(s, &fd, "data");
	reopen(s);

	stream = open_pipe_file(s);
	assert_ok(volume_open(s->mosaic, "one", &one, &err), &err);
	assert_ok(btrfs_send(s->mosaic, &one, NULL, stream, &err), &err);
	assert_int_equal(lseek(stream, 0, SEEK_SET), 0);
	assert_ok(volume_begin(s->mosaic, &staged, &err), &err);
	assert_ok(btrfs_receive(s->mosaic, staged.lock_fd, NULL, stream, &err), &err);
	assert_int_equal(volume_finish(s->mosaic, &staged, "two", &err), 0);
	fd = mount_here(s, "two", 0);
	assert_file(fd, "file", "one");
	umount_here(s, &fd, "two");
	cleanup_close(&stream);

	/* what changed, of a volume that is not read-only */
	stream = open_pipe_file(s);
	assert_ok(volume_open(s->mosaic, "data", &data, &err), &err);
	assert_ok(volume_open(s->mosaic, "two", &two, &err), &err);
	assert_ok(btrfs_send(s->mosaic, &data, &one, stream, &err), &err);
	assert_int_equal(count_entries(s, "staging"), 0);
	assert_int_equal(lseek(stream, 0, SEEK_SET), 0);
	assert_ok(volume_begin(s->mosaic, &staged, &err), &err);
	assert_ok(btrfs_receive(s->mosaic, staged.lock_fd, &two, stream, &err), &err);
	assert_int_equal(volume_finish(s->mosaic, &staged, "three", &err), 0);
	fd = mount_here(s, "three", 0);
	assert_file(fd, "file", "two");
	umount_here(s, &fd, "three");
	cleanup_close(&stream);

	/* broken off */
	stream = open_pipe_file(s);
	assert_ok(btrfs_send(s->mosaic, &one, NULL, stream, &err), &err);
	assert_int_equal(ftruncate(stream, lseek(stream, 0, SEEK_END) - 20), 0);
	assert_int_equal(lseek(stream, 0, SEEK_SET), 0);
	assert_ok(volume_begin(s->mosaic, &staged, &err), &err);
	assert_true(btrfs_receive(s->mosaic, staged.lock_fd, NULL, stream, &err) < 0);
	assert_true(strlen(err.text) > 10);
	mosaic_discard(s->mosaic, &staged);
	assert_int_equal(count_entries(s, "staging"), 0);
	assert_sound(s);
}

/* ---- a stream of somebody who means harm ----------------------------------------------------- */

enum { STREAM_HEAD_BYTES = 17, COMMAND_BYTES = 10, STREAM_MAX = 64 << 10 };

static uint32_t crc32c(const uint8_t *p, size_t n)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* Writes to for from, which is as long, in all commands: {u32 length, u16 kind, u32 CRC} payload.
 */
static unsigned replace_in_stream(uint8_t *stream, size_t size, const char *from, const char *to)
{
	size_t len = strlen(from), at = STREAM_HEAD_BYTES;
	unsigned n = 0;

	while (at + COMMAND_BYTES <= size) {
		uint8_t *command = stream + at, *found;
		uint32_t payload, crc;

		memcpy(&payload, command, sizeof(payload));
		payload = le32toh(payload);
		assert_true(payload <= size - at - COMMAND_BYTES);
		while ((found = memmem(command + COMMAND_BYTES, payload, from, len)) != NULL) {
			memcpy(found, to, len);
			n++;
		}
		memset(command + 6, 0, sizeof(crc));
		crc = htole32(crc32c(command, COMMAND_BYTES + payload));
		memcpy(command + 6, &crc, sizeof(crc));
		at += COMMAND_BYTES + payload;
	}
	return n;
}

/* The kernel makes a file by a name that nobody has, "o257-7-0", and gives it its own then. */
static void a_stream_writes_nowhere_else(void **state)
{
	struct scratch *s = *state;
	_volume_ struct volume v = VOLUME_CLOSED;
	struct mosaic_staged staged = MOSAIC_STAGED_NONE;
	_close_ int stream = open_pipe_file(s), staging = -1;
	_free_ uint8_t *bytes = malloc(STREAM_MAX);
	struct error err = { 0 };
	char path[512], *name;
	ssize_t size;

	commit_hello(s, "tree");
	assert_ok(volume_open(s->mosaic, "tree", &v, &err), &err);
	assert_ok(btrfs_send(s->mosaic, &v, NULL, stream, &err), &err);
	size = pread(stream, bytes, STREAM_MAX, 0);
	assert_in_range(size, 100, STREAM_MAX - 1);
	name = memmem(bytes, (size_t)size, "o257-", 5);
	assert_non_null(name);
	snprintf(path, sizeof(path), "%.8s", name);
	assert_true(replace_in_stream(bytes, (size_t)size, path, "../../x0") > 1);
	assert_int_equal(pwrite(stream, bytes, (size_t)size, 0), size);
	assert_int_equal(lseek(stream, 0, SEEK_SET), 0);
	assert_ok(volume_begin(s->mosaic, &staged, &err), &err);
	assert_true(btrfs_receive(s->mosaic, staged.lock_fd, NULL, stream, &err) < 0);
	snprintf(path, sizeof(path), "%s/staging", s->location);
	staging = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_missing(staging, "x0");
	assert_non_null(strstr(err.text, strerror(EROFS)));
	mosaic_discard(s->mosaic, &staged);
	assert_sound(s);
}

/* ---- broken off ------------------------------------------------------------------------------ */

enum { END_BYTES = 40 + 48 }; /* of the frame END */

static int send_to(struct scratch *s, const char *volume, const char *token)
{
	const struct mosaic_send how = { .flags = MOSAIC_SEND_PORTABLE, .resume = token };
	struct error err = { 0 };
	int fd = memfd_create("stream", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_ok(mosaic_send(s->mosaic, volume, &how, fd, &err), &err);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int rename_staged(int dirfd, const char *name, void *arg)
{
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(renameat(fd, "data", fd, "tree"), 0);
	++*(unsigned *)arg;
	return 0;
}

/* Killed when the volume was whole and its subvolume was not read-only yet. */
static void a_seal_that_was_interrupted_is_finished(void **state)
{
	const struct mosaic_receive writable = { .flags = MOSAIC_RECEIVE_WRITABLE };
	struct scratch *s = *state;
	_close_ int whole = -1, rest = -1, staging = -1;
	struct error err = { 0 };
	char token[MOSAIC_TOKEN_MAX], path[512];
	unsigned n = 0;
	off_t size;

	commit_hello(s, "tree");
	whole = send_to(s, "tree", NULL);
	size = lseek(whole, 0, SEEK_END);
	assert_int_equal(ftruncate(whole, size - END_BYTES), 0);
	assert_int_equal(lseek(whole, 0, SEEK_SET), 0);
	assert_int_equal(mosaic_receive(s->mosaic, "there", NULL, whole, &err), -EPIPE);
	snprintf(path, sizeof(path), "%s/staging", s->location);
	staging = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(dir_each(staging, rename_staged, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(mosaic_receive_state(s->mosaic, "there", token, &err), 0);
	rest = send_to(s, "tree", token);
	assert_int_equal(mosaic_receive(s->mosaic, "there", &writable, rest, &err), -EINVAL);
	assert_int_equal(lseek(rest, 0, SEEK_SET), 0);
	assert_ok(mosaic_receive(s->mosaic, "there", NULL, rest, &err), &err);
	assert_sound(s);
	drop(s, "there");
}

static void writable_trees_are_found(void **state)
{
	struct scratch *s = *state;
	_close_ int location = open(s->location, O_RDONLY | O_DIRECTORY | O_CLOEXEC), tree = -1;
	struct error err = { 0 };
	unsigned told = 0, n = 0;

	commit_hello(s, "tree");
	tree = openat(location, "volumes/tree/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(btrfs_util_set_subvolume_read_only_fd(tree, false), 0);
	assert_ok(mosaic_check(s->mosaic, 0, count_problem, &told, &n, &err), &err);
	assert_int_equal(told, 1);
	assert_int_equal(n, 1);
	assert_ok(mosaic_check(s->mosaic, MOSAIC_CHECK_REPAIR, count_problem, &told, &n, &err),
		  &err);
	assert_int_equal(n, 0);
	assert_sound(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, btrfs_setup, btrfs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(elsewhere_it_is_refused),
		TEST(trees_are_read_only_subvolumes),
		TEST(snapshots_are_taken_of_what_is_written),
		TEST(sizes_limit_what_a_volume_holds),
		TEST(usage_tells_what_is_shared),
		TEST(subvolumes_inside_go_along),
		TEST(drop_works_with_a_spent_quota),
		TEST(drop_works_on_a_full_disk),
		TEST(plain_tells_what_it_shares),
		TEST(streams_are_sent_and_received),
		TEST(a_stream_writes_nowhere_else),
		TEST(a_seal_that_was_interrupted_is_finished),
		TEST(writable_trees_are_found),
	};

	/* Mounts of this test stay in a namespace of its own. */
	if (unshare(CLONE_NEWNS) < 0 || mount_all_private() < 0) {
		print_error("this test needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
