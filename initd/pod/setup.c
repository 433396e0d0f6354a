/* Descriptors are left open here: the last step closes all but two in one go. */
#include "initd/pod/pod.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

int podinit_receive(struct podinit *p)
{
	struct plan_report *page;
	ssize_t n;

	/* nothing in the pod is to trace us or to find our descriptors, from the start */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NAME, "carob-pod-init", 0, 0, 0) < 0)
		return -errno;
	umask(0);
	p->n_fds = ARRAY_SIZE(p->fds);
	n = socket_receive_fds(PLAN_SOCKET_FD, &p->config, sizeof(p->config), p->fds, &p->n_fds);
	if (n < 0)
		return (int)n;
	if (n != sizeof(p->config) || p->config.magic != PLAN_MAGIC ||
	    p->config.hostname[sizeof(p->config.hostname) - 1] ||
	    p->n_fds != PODINIT_FD_CGROUPS + (size_t)p->config.n_cgroup_fds)
		return -EBADMSG;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED,
		    p->fds[PODINIT_FD_REPORT], 0);
	if (page == MAP_FAILED)
		return -errno;
	page->step = PODINIT_STEP_RECEIVE;
	p->report = page;
	return 0;
}

/* The cgroup namespace comes after the cgroup: its root is where we are then. */
int podinit_cgroup(struct podinit *p)
{
	for (uint32_t i = 0; i < p->config.n_cgroup_fds; i++)
		if (write(p->fds[PODINIT_FD_CGROUPS + i], "0", 1) < 0)
			return -errno;
	return unshare(CLONE_NEWCGROUP) < 0 ? -errno : 0;
}

int podinit_hostname(struct podinit *p)
{
	return sethostname(p->config.hostname, strlen(p->config.hostname)) < 0 ? -errno : 0;
}

/* The network namespace is the dearest of all to make. As it is made here and not at our birth,
 * stage1 does not wait for it but mounts the root file systems meanwhile. */
int podinit_loopback(struct podinit *p)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int sock;

	(void)p;
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return sock < 0 || ioctl(sock, SIOCSIFFLAGS, &lo) < 0 ? -errno : 0;
}

/* "NNNk", as tmpfs takes it. */
static void format_kib(char text[16], uint32_t kib)
{
	size_t n = 15;

	text[n--] = '\0';
	text[n] = 'k';
	do
		text[--n] = (char)('0' + kib % 10);
	while ((kib /= 10) > 0);
	memmove(text, text + n, 16 - n);
}

/* The pod's shared memory, a file system of its own so that it has its own size. */
static int mount_shm(const struct podinit *p, int root)
{
	char size[16];
	const struct mount_option option = { "size", size };
	int shm;

	format_kib(size, p->config.shm_kib);
	shm = mount_new("tmpfs", &option, p->config.shm_kib ? 1 : 0, MOUNT_NOSUID | MOUNT_NODEV,
			NULL, 0);
	if (shm < 0)
		return shm;
	return mount_attach_at(shm, root, "shm");
}

/* Whoever started us may live in a chroot. A pivot from there would take away that part of the tree
 * alone; entering our own namespace once more puts us at its very root. */
static int leave_chroot(void)
{
	/* open() of musl sets O_CLOEXEC a second time */
	int fd = openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	return fd < 0 || setns(fd, CLONE_NEWNS) < 0 ? -errno : 0;
}

/* A small tmpfs becomes the root of the pod's mount namespaces, and the host's tree is dropped. */
int podinit_root(struct podinit *p)
{
	static const struct mount_option mode = { "mode", "755" };
	int root, r;

	r = leave_chroot();
	if (r == 0)
		r = mount_all_private();
	if (r < 0)
		return r;
	root = mount_new("tmpfs", &mode, 1, MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, NULL, 0);
	if (root < 0)
		return root;
	if (mkdirat(root, "root", 0755) < 0 || mkdirat(root, "shm", 0755) < 0 || chdir("/") < 0)
		return -errno;
	r = mount_attach(root, AT_FDCWD);
	if (r == 0)
		r = mount_shm(p, root);
	if (r == 0)
		r = mount_pivot(root);
	return r < 0 ? r : mount_change(root, MOUNT_READONLY, 0, false);
}
