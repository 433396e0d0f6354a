#include "trees.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum { MAX_NAMES = 512, PATH = 1024 };

/* A file system in memory is ten times faster, if it keeps what we want to see kept. */
static const char *choose_place(void)
{
	static const char place[] = "/dev/shm";
	_close_ int fd = open(place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0 && fsetxattr(fd, "user.test", "x", 1, 0) == 0 ? place : "/tmp";
}

int trees_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	snprintf(s->path, sizeof(s->path), "%s/test-trees-XXXXXX", choose_place());
	assert_non_null(mkdtemp(s->path));
	s->dirfd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(s->dirfd >= 0);
	*state = s;
	return 0;
}

int trees_teardown(void **state)
{
	struct scratch *s = *state;
	char *name = strrchr(s->path, '/');
	_close_ int parent = -1;

	close(s->dirfd);
	*name = '\0';
	parent = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_remove_tree(parent, name + 1), 0);
	free(s);
	return 0;
}

struct trees trees_begin(uint64_t seed)
{
	return (struct trees){ .random = seed * 2654435761U + 12345, .root = geteuid() == 0 };
}

uint64_t trees_random(struct trees *t, uint64_t below)
{
	t->random = t->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (t->random >> 33) % below;
}

int trees_directory(int dirfd, const char *name)
{
	int fd;

	assert_int_equal(mkdirat(dirfd, name, 0755), 0);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* Names that sort differently as paths and as names, and odd ones. */
static void make_name(struct trees *t, char dst[PATH])
{
	static const char *const fronts[] = {
		"", "a.", "a", "a-", "a ", "\xff", "new\nline", ".hidden", "A",
	};

	snprintf(dst, PATH, "%s%u", fronts[trees_random(t, ARRAY_SIZE(fronts))],
		 (unsigned)trees_random(t, 1000));
	if (trees_random(t, 40) == 0) {
		memset(dst, 'l', 255);
		dst[255] = '\0';
	}
}

static void write_data(struct trees *t, int fd, off_t at, size_t len)
{
	_free_ char *data = malloc(len + 1);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(trees_random(t, 4) ? trees_random(t, 256) : 0);
	assert_int_equal(pwrite(fd, data, len, at), len);
}

static void fill_file(struct trees *t, int fd)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000, 300000 };

	switch (trees_random(t, 4)) {
	case 0: /* holes, in front, between and at the end */
		write_data(t, fd, (off_t)trees_random(t, 1 << 19), 5000);
		write_data(t, fd, (off_t)(1 << 20) + (off_t)trees_random(t, 1 << 18), 10000);
		assert_int_equal(ftruncate(fd, 3 << 19), 0);
		break;
	case 1: /* zeros that are there */
		write_data(t, fd, 0, 10);
		assert_int_equal(fallocate(fd, 0, 0, 70000), 0);
		break;
	default:
		write_data(t, fd, 0, sizes[trees_random(t, ARRAY_SIZE(sizes))]);
	}
}

static void set_xattrs(struct trees *t, const char *path)
{
	static const uint8_t capability[20] = { 1, 0, 0, 2, 0, 4 };
	char name[64], value[300];
	size_t n = trees_random(t, 4);

	memset(value, 'x', sizeof(value));
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "user.%c%u", (int)('a' + trees_random(t, 6)),
			 (unsigned)trees_random(t, 3));
		assert_int_equal(setxattr(path, name, value, trees_random(t, sizeof(value)), 0), 0);
	}
	if (t->root && trees_random(t, 6) == 0)
		assert_int_equal(setxattr(path, "trusted.mark", "1", 1, 0), 0);
	if (t->root && trees_random(t, 6) == 0)
		(void)!setxattr(path, "security.capability", capability, sizeof(capability), 0);
	if (trees_random(t, 8) == 0) /* what a layer says of itself is no part of it */
		(void)!setxattr(path, "trusted.overlay.origin", "x", 1, 0);
}

