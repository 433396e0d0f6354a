#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* An ID that begins with these digits, the rest "0". */
static const char *id_of(const char *digits)
{
	static char id[STORE_ID_TEXT];

	memset(id, '0', sizeof(id) - 1);
	memcpy(id, "sha512-", 7);
	memcpy(id + 7, digits, strlen(digits));
	return id;
}

static void stage(struct fixture *f, struct store_staged *staged)
{
	assert_int_equal(store_stage(f->store, staged, &f->err), 0);
	assert_int_equal(file_write(staged->fd, "aci", "archive", 7, 0600, 0), 0);
}

static int add(struct fixture *f, const char *digits, const char *name, const char *labels,
	       int64_t time)
{
	struct store_info info = {
		.name = (char *)name,
		.labels = (char *)labels,
		.imported_ns = time,
		.size = 4711,
		.archive_size = 7,
		.source = (char *)"test.aci",
	};
	struct store_staged staged;

	int r;

	memcpy(info.id, id_of(digits), STORE_ID_TEXT);
	stage(f, &staged);
	r = store_adopt(f->store, &staged, &info, "{}", 2, &f->err);
	if (r == STORE_EXISTS)
		store_discard(f->store, &staged);
	return r;
}

static void assert_found(struct fixture *f, const char *name, const char *labels,
			 const char *digits)
{
	char id[STORE_ID_TEXT];

	assert_int_equal(store_find_name(f->store, name, labels, id, &f->err), 0);
	assert_string_equal(id, id_of(digits));
}

static void assert_not_found(struct fixture *f, const char *name, const char *labels)
{
	char id[STORE_ID_TEXT];

	assert_int_equal(store_find_name(f->store, name, labels, id, &f->err), STORE_MISSING);
}

static int count(_unused_ int dirfd, _unused_ const char *name, void *arg)
{
	(*(unsigned *)arg)++;
	return 0;
}

static unsigned entries(struct fixture *f, const char *directory)
{
	_close_ int fd = openat(f->dirfd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned n = 0;

	assert_int_equal(dir_each(fd, count, &n), 0);
	return n;
}

/* ---- names ----------------------------------------------------------------------------------- */

static void test_newest_of_a_name(void **state)
{
	struct fixture *f = *state;

	assert_not_found(f, "example.com/app", "");
	assert_int_equal(add(f, "a", "example.com/app", "version=1", 1000), 0);
	assert_int_equal(add(f, "b", "example.com/app", "version=2", 3000), 0);
	assert_int_equal(add(f, "c", "example.com/app", "version=1", 2000), 0);
	assert_found(f, "example.com/app", "", "b");
	assert_found(f, "example.com/app", "version=1", "c");
	assert_not_found(f, "example.com/app", "version=3");
	assert_not_found(f, "example.com/ap", "");
	assert_not_found(f, "example.com=app", "");
	assert_not_found(f, "../images", "");
	assert_not_found(f, "", "");
}

static void test_labels(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, "a", "app", "version=1,os=linux,arch=amd64", 1), 0);
	assert_int_equal(add(f, "b", "app", "version=1,os=linux,arch=aarch64", 2), 0);
	assert_int_equal(add(f, "c", "app", "version=2", 3), 0);
	assert_found(f, "app", "arch=amd64,os=linux", "a");
	assert_found(f, "app", "version=1", "b");
	assert_not_found(f, "app", "arch=amd6");
	assert_not_found(f, "app", "arch=amd640");
	assert_not_found(f, "app", "ersion=1");
	/* "?": if it has that label at all */
	assert_found(f, "app", "os?=linux,arch?=amd64", "c");
	assert_found(f, "app", "version=1,os?=linux,arch?=amd64", "a");
	assert_not_found(f, "app", "version=1,os?=freebsd");
}

