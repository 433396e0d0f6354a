/*
 * The format of streams, byte by byte, and streams that somebody hostile made: each is refused with
 * -EBADMSG, and nothing beside the tree is touched.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mosaic/stream_tree.h"
#include "scratch.h"

static const char id[] = "0123456789abcdef0123456789abcdef";

static struct stream_header make_header(void)
{
	return (struct stream_header){
		.volume = (char *)"v",
		.id = (char *)id,
		.stream = (char *)"portable",
		.fs = (char *)"",
	};
}

struct made {
	int fd;
	struct stream_writer w;
	struct stream_progress progress;
	struct error err;
};

static void made_begin(struct made *m, const char *token)
{
	struct stream_header h = make_header();

	*m = (struct made){ .fd = memfd_create("stream", MFD_CLOEXEC) };
	assert_true(m->fd >= 0);
	assert_ok(stream_writer_begin(&m->w, m->fd, &h, token, &m->progress, &m->err), &m->err);
}

static void made_add(struct made *m, const struct stream_record *r)
{
	_buf_ struct buf b = BUF_INIT(LIMIT_STREAM_FRAME);

	assert_int_equal(stream_record_encode(r, &b), 0);
	assert_ok(stream_write(&m->w, r->type, &b, r->data, r->len, &m->err), &m->err);
}

static void made_end(struct made *m)
{
	assert_ok(stream_writer_end(&m->w, &m->err), &m->err);
	assert_int_equal(lseek(m->fd, 0, SEEK_SET), 0);
}

static void made_close(struct made *m)
{
	stream_writer_deinit(&m->w);
	close(m->fd);
}

/* A record, as short as a table wants it. */
struct step {
	enum stream_type type;
	const char *name, *target, *data;
	uint64_t offset, size;
	uint32_t node;
};

