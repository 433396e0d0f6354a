/*
 * Every archive of tests/fixtures/archives through images_import() and images_validate(): the
 * verdict, the member that is named, the tree that comes out; that nothing is left of what is
 * refused, and nothing was touched outside.
 */
#include "bench.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* A refusal takes less, bombs included. */
#define REFUSAL_NS 5000000000

struct archive_case {
	const char *directory;
	const json_t *json;
};

static const char *get(const struct archive_case *c, const char *key)
{
	return json_string_value(json_object_get(c->json, key));
}

/* ---- the tree -------------------------------------------------------------------------------- */

static const char *type_of(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "symlink";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	case S_IFIFO:
		return "fifo";
	default:
		return "?";
	}
}

/* Cuts the word that begins with mark off the end of text; NULL when there is none. */
static char *cut_word(char *text, char mark)
{
	char *blank = strrchr(text, ' ');

	if (!blank || blank[1] != mark)
		return NULL;
	*blank = '\0';
	return blank + 2;
}

static void check_xattr(int root, const char *path, char *wanted)
{
	_close_ int fd = path_open(root, path, PATH_NO_LINKS, O_RDONLY, 0);
	char *value = strchr(wanted, '='), has[64];
	ssize_t n;

	*value++ = '\0';
	n = fgetxattr(fd, wanted, has, sizeof(has));
	assert_int_equal(n, strlen(value));
	assert_memory_equal(has, value, n);
}

static void append_content(struct buf *line, int root, const char *path, const struct stat *st)
{
	char text[64];
	ssize_t n;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(root, path, text, sizeof(text) - 1);
		assert_true(n >= 0);
		assert_int_equal(buf_addf(line, " %.*s", (int)n, text), 0);
	} else if (S_ISREG(st->st_mode)) {
		_close_ int fd = path_open(root, path, PATH_NO_LINKS, O_RDONLY, 0);

		n = read_all(fd, text, sizeof(text));
		assert_true(n >= 0);
		assert_int_equal(buf_addf(line, " %.*s", (int)n, text), 0);
	}
}

