/* Making volumes, and looking at them. */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

static void create_and_keep(struct suite *s)
{
	struct mosaic_volume v;
	int fd;

	create(s, "v");
	need(mosaic_have(s->m, "v"));
	need(!mosaic_have(s->m, "w"));
	ok(s, mosaic_info(s->m, "v", &v, &s->err));
	need(!v.read_only && !v.raw && !v.parent[0] && strcmp(v.name, "v") == 0);
	need(v.created_ns > 1700000000000000000);
	fd = mount_rw(s, "v");
	put(fd, "hello", "world");
	close(fd);
	same_in(s, "v", "hello", "world");
	fails(s, EEXIST, mosaic_create(s->m, "v", NULL, &s->err));
	same_in(s, "v", "hello", "world");
}

static void odd_names(struct suite *s)
{
	static const char *const good[] = { "a b",    "caf\xc3\xa9", "-rf",   "a.b",  "$(x)",
					    "a'b\"c", "a:b",         "a,b=c", "a\\b", "%s%n",
					    "tree",   "data",        "parent" };
	static const char *const bad[] = { "", ".", "..", ".x", "a/b", "/", "a\nb", "a\tb", "\x7f" };
	char longest[MOSAIC_NAME_MAX + 2], is[65], was[65];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fails(s, EINVAL, mosaic_create(s->m, bad[i], NULL, &s->err));
	memset(longest, 'x', sizeof(longest));
	longest[MOSAIC_NAME_MAX + 1] = '\0';
	fails(s, EINVAL, mosaic_create(s->m, longest, NULL, &s->err));
	longest[MOSAIC_NAME_MAX] = '\0';
	create(s, longest);
	put_in(s, longest, "x", "long");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		create(s, good[i]);
		put_in(s, good[i], "name", good[i]);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		same_in(s, good[i], "name", good[i]);
	ok(s, mosaic_clone(s->m, "of it", longest, &s->err));
	describe_volume(s, longest, was);
	describe_volume(s, "of it", is);
	need(strcmp(was, is) == 0);
	fails(s, EINVAL, mosaic_clone(s->m, "../x", "a b", &s->err));
	fails(s, EINVAL, mosaic_clone(s->m, "y", "../x", &s->err));
	fails(s, ENOENT, mosaic_clone(s->m, "y", "not there", &s->err));
}

static void trees(struct suite *s)
{
	struct mosaic_staged staged, other;
	struct mosaic_volume v;
	char was[65], is[65];
	struct stat st;
	int fd;

	ok(s, mosaic_stage(s->m, &staged, &fd, &s->err));
	if (fstat(fd, &st) < 0 || (st.st_mode & 07777) != 0755 || st.st_uid != 0)
		fail("the root of a staged tree is not 0755 root");
	fill(fd);
	describe(fd, was);
	close(fd);
	need(!mosaic_have(s->m, "t"));
	ok(s, mosaic_commit(s->m, &staged, "t", &s->err));
	describe_volume(s, "t", is);
	need(strcmp(was, is) == 0);
	ok(s, mosaic_info(s->m, "t", &v, &s->err));
	need(v.read_only);
	fd = mount_rw(s, "t");
	need(openat(fd, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EROFS);
	close(fd);
	ok(s, mosaic_stage(s->m, &other, &fd, &s->err));
	close(fd);
	need(mosaic_commit(s->m, &other, "t", &s->err) == MOSAIC_EXISTS);
	describe_volume(s, "t", is);
	need(strcmp(was, is) == 0);
	ok(s, mosaic_stage(s->m, &other, &fd, &s->err));
	put(fd, "x", "y");
	close(fd);
	mosaic_discard(s->m, &other);
}

static int count(const struct mosaic_volume *v, void *arg)
{
	(void)v;
	++*(int *)arg;
	return 0;
}

static int stop(const struct mosaic_volume *v, void *arg)
{
	(void)v;
	(void)arg;
	return 42;
}

static void lists(struct suite *s)
{
	char name[16];
	int n = 0;

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		create(s, name);
	}
	ok(s, mosaic_each(s->m, count, &n, &s->err));
	need(n == 20);
	need(mosaic_each(s->m, stop, NULL, &s->err) == 42);
	ok(s, mosaic_drop(s->m, "v3", 0, &s->err));
	ok(s, mosaic_drop(s->m, "v3", 0, &s->err));
	n = 0;
	ok(s, mosaic_each(s->m, count, &n, &s->err));
	need(n == 19);
	ok(s, mosaic_clone(s->m, "c", "v1", &s->err));
	n = 0;
	ok(s, mosaic_each_child(s->m, "v1", count, &n, &s->err));
	need(n == 1);
	n = 0;
	ok(s, mosaic_each_child(s->m, "v2", count, &n, &s->err));
	need(n == 0);
}

