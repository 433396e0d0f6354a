/* Pins, shared blobs, strays, the last use. Needs no privileges. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

/* "object|image's first digit|why\n", of one walk. */
static char seen[4096];

static void id_of(char id[STORE_ID_TEXT], char digit)
{
	memset(id, digit, STORE_ID_TEXT - 1);
	memcpy(id, "sha512-", 7);
	id[STORE_ID_TEXT - 1] = '\0';
}

/* An image "NAME" with one more file beside its archive. */
static void add(struct fixture *f, char digit, const char *name, const char *file,
		const char *content)
{
	struct store_info info = { .name = (char *)name,
				   .labels = (char *)"",
				   .imported_ns = 1000000000LL * digit,
				   .source = (char *)"here" };
	struct store_staged staged;

	id_of(info.id, digit);
	assert_int_equal(store_stage(f->store, &staged, &f->err), 0);
	assert_int_equal(file_write(staged.fd, "aci", "archive", 7, 0600, 0), 0);
	if (file)
		assert_int_equal(file_write(staged.fd, file, content, strlen(content), 0600, 0), 0);
	assert_int_equal(store_adopt(f->store, &staged, &info, "{}", 2, &f->err), 0);
}

static void test_pins(void **state)
{
	struct fixture *f = *state;
	char id[STORE_ID_TEXT], other[STORE_ID_TEXT];

	add(f, 'a', "a", NULL, NULL);
	id_of(id, 'a');
	id_of(other, 'b');
	assert_false(store_is_pinned(f->store, id));
	assert_int_equal(store_pin(f->store, id, false, &f->err), 0);
	assert_int_equal(store_pin(f->store, id, true, &f->err), 0);
	assert_int_equal(store_pin(f->store, id, true, &f->err), 0);
	assert_true(store_is_pinned(f->store, id));
	assert_int_equal(store_pin(f->store, id, false, &f->err), 0);
	assert_false(store_is_pinned(f->store, id));
	assert_int_equal(store_pin(f->store, other, true, &f->err), STORE_MISSING);
	assert_int_equal(store_pin(f->store, "../..", true, &f->err), STORE_MISSING);
	assert_false(store_is_pinned(f->store, "../.."));
}

static void test_pins_do_not_follow_links(void **state)
{
	struct fixture *f = *state;
	_free_ char *path = NULL, *target = str_printf("%s/elsewhere", f->path);
	char id[STORE_ID_TEXT];

	add(f, 'a', "a", NULL, NULL);
	id_of(id, 'a');
	path = str_printf("images/%s/pinned", id);
	assert_int_equal(symlinkat(target, f->dirfd, path), 0);
	assert_int_equal(store_pin(f->store, id, true, &f->err), -ELOOP);
	assert_int_equal(faccessat(f->dirfd, "elsewhere", F_OK, 0), -1);
	assert_int_equal(store_pin(f->store, id, false, &f->err), 0);
}

#define BLOB "blob.sha256-0123456789012345678901234567890123456789012345678901234567890123"