/* "sparse MODE UID:GID SIZE": a file that takes less room than it has bytes. */
static void check_entry(int root, const char *path, const char *spec)
{
	_buf_ struct buf line = BUF_INIT(1024);
	_free_ char *wanted = strdup(spec);
	char *xattr = cut_word(wanted, '%'), *time = cut_word(wanted, '@');
	bool sparse = str_starts(wanted, "sparse");
	struct stat st;
	char has[64];

	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s is missing", path);
	assert_int_equal(buf_addf(&line, "%s %04o %u:%u", sparse ? "sparse" : type_of(&st),
				  st.st_mode & 07777, st.st_uid, st.st_gid),
			 0);
	if (sparse)
		assert_int_equal(buf_addf(&line, " %lld", (long long)st.st_size), 0);
	else
		append_content(&line, root, path, &st);
	if (!str_eq(line.data, wanted))
		fail_msg("%s is \"%s\" and should be \"%s\"", path, line.data, wanted);
	if (sparse)
		assert_true(st.st_blocks * 512 < st.st_size || st.st_size > 16 << 20);
	snprintf(has, sizeof(has), "%lld.%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	if (time)
		assert_string_equal(has, time);
	if (xattr)
		check_xattr(root, path, xattr);
}

static void check_tree(struct bench *b, const char *id, const json_t *tree)
{
	_close_ int root = -1;
	const char *path;
	char volume[160];
	json_t *spec;

	store_volume_name(volume, id);
	assert_ok(b, mosaic_mount(b->im.mosaic, volume,
				  &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY }, &root,
				  &b->err));
	json_object_foreach((json_t *)tree, path, spec)
		check_entry(root, path, json_string_value(spec));
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static bool has_fault(const struct appc_faults *faults, bool warning, const char *member,
		      const char *words)
{
	for (size_t i = 0; i < faults->n; i++) {
		const struct appc_fault *f = &faults->list[i];

		if (f->warning == warning && (str_eq(member, "*") || str_eq(f->path, member)) &&
		    strstr(f->text, words))
			return true;
	}
	return false;
}

static void show(const struct appc_faults *faults)
{
	for (size_t i = 0; i < faults->n; i++)
		print_error("  %s \"%.200s\" %s\n", faults->list[i].warning ? "warning" : "fault",
			    faults->list[i].path, faults->list[i].text);
}

static void check_refusal(const struct archive_case *c, const struct bench *b, int r,
			  const struct appc_faults *faults)
{
	char text[1200];

	error_format(&b->err, text, sizeof(text));
	if (r >= 0)
		fail_msg("was accepted");
	/* a limit is an error of its own, everything else a fault */
	if (has_fault(faults, false, get(c, "member"), get(c, "words")) ||
	    (!faults->n_errors && !*get(c, "member") && strstr(text, get(c, "words"))))
		return;
	show(faults);
	fail_msg("refused for another reason: %s", text);
}

static void check_untouched(const struct bench *b)
{
	assert_nothing_staged(b);
	assert_file(b->dirfd, "canary/file", "alive");
	assert_int_equal(count_entries(b->dirfd, "canary"), 1);
	assert_int_equal(count_entries(b->dirfd, "."), 4); /* canary, libexec, mosaic, store */
	assert_missing(AT_FDCWD, "/carob-canary");
	assert_missing(AT_FDCWD, "/tmp/carob-canary");
	assert_missing(b->dirfd, "mosaic/carob-canary");
	assert_missing(b->dirfd, "mosaic/volumes/carob-canary");
}

static void import_case(const struct archive_case *c, struct bench *b, const char *path)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	bool ok = json_is_true(json_object_get(c->json, "ok"));
	int64_t start = time_boot_ns();
	char id[STORE_ID_TEXT];
	int r = images_import(&b->im, path, id, &faults, NULL, &b->err);

	if (!ok) {
		check_refusal(c, b, r, &faults);
		assert_true(time_boot_ns() - start < REFUSAL_NS);
		assert_int_equal(count_entries(b->dirfd, "store/images"), 0);
		assert_int_equal(count_entries(b->dirfd, "store/names"), 0);
		assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 0);
		return;
	}
	if (r < 0)
		show(&faults);
	assert_ok(b, r);
	assert_int_equal(count_entries(b->dirfd, "store/images"), 1);
	assert_int_equal(count_entries(b->dirfd, "mosaic/volumes"), 1);
	if (*get(c, "warning"))
		assert_true(has_fault(&faults, true, get(c, "warning"), ""));
	check_tree(b, id, json_object_get(c->json, "tree"));
}

static void validate_case(const struct archive_case *c, struct bench *b, const char *path)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	const char *kind;
	int r = images_validate(&b->im, path, &kind, &faults, &b->err);

	if (json_is_true(json_object_get(c->json, "ok")))
		assert_ok(b, r);
	else
		check_refusal(c, b, r, &faults);
}

static void test_case(void **state)
{
	const struct archive_case *c = *state;
	_free_ char *path = str_printf("%s/%s.aci", c->directory, get(c, "name"));
	struct bench *b;
	void *own = NULL;

	assert_int_equal(bench_setup(&own), 0);
	b = own;
	put(b->dirfd, "canary/file", "alive");
	validate_case(c, b, path);
	import_case(c, b, path);
	check_untouched(b);
	bench_teardown(&own);
}

int main(void)
{
	const char *directory = getenv("CAROB_ARCHIVES");
	_free_ char *index = directory ? str_printf("%s/index.json", directory) : NULL;
	_json_ struct json_t *all = index ? json_load_file(index, 0, NULL) : NULL;
	size_t n = json_array_size(all);
	_free_ struct CMUnitTest *tests = calloc(n + 1, sizeof(tests[0]));
	_free_ struct archive_case *cases = calloc(n + 1, sizeof(cases[0]));

	if (n == 0 || !tests || !cases) {
		fprintf(stderr, "CAROB_ARCHIVES should be the directory that make-archives made\n");
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < n; i++) {
		cases[i] = (struct archive_case){ .directory = directory,
						  .json = json_array_get(all, i) };
		tests[i] = (struct CMUnitTest){ .name = get(&cases[i], "name"),
						.test_func = test_case,
						.initial_state = &cases[i] };
	}
	return _cmocka_run_group_tests("archives", tests, n, NULL, NULL);
}
