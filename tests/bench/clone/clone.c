/*
 * bench-clone: how long one call takes, again and again; nanoseconds, one a line.
 *
 *	bench-clone library LOCATION FROM N	mosaic_clone()
 *	bench-clone btrfs DIR FROM N		snapshot of the subvolume DIR/FROM, in DIR
 *	bench-clone overlay DIR FROM N		an overlay mount over DIR/FROM, at DIR/merged
 *	bench-clone reflink DIR FROM N		FICLONE of the file DIR/FROM
 *
 * What a call has made is removed before the next one; that is not timed.
 */
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base.h"
#include "mosaic/mosaic.h"

#define CLONE "bench-clone"

struct place {
	struct mosaic *m;
	const char *dir, *from;
	int dirfd, fromfd;
};

struct kind {
	const char *name;
	int (*open)(struct place *p);
	int (*call)(struct place *p);
	int (*undo)(struct place *p);
};

static int say(const struct error *err, int r)
{
	char text[1024];

	mosaic_error_format(err, text, sizeof(text));
	fprintf(stderr, "bench-clone: %s\n", text);
	return r;
}

static int open_library(struct place *p)
{
	struct error err = { 0 };
	int r = mosaic_open(&p->m, p->dir, NULL, 0, &err);

	return r < 0 ? say(&err, r) : 0;
}

static int call_library(struct place *p)
{
	struct error err = { 0 };
	int r = mosaic_clone(p->m, CLONE, p->from, &err);

	return r < 0 ? say(&err, r) : 0;
}

static int undo_library(struct place *p)
{
	struct error err = { 0 };
	int r = mosaic_drop(p->m, CLONE, 0, &err);

	return r < 0 ? say(&err, r) : 0;
}

static int open_paths(struct place *p)
{
	p->dirfd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->fromfd = p->dirfd < 0 ? -1 : openat(p->dirfd, p->from, O_RDONLY | O_CLOEXEC);
	return p->fromfd < 0 ? -errno : 0;
}

static int call_btrfs(struct place *p)
{
	struct btrfs_ioctl_vol_args_v2 args = { .fd = p->fromfd };

	snprintf(args.name, sizeof(args.name), CLONE);
	return ioctl(p->dirfd, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0 ? -errno : 0;
}

static int undo_btrfs(struct place *p)
{
	struct btrfs_ioctl_vol_args args = { 0 };

	snprintf(args.name, sizeof(args.name), CLONE);
	return ioctl(p->dirfd, BTRFS_IOC_SNAP_DESTROY, &args) < 0 ? -errno : 0;
}

static int open_overlay(struct place *p)
{
	static const char *const names[] = { "upper", "work", "merged" };

	if (chdir(p->dir) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (mkdir(names[i], 0755) < 0 && errno != EEXIST)
			return -errno;
	return 0;
}

static int call_overlay(struct place *p)
{
	char options[512];

	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=upper,workdir=work", p->from);
	/* lint: path ok: the call that is measured */
	return mount("overlay", "merged", "overlay", 0, options) < 0 ? -errno : 0;
}

static int undo_overlay(struct place *p)
{
	(void)p;
	return umount2("merged", 0) < 0 ? -errno : 0;
}

static int call_reflink(struct place *p)
{
	_close_ int fd = openat(p->dirfd, CLONE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 || ioctl(fd, FICLONE, p->fromfd) < 0 ? -errno : 0;
}

static int undo_reflink(struct place *p)
{
	return unlinkat(p->dirfd, CLONE, 0) < 0 ? -errno : 0;
}

static const struct kind kinds[] = {
	{ "library", open_library, call_library, undo_library },
	{ "btrfs", open_paths, call_btrfs, undo_btrfs },
	{ "overlay", open_overlay, call_overlay, undo_overlay },
	{ "reflink", open_paths, call_reflink, undo_reflink },
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int measure(const struct kind *k, struct place *p, uint64_t n)
{
	int r = k->open(p);

	for (uint64_t i = 0; r == 0 && i < n; i++) {
		int64_t begin = now();

		r = k->call(p);
		if (r == 0) {
			printf("%lld\n", (long long)(now() - begin));
			r = k->undo(p);
		}
	}
	return r;
}

int main(int argc, char **argv)
{
	struct place p = { .dirfd = -1, .fromfd = -1 };
	uint64_t n;
	int r = -EINVAL;

	if (argc != 5 || str_to_u64(argv[4], UINT32_MAX, &n) < 0) {
		fprintf(stderr, "usage: bench-clone KIND DIR FROM N\n");
		return 2;
	}
	p.dir = argv[2];
	p.from = argv[3];
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_eq(kinds[i].name, argv[1]))
			r = measure(&kinds[i], &p, n);
	mosaic_close(p.m);
	if (r < 0)
		fprintf(stderr, "bench-clone: %s: %s\n", argv[1], strerror(-r));
	return r < 0;
}