static void test_label_text(void **state)
{
	_buf_ struct buf labels = BUF_INIT(256);
	struct fixture *f = *state;

	assert_int_equal(store_label_add(&labels, "version", "1.2"), 0);
	assert_int_equal(store_label_add(&labels, "odd", "a,b=c%\n\xc3\xa9 d"), 0);
	assert_string_equal(labels.data, "version=1.2,odd=a%2Cb=c%25%0A%C3%A9%20d");
	assert_int_equal(add(f, "a", "app", labels.data, 1), 0);
	assert_found(f, "app", labels.data, "a");
	assert_found(f, "app", "odd=a%2Cb=c%25%0A%C3%A9%20d", "a");
	assert_int_equal(
		store_label_add(&labels, "x",
				"0123456789012345678901234567890123456789012345678901234567890123"
				"0123456789012345678901234567890123456789012345678901234567890123"
				"0123456789012345678901234567890123456789012345678901234567890123"
				"0123456789012345678901234567890123456789012345678901234567890123"),
		-E2BIG);
}

static void test_name_of_255_bytes(void **state)
{
	struct fixture *f = *state;
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	name[100] = '/';
	assert_int_equal(add(f, "a", name, "", 1), 0);
	assert_found(f, name, "", "a");
	assert_int_equal(store_remove(f->store, id_of("a"), &f->err), 0);
	assert_int_equal(entries(f, "names"), 0);
}

static void test_import_again(void **state)
{
	struct fixture *f = *state;
	struct store_info info;

	assert_int_equal(add(f, "a", "app", "version=1", 1), 0);
	assert_int_equal(add(f, "b", "app", "version=2", 2), 0);
	assert_found(f, "app", "", "b");
	assert_int_equal(add(f, "a", "app", "version=1", 3), STORE_EXISTS);
	assert_found(f, "app", "", "a");
	assert_int_equal(entries(f, "staging"), 0);
	assert_int_equal(store_info(f->store, id_of("a"), &info, &f->err), 0);
	assert_int_equal(info.imported_ns, 3);
	store_info_deinit(&info);
}

/* One image once more, with another archive and a file that the first did not have. */
static void stage_again(struct fixture *f, struct store_staged *staged)
{
	struct store_info info = { .name = (char *)"app",
				   .labels = (char *)"version=1",
				   .imported_ns = 5,
				   .archive_size = 9,
				   .source = (char *)"again" };

	memcpy(info.id, id_of("a"), STORE_ID_TEXT);
	assert_int_equal(store_stage(f->store, staged, &f->err), 0);
	assert_int_equal(file_write(staged->fd, "aci", "different", 9, 0600, 0), 0);
	assert_int_equal(file_write(staged->fd, "more", "x", 1, 0600, 0), 0);
	assert_int_equal(store_adopt(f->store, staged, &info, "{}", 2, &f->err), STORE_EXISTS);
	assert_true(staged->fd >= 0);
}

static void test_replace(void **state)
{
	struct fixture *f = *state;
	struct store_staged staged = STORE_STAGED_NONE;
	_store_info_ struct store_info info = { 0 };
	_free_ char *archive = NULL, *more = NULL;
	size_t len;

	assert_int_equal(add(f, "a", "app", "version=1", 1), 0);
	assert_int_equal(store_pin(f->store, id_of("a"), true, &f->err), 0);
	stage_again(f, &staged);
	assert_int_equal(store_lock(f->store, STORE_LOCK_EXCLUSIVE, &f->err), 0);
	assert_int_equal(store_replace(f->store, &staged, id_of("a"), &f->err), 0);
	store_unlock(f->store);
	assert_int_equal(staged.fd, -1);
	assert_int_equal(entries(f, "staging"), 0);
	assert_found(f, "app", "version=1", "a");
	assert_true(store_is_pinned(f->store, id_of("a")));
	assert_int_equal(store_read(f->store, id_of("a"), "aci", &archive, &len, &f->err), 0);
	assert_string_equal(archive, "different");
	assert_int_equal(store_read(f->store, id_of("a"), "more", &more, &len, &f->err), 0);
	assert_string_equal(more, "x");
	assert_int_equal(store_info(f->store, id_of("a"), &info, &f->err), 0);
	assert_int_equal(info.archive_size, 9);
	assert_string_equal(info.source, "again");
}

