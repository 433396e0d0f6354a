/* The one file, as FUSE sees it: the root of the file system. */
#define FUSE_USE_VERSION 312
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/falloc.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "ploop/server.h"

enum {
	WRITE_OUT_MS = 1000,   /* so old does the table in memory become */
	BLOCK = 4096,          /* what is discarded is made of these */
	TIMEOUT_S = 24 * 3600, /* what the kernel knows stays true, until it is told */
};

struct server {
	struct ploop_chain *chain;
	struct fuse_session *session;
	struct fuse_buf request;
	uint8_t *data; /* for one read */
	size_t room;
	bool writable;
};

static struct stat attributes(const struct server *s)
{
	return (struct stat){
		.st_ino = FUSE_ROOT_ID,
		.st_mode = S_IFREG | (s->writable ? 0600 : 0400),
		.st_nlink = 1,
		.st_size = (off_t)ploop_chain_size(s->chain),
		.st_blksize = BLOCK,
	};
}

/* Requests are answered from one buffer into another: nothing needs a pipe, and whether what is in
 * the kernel's cache is old is known here. */
static void serve_init(void *arg, struct fuse_conn_info *connection)
{
	(void)arg;
	connection->want &= ~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_SPLICE_READ |
					FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

static void serve_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
	struct stat st = attributes(fuse_req_userdata(request));

	(void)inode;
	(void)file;
	fuse_reply_attr(request, &st, TIMEOUT_S);
}

static void serve_statfs(fuse_req_t request, fuse_ino_t inode)
{
	const struct server *s = fuse_req_userdata(request);
	const struct statvfs st = {
		.f_bsize = BLOCK,
		.f_frsize = BLOCK,
		.f_blocks = ploop_chain_size(s->chain) / BLOCK,
	};

	(void)inode;
	fuse_reply_statfs(request, &st);
}

static void serve_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
	const struct server *s = fuse_req_userdata(request);

	(void)inode;
	if (!s->writable && (file->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(request, EROFS);
		return;
	}
	file->keep_cache = 1;
	fuse_reply_open(request, file);
}

static void serve_read(fuse_req_t request, fuse_ino_t inode, size_t len, off_t at,
		       struct fuse_file_info *file)
{
	struct server *s = fuse_req_userdata(request);
	uint64_t size = ploop_chain_size(s->chain);
	int r;

	(void)inode;
	(void)file;
	if ((uint64_t)at >= size) {
		fuse_reply_buf(request, NULL, 0);
		return;
	}
	if (len > size - (uint64_t)at)
		len = size - (uint64_t)at;
	if (len > s->room) {
		uint8_t *more = realloc(s->data, len);

		if (!more) {
			fuse_reply_err(request, ENOMEM);
			return;
		}
		s->data = more;
		s->room = len;
	}
	r = ploop_chain_read(s->chain, s->data, len, (uint64_t)at);
	if (r < 0)
		fuse_reply_err(request, -r);
	else
		fuse_reply_buf(request, (char *)s->data, len);
}

static void serve_write(fuse_req_t request, fuse_ino_t inode, const char *data, size_t len,
			off_t at, struct fuse_file_info *file)
{
	struct server *s = fuse_req_userdata(request);
	int r = ploop_chain_write(s->chain, data, len, (uint64_t)at);

	(void)inode;
	(void)file;
	if (r < 0)
		fuse_reply_err(request, -r);
	else
		fuse_reply_write(request, len);
}

static void serve_fsync(fuse_req_t request, fuse_ino_t inode, int only_data,
			struct fuse_file_info *file)
{
	struct server *s = fuse_req_userdata(request);

	(void)inode;
	(void)only_data;
	(void)file;
	fuse_reply_err(request, -ploop_chain_sync(s->chain));
}

/* Holes and ranges of zeros; room is never set aside. */
static void serve_fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t at, off_t len,
			    struct fuse_file_info *file)
{
	struct server *s = fuse_req_userdata(request);
	uint64_t size = ploop_chain_size(s->chain);

	(void)inode;
	(void)file;
	if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) ||
	    mode & ~(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE)) {
		fuse_reply_err(request, EOPNOTSUPP);
		return;
	}
	if ((uint64_t)at >= size || (uint64_t)len > size - (uint64_t)at) {
		fuse_reply_err(request, EINVAL);
		return;
	}
	fuse_reply_err(request, -ploop_chain_zero(s->chain, (uint64_t)at, (uint64_t)len));
}

static const struct fuse_lowlevel_ops operations = {
	.init = serve_init,
	.getattr = serve_getattr,
	.statfs = serve_statfs,
	.open = serve_open,
	.read = serve_read,
	.write = serve_write,
	.fsync = serve_fsync,
	.fallocate = serve_fallocate,
};

/* The kernel believes the size that it knows. A part of the file that is put into its cache, behind
 * the end that it knows, moves that end for kernels that do not ask again. */
static void tell_size(void *arg)
{
	struct server *s = arg;
	static uint8_t zeros[BLOCK];
	struct fuse_bufvec last = FUSE_BUFVEC_INIT(sizeof(zeros));

	last.buf[0].mem = zeros;
	(void)fuse_lowlevel_notify_inval_inode(s->session, FUSE_ROOT_ID, -1, 0);
	(void)fuse_lowlevel_notify_store(s->session, FUSE_ROOT_ID,
					 (off_t)(ploop_chain_size(s->chain) - BLOCK), &last, 0);
}

int server_new(struct ploop_chain *chain, bool writable, struct server **ret, struct error *err)
{
	static char name[] = "mosaic-ploop", *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct server *s = calloc(1, sizeof(*s));
	char mounted[32];

	if (!s)
		return error_set(err, -ENOMEM, "cannot serve");
	s->chain = chain;
	s->writable = writable;
	s->session = fuse_session_new(&args, &operations, sizeof(operations), s);
	/* its word for a descriptor that is mounted already */
	snprintf(mounted, sizeof(mounted), "/dev/fd/%d", PLOOP_FUSE_FD);
	if (!s->session || fuse_session_mount(s->session, mounted) != 0) {
		free(s);
		return error_set(err, -EIO, "cannot serve the file system.");
	}
	*ret = s;
	return 0;
}

/* One request, or the end. */
static void take_request(struct server *s)
{
	int r = fuse_session_receive_buf(s->session, &s->request);

	if (r > 0)
		fuse_session_process_buf(s->session, &s->request);
	else if (r < 0 && r != -EINTR && r != -EAGAIN)
		fuse_session_exit(s->session);
}

void server_run(struct server *s)
{
	struct pollfd fds[] = {
		{ .fd = PLOOP_FUSE_FD, .events = POLLIN },
		{ .fd = PLOOP_SOCKET_FD, .events = POLLIN },
	};

	while (!fuse_session_exited(s->session)) {
		int n = poll(fds, ARRAY_SIZE(fds),
			     ploop_chain_is_dirty(s->chain) ? WRITE_OUT_MS : -1);

		if (n == 0)
			(void)!ploop_chain_sync(s->chain); /* fails again, and aloud, at an fsync */
		if (n <= 0)
			continue;
		if (fds[0].revents)
			take_request(s);
		if (fds[1].revents & POLLIN)
			control_answer(PLOOP_SOCKET_FD, s->chain, tell_size, s);
	}
	ploop_chain_close(s->chain);
}
