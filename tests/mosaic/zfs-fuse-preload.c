/*
 * Loaded before the libraries of zfs-fuse 0.7.0 (LD_PRELOAD), which nobody maintains any more, for
 * three faults of it and one cost:
 *
 * - A file that is closed just before its mount goes may never be told to it: the kernel drops what
 *   the daemon has not read yet. The mount then counts as in use, and the thread that takes it
 *   down tries again for ever, with the list of mounts locked. Here, the second try is by force.
 * - Its threads share the list of mounts. While one answers a request, another may see that the
 *   mount is gone and frees what the first works on. Here, who takes down a mount waits until
 *   no request is being answered.
 * - It closes the descriptor of a mount that has gone twice. By the second time it can be another
 *   thread's, of a request or of the next mount. Here, libfuse does not close it.
 * - It calls sync(2) at each unmount: for all that is mounted on the machine.
 *
 *     cc -shared -fPIC -o preload.so zfs-fuse-preload.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct fuse_chan;
struct fuse_session;

typedef int (*recv_fn)(struct fuse_chan **chan, char *buf, size_t size);
typedef void (*process_fn)(struct fuse_session *se, const char *buf, size_t len,
			   struct fuse_chan *chan);
typedef void (*destroy_fn)(struct fuse_session *se);
struct fuse_chan *fuse_session_next_chan(struct fuse_session *se, struct fuse_chan *chan);
int fuse_chan_fd(struct fuse_chan *chan);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static int open_requests;
static _Thread_local int received; /* 1: one of them is this thread's */
static _Thread_local int left_open = -1;
static _Thread_local int syncs;
static _Thread_local int *forced;

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* The daemon calls it with its list locked, and then either destroys the session or processes what
 * was received. */
int fuse_chan_recv(struct fuse_chan **chan, char *buf, size_t size)
{
	recv_fn real = next("fuse_chan_recv");
	int n = real(chan, buf, size);

	if (n > 0) {
		pthread_mutex_lock(&lock);
		open_requests++;
		pthread_mutex_unlock(&lock);
		received = 1;
	}
	return n;
}

static void forget_request(void)
{
	pthread_mutex_lock(&lock);
	open_requests -= received;
	received = 0;
	pthread_cond_broadcast(&answered);
	pthread_mutex_unlock(&lock);
}

void fuse_session_process(struct fuse_session *se, const char *buf, size_t len,
			  struct fuse_chan *chan)
{
	process_fn real = next("fuse_session_process");

	real(se, buf, len, chan);
	forget_request();
}

void fuse_session_destroy(struct fuse_session *se)
{
	destroy_fn real = next("fuse_session_destroy");
	struct fuse_chan *chan = fuse_session_next_chan(se, NULL);

	forget_request();
	pthread_mutex_lock(&lock);
	while (open_requests > 0)
		pthread_cond_wait(&answered, &lock);
	pthread_mutex_unlock(&lock);
	left_open = chan ? fuse_chan_fd(chan) : -1;
	syncs = 0;
	real(se);
	left_open = -1;
	if (forced) /* nobody else has seen it: the daemon's list is locked */
		*forced = 0;
	forced = NULL;
}

int close(int fd)
{
	if (fd >= 0 && fd == left_open) {
		left_open = -1;
		return 0;
	}
	return (int)syscall(SYS_close, fd);
}

/* Called before each try. From the second on it returns to where the try reads whether the daemon
 * ends, and so uses force: mov FLAG(%rip), %esi. */
void sync(void)
{
	const unsigned char *code = __builtin_return_address(0);
	int distance;

	if (++syncs != 2 || code[0] != 0x8b || code[1] != 0x35)
		return;
	memcpy(&distance, code + 2, sizeof(distance));
	forced = (int *)(code + 6 + distance);
	*forced = 1;
}