static void test_replace_what_has_gone(void **state)
{
	struct fixture *f = *state;
	struct store_staged staged = STORE_STAGED_NONE;

	assert_int_equal(add(f, "a", "app", "version=1", 1), 0);
	stage_again(f, &staged);
	assert_int_equal(store_remove(f->store, id_of("a"), &f->err), 0);
	assert_int_equal(store_lock(f->store, STORE_LOCK_EXCLUSIVE, &f->err), 0);
	assert_int_equal(store_replace(f->store, &staged, id_of("a"), &f->err), STORE_MISSING);
	store_unlock(f->store);
	assert_int_equal(entries(f, "staging"), 1);
	store_discard(f->store, &staged);
	assert_int_equal(entries(f, "staging"), 0);
	assert_int_equal(entries(f, "images"), 0);
}

/* A name file is an index: what it says wrong or not at all is no harm. */
static void test_stale_lines(void **state)
{
	struct fixture *f = *state;
	_free_ char *text = NULL, *line = NULL;

	assert_int_equal(add(f, "a", "app", "", 1), 0);
	assert_int_equal(add(f, "b", "app", "", 2), 0);
	text = str_printf("nonsense\n\nsha512-00 1 \n%s 99 \n", id_of("c"));
	assert_non_null(text);
	line = str_printf("%s%s 1 \n", text, id_of("a"));
	assert_int_equal(file_write(f->dirfd, "names/app", line, strlen(line), 0644, 0), 0);
	assert_found(f, "app", "", "a"); /* "c" is newer and not there */
	assert_int_equal(store_collect(f->store, NULL, &f->err), 0);
	assert_found(f, "app", "", "b");
}

/* ---- IDs ------------------------------------------------------------------------------------- */

static void test_prefixes(void **state)
{
	struct fixture *f = *state;
	char id[STORE_ID_TEXT];

	assert_int_equal(add(f, "0123456789abcdef1", "a", "", 1), 0);
	assert_int_equal(add(f, "0123456789abcdef2", "b", "", 2), 0);
	assert_int_equal(add(f, "fedcba98765432100", "c", "", 3), 0);
	assert_int_equal(store_find_id(f->store, "fedcba987654", id, &f->err), 0);
	assert_string_equal(id, id_of("fedcba98765432100"));
	assert_int_equal(store_find_id(f->store, "sha512-fedcba987654321", id, &f->err), 0);
	assert_int_equal(store_find_id(f->store, id_of("0123456789abcdef1"), id, &f->err), 0);
	assert_string_equal(id, id_of("0123456789abcdef1"));
	assert_int_equal(store_find_id(f->store, id_of("0123456789abcdef3"), id, &f->err),
			 STORE_MISSING);
	assert_int_equal(store_find_id(f->store, "0123456789abcdef2", id, &f->err), 0);
	assert_int_equal(store_find_id(f->store, "0123456789abcdef", id, &f->err), STORE_AMBIGUOUS);
	assert_non_null(strstr(f->err.text, "sha512-0123456789abcdef1"));
	assert_non_null(strstr(f->err.text, "sha512-0123456789abcdef2"));
}

