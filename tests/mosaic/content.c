/* What the cases put into volumes, and how they compare it. */
#include <dirent.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "suite.h"

void create(struct suite *s, const char *name)
{
	ok(s, mosaic_create(s->m, name, NULL, &s->err));
}

static int mount_how(struct suite *s, const char *name, unsigned flags)
{
	const struct mosaic_mount how = { .flags = flags };
	int fd;

	ok(s, mosaic_mount(s->m, name, &how, &fd, &s->err));
	return fd;
}

int mount_rw(struct suite *s, const char *name)
{
	return mount_how(s, name, 0);
}

int mount_ro(struct suite *s, const char *name)
{
	return mount_how(s, name, MOSAIC_MOUNT_READONLY);
}

/* The library's own lock on what it mounted goes with the handle: short uses have one of their own.
 * */
static int short_mount(struct suite *s, const char *name, unsigned flags, struct mosaic **ret)
{
	const struct mosaic_mount how = { .flags = flags };
	int fd;

	ok(s, mosaic_open_named(ret, s->what, 0, &s->err));
	ok(s, mosaic_mount(*ret, name, &how, &fd, &s->err));
	return fd;
}

void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail("cannot write %s: %m", name);
	close(fd);
}

void put_bytes(int dir, const char *name, size_t n, unsigned seed)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	unsigned block[4096];

	while (n > 0) {
		size_t now = n < sizeof(block) ? n : sizeof(block);

		for (size_t i = 0; i < sizeof(block) / sizeof(block[0]); i++)
			block[i] = seed = seed * 1664525 + 1013904223;
		if (fd < 0 || write(fd, block, now) != (ssize_t)now)
			fail("cannot write %s: %m", name);
		n -= now;
	}
	close(fd);
}

bool has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void same(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char found[4096];
	ssize_t n;

	if (fd < 0)
		fail("cannot open %s: %m", name);
	n = read(fd, found, sizeof(found) - 1);
	close(fd);
	found[n < 0 ? 0 : n] = '\0';
	if (strcmp(found, text) != 0)
		fail("%s holds '%s', not '%s'", name, found, text);
}

void put_in(struct suite *s, const char *volume, const char *name, const char *text)
{
	struct mosaic *m;
	int fd = short_mount(s, volume, 0, &m);

	put(fd, name, text);
	close(fd);
	mosaic_close(m);
}

void same_in(struct suite *s, const char *volume, const char *name, const char *text)
{
	struct mosaic *m;
	int fd = short_mount(s, volume, MOSAIC_MOUNT_READONLY, &m);

	same(fd, name, text);
	close(fd);
	mosaic_close(m);
}

bool has_in(struct suite *s, const char *volume, const char *name)
{
	struct mosaic *m;
	int fd = short_mount(s, volume, MOSAIC_MOUNT_READONLY, &m);
	bool found = has(fd, name);

	close(fd);
	mosaic_close(m);
	return found;
}

static void attributes(int dir, const char *name, uid_t uid, mode_t mode, long when)
{
	const struct timespec times[2] = { { when, 123456789 }, { when, 987654321 } };

	if (fchownat(dir, name, uid, uid + 1, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (mode && fchmodat(dir, name, mode, 0) < 0) ||
	    utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		fail("cannot set the attributes of %s: %m", name);
}

static void mark(int dir, const char *name, const char *attribute, const char *value)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (fsetxattr(fd, attribute, value, strlen(value), 0) < 0 && errno != ENOTSUP))
		fail("cannot set %s of %s: %m", attribute, name);
	close(fd);
}

static void put_sparse(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0 || pwrite(fd, "end", 3, (64 << 20) - 3) != 3)
		fail("cannot write %s: %m", name);
	close(fd);
}

void fill(int dir)
{
	static const char capability[] = "\x01\x00\x00\x02\x00\x04";
	char long_name[256];

	memset(long_name, 'n', 255);
	long_name[255] = '\0';
	if (mkdirat(dir, "d", 0755) < 0 || mkdirat(dir, "d/e", 0700) < 0 ||
	    mkdirat(dir, "empty", 01777) < 0)
		fail("cannot make a directory: %m");
	put(dir, "d/file", "content\n");
	put(dir, "d/e/deep", "deeper\n");
	put(dir, "a b\nc\xc3\xa9", "odd\n");
	put(dir, long_name, "long\n");
	put(dir, "nothing", "");
	put_bytes(dir, "bytes", (3 << 20) + 17, 7);
	put_sparse(dir, "sparse");
	if (linkat(dir, "d/file", dir, "hard", 0) < 0 || symlinkat("../x y", dir, "link") < 0 ||
	    mkfifoat(dir, "fifo", 0600) < 0 ||
	    mknodat(dir, "null", S_IFCHR | 0666, makedev(1, 3)) < 0)
		fail("cannot make a special file: %m");
	mark(dir, "d/file", "user.note", "a value");
	mark(dir, "d", "user.dir", "yes");
	{
		int fd = openat(dir, "d/e/deep", O_RDONLY | O_CLOEXEC);
		char value[20] = { 0 };

		memcpy(value, capability, 6);
		if (fsetxattr(fd, "security.capability", value, sizeof(value), 0) < 0 &&
		    errno != ENOTSUP)
			fail("cannot set a capability: %m");
		close(fd);
	}
	attributes(dir, "d/file", 1000, 04755, 1000000000);
	attributes(dir, "link", 12, 0, 900000000);
	attributes(dir, "fifo", 3, 0, 800000000);
	attributes(dir, "empty", 65534, 01777, 700000000);
	attributes(dir, "d/e", 5, 0500, 600000000);
	attributes(dir, "d", 0, 02755, 500000000);
}