static void set_attributes(struct trees *t, int dirfd, const char *name)
{
	const struct timespec times[] = {
		{ .tv_nsec = UTIME_OMIT },
		{ (time_t)trees_random(t, 2000000000), (long)trees_random(t, 1000000000) },
	};
	char path[64];
	_close_ int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (t->root)
		assert_int_equal(fchownat(fd, "", (uid_t)trees_random(t, 3),
					  (gid_t)trees_random(t, 3), AT_EMPTY_PATH),
				 0);
	if (!S_ISLNK(st.st_mode))
		assert_int_equal(chmod(path, (mode_t)trees_random(t, 010000) | 0700), 0);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		set_xattrs(t, path);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void make_special(struct trees *t, int dirfd, const char *name)
{
	mode_t types[] = { S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK };
	mode_t type = types[trees_random(t, t->root ? 4 : 2)];
	dev_t device = type == S_IFCHR || type == S_IFBLK
			       ? makedev(1 + trees_random(t, 300), trees_random(t, 70000))
			       : 0;

	assert_int_equal(mknodat(dirfd, name, type | 0600, device), 0);
}

static void make_entry(struct trees *t, int dirfd, unsigned depth);

static void make_directory(struct trees *t, int dirfd, const char *name, unsigned depth)
{
	_close_ int fd = trees_directory(dirfd, name);
	size_t n = trees_random(t, 8);

	for (size_t i = 0; i < n && depth < 6; i++)
		make_entry(t, fd, depth + 1);
}

static void make_file(struct trees *t, int dirfd, const char *name)
{
	_close_ int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	fill_file(t, fd);
}

static void make_link(struct trees *t, int dirfd, const char *name)
{
	char target[PATH];

	make_name(t, target);
	if (trees_random(t, 10) == 0) {
		memset(target, 'y', 1000);
		target[1000] = '\0';
	}
	assert_int_equal(symlinkat(target, dirfd, name), 0);
}

static void make_entry(struct trees *t, int dirfd, unsigned depth)
{
	char name[PATH];

	make_name(t, name);
	if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	t->made++;
	switch (trees_random(t, 8)) {
	case 0:
	case 1:
	case 2:
		make_directory(t, dirfd, name, depth);
		break;
	case 3:
		make_link(t, dirfd, name);
		break;
	case 4:
		make_special(t, dirfd, name);
		break;
	default:
		make_file(t, dirfd, name);
	}
	set_attributes(t, dirfd, name);
}

/* ---- choosing -------------------------------------------------------------------------------- */

struct names {
	int root;
	char path[PATH];
	char *list[MAX_NAMES];
	bool is_dir[MAX_NAMES];
	size_t n;
};

static int collect(int dirfd, const char *name, void *arg)
{
	struct names *all = arg;
	size_t before = strlen(all->path);
	struct stat st;

	if (before + strlen(name) + 2 > sizeof(all->path) || all->n == MAX_NAMES)
		return 0;
	assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	snprintf(all->path + before, sizeof(all->path) - before, "%s%s", before ? "/" : "", name);
	all->is_dir[all->n] = S_ISDIR(st.st_mode);
	all->list[all->n] = strdup(all->path);
	assert_non_null(all->list[all->n++]);
	if (S_ISDIR(st.st_mode)) {
		_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(dir_each(fd, collect, all), 0);
	}
	all->path[before] = '\0';
	return 0;
}

static void names_free(struct names *all)
{
	for (size_t i = 0; i < all->n; i++)
		free(all->list[i]);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, so that what is chosen does not depend on the file system. */
static void names_read(struct names *all, int root)
{
	struct stat st;

	*all = (struct names){ .root = root };
	assert_int_equal(dir_each(root, collect, all), 0);
	qsort(all->list, all->n, sizeof(all->list[0]), by_name);
	for (size_t i = 0; i < all->n; i++) {
		assert_int_equal(fstatat(root, all->list[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		all->is_dir[i] = S_ISDIR(st.st_mode);
	}
}

static void link_some(struct trees *t, int root, unsigned n)
{
	struct names all;

	names_read(&all, root);
	for (unsigned i = 0; i < n && all.n > 0; i++) {
		size_t k = trees_random(t, all.n), d = trees_random(t, all.n);
		char to[2 * PATH];

		snprintf(to, sizeof(to), "%s%slink-%u", all.is_dir[d] ? all.list[d] : "",
			 all.is_dir[d] ? "/" : "", (unsigned)trees_random(t, 1000));
		if (!all.is_dir[k])
			(void)!linkat(root, all.list[k], root, to, 0);
	}
	names_free(&all);
}

void trees_fill(struct trees *t, int dirfd, unsigned n)
{
	unsigned end = t->made + n;

	while (t->made < end)
		make_entry(t, dirfd, 0);
	link_some(t, dirfd, n / 10 + 1);
	set_attributes(t, dirfd, ".");
}

/* ---- changing -------------------------------------------------------------------------------- */

static void remove_path(int root, const char *path)
{
	_free_ char *copy = strdup(path);
	char *slash = strrchr(copy, '/');
	_close_ int dir = -1;

	if (slash)
		*slash = '\0';
	dir = openat(root, slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		assert_int_equal(path_remove_tree(dir, slash ? slash + 1 : copy), 0);
}

static void rewrite(struct trees *t, int root, const char *path)
{
	_close_ int fd = openat(root, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	switch (trees_random(t, 5)) {
	case 0:
		fill_file(t, fd);
		break;
	case 1:
		assert_int_equal(ftruncate(fd, (off_t)trees_random(t, 200000)), 0);
		break;
	case 2:
		write_data(t, fd, st.st_size / 2, 100);
		break;
	case 3: /* zeros where data was */
		assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					   st.st_size / 2 + 1),
				 0);
		break;
	default: { /* the same size and times: only the content tells */
		const struct timespec times[] = { st.st_atim, st.st_mtim };

		if (st.st_size > 0)
			write_data(t, fd, st.st_size - 1, 1);
		assert_int_equal(futimens(fd, times), 0);
	}
	}
}

static void change_type(struct trees *t, int root, const char *path)
{
	_free_ char *copy = strdup(path);
	char *slash = strrchr(copy, '/');
	_close_ int dir = -1;

	remove_path(root, path);
	if (slash)
		*slash = '\0';
	dir = openat(root, slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	switch (trees_random(t, 3)) {
	case 0:
		make_directory(t, dir, slash ? slash + 1 : copy, 5);
		break;
	case 1:
		make_file(t, dir, slash ? slash + 1 : copy);
		break;
	default:
		make_link(t, dir, slash ? slash + 1 : copy);
	}
}

static void change_one(struct trees *t, int root, const struct names *all)
{
	size_t k = trees_random(t, all->n);
	const char *path = all->list[k];
	char to[64];

	if (faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* with its directory, just now */
	switch (trees_random(t, 8)) {
	case 0:
		remove_path(root, path);
		break;
	case 1:
		snprintf(to, sizeof(to), "renamed-%u", (unsigned)trees_random(t, 100000));
		assert_int_equal(renameat(root, path, root, to), 0);
		break;
	case 2:
		change_type(t, root, path);
		break;
	case 3:
		set_attributes(t, root, path);
		break;
	case 4:
		if (all->is_dir[k]) {
			_close_ int fd = openat(root, path,
						O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (fd >= 0)
				make_entry(t, fd, 4);
		}
		break;
	default:
		rewrite(t, root, path);
	}
}

void trees_change(struct trees *t, int dirfd, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct names all;

		names_read(&all, dirfd);
		if (all.n > 0)
			change_one(t, dirfd, &all);
		names_free(&all);
	}
	make_entry(t, dirfd, 0);
	link_some(t, dirfd, n / 8 + 1);
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct pair {
	int a, b; /* the directories that are compared */
	const char *where;
	unsigned n;
};

static void check(bool same, const struct pair *p, const char *name, const char *what)
{
	char shown[600];

	if (same)
		return;
	str_escape(shown, sizeof(shown), name);
	fail_msg("%s/%s: %s", p->where, shown, what);
}

static ssize_t get(const char *path, const char *name, char *dst, size_t size)
{
	ssize_t n = getxattr(path, name, dst, size);

	return n < 0 ? -errno : n;
}

/* Does b have all of a's? */
static void compare_xattrs(const struct pair *p, const char *name, int a, int b)
{
	char from[64], to[64], list[8192], value[2][1024];
	ssize_t n;

	snprintf(from, sizeof(from), "/proc/self/fd/%d", a);
	snprintf(to, sizeof(to), "/proc/self/fd/%d", b);
	n = listxattr(from, list, sizeof(list));
	for (char *x = list; x < list + n; x += strlen(x) + 1) {
		ssize_t len = get(from, x, value[0], sizeof(value[0]));

		if (str_starts(x, "trusted.overlay."))
			continue;
		check(len >= 0 && get(to, x, value[1], sizeof(value[1])) == len &&
			      memcmp(value[0], value[1], (size_t)len) == 0,
		      p, name, x);
	}
}

static void compare_data(const struct pair *p, const char *name, off_t size)
{
	enum { CHUNK = 1 << 16 };
	_close_ int a = openat(p->a, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_close_ int b = openat(p->b, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_free_ char *x = malloc(CHUNK), *y = malloc(CHUNK);

	assert_true(a >= 0 && b >= 0 && x && y);
	for (off_t at = 0; at < size; at += CHUNK) {
		ssize_t n = pread(a, x, CHUNK, at);

		check(n > 0 && pread(b, y, CHUNK, at) == n && memcmp(x, y, (size_t)n) == 0, p, name,
		      "content");
	}
}

static void compare_target(const struct pair *p, const char *name)
{
	char a[4096], b[4096];
	ssize_t n = readlinkat(p->a, name, a, sizeof(a));

	check(readlinkat(p->b, name, b, sizeof(b)) == n && memcmp(a, b, (size_t)n) == 0, p, name,
	      "link");
}

static void compare_stat(const struct pair *p, const char *name, const struct stat *a,
			 const struct stat *b)
{
	check(a->st_mode == b->st_mode, p, name, "mode");
	check(a->st_uid == b->st_uid && a->st_gid == b->st_gid, p, name, "owner");
	check(a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec, p,
	      name, "time");
	check(S_ISDIR(a->st_mode) || a->st_nlink == b->st_nlink, p, name, "number of names");
	check(!S_ISREG(a->st_mode) || a->st_size == b->st_size, p, name, "size");
	/* a hole may be larger there, never smaller but for a few blocks */
	check(!S_ISREG(a->st_mode) || b->st_blocks <= a->st_blocks + 64, p, name, "holes");
	check((!S_ISCHR(a->st_mode) && !S_ISBLK(a->st_mode)) || a->st_rdev == b->st_rdev, p, name,
	      "device");
}

static int count(int dirfd, const char *name, void *arg)
{
	(void)dirfd;
	(void)name;
	++*(unsigned *)arg;
	return 0;
}

static void compare_directories(int a, int b, const char *where);

static int compare_entry(int dirfd, const char *name, void *arg)
{
	struct pair *p = arg;
	_close_ int a = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_close_ int b = openat(p->b, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat x, y;

	p->n++;
	check(b >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0, p, name, "is missing");
	compare_stat(p, name, &x, &y);
	compare_xattrs(p, name, a, b);
	compare_xattrs(p, name, b, a);
	if (S_ISREG(x.st_mode))
		compare_data(p, name, x.st_size);
	if (S_ISLNK(x.st_mode))
		compare_target(p, name);
	if (S_ISDIR(x.st_mode)) {
		_close_ int below_a = openat(p->a, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		_close_ int below_b = openat(p->b, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char path[PATH];

		snprintf(path, sizeof(path), "%.500s/%.400s", p->where, name);
		compare_directories(below_a, below_b, path);
	}
	return 0;
}

static void compare_directories(int a, int b, const char *where)
{
	struct pair p = { .a = a, .b = b, .where = where };
	unsigned n = 0;

	assert_int_equal(dir_each(a, compare_entry, &p), 0);
	assert_int_equal(dir_each(b, count, &n), 0);
	check(n == p.n, &p, "", "has more than it should");
}

/* Names of one file in a are names of one file in b. */
static void compare_links(int a, int b)
{
	ino_t inodes[2][MAX_NAMES];
	struct names all;
	struct stat x, y;

	names_read(&all, a);
	for (size_t i = 0; i < all.n; i++) {
		assert_int_equal(fstatat(a, all.list[i], &x, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(fstatat(b, all.list[i], &y, AT_SYMLINK_NOFOLLOW), 0);
		inodes[0][i] = x.st_ino;
		inodes[1][i] = y.st_ino;
	}
	for (size_t i = 0; i < all.n; i++)
		for (size_t k = i + 1; k < all.n; k++) {
			bool same = inodes[0][i] == inodes[0][k];

			if (same != (inodes[1][i] == inodes[1][k]))
				fail_msg("%s and %s: %s", all.list[i], all.list[k],
					 same ? "one file no more" : "one file now");
		}
	names_free(&all);
}

void trees_assert_same(int a, int b)
{
	struct pair p = { .where = "" };
	struct stat x, y;

	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstat(b, &y), 0);
	compare_stat(&p, ".", &x, &y);
	compare_xattrs(&p, ".", a, b);
	compare_xattrs(&p, ".", b, a);
	compare_directories(a, b, "");
	compare_links(a, b);
}
