#include "images/passage.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { MIB = 1 << 20 };

/* Bytes of the rings: memory in place of time, since whoever finds one empty or full gives up its
 * processor, and another takes the next turn there; so as much as leaves all processes together
 * below 64 MiB, whatever the archive makes them need. A few small files keep the writer busy, one
 * large one does not, and now and then it waits for the disk. */
static const struct room {
	size_t before, behind;
} rooms[] = {
	[WINDOW_SMALL] = { 12 * MIB, 20 * MIB },
	[WINDOW_MIDDLE] = { 8 * MIB, 16 * MIB },
	[WINDOW_LARGE] = { 1 * MIB, 2 * MIB },
}, room_among_others = { 3 * MIB, 16 * MIB };

void passage_init(struct passage *p, const struct images *im, struct unpacked *unpacked,
		  const struct nettle_hash *hash, struct error *err)
{
	*p = (struct passage){
		.im = im,
		.unpacked = unpacked,
		.err = err,
		.decompressor = -1,
		.extractor = -1,
		.decompressor_says = -1,
		.extractor_says = -1,
		.from = RING_READER_NONE,
		.ring = RING_NONE,
		.stream = { .in = -1,
			    .out = -1,
			    .archive = -1,
			    .hash = hash,
			    .what = "the archive" },
	};
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Starts carob-unpack with what h says; *ret_says is where its records come from. */
static int start(struct passage *p, struct helper *h, int *ret_pidfd, int *ret_says)
{
	_close_ int says = -1, say = -1;
	int r = helper_pipe(&says, &say, p->err);

	if (r < 0)
		return r;
	h->program = "carob-unpack";
	h->fd4 = say;
	r = helper_start(p->im, h, p->err);
	if (r < 0)
		return r;
	*ret_pidfd = r;
	*ret_says = take_fd(&says);
	return 0;
}

static int no_ring(struct passage *p, int r)
{
	return error_set(p->err, r, "cannot make memory to be shared");
}

static enum window_kind kind_of_window(int file)
{
	unsigned char head[WINDOW_HEAD];
	ssize_t n = pread(file, head, sizeof(head), 0);

	return n < 0 ? WINDOW_LARGE : window_kind(head, (size_t)n);
}

static const struct room *room_of(const struct passage *p)
{
	return p->among_others && p->window != WINDOW_LARGE ? &room_among_others
							    : &rooms[p->window];
}

static int start_decompressor(struct passage *p, int file, const struct ring_ends *feed)
{
	_ring_ends_ struct ring_ends ends = RING_ENDS_NONE;
	int memory[2] = { -1, feed ? feed->memory : -1 };
	struct helper h = {
		.arguments = { "--decompress", "--shared" },
		.stdio = { feed ? feed->sock : file, -1, -1 },
		.fd3 = -1,
		.more_fds = memory,
		.n_more_fds = ARRAY_SIZE(memory),
	};
	size_t n = 2;
	int r;

	p->window = kind_of_window(file);
	if (feed)
		h.arguments[n++] = "--fed";
	if (p->window != WINDOW_LARGE)
		h.arguments[n++] = "--small-window";
	r = ring_make_reader(&p->from, room_of(p)->before, &ends);
	if (r < 0)
		return no_ring(p, r);
	h.stdio[1] = ends.sock;
	memory[0] = ends.memory;
	p->stream.from = &p->from;
	return start(p, &h, &p->decompressor, &p->decompressor_says);
}

static int start_extractor(struct passage *p, const char *mode, int tree)
{
	_ring_ends_ struct ring_ends ends = RING_ENDS_NONE;
	int r = ring_make(&p->ring, room_of(p)->behind, &ends);
	struct helper h = {
		.arguments = { mode, "--shared" },
		.stdio = { ends.sock, -1, -1 },
		.fd3 = tree,
		.more_fds = &ends.memory,
		.n_more_fds = 1,
	};

	if (r < 0)
		return no_ring(p, r);
	p->stream.ring = &p->ring;
	return start(p, &h, &p->extractor, &p->extractor_says);
}

/* ---- what they say --------------------------------------------------------------------------- */

/* One record; text and path end in NUL. */
struct said {
	struct unpack_record record;
	char *path, *text;
};

static void said_deinit(struct said *s)
{
	free(s->path);
	free(s->text);
}

/* Takes the record at *at. 1, 0 at the end, or -EPROTO for what is none. */
static int next_said(const struct buf *all, size_t *at, struct said *ret)
{
	const char *p = all->data + *at;
	size_t left = all->len - *at;

	if (left == 0)
		return 0;
	if (left < sizeof(ret->record))
		return -EPROTO;
	memcpy(&ret->record, p, sizeof(ret->record));
	left -= sizeof(ret->record);
	p += sizeof(ret->record);
	if (ret->record.path_len > left || ret->record.text_len > left - ret->record.path_len)
		return -EPROTO;
	ret->path = strndup(p, ret->record.path_len);
	ret->text = malloc((size_t)ret->record.text_len + 1);
	if (!ret->path || !ret->text)
		return -ENOMEM;
	memcpy(ret->text, p + ret->record.path_len, ret->record.text_len);
	ret->text[ret->record.text_len] = '\0';
	*at += sizeof(ret->record) + ret->record.path_len + ret->record.text_len;
	return 1;
}

static int take_said(struct passage *p, struct said *s, bool *done)
{
	switch ((enum unpack_kind)s->record.kind) {
	case UNPACK_FAULT:
		return appc_fault(p->unpacked->faults, s->path, "%s", s->text);
	case UNPACK_WARNING:
		return appc_warning(p->unpacked->faults, s->path, "%s", s->text);
	case UNPACK_MANIFEST:
		if (s->record.text_len > LIMIT_MANIFEST_BYTES || p->unpacked->manifest)
			return -EPROTO;
		p->unpacked->manifest = take_ptr(&s->text);
		p->unpacked->manifest_len = s->record.text_len;
		return 0;
	case UNPACK_IMPLIED:
		return buf_add(&p->unpacked->implied, s->path, strlen(s->path) + 1);
	case UNPACK_MEMBERS:
		p->unpacked->members = s->record.value;
		return 0;
	case UNPACK_DONE:
		p->unpacked->size = s->record.value;
		*done = true;
		return 0;
	case UNPACK_FAILURE:
		if (s->record.value == EBADMSG)
			return p->unpacked->faults->n_errors
				       ? 0
				       : appc_fault(p->unpacked->faults, "", "%s", s->text);
		return error_set(p->err,
				 s->record.value == 0 || s->record.value > 4095
					 ? -EIO
					 : -(int)s->record.value,
				 "%s.", s->text);
	}
	return -EPROTO;
}

/* Reads all that one of them has to say. */
static int listen(struct passage *p, int fd, bool *done)
{
	_buf_ struct buf all = BUF_INIT(UNPACK_REPORT_BYTES);
	char block[16 << 10];
	size_t at = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read_all(fd, block, sizeof(block))) != 0)
		r = n < 0 ? (int)n : buf_add(&all, block, (size_t)n);
	while (r == 0) {
		_cleanup_(said_deinit) struct said s = { 0 };

		r = next_said(&all, &at, &s);
		if (r <= 0)
			break;
		r = take_said(p, &s, done);
	}
	return r == -EPROTO || r == -E2BIG
		       ? error_set(p->err, r, "carob-unpack says what makes no sense")
		       : r;
}

