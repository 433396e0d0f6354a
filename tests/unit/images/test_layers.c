/* Layers that are made here, through the real carob-unpack into one tree. */
#include "bench.h"

#include <fcntl.h>
#include <nettle/sha2.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <zlib.h>

#include "images/oci.h"

enum { TAR_BLOCK = 512, LAYERS_MAX = 8, LAYER_BYTES = 64 << 20 };

/* An image in the making: its blobs are in the directory "blobs" of the bench. */
struct making {
	struct bench *b;
	struct oci_image image;
	int dir, tree;
	struct appc_faults faults;
	uint64_t size;
};

/* ---- archives -------------------------------------------------------------------------------- */

static void add_zeros(struct buf *tar, size_t len)
{
	_free_ char *zeros = calloc(1, len + 1);

	assert_non_null(zeros);
	assert_int_equal(buf_add(tar, zeros, len), 0);
}

/* One member of a ustar archive; content may be NULL: zeros. */
static void member(struct buf *tar, char type, const char *name, const char *content, size_t len)
{
	char head[TAR_BLOCK] = { 0 };
	unsigned sum = 0;

	snprintf(head, 100, "%s", name);
	memcpy(head + 100, "0000644", 8);
	memcpy(head + 108, "0000000", 8);
	memcpy(head + 116, "0000000", 8);
	snprintf(head + 124, 12, "%011o", (unsigned)len);
	memcpy(head + 136, "14524443400", 12);
	memset(head + 148, ' ', 8);
	head[156] = type;
	memcpy(head + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(head); i++)
		sum += (unsigned char)head[i];
	snprintf(head + 148, 8, "%06o", sum);
	assert_int_equal(buf_add(tar, head, sizeof(head)), 0);
	if (content)
		assert_int_equal(buf_add(tar, content, len), 0);
	else
		add_zeros(tar, len);
	add_zeros(tar, (TAR_BLOCK - len % TAR_BLOCK) % TAR_BLOCK);
}

static void file(struct buf *tar, const char *name, const char *content)
{
	member(tar, '0', name, content, strlen(content));
}

static void compress_gzip(const struct buf *plain, struct buf *ret)
{
	z_stream z = { .next_in = (unsigned char *)plain->data, .avail_in = (unsigned)plain->len };
	size_t room;
	_free_ char *out = NULL;

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	room = deflateBound(&z, plain->len);
	out = malloc(room);
	assert_non_null(out);
	z.next_out = (unsigned char *)out;
	z.avail_out = (unsigned)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(buf_add(ret, out, room - z.avail_out), 0);
	deflateEnd(&z);
}

static void digest_of(const struct buf *data, char ret[OCI_DIGEST_TEXT])
{
	unsigned char raw[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, data->len, (const uint8_t *)data->data);
	sha256_digest(&ctx, sizeof(raw), raw);
	memcpy(ret, "sha256:", 7);
	hex_encode(ret + 7, raw, sizeof(raw));
}

/* The archive, which is ended here, becomes the image's next layer. */
static void layer(struct making *m, struct buf *tar, enum oci_compression compression)
{
	_buf_ struct buf packed = BUF_INIT(LAYER_BYTES);
	struct oci_manifest *manifest = &m->image.manifest;
	struct oci_descriptor *d = &manifest->layers[manifest->n_layers];
	char diff_id[OCI_DIGEST_TEXT], name[OCI_BLOB_NAME];

	add_zeros(tar, 2 * TAR_BLOCK);
	if (compression == OCI_GZIP)
		compress_gzip(tar, &packed);
	else
		assert_int_equal(buf_add(&packed, tar->data, tar->len), 0);
	digest_of(tar, diff_id);
	digest_of(&packed, d->digest);
	d->size = packed.len;
	oci_blob_name(name, d->digest);
	assert_int_equal(file_write(m->dir, name, packed.data, packed.len, 0644, 0), 0);
	manifest->compressions[manifest->n_layers++] = compression;
	m->image.config.diff_ids[m->image.config.n_diff_ids] = strdup(diff_id);
	assert_non_null(m->image.config.diff_ids[m->image.config.n_diff_ids++]);
	buf_deinit(tar);
}

