/*
 * Any bytes as the stream of a volume. Read as they are; and once more with every digest made
 * right, so that the records are reached: what decodes is the same after another encode, and
 * what is applied to a tree leaves what is beside it alone.
 */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "mosaic/stream_tree.h"

enum { FIXED = 16, MAX_FRAMES = 4096 };

static void touch_attributes(const struct stream_attributes *a)
{
	struct stream_xattr x;
	size_t at = 0;
	uint32_t n = 0;

	assert(!(a->mode & ~07777U));
	for (; stream_next_xattr(a, &at, &x); n++)
		assert(*x.name && stream_xattr_is_kept(x.name));
	assert(n == a->n_xattrs && at == a->xattrs_len);
}

static void encode_again(const struct stream_record *r, const struct stream_frame *f)
{
	_buf_ struct buf b = BUF_INIT(LIMIT_STREAM_FRAME);
	int n = stream_record_encode(r, &b);

	assert(n == 0);
	if (r->type == STREAM_DATA)
		n = buf_add(&b, r->data, r->len);
	assert(n == 0 && b.len == f->len && memcmp(b.data, f->data, b.len) == 0);
	assert(!strchr(r->name, '/') && !str_eq(r->name, "..") && !str_eq(r->name, "."));
	assert(r->type != STREAM_LINK || stream_path_is_sound(r->target));
	touch_attributes(&r->attributes);
}

static void put(int dirfd, const char *name)
{
	_close_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = fd < 0 ? -1 : write_all(fd, "canary", 6);

	assert(r == 0);
}

static int make_directory(int dirfd, const char *name)
{
	int r = mkdirat(dirfd, name, 0700), fd;

	assert(r == 0);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(fd >= 0);
	return fd;
}

struct place {
	char path[32];
	int top, tree, beside;
	bool incremental;
};

/* A tree, with ways out of it where there is a base, beside a directory that nobody may touch. */
static void place_make(struct place *p, bool incremental)
{
	_close_ int d = -1;
	int r = 0;

	snprintf(p->path, sizeof(p->path), "/tmp/fuzz-stream-XXXXXX");
	p->incremental = incremental;
	p->top = mkdtemp(p->path) ? open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	assert(p->top >= 0);
	p->beside = make_directory(p->top, "beside");
	put(p->beside, "a");
	p->tree = make_directory(p->top, "tree");
	if (!incremental)
		return;
	d = make_directory(p->tree, "d");
	put(d, "a");
	put(p->tree, "a");
	r |= symlinkat("../beside", p->tree, "out");
	r |= symlinkat("../beside/a", p->tree, "outa");
	r |= linkat(p->tree, "a", p->tree, "b", 0);
	assert(r == 0);
}

static int count(int dirfd, const char *name, void *arg)
{
	(void)dirfd;
	(void)name;
	(*(int *)arg)++;
	return 0;
}

static void place_check_and_remove(struct place *p)
{
	_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_free_ char *text = NULL;
	struct stat st;
	int n = 0, r = file_read(p->beside, "a", 100, &text, NULL);

	assert(r == 0 && str_eq(text, "canary"));
	r = fstatat(p->beside, "a", &st, 0);
	assert(r == 0 && st.st_nlink == 1 && st.st_mode == (S_IFREG | 0600));
	r = dir_each(p->beside, count, &n);
	assert(r == 0 && n == 1);
	n = 0;
	r = dir_each(p->top, count, &n);
	assert(r == 0 && n == 2);
	close(p->beside);
	close(p->tree);
	close(p->top);
	r = path_remove_tree(tmp, p->path + strlen("/tmp/"));
	assert(r == 0);
}

/* The records of a stream, applied when there is a place to. */
static void read_records(struct stream_reader *reader, struct place *p)
{
	_free_ struct stream_record *record = calloc(1, sizeof(*record));
	_free_ struct apply *a = calloc(1, sizeof(*a));
	struct stream_frame f;
	bool applies = p != NULL;

	assert(record && a);
	a->dir = a->file = -1;
	if (applies) {
		a->incremental = p->incremental;
		applies = apply_begin(a, p->tree, NULL, NULL) == 0;
	}
	while (stream_read(reader, &f, NULL) > 0) {
		if (stream_record_decode(record, &f, NULL) < 0)
			break;
		encode_again(record, &f);
		if (applies)
			applies = apply_record(a, record, NULL) == 0;
	}
	if (applies)
		(void)!apply_end(a, NULL);
	apply_deinit(a);
}

static int as_file(const void *data, size_t size)
{
	int fd = memfd_create("stream", MFD_CLOEXEC), r;

	assert(fd >= 0);
	r = write_all(fd, data, size);
	assert(r == 0 && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void read_as_it_is(const uint8_t *data, size_t size)
{
	_stream_reader_ struct stream_reader r = { 0 };
	_stream_header_ struct stream_header h = { 0 };
	_close_ int fd = as_file(data, size);

	if (stream_reader_begin(&r, fd, &h, NULL) == 0)
		read_records(&r, NULL);
}

/* The same frames, with the digests that they should have. */
static void mend_frames(struct stream_writer *w, const uint8_t *p, size_t left)
{
	const struct buf nothing = { 0 };

	for (int i = 0; i < MAX_FRAMES && left > STREAM_HEAD; i++) {
		uint32_t type = stream_get32(p), len = stream_get32(p + 4);
		int r;

		p += STREAM_HEAD;
		left -= STREAM_HEAD;
		if (len > left)
			len = (uint32_t)left;
		if (type >= STREAM_RESUME || len > LIMIT_STREAM_FRAME)
			break;
		r = stream_write(w, (enum stream_type)type, &nothing, p, len, NULL);
		assert(r == 0);
		p += len;
		left -= len;
	}
}

static void read_mended(const uint8_t *data, size_t size)
{
	static char empty[] = "", portable[] = "portable",
		    id[] = "00000000000000000000000000000000";
	struct stream_header plain = { .volume = empty, .id = id, .stream = portable, .fs = empty };
	_stream_header_ struct stream_header own = { 0 }, h = { 0 };
	_stream_writer_ struct stream_writer w = { 0 };
	_stream_reader_ struct stream_reader reader = { 0 };
	struct stream_progress progress = { 0 };
	_close_ int fd = as_file("", 0);
	struct place place;
	size_t len;
	int r;

	if (size < FIXED + STREAM_DIGEST)
		return;
	len = stream_get32(data + 12);
	if (len > size - FIXED - STREAM_DIGEST)
		len = size - FIXED - STREAM_DIGEST;
	if (len > LIMIT_STREAM_HEADER ||
	    stream_header_decode(&own, (const char *)data + FIXED, len, NULL) < 0)
		own = (struct stream_header){ 0 };
	r = stream_writer_begin(&w, fd, own.id ? &own : &plain, NULL, &progress, NULL);
	assert(r == 0);
	mend_frames(&w, data + FIXED + len + STREAM_DIGEST, size - FIXED - len - STREAM_DIGEST);
	r = stream_writer_end(&w, NULL);
	assert(r == 0 && lseek(fd, 0, SEEK_SET) == 0);
	r = stream_reader_begin(&reader, fd, &h, NULL);
	assert(r == 0);
	place_make(&place, h.since != NULL);
	read_records(&reader, &place);
	place_check_and_remove(&place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_as_it_is(data, size);
	read_mended(data, size);
	return 0;
}
