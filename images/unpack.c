/*
 * An archive through carob-unpack (images/unpack/unpack.h): one process decompresses, one writes
 * files, and this one hashes what goes from the first to the second. Plain archives need no first
 * one.
 *
 *	archive -> carob-unpack --decompress -> SHA-512 here -> carob-unpack --extract -> tree
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "images/internal.h"
#include "images/unpack/unpack.h"

/* Both helpers and what they say. */
struct job {
	const struct images *im;
	struct unpacked *unpacked;
	struct error *err;
	int decompressor, extractor; /* pidfds */
	int decompressor_says, extractor_says;
	struct stream stream;
	bool extracted;    /* everything was said, up to UNPACK_DONE */
	bool decompressed; /* likewise */
};

void unpacked_deinit(struct unpacked *u)
{
	free(u->manifest);
	u->manifest = NULL;
	buf_deinit(&u->implied);
}

/* ---- starting -------------------------------------------------------------------------------- */

/* What carob-unpack --decompress takes. */
static bool is_compressed(int archive)
{
	static const struct {
		const char *bytes;
		size_t len;
	} magics[] = {
		{ "\x1f\x8b", 2 },
		{ "BZh", 3 },
		{ "\xfd"
		  "7zXZ",
		  5 },
		{ "\x28\xb5\x2f\xfd", 4 },
		{ "\x50\x2a\x4d\x18", 4 }, /* of zstd too: a frame to be skipped comes first */
	};
	char head[6];
	ssize_t n = pread(archive, head, sizeof(head), 0);

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (n >= (ssize_t)magics[i].len &&
		    memcmp(head, magics[i].bytes, magics[i].len) == 0)
			return true;
	return false;
}

/* Starts carob-unpack with what h says; *ret_says is where its records come from. */
static int start(struct job *j, struct helper *h, int *ret_pidfd, int *ret_says)
{
	_close_ int says = -1, say = -1;
	int r = helper_pipe(&says, &say, j->err);

	if (r < 0)
		return r;
	h->program = "carob-unpack";
	h->fd4 = say;
	r = helper_start(j->im, h, j->err);
	if (r < 0)
		return r;
	*ret_pidfd = r;
	*ret_says = take_fd(&says);
	return 0;
}

static int start_decompressor(struct job *j, int archive)
{
	struct helper h = { .arguments = { "--decompress" },
			    .stdio = { archive, -1, -1 },
			    .fd3 = -1 };
	_close_ int in = -1, out = -1;
	int r = helper_pipe(&in, &out, j->err);

	h.stdio[1] = out;
	if (r == 0)
		r = start(j, &h, &j->decompressor, &j->decompressor_says);
	if (r == 0)
		j->stream.in = take_fd(&in);
	return r;
}

static int start_extractor(struct job *j, int tree)
{
	struct helper h = {
		.arguments = { tree < 0 ? "--check" : "--extract" },
		.stdio = { -1, -1, -1 },
		.fd3 = tree,
	};
	_close_ int in = -1, out = -1;
	int r = helper_pipe(&in, &out, j->err);

	h.stdio[0] = in;
	if (r == 0)
		r = start(j, &h, &j->extractor, &j->extractor_says);
	if (r == 0)
		j->stream.out = take_fd(&out);
	return r;
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

static int take_said(struct job *j, struct said *s, bool *done)
{
	switch ((enum unpack_kind)s->record.kind) {
	case UNPACK_FAULT:
		return appc_fault(j->unpacked->faults, s->path, "%s", s->text);
	case UNPACK_WARNING:
		return appc_warning(j->unpacked->faults, s->path, "%s", s->text);
	case UNPACK_MANIFEST:
		if (s->record.text_len > LIMIT_MANIFEST_BYTES || j->unpacked->manifest)
			return -EPROTO;
		j->unpacked->manifest = take_ptr(&s->text);
		j->unpacked->manifest_len = s->record.text_len;
		return 0;
	case UNPACK_IMPLIED:
		return buf_add(&j->unpacked->implied, s->path, strlen(s->path) + 1);
	case UNPACK_DONE:
		j->unpacked->size = s->record.value;
		*done = true;
		return 0;
	case UNPACK_FAILURE:
		if (s->record.value == EBADMSG)
			return j->unpacked->faults->n_errors
				       ? 0
				       : appc_fault(j->unpacked->faults, "", "%s", s->text);
		return error_set(j->err,
				 s->record.value == 0 || s->record.value > 4095
					 ? -EIO
					 : -(int)s->record.value,
				 "%s.", s->text);
	}
	return -EPROTO;
}

/* Reads all that one of them has to say. */
static int listen(struct job *j, int fd, bool *done)
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
		r = take_said(j, &s, done);
	}
	return r == -EPROTO || r == -E2BIG
		       ? error_set(j->err, r, "carob-unpack says what makes no sense")
		       : r;
}