static void test_what_is_no_id(void **state)
{
	static const char *const bad[] = { "",
					   "fedcba98765",
					   "FEDCBA987654",
					   "sha512-",
					   "sha512-../../../etc/passwd",
					   "sha256-fedcba987654",
					   "fedcba98765g",
					   "sha512-sha512-fedcba987654" };
	struct fixture *f = *state;
	_free_ char *too_long = str_printf("%s0", id_of("fedcba987654"));
	char id[STORE_ID_TEXT], *manifest;
	size_t len;

	assert_int_equal(add(f, "fedcba987654", "a", "", 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(store_find_id(f->store, bad[i], id, &f->err), STORE_MISSING);
	assert_int_equal(store_find_id(f->store, too_long, id, &f->err), STORE_MISSING);
	assert_int_equal(store_manifest(f->store, "sha512-../../x", &manifest, &len, &f->err),
			 -EINVAL);
	assert_int_equal(store_remove(f->store, "../names", &f->err), STORE_MISSING);
	assert_int_equal(entries(f, "names"), 1);
}

/* ---- adopting and removing ------------------------------------------------------------------- */

static void test_adopted_files(void **state)
{
	struct fixture *f = *state;
	_store_info_ struct store_info info = { 0 };
	_free_ char *manifest = NULL, *implied = NULL, *none = NULL;
	struct store_staged staged;
	struct store_info in = { .name = (char *)"app",
				 .labels = (char *)"",
				 .imported_ns = 5,
				 .size = 6,
				 .archive_size = 7,
				 .source = (char *)"a\nb" };
	_close_ int archive = -1;
	char text[8] = "";
	size_t len;

	memcpy(in.id, id_of("a"), STORE_ID_TEXT);
	stage(f, &staged);
	assert_int_equal(file_write(staged.fd, "implied", "etc\0usr", 8, 0644, 0), 0);
	assert_int_equal(store_adopt(f->store, &staged, &in, "{\"a\":1}", 7, &f->err), 0);
	assert_int_equal(staged.fd, -1);
	assert_int_equal(entries(f, "staging"), 0);
	assert_int_equal(store_manifest(f->store, in.id, &manifest, &len, &f->err), 0);
	assert_string_equal(manifest, "{\"a\":1}");
	assert_int_equal(store_read(f->store, in.id, "implied", &implied, &len, &f->err), 0);
	assert_int_equal(len, 8);
	assert_int_equal(store_read(f->store, in.id, "nothing", &none, &len, &f->err), 0);
	assert_null(none);
	archive = store_open_archive(f->store, in.id, &f->err);
	assert_int_equal(read_all(archive, text, sizeof(text)), 7);
	assert_string_equal(text, "archive");
	assert_int_equal(store_info(f->store, in.id, &info, &f->err), 0);
	assert_string_equal(info.id, in.id);
	assert_string_equal(info.source, "a\\x0ab");
	assert_int_equal(info.size, 6);
}

static void test_adopt_without_archive(void **state)
{
	struct fixture *f = *state;
	struct store_info info = { .name = (char *)"app",
				   .labels = (char *)"",
				   .source = (char *)"" };
	struct store_staged staged;

	memcpy(info.id, id_of("a"), STORE_ID_TEXT);
	assert_int_equal(store_stage(f->store, &staged, &f->err), 0);
	assert_int_equal(store_adopt(f->store, &staged, &info, "{}", 2, &f->err), -ENOENT);
	store_discard(f->store, &staged);
	assert_int_equal(entries(f, "staging"), 0);
	assert_int_equal(entries(f, "images"), 0);
	assert_int_equal(entries(f, "names"), 0);
}

static void test_remove(void **state)
{
	struct fixture *f = *state;
	char id[STORE_ID_TEXT];

	assert_int_equal(add(f, "a", "app", "", 1), 0);
	assert_int_equal(add(f, "b", "app", "", 2), 0);
	assert_int_equal(store_remove(f->store, id_of("b"), &f->err), 0);
	assert_found(f, "app", "", "a");
	assert_int_equal(store_remove(f->store, id_of("b"), &f->err), STORE_MISSING);
	assert_int_equal(store_find_id(f->store, id_of("b"), id, &f->err), STORE_MISSING);
	assert_int_equal(store_remove(f->store, id_of("a"), &f->err), 0);
	assert_not_found(f, "app", "");
	assert_int_equal(entries(f, "images"), 0);
	assert_int_equal(entries(f, "names"), 0);
	assert_int_equal(entries(f, "staging"), 0);
}

struct seen {
	char ids[8][STORE_ID_TEXT];
	unsigned n;
};

static int see(const struct store_info *info, void *arg)
{
	struct seen *seen = arg;

	memcpy(seen->ids[seen->n++], info->id, STORE_ID_TEXT);
	return 0;
}

static int stop_at_once(_unused_ const struct store_info *info, _unused_ void *arg)
{
	return 42;
}

static void test_each(void **state)
{
	struct fixture *f = *state;
	struct seen seen = { .n = 0 };

	assert_int_equal(store_each(f->store, see, &seen, &f->err), 0);
	assert_int_equal(seen.n, 0);
	assert_int_equal(add(f, "a", "x", "", 2), 0);
	assert_int_equal(add(f, "b", "y", "", 3), 0);
	assert_int_equal(add(f, "c", "z", "", 1), 0);
	assert_int_equal(store_each(f->store, see, &seen, &f->err), 0);
	assert_int_equal(seen.n, 3);
	assert_string_equal(seen.ids[0], id_of("b"));
	assert_string_equal(seen.ids[1], id_of("a"));
	assert_string_equal(seen.ids[2], id_of("c"));
	assert_int_equal(store_each(f->store, stop_at_once, NULL, &f->err), 42);
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Every way in which the info file of one image can be wrong: the others are not affected, it
 * can be seen and removed, and importing it again heals it. */
static void test_damaged_info(void **state)
{
	static const char *const damage[] = {
		"", "{", "null", "[]", "{\"name\":1}", "\xff\xfe", "{\"name\":\"app\"}"
	};
	struct fixture *f = *state;

	assert_int_equal(add(f, "a", "good", "", 2), 0);
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		struct seen seen = { .n = 0 };
		struct store_info info;
		char path[256];

		assert_int_equal(add(f, "b", "bad", "", 3), 0);
		snprintf(path, sizeof(path), "images/%s/info", id_of("b"));
		assert_int_equal(file_write(f->dirfd, path, damage[i], strlen(damage[i]), 0644, 0),
				 0);
		assert_true(store_info(f->store, id_of("b"), &info, &f->err) < 0);
		assert_int_equal(store_each(f->store, see, &seen, &f->err), 0);
		assert_int_equal(seen.n, 2);
		assert_string_equal(seen.ids[0], id_of("a"));
		assert_string_equal(seen.ids[1], id_of("b"));
		assert_found(f, "good", "", "a");
		assert_int_equal(store_collect(f->store, NULL, &f->err), 0);
		assert_found(f, "good", "", "a");
		assert_int_equal(add(f, "b", "bad", "", 4), 0); /* took its place */
		assert_found(f, "bad", "", "b");
		assert_int_equal(store_info(f->store, id_of("b"), &info, &f->err), 0);
		store_info_deinit(&info);
		assert_int_equal(file_write(f->dirfd, path, damage[i], strlen(damage[i]), 0644, 0),
				 0);
		assert_int_equal(store_remove(f->store, id_of("b"), &f->err), 0);
		assert_not_found(f, "bad", "");
		assert_int_equal(store_collect(f->store, NULL, &f->err), 0);
		assert_int_equal(entries(f, "staging"), 0);
	}
}

static void test_lost_names(void **state)
{
	struct fixture *f = *state;
	unsigned n = 99;

	assert_int_equal(add(f, "a", "x/y", "version=1", 1), 0);
	assert_int_equal(add(f, "b", "x/y", "version=2", 2), 0);
	assert_int_equal(add(f, "c", "z", "", 3), 0);
	assert_int_equal(unlinkat(f->dirfd, "names/x=y", 0), 0);
	assert_int_equal(file_write(f->dirfd, "names/gone", "x\n", 2, 0644, 0), 0);
	assert_int_equal(file_write(f->dirfd, "names/.z.1234", "x\n", 2, 0644, 0), 0);
	assert_not_found(f, "x/y", "");
	assert_int_equal(store_collect(f->store, &n, &f->err), 0);
	assert_int_equal(n, 0);
	assert_found(f, "x/y", "", "b");
	assert_found(f, "x/y", "version=1", "a");
	assert_found(f, "z", "", "c");
	assert_int_equal(entries(f, "names"), 2);
}

static void test_names_removed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, "a", "x/y", "version=1", 1), 0);
	assert_int_equal(path_remove_tree(f->dirfd, "names"), 0);
	assert_not_found(f, "x/y", "");
	assert_int_equal(add(f, "b", "z", "", 2), 0);
	assert_found(f, "z", "", "b");
	assert_int_equal(store_collect(f->store, NULL, &f->err), 0);
	assert_found(f, "x/y", "", "a");
}