static void add(struct made *m, const struct step *step)
{
	_free_ struct stream_record *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->type = step->type;
	r->offset = step->offset;
	r->size = step->size;
	r->node = step->node;
	r->data = (const uint8_t *)step->data;
	r->len = step->data ? strlen(step->data) : 0;
	r->attributes.mode = 0700;
	snprintf(r->name, sizeof(r->name), "%s", step->name ? step->name : "");
	snprintf(r->target, sizeof(r->target), "%s", step->target ? step->target : "");
	made_add(m, r);
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Reads to the end; what the last read said. */
static int read_all_frames(int fd, uint64_t *ret_frames)
{
	_stream_reader_ struct stream_reader r = { 0 };
	_stream_header_ struct stream_header h = { 0 };
	struct stream_frame f;
	int n = stream_reader_begin(&r, fd, &h, NULL);

	if (n == 0)
		do
			n = stream_read(&r, &f, NULL);
		while (n > 0);
	*ret_frames = r.at.frames;
	return n;
}

static void make_small(struct made *m)
{
	static const struct step steps[] = {
		{ STREAM_FILE, "a", .size = 5 },
		{ STREAM_DATA, .data = "hello" },
		{ STREAM_DONE },
		{ STREAM_LEAVE },
	};

	made_begin(m, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		add(m, &steps[i]);
	made_end(m);
}

/* On disk, for good: a change of this is a new version. */
static void the_format_stays(void **state)
{
	static const char header[] =
		"{\"volume\":\"v\",\"id\":\"0123456789abcdef0123456789abcdef\","
		"\"stream\":\"portable\",\"fs\":\"\",\"raw\":false,\"size\":0,\"content\":0,"
		"\"entries\":0}";
	static const char digest[] =
		"8c69160458597a385601537781d2d358fc45f19d98430160f117968fac47ad9e";
	uint8_t data[1024], sum[STREAM_DIGEST];
	char text[2 * STREAM_DIGEST + 1];
	struct made m;
	ssize_t n;

	(void)state;
	make_small(&m);
	n = read_all(m.fd, data, sizeof(data));
	assert_memory_equal(data, "MOSAICST\1\0\0\0", 12);
	assert_int_equal(stream_get32(data + 12), strlen(header));
	assert_memory_equal(data + 16, header, strlen(header));
	stream_sha256(sum, data, (size_t)n, NULL, 0);
	hex_encode(text, sum, sizeof(sum));
	assert_string_equal(text, digest);
	made_close(&m);
}

/* Every byte that is another one is found, and every end that comes too early. */
static void damage_is_found(void **state)
{
	uint8_t data[1024];
	struct made m;
	uint64_t frames;
	ssize_t len, header;

	(void)state;
	make_small(&m);
	len = read_all(m.fd, data, sizeof(data));
	header = 16 + (ssize_t)stream_get32(data + 12) + STREAM_DIGEST;
	assert_true(len > 0 && len < (ssize_t)sizeof(data));
	for (ssize_t i = 0; i < len; i++) {
		uint8_t byte = data[i] ^ 0x5a;
		int r;

		assert_int_equal(pwrite(m.fd, &byte, 1, i), 1);
		assert_int_equal(lseek(m.fd, 0, SEEK_SET), 0);
		r = read_all_frames(m.fd, &frames);
		/* a length may say more than there is, a version is another program's */
		assert_true(r == -EBADMSG || r == -EPIPE || (r == -EOPNOTSUPP && i < 12));
		assert_int_equal(pwrite(m.fd, &data[i], 1, i), 1);
	}
	for (ssize_t i = 0; i < len; i++) {
		assert_int_equal(ftruncate(m.fd, i), 0);
		assert_int_equal(lseek(m.fd, 0, SEEK_SET), 0);
		assert_int_equal(read_all_frames(m.fd, &frames), i < header ? -EBADMSG : -EPIPE);
		assert_int_equal(pwrite(m.fd, data, (size_t)len, 0), len);
	}
	assert_int_equal(lseek(m.fd, 0, SEEK_SET), 0);
	assert_int_equal(read_all_frames(m.fd, &frames), 0);
	assert_int_equal(frames, 4);
	made_close(&m);
}

static void a_frame_more_or_less_is_found(void **state)
{
	static const struct step leave = { STREAM_LEAVE };
	struct made m, other;
	uint64_t frames;
	uint8_t data[2048];
	ssize_t len;
	off_t frame;

	(void)state;
	made_begin(&m, NULL);
	frame = (off_t)m.w.at.bytes;
	add(&m, &leave);
	made_end(&m);
	made_begin(&other, NULL);
	add(&other, &leave);
	add(&other, &leave);
	made_end(&other);
	/* the end of one behind the frames of the other */
	len = read_all(m.fd, data, sizeof(data));
	assert_int_equal(pwrite(other.fd, data + frame, (size_t)(len - frame), frame), len - frame);
	assert_int_equal(read_all_frames(other.fd, &frames), 0); /* it is m's now */
	assert_int_equal(pwrite(other.fd, data + frame, STREAM_HEAD + 28, frame + STREAM_HEAD + 28),
			 STREAM_HEAD + 28);
	assert_int_equal(pwrite(other.fd, data + frame + STREAM_HEAD + 28,
				(size_t)(len - frame - STREAM_HEAD - 28),
				frame + 2 * (STREAM_HEAD + 28)),
			 len - frame - STREAM_HEAD - 28);
	assert_int_equal(lseek(other.fd, 0, SEEK_SET), 0);
	assert_int_equal(read_all_frames(other.fd, &frames), -EBADMSG);
	assert_int_equal(frames, 2);
	made_close(&m);
	made_close(&other);
}

static void tokens_are_read_as_written(void **state)
{
	static const char *const bad[] = { "", "1", "1.2.3.4.5", "x", "1....", "2.0.0.0.0" };
	struct stream_position at = { .frames = 7, .bytes = UINT64_MAX }, back;
	uint8_t one[STREAM_DIGEST] = { 1, 2, 0xff }, two[STREAM_DIGEST];
	char token[MOSAIC_TOKEN_MAX];

	(void)state;
	at.chain[31] = 0x80;
	stream_token(token, one, &at);
	assert_int_equal(stream_token_parse(token, two, &back), 0);
	assert_memory_equal(one, two, sizeof(one));
	assert_memory_equal(&at, &back, sizeof(at));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(stream_token_parse(bad[i], two, &back), -EINVAL);
	token[strlen(token) - 1] = '\0';
	assert_int_equal(stream_token_parse(token, two, &back), -EINVAL);
}

static void a_reader_that_went_away_is_an_error(void **state)
{
	struct stream_header h = make_header();
	_stream_writer_ struct stream_writer w = { 0 };
	struct stream_progress progress = { 0 };
	struct error err = { 0 };
	sigset_t pending;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	assert_ok(stream_writer_begin(&w, ends[1], &h, NULL, &progress, &err), &err);
	assert_int_equal(stream_writer_end(&w, &err), -EPIPE);
	sigpending(&pending);
	assert_int_equal(sigismember(&pending, SIGPIPE), 0);
	close(ends[1]);
}

static int stop(uint64_t done, uint64_t total, void *arg)
{
	(void)done;
	(void)total;
	(void)arg;
	return 1;
}

static void progress_can_stop(void **state)
{
	const struct mosaic_progress user = { .fn = stop };
	struct stream_progress p = { .user = &user };

	(void)state;
	assert_int_equal(stream_progress(&p, 1, false), 0); /* not told so soon */
	assert_int_equal(stream_progress(&p, 1, true), -ECANCELED);
	assert_int_equal(stream_progress(&p, 16 << 20, false), -ECANCELED);
}

/* ---- hostile streams ------------------------------------------------------------------------- */

struct place {
	int tree, beside;
};

static struct place make_place(struct scratch *s)
{
	struct place p;

	assert_int_equal(mkdirat(s->dirfd, "tree", 0755), 0);
	assert_int_equal(mkdirat(s->dirfd, "beside", 0755), 0);
	p.tree = openat(s->dirfd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p.beside = openat(s->dirfd, "beside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(p.beside, "canary", "alive");
	return p;
}

/* A base with ways out of it. */
static void make_base(const struct place *p)
{
	assert_int_equal(mkdirat(p->tree, "d", 0755), 0);
	put(p->tree, "d/in", "in");
	put(p->tree, "file", "file");
	assert_int_equal(symlinkat("../beside", p->tree, "out"), 0);
	assert_int_equal(symlinkat("../beside/canary", p->tree, "outfile"), 0);
	assert_int_equal(mkfifoat(p->tree, "pipe", 0600), 0);
}

static void close_place(struct scratch *s, struct place *p)
{
	struct stat st;

	assert_file(p->beside, "canary", "alive");
	assert_int_equal(fstatat(p->beside, "canary", &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_mode & 07777, 0644);
	close(p->tree);
	close(p->beside);
	assert_int_equal(path_remove_tree(s->dirfd, "tree"), 0);
	assert_int_equal(path_remove_tree(s->dirfd, "beside"), 0);
}

/* What applying says; 0 at the end. */
static int apply_stream(int fd, int tree, bool incremental)
{
	_stream_reader_ struct stream_reader r = { 0 };
	_stream_header_ struct stream_header h = { 0 };
	_free_ struct apply *a = calloc(1, sizeof(*a));
	_free_ struct stream_record *record = calloc(1, sizeof(*record));
	struct error err = { 0 };
	struct stream_frame f;
	int n = stream_reader_begin(&r, fd, &h, &err);

	a->dir = a->file = -1;
	a->incremental = incremental;
	if (n == 0)
		n = apply_begin(a, tree, NULL, &err);
	while (n == 0) {
		n = stream_read(&r, &f, &err);
		if (n <= 0) {
			n = n < 0 ? n : apply_end(a, &err);
			break;
		}
		n = stream_record_decode(record, &f, &err);
		if (n == 0)
			n = apply_record(a, record, &err);
	}
	apply_deinit(a);
	if (n < 0)
		assert_int_equal(err.code, n);
	return n;
}

enum { MAX_STEPS = 8 };

struct refused {
	const char *what;
	bool incremental;
	struct step steps[MAX_STEPS];
};

static const struct refused refused[] = {
	{ "a directory through a link", true, { { STREAM_ENTER, "out" } } },
	{ "a file through a link", true, { { STREAM_PATCH, "outfile", .size = 5 } } },
	{ "a directory that is a file", true, { { STREAM_ENTER, "file" } } },
	{ "a file that is a fifo", true, { { STREAM_PATCH, "pipe" } } },
	{ "a file that is a directory", true, { { STREAM_PATCH, "d" } } },
	{ "a change of a directory", true, { { STREAM_CHANGE, "d" } } },
	{ "a change of nothing", true, { { STREAM_CHANGE, "nothing" } } },
	{ "removal of nothing", true, { { STREAM_REMOVE, "nothing" } } },
	{ "a directory that is there", true, { { STREAM_DIRECTORY, "d" } } },
	{ "a file that is there", true, { { STREAM_FILE, "file" } } },
	{ "a link over a link", true, { { STREAM_SYMLINK, "out", "x" } } },
	{ "removed and entered", true, { { STREAM_REMOVE, "d" }, { STREAM_ENTER, "d" } } },
	{ "removed twice", true, { { STREAM_REMOVE, "d" }, { STREAM_REMOVE, "d" } } },
	{ "a hard link through a link", true, { { STREAM_LINK, "a", "out/canary" } } },
	{ "a hard link to a directory's link", true, { { STREAM_LINK, "a", "outfile/x" } } },
	{ "names go down", false, { { STREAM_FILE, "b" }, { STREAM_DONE }, { STREAM_FILE, "a" } } },
	{ "a name comes twice",
	  false,
	  { { STREAM_DIRECTORY, "a" }, { STREAM_LEAVE }, { STREAM_SYMLINK, "a", "x" } } },
	{ "a link that is a directory then",
	  false,
	  { { STREAM_SYMLINK, "a", "../beside" }, { STREAM_DIRECTORY, "a" } } },
	{ "a base where there is none",
	  false,
	  { { STREAM_DIRECTORY, "a" }, { STREAM_LEAVE }, { STREAM_REMOVE, "b" } } },
	{ "entering without a base", false, { { STREAM_ENTER, "d" } } },
	{ "patching without a base", false, { { STREAM_PATCH, "file" } } },
	{ "data without a file", false, { { STREAM_DATA, .data = "x" } } },
	{ "an end without a file", false, { { STREAM_DONE } } },
	{ "a name while a file is open", false, { { STREAM_FILE, "a" }, { STREAM_FILE, "b" } } },
	{ "leaving while a file is open", false, { { STREAM_FILE, "a" }, { STREAM_LEAVE } } },
	{ "data beyond the size",
	  false,
	  { { STREAM_FILE, "a", .size = 5 }, { STREAM_DATA, .data = "hello!" } } },
	{ "data far beyond the size",
	  false,
	  { { STREAM_FILE, "a", .size = 5 }, { STREAM_DATA, .data = "x", .offset = 1ULL << 62 } } },
	{ "data that goes back",
	  false,
	  { { STREAM_FILE, "a", .size = 9 },
	    { STREAM_DATA, .data = "12345", .offset = 2 },
	    { STREAM_DATA, .data = "1" } } },
	{ "zeros beyond the size",
	  false,
	  { { STREAM_FILE, "a", .size = 5 }, { STREAM_ZERO, .offset = 5, .size = 1 } } },
	{ "more behind the root", false, { { STREAM_LEAVE }, { STREAM_LEAVE } } },
	{ "a file behind the root", false, { { STREAM_LEAVE }, { STREAM_FILE, "a" } } },
	{ "an end in a directory", false, { { STREAM_DIRECTORY, "a" } } },
	{ "an end before the root", false, { { STREAM_FILE, "a" }, { STREAM_DONE } } },
	/* what no record can say */
	{ "the directory above", false, { { STREAM_DIRECTORY, ".." } } },
	{ "the directory itself", false, { { STREAM_DIRECTORY, "." } } },
	{ "a path", false, { { STREAM_FILE, "a/b" } } },
	{ "an absolute path", false, { { STREAM_FILE, "/etc/passwd" } } },
	{ "no name", false, { { STREAM_FILE, "" } } },
	{ "a hard link up", false, { { STREAM_LINK, "a", "../beside/canary" } } },
	{ "a hard link up in between", false, { { STREAM_LINK, "a", "d/../../beside/canary" } } },
	{ "an absolute hard link", false, { { STREAM_LINK, "a", "/etc/passwd" } } },
	{ "a hard link to nothing", false, { { STREAM_LINK, "a", "" } } },
	{ "a directory as a device", false, { { STREAM_NODE, "a", .node = S_IFDIR } } },
	{ "no data", false, { { STREAM_FILE, "a", .size = 5 }, { STREAM_DATA, .data = "" } } },
	{ "data at the end of numbers",
	  false,
	  { { STREAM_FILE, "a", .size = 5 }, { STREAM_DATA, .data = "x", .offset = UINT64_MAX } } },
	{ "native data in a portable stream", false, { { STREAM_NATIVE } } },
};

static void hostile_streams_are_refused(void **state)
{
	struct scratch *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct place p = make_place(s);
		struct made m;
		int r;

		if (refused[i].incremental)
			make_base(&p);
		made_begin(&m, NULL);
		for (size_t k = 0; k < MAX_STEPS && refused[i].steps[k].type; k++)
			add(&m, &refused[i].steps[k]);
		made_end(&m);
		r = apply_stream(m.fd, p.tree, refused[i].incremental);
		if (r != -EBADMSG)
			fail_msg("%s: %d", refused[i].what, r);
		made_close(&m);
		close_place(s, &p);
	}
}

static void add_attributes(struct made *m, const char *const *names, uint32_t n, uint32_t mode)
{
	_free_ struct stream_record *r = calloc(1, sizeof(*r));
	_buf_ struct buf xattrs = BUF_INIT(4096);

	assert_non_null(r);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(stream_put_xattr(&xattrs, names[i], "x", 1), 0);
	r->type = STREAM_LEAVE;
	r->attributes.mode = mode;
	r->attributes.n_xattrs = n;
	r->attributes.xattrs = (const uint8_t *)xattrs.data;
	r->attributes.xattrs_len = xattrs.len;
	made_add(m, r);
}

static void odd_attributes_are_refused(void **state)
{
	static const struct {
		const char *names[2];
		uint32_t n, mode;
		int wanted;
	} cases[] = {
		{ { "user.a", "user.b" }, 2, 0755, 0 },
		{ { "user.b", "user.a" }, 2, 0755, -EBADMSG },
		{ { "user.a", "user.a" }, 2, 0755, -EBADMSG },
		{ { "trusted.overlay.opaque" }, 1, 0755, -EBADMSG },
		{ { "trusted.overlay.redirect" }, 1, 0755, -EBADMSG },
		{ { "system.nfs4_acl" }, 1, 0755, -EBADMSG },
		{ { "btrfs.compression" }, 1, 0755, -EBADMSG },
		{ { NULL }, 0, 0100755, -EBADMSG },
	};
	struct scratch *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct place p = make_place(s);
		struct made m;

		made_begin(&m, NULL);
		add_attributes(&m, cases[i].names, cases[i].n, cases[i].mode);
		made_end(&m);
		assert_int_equal(apply_stream(m.fd, p.tree, false), cases[i].wanted);
		made_close(&m);
		close_place(s, &p);
	}
}

static void headers_are_checked(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"volume\":\"v\",\"id\":\"short\",\"stream\":\"portable\",\"fs\":\"\",\"raw\":false,"
		"\"size\":0,\"content\":0,\"entries\":0}",
		"{\"volume\":\"v\",\"id\":\"0123456789abcdef0123456789abcdef\",\"stream\":\"\","
		"\"fs\":\"\",\"raw\":false,\"size\":0,\"content\":0,\"entries\":0}",
		"{\"volume\":\"v\",\"id\":\"0123456789abcdef0123456789abcdef\",\"stream\":\"s\","
		"\"fs\":\"ext4\",\"raw\":true,\"size\":0,\"content\":0,\"entries\":0}",
		"{\"volume\":\"v\",\"id\":\"0123456789abcdef0123456789abcdef\",\"stream\":\"s\","
		"\"fs\":\"\",\"raw\":false,\"size\":-1,\"content\":0,\"entries\":0}",
		"{\"volume\":\"v\",\"id\":\"0123456789abcdef0123456789abcdef\",\"since\":\"1\","
		"\"stream\":\"s\",\"fs\":\"\",\"raw\":false,\"size\":0,\"content\":0,\"entries\":0}",
	};
	struct stream_header h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = { 0 };

		assert_int_equal(stream_header_decode(&h, bad[i], strlen(bad[i]), &err), -EBADMSG);
		assert_int_equal(err.code, -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_format_stays),
		cmocka_unit_test(damage_is_found),
		cmocka_unit_test(a_frame_more_or_less_is_found),
		cmocka_unit_test(tokens_are_read_as_written),
		cmocka_unit_test(a_reader_that_went_away_is_an_error),
		cmocka_unit_test(progress_can_stop),
		cmocka_unit_test(headers_are_checked),
		cmocka_unit_test_setup_teardown(hostile_streams_are_refused, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(odd_attributes_are_refused, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