/* ---- together -------------------------------------------------------------------------------- */

static int ended_badly(struct job *j, int status)
{
	if (status > 128)
		return error_set(j->err, -EIO, "carob-unpack was killed by signal %d.",
				 status - 128);
	return error_set(j->err, -EIO, "carob-unpack ended with status %d before it was done.",
			 status);
}

/* Both have all they need: what became of it? When the first failed, what the second found is but
 * the consequence. */
static int conclude(struct job *j)
{
	int status = 0, r;

	cleanup_close(&j->stream.out);
	if (j->decompressor >= 0) {
		cleanup_close(&j->stream.in);
		/* cut short by us it has nothing to say */
		r = j->stream.cut ? 0 : listen(j, j->decompressor_says, &j->decompressed);
		if (r == 0)
			r = helper_wait(&j->decompressor, &status);
		if (r < 0)
			return r;
		if (j->unpacked->faults->n_errors)
			return 0;
		if (!j->stream.cut && !j->decompressed)
			return ended_badly(j, status);
	}
	r = listen(j, j->extractor_says, &j->extracted);
	if (r == 0)
		r = helper_wait(&j->extractor, &status);
	if (r < 0 || j->unpacked->faults->n_errors)
		return r;
	return j->extracted && !j->stream.cut ? 0 : ended_badly(j, status);
}

static void end(struct job *j)
{
	helper_reap(&j->decompressor);
	helper_reap(&j->extractor);
	cleanup_close(&j->stream.in);
	cleanup_close(&j->stream.out);
	cleanup_close(&j->decompressor_says);
	cleanup_close(&j->extractor_says);
}

static int work(struct job *j, int archive, int tree)
{
	struct stat st;
	int r;

	if (fstat(archive, &st) < 0)
		return error_set(j->err, -errno, "cannot read the archive");
	j->stream.archive_size = (uint64_t)st.st_size;
	if (is_compressed(archive)) {
		r = start_decompressor(j, archive);
	} else {
		j->stream.in = fcntl(archive, F_DUPFD_CLOEXEC, 3);
		r = j->stream.in < 0 ? error_set(j->err, -errno, "cannot read the archive") : 0;
	}
	if (r == 0)
		r = start_extractor(j, tree);
	if (r == 0)
		r = stream_run(&j->stream, j->err);
	return r < 0 ? r : conclude(j);
}

int images_unpack(const struct images *im, int archive, int tree, struct unpacked *ret,
		  const struct images_progress *progress, struct error *err)
{
	_unpacked_ struct unpacked unpacked = { .faults = ret->faults,
						.implied = BUF_INIT(UNPACK_REPORT_BYTES) };
	struct job j = {
		.im = im,
		.unpacked = &unpacked,
		.err = err,
		.decompressor = -1,
		.extractor = -1,
		.decompressor_says = -1,
		.extractor_says = -1,
		.stream = { .in = -1,
			    .out = -1,
			    .archive = archive,
			    .progress = progress,
			    .what = "the archive" },
	};
	int r = work(&j, archive, tree);

	end(&j);
	if (r < 0)
		return r;
	if (unpacked.faults->n_errors)
		return images_faults_error(unpacked.faults, "the archive", err);
	stream_id(&j.stream, unpacked.id);
	*ret = unpacked;
	unpacked = (struct unpacked){ 0 };
	return 0;
}
