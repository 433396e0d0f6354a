#include "mosaic/ploop_disk.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "mosaic/image.h"

enum {
	SETTLE_TRIES = 1000, /* 10 s */
	SETTLE_PAUSE_US = 10000,
	PATIENCE_S = 60, /* for an answer: it may have to write out a lot */
	WORDS_MAX = 512,
};

/* Paths of sockets are short, that of the volume is not. */
static struct sockaddr_un socket_address(int dirfd)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/server", dirfd);
	return a;
}

static int make_socket(int dirfd)
{
	_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = socket_address(dirfd);

	if (sock < 0 || (unlinkat(dirfd, "server", 0) < 0 && errno != ENOENT) ||
	    bind(sock, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(sock, 4) < 0)
		return -errno;
	return take_fd(&sock);
}

/* -EBUSY: a server has it. */
static int lock_serving(int dirfd)
{
	_close_ int fd = openat(dirfd, "serving", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0)
		if (errno != EINTR)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return take_fd(&fd);
}

int ploop_disk_settled(int dirfd, struct error *err)
{
	_close_ int fd = -1;

	for (int i = 0; i < SETTLE_TRIES; i++) {
		fd = lock_serving(dirfd);
		if (fd != -EBUSY)
			break;
		usleep(SETTLE_PAUSE_US);
	}
	return fd < 0 ? error_set(err, fd, "the images are being written to") : 0;
}

/* ---- starting -------------------------------------------------------------------------------- */

static int open_program(struct error *err)
{
	const char *directory = getenv("CAROB_LIBEXEC") ? getenv("CAROB_LIBEXEC") : CAROB_LIBEXEC;
	_free_ char *path = str_printf("%s/mosaic-ploop", directory);
	int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;

	if (fd < 0)
		return error_set(err, -errno, "cannot find the program %s",
				 path ? path : directory);
	return fd;
}

/* A mount of /dev/fuse whose root is a regular file. Who has the other end is to come. */
static int mount_fuse(int *ret_fuse)
{
	_close_ int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char number[16];
	const struct mount_option options[] = {
		{ "source", "mosaic-ploop" }, { "fd", number },    { "rootmode", "100000" },
		{ "user_id", "0" },           { "group_id", "0" },
	};
	int mount;

	if (fuse < 0)
		return -errno;
	snprintf(number, sizeof(number), "%d", fuse);
	mount = mount_new("fuse", options, ARRAY_SIZE(options),
			  MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, NULL, 0);
	if (mount >= 0)
		*ret_fuse = take_fd(&fuse);
	return mount;
}

/* What it said, as the error. */
static int refuse(int said, int status, struct error *err)
{
	char words[WORDS_MAX + 1];
	ssize_t n = pread(said, words, WORDS_MAX, 0);

	while (n > 0 && words[n - 1] == '\n')
		n--;
	words[n > 0 ? n : 0] = '\0';
	return error_set(err, -EIO, "the server of the images ended with status %d%s%s.", status,
			 words[0] ? ": " : "", words);
}

/* Its process is not our child, but the child of one that has ended. */
static int start_server(const struct ploop_images *images, bool writable, int fuse,
			const int kept[2], struct error *err)
{
	_close_ int exe = open_program(err), said = -1, pidfd = -1;
	int more[PLOOP_IMAGES_MAX + 2] = { kept[0], kept[1] };
	char count[PLOOP_NUMBER];
	/* service managers leave those whose name begins so to the end: they are part of the
	 * storage */
	const char *const argv[] = { "@mosaic-ploop", writable ? "w" : "r", count, NULL };
	const char *const envp[] = { NULL };
	int status, r;

	if (exe < 0)
		return exe;
	said = memfd_create("said", MFD_CLOEXEC);
	if (said < 0)
		return error_set(err, -errno, "cannot start the server of the images");
	memcpy(more + 2, images->fds, images->n * sizeof(*more));
	snprintf(count, sizeof(count), "%u", (unsigned)(images->n % 1000));
	pidfd = process_spawn(
		&(struct process_spec){
			.exe_fd = exe,
			.argv = argv,
			.envp = envp,
			.cgroup_fd = -1,
			.stdio = { -1, -1, said },
			.keep_fd = fuse,
			.more_fds = more,
			.n_more_fds = images->n + 2,
		},
		NULL);
	r = pidfd < 0 ? pidfd : process_wait(pidfd, &status);
	if (r < 0)
		return error_set(err, r, "cannot start the server of the images");
	return status == 0 ? 0 : refuse(said, status, err);
}

/* The file that is served; opening it waits for the server. */
static int open_served(int mount, bool writable)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", mount);
	fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int ploop_disk_up(struct mosaic *m, int dirfd, struct ploop_images *images, bool writable,
		  struct loopdev *ret, struct error *err)
{
	_close_ int lock = lock_serving(dirfd), sock = -1, mount = -1, fuse = -1, file = -1;
	char label[LOOPDEV_LABEL];
	const struct loopdev_config config = {
		.read_only = !writable, .direct_io = true, .autoclear = true, .label = label
	};
	int r = lock < 0 ? lock : image_label(m, dirfd, label);

	if (r == 0)
		r = sock = make_socket(dirfd);
	if (r >= 0)
		r = mount = mount_fuse(&fuse);
	if (r < 0)
		return error_set(err, r, "cannot prepare to serve the images");
	r = start_server(images, writable, fuse, (const int[]){ sock, lock }, err);
	if (r < 0)
		return r;
	cleanup_close(&fuse); /* the server's alone: should it die, nobody waits for it */
	file = open_served(mount, writable);
	if (file < 0)
		return error_set(err, file, "cannot open what is served");
	r = loopdev_attach(file, &config, ret);
	return r < 0 ? error_set(err, r, "cannot make a loop device of the images") : 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int converse(int dirfd, const struct ploop_message *message,
		    const struct ploop_images *images)
{
	_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = socket_address(dirfd);
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int32_t answer;
	ssize_t n;
	int r;

	if (sock < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	r = socket_send_fds(sock, message, sizeof(*message), images ? images->fds : NULL,
			    images ? images->n : 0);
	if (r < 0)
		return r;
	do
		n = recv(sock, &answer, sizeof(answer), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return n == sizeof(answer) ? answer : -ECONNRESET;
}

int ploop_disk_ask(int dirfd, const struct ploop_message *message,
		   const struct ploop_images *images, struct error *err)
{
	int r = converse(dirfd, message, images);

	if (r == -EFBIG)
		return error_set(err, r,
				 "the image's table has no room for that while the volume is in "
				 "use; it has when nobody uses it.");
	return r < 0 ? error_set(err, r, "the server of the images refuses") : 0;
}