/* ---- fixtures -------------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct making *m = calloc(1, sizeof(*m));
	void *b;

	assert_non_null(m);
	assert_int_equal(bench_setup(&b), 0);
	m->b = b;
	m->image.manifest.layers = calloc(LAYERS_MAX, sizeof(struct oci_descriptor));
	m->image.manifest.compressions = calloc(LAYERS_MAX, sizeof(enum oci_compression));
	m->image.config.diff_ids = calloc(LAYERS_MAX, sizeof(char *));
	assert_int_equal(mkdirat(m->b->dirfd, "blobs", 0755), 0);
	assert_int_equal(mkdirat(m->b->dirfd, "tree", 0755), 0);
	m->dir = openat(m->b->dirfd, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m->tree = openat(m->b->dirfd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(m->dir >= 0 && m->tree >= 0);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct making *m = *state;
	void *b = m->b;

	/* whatever became of it, no process is left */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	for (size_t i = 0; i < m->image.config.n_diff_ids; i++)
		free(m->image.config.diff_ids[i]);
	free(m->image.config.diff_ids);
	free(m->image.manifest.layers);
	free(m->image.manifest.compressions);
	appc_faults_deinit(&m->faults);
	close(m->dir);
	close(m->tree);
	free(m);
	return bench_teardown(&b);
}

static int lay(struct making *m)
{
	const struct oci_laying job = {
		.im = &m->b->im,
		.dir = m->dir,
		.image = &m->image,
		.faults = &m->faults,
	};

	return oci_lay_layers(&job, m->tree, &m->size, &m->b->err);
}

static void assert_says(const struct making *m, const char *words)
{
	if (!strstr(m->b->err.text, words))
		print_error("\"%s\" is not in: %s\n", words, m->b->err.text);
	assert_non_null(strstr(m->b->err.text, words));
}

static void three_layers(struct making *m)
{
	_buf_ struct buf tar = BUF_INIT(LAYER_BYTES);

	member(&tar, '5', "etc/", "", 0);
	file(&tar, "etc/first", "one");
	file(&tar, "etc/gone", "one");
	layer(m, &tar, OCI_GZIP);
	tar = (struct buf)BUF_INIT(LAYER_BYTES);
	file(&tar, "etc/first", "second");
	file(&tar, "etc/.wh.gone", "");
	layer(m, &tar, OCI_PLAIN);
	tar = (struct buf)BUF_INIT(LAYER_BYTES);
	file(&tar, "BZh", "a name like a compressed file's first bytes");
	layer(m, &tar, OCI_PLAIN);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_order(void **state)
{
	struct making *m = *state;
	struct stat st;

	three_layers(m);
	assert_ok(m->b, lay(m));
	assert_file(m->tree, "etc/first", "second");
	assert_missing(m->tree, "etc/gone");
	assert_missing(m->tree, "etc/.wh.gone");
	assert_file(m->tree, "BZh", "a name like a compressed file's first bytes");
	assert_int_equal(m->size, 3 + 3 + 6 + 43);
	assert_int_equal(fstat(m->tree, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 0);
}

static void test_more_than_work_ahead(void **state)
{
	struct making *m = *state;

	for (char i = '0'; i < '0' + LAYERS_MAX; i++) {
		_buf_ struct buf tar = BUF_INIT(LAYER_BYTES);
		char name[] = { i, '\0' };

		file(&tar, name, "x");
		file(&tar, "last", name);
		member(&tar, '0', "large", NULL, 3 << 20); /* more than a pipe holds */
		layer(m, &tar, OCI_GZIP);
	}
	assert_ok(m->b, lay(m));
	assert_int_equal(count_entries(m->tree, "."), LAYERS_MAX + 2);
	assert_file(m->tree, "last", "7");
}

static void test_wrong_diff_id(void **state)
{
	struct making *m = *state;
	char expected[OCI_DIGEST_TEXT], came[OCI_DIGEST_TEXT];

	three_layers(m);
	snprintf(expected, sizeof(expected), "%s", m->image.config.diff_ids[0]);
	snprintf(came, sizeof(came), "%s", m->image.config.diff_ids[1]);
	snprintf(m->image.config.diff_ids[1], strlen(came) + 1, "%s", expected);
	assert_int_equal(lay(m), -EBADMSG);
	assert_says(m, "layer 2 of 3");
	assert_says(m, expected);
	assert_says(m, came);
}

/* The layer's file, with one byte in its middle altered or without its last one. */
static void damage(struct making *m, size_t number, bool cut)
{
	const struct oci_descriptor *d = &m->image.manifest.layers[number];
	char name[OCI_BLOB_NAME], byte;
	_close_ int fd = -1;

	oci_blob_name(name, d->digest);
	fd = openat(m->dir, name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	if (cut) {
		assert_int_equal(ftruncate(fd, (off_t)d->size - 1), 0);
		return;
	}
	assert_int_equal(pread(fd, &byte, 1, (off_t)d->size / 2), 1);
	byte = (char)(byte ^ 1);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)d->size / 2), 1);
}

