/*
 * The guest's file tree. The host's root comes by 9p and is not writable there; a tmpfs is laid
 * over it, so the guest may change whatever it likes and nothing of that outlives it.
 *
 * Nothing of 9p is mounted before the request is there: QEMU refuses to save a machine with a
 * mounted 9p filesystem.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "guest.h"

/* Where the new root is put together. These paths are gone once it is entered. */
#define LOWER "/build/lower"
#define LAYER "/build/layer"
#define ROOT  "/build/root"

struct filesystem {
	const char *type;
	const char *target;
	unsigned long flags;
	const char *options;
};

static const struct filesystem first_filesystems[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID, "mode=755" },
};

static const struct filesystem system_filesystems[] = {
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666" },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755" },
	{ "tmpfs", "/run/lock", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777" },
	{ "securityfs", "/sys/kernel/security", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "debugfs", "/sys/kernel/debug", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "tracefs", "/sys/kernel/tracing", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "bpf", "/sys/fs/bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700" },
	{ "cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC,
	  "nsdelegate,memory_recursiveprot" },
};

void make_directories(const char *path)
{
	char buffer[PATH_MAX];

	snprintf(buffer, sizeof(buffer), "%s", path);
	for (char *slash = strchr(buffer + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(buffer, 0755);
		*slash = '/';
	}
	mkdir(buffer, 0755);
}

static void mount_or_fail(const char *source, const char *target, const char *type,
			  unsigned long flags, const char *options)
{
	make_directories(target);
	/* lint: path ok: the machine is its own, nobody else is there to change a path */
	if (mount(source, target, type, flags, options) < 0)
		guest_fail("mount %s on %s", source, target);
}

static void mount_filesystem(const struct filesystem *filesystem)
{
	mount_or_fail(filesystem->type, filesystem->target, filesystem->type, filesystem->flags,
		      filesystem->options);
}

/*
 * The root is never changed by anyone who matters while the machine runs, so the guest may cache
 * it; a writable share is looked at from both sides, so the guest may not.
 */
static void mount_9p(const char *tag, const char *target, bool is_writable)
{
	if (is_writable)
		mount_or_fail(tag, target, "9p", 0,
			      "trans=virtio,version=9p2000.L,msize=524288,cache=none");
	else
		mount_or_fail(tag, target, "9p", MS_RDONLY,
			      "trans=virtio,version=9p2000.L,msize=524288,cache=loose");
}

void mount_first_filesystems(void)
{
	for (size_t i = 0; i < sizeof(first_filesystems) / sizeof(*first_filesystems); i++)
		mount_filesystem(&first_filesystems[i]);
}

/*
 * What the host's kernel and the host's services keep in the tree is none of the guest's: there it
 * finds empty directories, whether or not something is mounted on them later.
 */
static void hide_host_state(void)
{
	static const char *const hidden[] = {
		LAYER "/upper/proc",
		LAYER "/upper/sys",
		LAYER "/upper/dev",
		LAYER "/upper/run",
	};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++) {
		make_directories(hidden[i]);
		if (setxattr(hidden[i], "trusted.overlay.opaque", "y", 1, 0) < 0)
			guest_fail("%s", hidden[i]);
	}
}

/* The modules of the guest's kernel lie in the host's tree, but elsewhere. */
static void bind_modules(const struct request *request)
{
	const char *modules = request_get(request, "modules");
	char source[PATH_MAX];

	if (modules == NULL)
		guest_fail("request: no modules");
	snprintf(source, sizeof(source), LOWER "%s", modules);
	mount_or_fail(source, ROOT "/lib/modules", NULL, MS_BIND, NULL);
}

static void move_or_unmount(const char *from, const char *to, bool is_wanted)
{
	if (!is_wanted)
		umount2(from, MNT_DETACH);
	else
		mount_or_fail(from, to, NULL, MS_MOVE, NULL);
}

void enter_root(const struct request *request)
{
	bool is_bare = request_get(request, "bare") != NULL;

	mount_9p("root", LOWER, false);
	mount_or_fail("tmpfs", LAYER, "tmpfs", 0, "mode=755,size=75%");
	hide_host_state();
	make_directories(LAYER "/work");
	mount_or_fail("overlay", ROOT, "overlay", 0,
		      "lowerdir=" LOWER ",upperdir=" LAYER "/upper,workdir=" LAYER "/work");
	bind_modules(request);

	move_or_unmount("/dev", ROOT "/dev", true);
	move_or_unmount("/proc", ROOT "/proc", !is_bare);
	move_or_unmount("/sys", ROOT "/sys", !is_bare);
	/* The initramfs cannot be unmounted; it stays below, as with every switch_root. */
	if (chdir(ROOT) < 0)
		guest_fail(ROOT);
	mount_or_fail(".", "/", NULL, MS_MOVE, NULL);
	if (chroot(".") < 0 || chdir("/") < 0)
		guest_fail("switch root");

	/* The host may be a container. The guest is not, and must not be taken for one. */
	unlink("/.dockerenv");
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		guest_warn("%s: %s", path, text);
	close(fd);
}

static void enable_controllers(void)
{
	char controller[64], change[sizeof(controller) + 1];
	FILE *file = fopen("/sys/fs/cgroup/cgroup.controllers", "re");

	if (file == NULL)
		guest_fail("cgroup.controllers");
	/* One write each, so that one that cannot be enabled does not spoil the others. */
	while (fscanf(file, "%63s", controller) == 1) {
		snprintf(change, sizeof(change), "+%s", controller);
		write_file("/sys/fs/cgroup/cgroup.subtree_control", change);
	}
	fclose(file);
}

static void make_standard_links(void)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		if (symlink(links[i][0], links[i][1]) < 0)
			guest_warn("%s", links[i][1]);
	}
}

void mount_system_filesystems(void)
{
	for (size_t i = 0; i < sizeof(system_filesystems) / sizeof(*system_filesystems); i++)
		mount_filesystem(&system_filesystems[i]);
	make_standard_links();
	enable_controllers();
}

void mount_shares(const struct request *request)
{
	char *directory = NULL;
	char tag[16];

	for (int i = 0; (directory = request_next(request, "rw", directory)) != NULL; i++) {
		snprintf(tag, sizeof(tag), "share%d", i);
		mount_9p(tag, directory, true);
	}
}