/* ---- digests ----------------------------------------------------------------------------------
 * */

struct digest {
	struct sha256_ctx ctx;
	struct {
		ino_t ino;
		char first[512];
	} links[64];
	size_t n_links;
};

static void add(struct digest *d, const void *data, size_t n)
{
	sha256_update(&d->ctx, n, data);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_xattrs(struct digest *d, int fd)
{
	char list[4096], value[4096], *names[64];
	ssize_t n = flistxattr(fd, list, sizeof(list));
	size_t count = 0;

	for (char *p = list; n > 0 && p < list + n && count < 64; p += strlen(p) + 1)
		names[count++] = p;
	qsort(names, count, sizeof(names[0]), by_text);
	for (size_t i = 0; i < count; i++) {
		ssize_t len = fgetxattr(fd, names[i], value, sizeof(value));

		add(d, names[i], strlen(names[i]) + 1);
		add(d, value, len < 0 ? 0 : (size_t)len);
	}
}

static void add_link(struct digest *d, const struct stat *st, const char *path)
{
	for (size_t i = 0; i < d->n_links; i++)
		if (d->links[i].ino == st->st_ino) {
			add(d, d->links[i].first, strlen(d->links[i].first));
			return;
		}
	if (d->n_links < 64) {
		d->links[d->n_links].ino = st->st_ino;
		snprintf(d->links[d->n_links++].first, 512, "%s", path);
	}
}

static void add_content(struct digest *d, int fd)
{
	static char block[1 << 16];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0)
		add(d, block, (size_t)n);
	if (n < 0)
		fail("cannot read: %m");
}

static void add_directory(struct digest *d, int dir, const char *path);

static void add_entry(struct digest *d, int dir, const char *name, const char *parent)
{
	char path[4096], target[4096], line[256];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", parent, name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail("cannot look at %s: %m", path);
	snprintf(line, sizeof(line), "%o %u %u %lld %llu %lld.%ld\n", st.st_mode, st.st_uid,
		 st.st_gid, S_ISREG(st.st_mode) ? (long long)st.st_size : 0,
		 S_ISCHR(st.st_mode) ? (unsigned long long)st.st_rdev : 0,
		 S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_mtim.tv_sec,
		 S_ISDIR(st.st_mode) ? 0L : st.st_mtim.tv_nsec);
	add(d, path, strlen(path) + 1);
	add(d, line, strlen(line));
	if (S_ISREG(st.st_mode) && st.st_nlink > 1)
		add_link(d, &st, path);
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(dir, name, target, sizeof(target));

		add(d, target, n < 0 ? 0 : (size_t)n);
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open %s: %m", path);
	add_xattrs(d, fd);
	if (S_ISDIR(st.st_mode))
		add_directory(d, fd, path);
	else
		add_content(d, fd);
	close(fd);
}

static void add_directory(struct digest *d, int dir, const char *path)
{
	DIR *stream = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	char **names = NULL;
	struct dirent *e;
	size_t n = 0;

	if (!stream)
		fail("cannot list %s: %m", path);
	while ((e = readdir(stream)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    (!*path && strcmp(e->d_name, "lost+found") == 0))
			continue;
		names = realloc(names, (n + 1) * sizeof(*names));
		names[n++] = strdup(e->d_name);
	}
	closedir(stream);
	if (n)
		qsort(names, n, sizeof(names[0]), by_text);
	for (size_t i = 0; i < n; i++) {
		add_entry(d, dir, names[i], path);
		free(names[i]);
	}
	free(names);
}

void describe(int dir, char text[65])
{
	static struct digest d;
	unsigned char sum[SHA256_DIGEST_SIZE];

	d = (struct digest){ 0 };
	sha256_init(&d.ctx);
	add_directory(&d, dir, "");
	sha256_digest(&d.ctx, sizeof(sum), sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(text + 2 * i, 3, "%02x", sum[i]);
}

void describe_volume(struct suite *s, const char *volume, char text[65])
{
	struct mosaic *m;
	int fd = short_mount(s, volume, MOSAIC_MOUNT_READONLY, &m);

	describe(fd, text);
	close(fd);
	mosaic_close(m);
}

pid_t fork_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		fail("fork: %m");
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(1);
	return pid;
}

void die_after(struct suite *s, void (*fn)(struct suite *s))
{
	int ends[2], status;
	char ready;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork_child()) < 0)
		fail("fork: %m");
	if (pid == 0) {
		struct suite own = *s;

		close(ends[0]);
		ok(&own, mosaic_open_named(&own.m, own.what, 0, &own.err));
		fn(&own);
		(void)!write(ends[1], "r", 1);
		pause();
		_exit(1);
	}
	close(ends[1]);
	if (read(ends[0], &ready, 1) != 1)
		fail("the process that was to die did not come that far");
	close(ends[0]);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}