static void test_damaged_blobs(void **state)
{
	struct making *m = *state;

	three_layers(m);
	damage(m, 0, false);
	assert_int_equal(lay(m), -EBADMSG);
	damage(m, 0, false); /* as it was */
	appc_faults_deinit(&m->faults);
	m->faults = APPC_FAULTS_INIT;
	damage(m, 2, false);
	assert_int_equal(lay(m), -EBADMSG);
	assert_says(m, "layer 3 of 3");
}

static void test_wrong_size(void **state)
{
	struct making *m = *state;

	three_layers(m);
	damage(m, 2, true);
	assert_int_equal(lay(m), -EBADMSG);
	assert_says(m, m->image.manifest.layers[2].digest);
	assert_int_equal(m->b->err.code, -EBADMSG);
}

static void test_missing_blob(void **state)
{
	struct making *m = *state;
	char name[OCI_BLOB_NAME];

	three_layers(m);
	oci_blob_name(name, m->image.manifest.layers[1].digest);
	assert_int_equal(unlinkat(m->dir, name, 0), 0);
	assert_int_equal(lay(m), -ENOENT);
	assert_says(m, m->image.manifest.layers[1].digest);
}

static void test_missing_diff_id(void **state)
{
	struct making *m = *state;

	three_layers(m);
	free(m->image.config.diff_ids[--m->image.config.n_diff_ids]);
	assert_int_equal(lay(m), -EBADMSG);
	assert_says(m, "3 layers");
	assert_int_equal(count_entries(m->tree, "."), 0);
}

static void test_fault_in_a_layer(void **state)
{
	struct making *m = *state;
	_buf_ struct buf tar = BUF_INIT(LAYER_BYTES);

	three_layers(m);
	file(&tar, "../outside", "x");
	layer(m, &tar, OCI_GZIP);
	assert_int_equal(lay(m), -EBADMSG);
	assert_says(m, "layer 4 of 4");
	assert_int_equal(m->faults.n_errors, 1);
	assert_missing(m->b->dirfd, "outside");
}

/* Each layer stays below what is free of the limit on expansion, all together do not. */
static void test_expansion_of_all(void **state)
{
	struct making *m = *state;

	for (int i = 0; i < 3; i++) {
		_buf_ struct buf tar = BUF_INIT(LAYER_BYTES);

		member(&tar, '0', "zeros", NULL, 30 << 20);
		layer(m, &tar, OCI_GZIP);
	}
	assert_int_equal(lay(m), -EFBIG);
	assert_says(m, "LIMIT_ARCHIVE_RATIO");
	assert_says(m, "layer 3 of 3");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(order),           TEST(more_than_work_ahead), TEST(wrong_diff_id),
		TEST(damaged_blobs),   TEST(wrong_size),           TEST(missing_blob),
		TEST(missing_diff_id), TEST(fault_in_a_layer),     TEST(expansion_of_all),
	};

	return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