static void limits(struct suite *s)
{
	struct mosaic_limits l;

	ok(s, mosaic_limits(s->m, &l, &s->err));
	need(l.total > 0 && l.available <= l.total);
	need(l.size_max == 0 || l.size_min <= l.size_max);
	if (!(s->features & MOSAIC_QUOTA))
		fails(s, EOPNOTSUPP,
		      mosaic_create(s->m, "v", &(struct mosaic_create){ .size = 1 << 30 },
				    &s->err));
	fails(s, EOPNOTSUPP,
	      mosaic_create(s->m, "v", &(struct mosaic_create){ .fs = "minix9" }, &s->err));
	need(!mosaic_have(s->m, "v"));
	for (const char *const *fs = l.filesystems; fs && *fs; fs++) {
		struct mosaic_volume v;
		char name[40];

		snprintf(name, sizeof(name), "on %s", *fs);
		ok(s, mosaic_create(s->m, name, &(struct mosaic_create){ .fs = *fs }, &s->err));
		put_in(s, name, "x", "y");
		same_in(s, name, "x", "y");
		ok(s, mosaic_info(s->m, name, &v, &s->err));
		need(strcmp(v.fs, *fs) == 0);
	}
}

static uint64_t used_by(struct suite *s, const char *name)
{
	struct mosaic_usage u;

	ok(s, mosaic_usage(s->m, name, &u, &s->err));
	need(u.used == u.exclusive + u.shared);
	return u.used;
}

static void usage(struct suite *s)
{
	uint64_t before, after;
	int fd;

	create(s, "v");
	before = used_by(s, "v");
	fd = mount_rw(s, "v");
	put_bytes(fd, "x", 20 << 20, 1);
	syncfs(fd);
	close(fd);
	ok(s, mosaic_sync(s->m, &s->err));
	after = used_by(s, "v");
	if (after < before + (19 << 20) || after > before + (60 << 20))
		fail("20 MiB more, and it uses %llu after %llu", (unsigned long long)after,
		     (unsigned long long)before);
}

/* More than fits is refused with numbers, and what is full can be dropped. */
static void size_holds(struct suite *s)
{
	static const struct mosaic_create small = { .size = 320 << 20 };
	struct mosaic_volume v;
	static char block[1 << 20];
	size_t written = 0;
	int dir, fd;

	need_features(s, MOSAIC_QUOTA);
	ok(s, mosaic_create(s->m, "v", &small, &s->err));
	ok(s, mosaic_info(s->m, "v", &v, &s->err));
	need(v.size == small.size);
	dir = mount_rw(s, "v");
	fd = openat(dir, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	memset(block, 'x', sizeof(block));
	for (;; written++) {
		memcpy(block, &written, sizeof(written));
		if (write(fd, block, sizeof(block)) < 0) /* before that, a short one is no error */
			break;
		if (written % 32 == 0 && fsync(fd) < 0)
			break;
		if (written > 400)
			fail("%zu MiB fit into 320", written);
	}
	need(errno == ENOSPC || errno == EDQUOT);
	need(written > 150);
	close(fd);
	close(dir);
}

/* ext4 asks for CAP_SYS_RESOURCE before it grows while it is mounted. */
static bool may_grow_mounted(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		(void)!sscanf(line, "CapEff: %llx", &caps);
	if (f)
		fclose(f);
	return caps >> 24 & 1;
}

static void sizes_change(struct suite *s)
{
	static const struct mosaic_create small = { .size = 400 << 20 };
	struct mosaic_volume v;
	char was[65], is[65];
	int fd;

	if (!(s->features & MOSAIC_RESIZE_UP)) {
		create(s, "v");
		fails(s, EOPNOTSUPP, mosaic_resize(s->m, "v", 1 << 30, &s->err));
	}
	need_features(s, MOSAIC_QUOTA | MOSAIC_RESIZE_UP);
	ok(s, mosaic_create(s->m, "v", &small, &s->err));
	fd = mount_rw(s, "v");
	fill(fd);
	describe(fd, was);
	if (may_grow_mounted()) {
		ok(s, mosaic_resize(s->m, "v", 800 << 20, &s->err));
	} else {
		int r = mosaic_resize(s->m, "v", 800 << 20, &s->err);

		if (r < 0) { /* refused, and nothing changed */
			fails(s, EPERM, r);
			close(fd);
			mosaic_close(s->m);
			ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
			ok(s, mosaic_resize(s->m, "v", 800 << 20, &s->err));
			fd = mount_rw(s, "v");
		}
	}
	put_bytes(fd, "more", 500 << 20, 3);
	if (unlinkat(fd, "more", 0) < 0)
		fail("unlink: %m");
	describe(fd, is);
	need(strcmp(was, is) == 0);
	close(fd);
	mosaic_close(s->m);
	ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
	ok(s, mosaic_info(s->m, "v", &v, &s->err));
	need(v.size == 800 << 20);
	if (s->features & MOSAIC_RESIZE_DOWN) {
		ok(s, mosaic_resize(s->m, "v", 480 << 20, &s->err));
		ok(s, mosaic_info(s->m, "v", &v, &s->err));
		need(v.size == 480 << 20);
		describe_volume(s, "v", is);
		need(strcmp(was, is) == 0);
	} else {
		fails(s, EOPNOTSUPP, mosaic_resize(s->m, "v", 480 << 20, &s->err));
	}
	fails(s, ENOENT, mosaic_resize(s->m, "w", 1 << 30, &s->err));
}

static int add_key(const char *key, void *arg)
{
	snprintf((char *)arg + strlen(arg), 64, "%s;", key);
	return 0;
}

static void private_data(struct suite *s)
{
	char *value, keys[256] = "";
	size_t len;

	create(s, "v");
	fails(s, ENODATA, mosaic_get_data(s->m, "v", "k", &value, &len, &s->err));
	ok(s, mosaic_set_data(s->m, "v", "k", "a\0b", 3, &s->err));
	ok(s, mosaic_set_data(s->m, "v", "other", "", 0, &s->err));
	ok(s, mosaic_get_data(s->m, "v", "k", &value, &len, &s->err));
	need(len == 3 && memcmp(value, "a\0b", 4) == 0);
	free(value);
	ok(s, mosaic_set_data(s->m, "v", "k", "new", 3, &s->err));
	ok(s, mosaic_each_data(s->m, "v", add_key, keys, &s->err));
	need(strcmp(keys, "k;other;") == 0 || strcmp(keys, "other;k;") == 0);
	ok(s, mosaic_snapshot(s->m, "snap", "v", &s->err));
	ok(s, mosaic_clone(s->m, "c", "v", &s->err));
	fails(s, ENODATA, mosaic_get_data(s->m, "c", "k", &value, &len, &s->err));
	ok(s, mosaic_rollback(s->m, "v", "snap", &s->err));
	ok(s, mosaic_get_data(s->m, "v", "k", &value, &len, &s->err));
	need(len == 3 && memcmp(value, "new", 3) == 0);
	free(value);
	ok(s, mosaic_set_data(s->m, "v", "k", NULL, 0, &s->err));
	fails(s, ENODATA, mosaic_get_data(s->m, "v", "k", &value, &len, &s->err));
	fails(s, EINVAL, mosaic_set_data(s->m, "v", "../k", "x", 1, &s->err));
	fails(s, ENOENT, mosaic_set_data(s->m, "w", "k", "x", 1, &s->err));
}

static void metadata(struct suite *s)
{
	int fd;

	ok(s, mosaic_mount_metadata(s->m, NULL, &fd, &s->err));
	put(fd, "note", "mine");
	close(fd);
	ok(s, mosaic_mount_metadata(s->m, &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY },
				    &fd, &s->err));
	same(fd, "note", "mine");
	need(unlinkat(fd, "note", 0) < 0 && errno == EROFS);
	close(fd);
}

