#include "bench.h"

#include <fcntl.h>
#include <sys/stat.h>

static void link_program(const struct bench *b, const char *variable, const char *name)
{
	_free_ char *path = str_printf("%s/%s", b->libexec, name);
	const char *program = getenv(variable);

	assert_non_null(program);
	assert_int_equal(symlink(program, path), 0);
}

static void open_mosaic(struct bench *b, const char *type)
{
	_free_ char *path = str_printf("%s/mosaic", b->path);

	assert_ok(b, mosaic_open(&b->im.mosaic, path, type, MOSAIC_OPEN_CREATE, &b->err));
}

void bench_use_overlay(struct bench *b)
{
	mosaic_close(b->im.mosaic);
	b->im.mosaic = NULL;
	assert_int_equal(path_remove_tree(b->dirfd, "mosaic"), 0);
	open_mosaic(b, "overlay");
}

int bench_setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	char path[128];

	if (!b)
		return -1;
	umask(022);
	snprintf(b->path, sizeof(b->path), "/tmp/test-images-XXXXXX");
	assert_non_null(mkdtemp(b->path));
	b->dirfd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(b->dirfd >= 0);
	snprintf(b->libexec, sizeof(b->libexec), "%s/libexec", b->path);
	assert_int_equal(mkdir(b->libexec, 0755), 0);
	link_program(b, "CAROB_UNPACK", "carob-unpack");
	link_program(b, "CAROB_PACK", "carob-pack");
	link_program(b, "CAROB_META", "carob-meta");
	b->im.libexec = b->libexec;
	snprintf(path, sizeof(path), "%s/store", b->path);
	assert_ok(b, store_open(&b->im.store, path, true, &b->err));
	open_mosaic(b, "plain");
	*state = b;
	return 0;
}

int bench_teardown(void **state)
{
	struct bench *b = *state;
	_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	mosaic_close(b->im.mosaic);
	store_close(b->im.store);
	close(b->dirfd);
	assert_int_equal(path_remove_tree(tmp, b->path + strlen("/tmp/")), 0);
	free(b);
	return 0;
}

void assert_ok_at(const struct bench *b, int r, const char *file, int line)
{
	char text[1024];

	if (r >= 0)
		return;
	error_format(&b->err, text, sizeof(text));
	print_error("%d: %s\n", r, text);
	_fail(file, line);
}

void assert_error_at(const struct bench *b, int r, int wanted, const char *file, int line)
{
	char text[1024];

	if (r == wanted)
		return;
	error_format(&b->err, text, sizeof(text));
	print_error("%d and not %d: %s\n", r, wanted, r < 0 ? text : "no error");
	_fail(file, line);
}

void put(int dirfd, const char *path, const char *text)
{
	const char *slash = strrchr(path, '/');
	_free_ char *parent = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	_close_ int dir = path_make_dirs(dirfd, parent), fd = -1;

	assert_true(dir >= 0);
	fd = openat(dir, slash ? slash + 1 : path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

void assert_file(int dirfd, const char *path, const char *text)
{
	_free_ char *data = NULL;

	assert_int_equal(file_read(dirfd, path, 1 << 20, &data, NULL), 0);
	assert_string_equal(data, text);
}

void assert_missing(int dirfd, const char *path)
{
	assert_int_equal(faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_true(errno == ENOENT || errno == ENOTDIR);
}

static int count(_unused_ int dirfd, _unused_ const char *name, void *arg)
{
	(*(unsigned *)arg)++;
	return 0;
}

unsigned count_entries(int dirfd, const char *directory)
{
	_close_ int dir = openat(dirfd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned n = 0;

	assert_true(dir >= 0);
	assert_int_equal(dir_each(dir, count, &n), 0);
	return n;
}

char *manifest_text(const char *name, const char *more)
{
	char *text = str_printf(
		"{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"%s\"%s}", name,
		more);

	assert_non_null(text);
	return text;
}

void id_of(char id[STORE_ID_TEXT], char digit)
{
	memcpy(id, "sha512-", 7);
	memset(id + 7, digit, 128);
	id[STORE_ID_TEXT - 1] = '\0';
}

void adopt(struct bench *b, char digit, const char *name, const char *labels, const char *more)
{
	_free_ char *manifest = manifest_text(name, more);
	struct store_info info = {
		.name = (char *)name,
		.labels = (char *)labels,
		.imported_ns = time_now_ns(),
		.source = (char *)"test",
		.archive_size = 3,
	};
	struct store_staged staged;

	id_of(info.id, digit);
	assert_ok(b, store_stage(b->im.store, &staged, &b->err));
	put(staged.fd, "aci", "aci");
	assert_ok(b, store_adopt(b->im.store, &staged, &info, manifest, strlen(manifest), &b->err));
}

void assert_nothing_staged(const struct bench *b)
{
	assert_int_equal(count_entries(b->dirfd, "store/staging"), 0);
	assert_int_equal(count_entries(b->dirfd, "mosaic/staging"), 0);
}