/* ---- together -------------------------------------------------------------------------------- */

static int ended_badly(struct passage *p, int status)
{
	if (status > 128)
		return error_set(p->err, -EIO, "carob-unpack was killed by signal %d.",
				 status - 128);
	return error_set(p->err, -EIO, "carob-unpack ended with status %d before it was done.",
			 status);
}

/* Both have all they need: what became of it? When the first failed, what the second found is but
 * the consequence. */
static int conclude(struct passage *p)
{
	int status = 0, r;

	ring_end(&p->ring);
	if (p->decompressor >= 0) {
		ring_close(&p->from);
		/* cut short by us it has nothing to say */
		r = p->stream.cut ? 0 : listen(p, p->decompressor_says, &p->decompressed);
		if (r == 0)
			r = helper_wait(&p->decompressor, &status);
		if (r < 0)
			return r;
		if (p->unpacked->faults->n_errors)
			return 0;
		if (!p->stream.cut && !p->decompressed)
			return ended_badly(p, status);
	}
	r = listen(p, p->extractor_says, &p->extracted);
	if (r == 0)
		r = helper_wait(&p->extractor, &status);
	if (r < 0 || p->unpacked->faults->n_errors)
		return r;
	return p->extracted && !p->stream.cut ? 0 : ended_badly(p, status);
}

/* A plain one needs no other process. */
static int start_reading(struct passage *p, int file, struct ring_ends *feed)
{
	int r;

	if (!feed) {
		p->stream.in = file;
		return 0;
	}
	r = ring_open(&p->from, feed);
	feed->sock = -1;
	p->stream.from = &p->from;
	return r < 0 ? no_ring(p, r) : 0;
}

int passage_begin(struct passage *p, int file, struct ring_ends *feed, bool compressed)
{
	_ring_ends_ struct ring_ends taken = RING_ENDS_NONE;
	struct stat st;

	if (feed) {
		taken = *feed;
		*feed = (struct ring_ends)RING_ENDS_NONE;
		feed = &taken;
	}

	if (fstat(file, &st) < 0)
		return error_set(p->err, -errno, "cannot read %s", p->stream.what);
	p->stream.archive = file;
	p->stream.archive_size = (uint64_t)st.st_size;
	return compressed ? start_decompressor(p, file, feed) : start_reading(p, file, feed);
}

int passage_run(struct passage *p, const char *mode, int tree)
{
	int r = start_extractor(p, mode, tree);

	if (r == 0)
		r = stream_run(&p->stream, p->err);
	return r < 0 ? r : conclude(p);
}

void passage_end(struct passage *p)
{
	helper_reap(&p->decompressor);
	helper_reap(&p->extractor);
	ring_close(&p->from);
	ring_deinit(&p->ring);
	cleanup_close(&p->decompressor_says);
	cleanup_close(&p->extractor_says);
}
