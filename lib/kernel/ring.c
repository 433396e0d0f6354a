#include "kernel/ring.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	RELEASE = RING_BYTES / 4, /* the reader says what it let go of in such steps */
	PIECE = 128 << 10, /* and takes no less at a time, unless there is no more in a piece */
	SEAL_FUTURE_WRITE = 0x10, /* F_SEAL_FUTURE_WRITE, which only newer C libraries declare */
};

/* ---- the writer ------------------------------------------------------------------------------ */

static int make_memory(unsigned char **ret)
{
	enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | SEAL_FUTURE_WRITE | F_SEAL_SEAL };
	_close_ int fd = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *memory;
	int r;

	if (fd < 0 || ftruncate(fd, RING_BYTES) < 0)
		return -errno;
	memory = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		r = -errno;
		munmap(memory, RING_BYTES);
		return r;
	}
	*ret = memory;
	return take_fd(&fd);
}

int ring_make(struct ring *r, int *ret_sock, int *ret_memory)
{
	int ends[2], memory;

	*r = (struct ring)RING_NONE;
	memory = make_memory(&r->memory);
	if (memory < 0)
		return memory;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		int code = -errno;

		close(memory);
		ring_deinit(r);
		return code;
	}
	r->sock = ends[0];
	*ret_sock = ends[1];
	*ret_memory = memory;
	return 0;
}

size_t ring_room(const struct ring *r, unsigned char **ret)
{
	size_t at = r->written % RING_BYTES;
	size_t room = RING_BYTES - (size_t)(r->written - r->released);

	*ret = r->memory + at;
	return room < RING_BYTES - at ? room : RING_BYTES - at;
}

/* One number. 1, or 0 when the other side has ended. */
static int hear(int sock, uint64_t *ret)
{
	uint64_t bytes = 0;
	ssize_t n;

	do
		n = read(sock, &bytes, sizeof(bytes));
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return -errno;
	*ret = bytes;
	return n == sizeof(bytes) ? 1 : -EPROTO;
}

int ring_written(struct ring *r, size_t n)
{
	ssize_t sent;

	r->written += n;
	do
		sent = send(r->sock, &r->written, sizeof(r->written), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

int ring_hear(struct ring *r)
{
	uint64_t released = 0;
	int got = hear(r->sock, &released);

	if (got <= 0)
		return got == 0 ? -EPIPE : got;
	if (released < r->released || released > r->written)
		return -EPROTO;
	r->released = released;
	return 0;
}

void ring_end(struct ring *r)
{
	if (r->sock >= 0)
		shutdown(r->sock, SHUT_WR);
}

void ring_deinit(struct ring *r)
{
	if (r->memory)
		munmap(r->memory, RING_BYTES);
	r->memory = NULL;
	cleanup_close(&r->sock);
}

/* ---- the reader ------------------------------------------------------------------------------ */

int ring_open(struct ring_reader *r, int sock, int memory)
{
	void *at = mmap(NULL, RING_BYTES, PROT_READ, MAP_SHARED, memory, 0);

	*r = (struct ring_reader){ .sock = sock };
	if (at == MAP_FAILED)
		return -errno;
	r->memory = at;
	return 0;
}

/* In the one piece that begins where the reader is. */
static size_t in_reach(const struct ring_reader *r)
{
	size_t at = r->taken % RING_BYTES, n = (size_t)(r->there - r->taken);

	return n < RING_BYTES - at ? n : RING_BYTES - at;
}

static bool is_worth_it(const struct ring_reader *r)
{
	size_t n = in_reach(r);

	return n >= PIECE || (n > 0 && n < r->there - r->taken);
}

/* Until the next word of the writer. */
static int wait_for_more(struct ring_reader *r)
{
	int got = hear(r->sock, &r->there);

	r->ended = got == 0;
	if (got < 0)
		return got;
	return r->there < r->taken || r->there - r->taken > RING_BYTES ? -EPROTO : 0;
}

/* What was given until now. By write(2), which a reader with a short list of system calls has. */
static int release(struct ring_reader *r)
{
	ssize_t n;

	if (r->ended || r->taken - r->said < RELEASE)
		return 0;
	r->said = r->taken;
	do
		n = write(r->sock, &r->said, sizeof(r->said));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

ssize_t ring_next(struct ring_reader *r, const void **ret)
{
	int e = release(r);
	size_t n;

	while (e == 0 && !r->ended && !is_worth_it(r))
		e = wait_for_more(r);
	if (e < 0)
		return e;
	n = in_reach(r);
	*ret = r->memory + r->taken % RING_BYTES;
	r->taken += n;
	return (ssize_t)n;
}

void ring_close(struct ring_reader *r)
{
	if (r->memory)
		munmap((void *)r->memory, RING_BYTES);
	r->memory = NULL;
}