static void test_blobs_are_shared(void **state)
{
	struct fixture *f = *state;
	struct store_staged staged;
	char id[STORE_ID_TEXT];
	struct stat st;
	char text[8];
	int fd;

	add(f, 'a', "a", NULL, NULL);
	add(f, 'b', "b", BLOB, "layer");
	assert_int_equal(store_stage(f->store, &staged, &f->err), 0);
	assert_int_equal(store_link_blob(f->store, "blob.sha256-no", &staged, &f->err),
			 STORE_MISSING);
	assert_int_equal(store_link_blob(f->store, "../aci", &staged, &f->err), -EINVAL);
	assert_int_equal(store_link_blob(f->store, BLOB, &staged, &f->err), 0);
	assert_int_equal(fstatat(staged.fd, BLOB, &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	id_of(id, 'b');
	/* what is shared is not gained by removing one of them: aci, manifest and info are */
	assert_true(store_disk_bytes(f->store, id) > 0);
	assert_int_equal(store_disk_bytes(f->store, id) % 512, 0);
	fd = store_open_file(f->store, id, BLOB, &f->err);
	assert_true(fd >= 0);
	assert_int_equal(read_all(fd, text, sizeof(text)), 5);
	close(fd);
	assert_int_equal(store_remove(f->store, id, &f->err), 0);
	assert_int_equal(fstatat(staged.fd, BLOB, &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);
	store_discard(f->store, &staged);
}

static void test_files(void **state)
{
	struct fixture *f = *state;
	char id[STORE_ID_TEXT];

	add(f, 'a', "a", NULL, NULL);
	id_of(id, 'a');
	assert_int_equal(store_open_file(f->store, id, "nothing", &f->err), -ENOENT);
	assert_int_equal(store_open_file(f->store, id, "../a", &f->err), -EINVAL);
	assert_int_equal(store_open_file(f->store, "x", "aci", &f->err), -EINVAL);
	id_of(id, 'b');
	assert_int_equal(store_open_file(f->store, id, "aci", &f->err), -ENOENT);
}

static void test_last_use(void **state)
{
	struct fixture *f = *state;
	_store_info_ struct store_info info = { 0 };
	char id[STORE_ID_TEXT];
	_free_ char *path = NULL;
	static const struct timespec old[2] = { { 1, 0 }, { 1, 0 } };

	add(f, 'a', "a", NULL, NULL);
	id_of(id, 'a');
	assert_int_equal(store_info(f->store, id, &info, &f->err), 0);
	path = str_printf("images/%s/info", id);
	assert_int_equal(utimensat(f->dirfd, path, old, 0), 0);
	assert_int_equal(store_last_used(f->store, &info), info.imported_ns);
	store_touch(f->store, id);
	assert_true(time_now_ns() - store_last_used(f->store, &info) < 60000000000LL);
}

/* ---- strays ---------------------------------------------------------------------------------- */

static int note(const struct store_stray *stray, _unused_ void *arg)
{
	size_t used = strlen(seen);

	snprintf(seen + used, sizeof(seen) - used, "%s|%c|%s\n", stray->object,
		 stray->id ? stray->id[7] : '-', stray->is_index ? "index" : stray->why);
	return 0;
}

static void look(struct fixture *f)
{
	seen[0] = '\0';
	assert_int_equal(store_lock(f->store, STORE_LOCK_EXCLUSIVE, &f->err), 0);
	assert_int_equal(store_each_stray(f->store, note, NULL, &f->err), 0);
	store_unlock(f->store);
}

static void assert_seen(const char *line)
{
	if (!strstr(seen, line))
		fail_msg("%s: not in:\n%s", line, seen);
}

static void make(struct fixture *f, const char *path)
{
	assert_int_equal(file_write(f->dirfd, path, "x", 1, 0600, 0), 0);
}

static void test_a_good_store_has_no_strays(void **state)
{
	struct fixture *f = *state;
	struct store_staged staged;

	add(f, 'a', "example.com/a", BLOB, "layer");
	add(f, 'b', "example.com/a", "origin", "{}");
	add(f, 'c', "c", "implied", "etc");
	assert_int_equal(store_stage(f->store, &staged, &f->err), 0); /* somebody is at it */
	look(f);
	assert_string_equal(seen, "");
	store_discard(f->store, &staged);
}

static void test_strays(void **state)
{
	struct fixture *f = *state;
	_free_ char *inside = NULL, *directory = NULL;
	char id[STORE_ID_TEXT];

	add(f, 'a', "a", NULL, NULL);
	id_of(id, 'a');
	inside = str_printf("images/%s/.info.tmp", id);
	directory = str_printf("images/%s/origin", id);
	make(f, inside);
	assert_int_equal(mkdirat(f->dirfd, directory, 0755), 0);
	make(f, "images/README");
	make(f, "core");
	make(f, "staging/file");
	assert_int_equal(mkdirat(f->dirfd, "staging/import.1", 0755), 0);
	assert_int_equal(mkdirat(f->dirfd, "partial", 0755), 0);
	assert_int_equal(mkdirat(f->dirfd, "partial/x", 0755), 0);
	make(f, "names/nobody");
	look(f);
	assert_seen("/.info.tmp|a|no file of an image has this name\n");
	assert_seen("/origin|a|it is no regular file\n");
	assert_seen("images/README|-|it is no image\n");
	assert_seen("core|-|nothing of the store has this name\n");
	assert_seen("staging/file|-|who made it has died\n");
	assert_seen("staging/import.1|-|who made it has died\n");
	assert_seen("partial/x|-|it is no download\n");
	assert_seen("names/nobody|-|index\n");
	assert_int_equal(store_stray_remove(f->store, "core", &f->err), 0);
	assert_int_equal(store_stray_remove(f->store, directory, &f->err), 0);
	assert_int_equal(store_stray_remove(f->store, "../x", &f->err), -EXDEV);
	look(f);
	assert_null(strstr(seen, "core"));
	assert_null(strstr(seen, "/origin"));
}

static void test_the_index(void **state)
{
	struct fixture *f = *state;
	char found[STORE_ID_TEXT];

	add(f, 'a', "a", NULL, NULL);
	add(f, 'b', "b", NULL, NULL);
	assert_int_equal(unlinkat(f->dirfd, "names/a", 0), 0);
	make(f, "names/b");
	look(f);
	assert_seen("names/a|-|index\n");
	assert_seen("names/b|-|index\n");
	assert_int_equal(store_index_repair(f->store, &f->err), 0);
	look(f);
	assert_string_equal(seen, "");
	assert_int_equal(store_find_name(f->store, "a", "", found, &f->err), 0);
}

static void test_repairing_files(void **state)
{
	struct fixture *f = *state;
	_free_ char *path = NULL, *text = NULL;
	char id[STORE_ID_TEXT];
	size_t len;

	add(f, 'a', "a", NULL, NULL);
	id_of(id, 'a');
	path = str_printf("images/%s/manifest", id);
	assert_int_equal(unlinkat(f->dirfd, path, 0), 0);
	assert_int_equal(mkdirat(f->dirfd, path, 0755), 0);
	assert_int_equal(store_repair_file(f->store, id, "manifest", "{ }", 3, &f->err), 0);
	assert_int_equal(store_manifest(f->store, id, &text, &len, &f->err), 0);
	assert_string_equal(text, "{ }");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pins),
		TEST(pins_do_not_follow_links),
		TEST(blobs_are_shared),
		TEST(files),
		TEST(last_use),
		TEST(a_good_store_has_no_strays),
		TEST(strays),
		TEST(the_index),
		TEST(repairing_files),
	};

	return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