/* ---- many at once, and the dead -------------------------------------------------------------- */

static void test_collect_spares_the_living(void **state)
{
	struct fixture *f = *state;
	struct store_staged staged;
	unsigned n;

	stage(f, &staged);
	assert_int_equal(mkdirat(f->dirfd, "staging/import.dead", 0700), 0);
	assert_int_equal(mkdirat(f->dirfd, "staging/import.dead/sub", 0700), 0);
	assert_int_equal(store_collect(f->store, &n, &f->err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(entries(f, "staging"), 1);
	store_discard(f->store, &staged);
	store_discard(f->store, &staged); /* nothing any more */
	assert_int_equal(entries(f, "staging"), 0);
}

/* In a child: import over and over the same few images. */
static void import_much(const char *path)
{
	static const char *const ids[] = { "a", "b", "c" };
	struct fixture f = { .dirfd = -1 };

	if (store_open(&f.store, path, false, &f.err) < 0)
		_exit(1);
	for (int i = 0; i < 30; i++)
		if (add(&f, ids[i % 3], "app", "version=1", time_now_ns()) < 0)
			_exit(2);
	_exit(0);
}

static void test_importers_at_once(void **state)
{
	struct fixture *f = *state;
	struct seen seen = { .n = 0 };
	pid_t children[4];

	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		if (children[i] == 0)
			import_much(f->path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(store_each(f->store, see, &seen, &f->err), 0);
	assert_int_equal(seen.n, 3);
	assert_int_equal(entries(f, "staging"), 0);
	assert_int_equal(entries(f, "names"), 1);
}

/* Killed at any moment, an importer leaves nothing that reads as half an image. */
static void test_killed_importers(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		struct seen seen = { .n = 0 };
		pid_t child = fork();
		int status;

		if (child == 0)
			import_much(f->path);
		usleep((useconds_t)(i * 700));
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(store_each(f->store, see, &seen, &f->err), 0);
		for (unsigned k = 0; k < seen.n; k++) {
			_store_info_ struct store_info info = { 0 };
			_free_ char *manifest = NULL;
			size_t len;

			assert_int_equal(store_info(f->store, seen.ids[k], &info, &f->err), 0);
			assert_int_equal(store_manifest(f->store, seen.ids[k], &manifest, &len,
							&f->err),
					 0);
			assert_string_equal(manifest, "{}");
		}
		assert_int_equal(store_collect(f->store, NULL, &f->err), 0);
		assert_int_equal(entries(f, "staging"), 0);
		for (unsigned k = 0; k < seen.n; k++)
			assert_int_equal(store_remove(f->store, seen.ids[k], &f->err), 0);
	}
}

static void test_locks(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	assert_int_equal(store_lock(f->store, STORE_LOCK_SHARED, &f->err), 0);
	assert_int_equal(store_lock(f->store, STORE_LOCK_SHARED, &f->err), 0);
	assert_int_equal(store_lock(f->store, STORE_LOCK_EXCLUSIVE, &f->err), -EDEADLK);
	store_unlock(f->store);
	child = fork();
	if (child == 0) { /* still held: not to be had exclusively */
		_close_ int fd = openat(f->dirfd, "lock", O_RDWR | O_CLOEXEC);

		_exit(flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	store_unlock(f->store);
	assert_int_equal(store_lock(f->store, STORE_LOCK_EXCLUSIVE, &f->err), 0);
	assert_int_equal(add(f, "a", "app", "", 1), 0); /* who has it all may add */
	store_unlock(f->store);
}

static void test_open(void **state)
{
	struct fixture *f = *state;
	struct store *other = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/none", f->path);
	assert_int_equal(store_open(&other, path, false, &f->err), -ENOENT);
	assert_null(other);
	snprintf(path, sizeof(path), "%s/deep/down", f->path);
	assert_int_equal(store_open(&other, path, true, &f->err), 0);
	store_close(other);
}

static void test_volume_name(_unused_ void **state)
{
	char name[160];

	store_volume_name(name, id_of("abc"));
	assert_true(str_starts(name, "image.sha512-abc000"));
	assert_int_equal(strlen(name), 141);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(newest_of_a_name),
		TEST(labels),
		TEST(label_text),
		TEST(name_of_255_bytes),
		TEST(import_again),
		TEST(replace),
		TEST(replace_what_has_gone),
		TEST(stale_lines),
		TEST(prefixes),
		TEST(what_is_no_id),
		TEST(adopted_files),
		TEST(adopt_without_archive),
		TEST(remove),
		TEST(each),
		TEST(damaged_info),
		TEST(lost_names),
		TEST(names_removed),
		TEST(collect_spares_the_living),
		TEST(importers_at_once),
		TEST(killed_importers),
		TEST(locks),
		TEST(open),
		TEST(volume_name),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