/* Several processes make, copy and drop at once. */
static void worker(struct suite *s, int me)
{
	char a[16], b[16], c[16];

	snprintf(a, sizeof(a), "a%d", me);
	snprintf(b, sizeof(b), "b%d", me);
	snprintf(c, sizeof(c), "c%d", me);
	for (int i = 0; i < 3; i++) {
		int shared = mosaic_create(s->m, "shared", NULL, &s->err);

		need(shared == 0 || shared == -EEXIST);
		ok(s, mosaic_clone(s->m, a, "base", &s->err));
		put_in(s, a, "who", a);
		ok(s, mosaic_snapshot(s->m, b, a, &s->err));
		ok(s, mosaic_clone(s->m, c, b, &s->err));
		same_in(s, c, "who", a);
		same_in(s, c, "hello", "world");
		ok(s, mosaic_drop(s->m, c, 0, &s->err));
		ok(s, mosaic_drop(s->m, a, 0, &s->err));
		ok(s, mosaic_drop(s->m, b, 0, &s->err));
	}
}

static void many_at_once(struct suite *s)
{
	struct mosaic_staged staged;
	int fd, status, failed = 0;

	ok(s, mosaic_stage(s->m, &staged, &fd, &s->err));
	put(fd, "hello", "world");
	close(fd);
	ok(s, mosaic_commit(s->m, &staged, "base", &s->err));
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork_child();

		if (pid == 0) {
			ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
			worker(s, i);
			mosaic_close(s->m);
			fflush(stdout);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		failed += status != 0;
	need(failed == 0);
}

const struct test_case volume_cases[] = {
	{ "create", create_and_keep },
	{ "odd-names", odd_names },
	{ "tree", trees },
	{ "list", lists },
	{ "limits", limits },
	{ "usage", usage },
	{ "size", size_holds },
	{ "resize", sizes_change },
	{ "private-data", private_data },
	{ "metadata", metadata },
	{ "many-at-once", many_at_once },
	{ NULL, NULL },
};
