/* .mos files: what is read, what is refused and where, and names by the volumeMap. */
#include "scratch.h"

#include <sys/stat.h>

#include "mosaic/name_map.h"

static int read_text(struct scratch *s, const char *text, struct mosaic_config *c,
		     struct error *err)
{
	char path[128];

	*c = (struct mosaic_config){ 0 };
	*err = (struct error){ 0 };
	put(s->dirfd, "test.mos", text);
	snprintf(path, sizeof(path), "%s/test.mos", s->path);
	return mosaic_config_read(path, c, err);
}

static void everything_is_read(void **state)
{
	struct scratch *s = *state;
	struct mosaic_config c;
	struct error err;
	char path[128];

	assert_ok(read_text(s,
			    "type: plain\n"
			    "location: where/./it//is/\n"
			    "layout: { metadata: meta/data }\n"
			    "volumeMap: \"^web-(.*)  web.\\\\1\"\n",
			    &c, &err),
		  &err);
	snprintf(path, sizeof(path), "%s/where/it/is", s->path);
	assert_string_equal(c.name, "test");
	assert_string_equal(c.type, "plain");
	assert_string_equal(c.location, path);
	assert_string_equal(c.metadata, "meta/data");
	assert_string_equal(c.volume_map, "^web-(.*)  web.\\1");
	assert_null(c.default_fs);
	assert_int_equal(c.n_options, 0);
	mosaic_config_free(&c);
	assert_null(c.type);
	mosaic_config_free(&c);
}

static void absolute_location_stays(void **state)
{
	struct mosaic_config c;
	struct error err;

	assert_ok(read_text(*state, "{type: plain, location: /srv/x}", &c, &err), &err);
	assert_string_equal(c.location, "/srv/x");
	mosaic_config_free(&c);
}

static void faults_say_where(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "location: /x\n", "type" },
		{ "type: plain\n", "location" },
		{ "type: zzz\nlocation: /x\n",
		  "line 1, column 1: type: there is no driver \"zzz\"; there are: " },
		{ "type: plain\nlocation: /x\nsize: 3\n", "line 3, column 1: size: " },
		{ "type: plain\nlocation: 12\n", "line 2, column 1: location: must be a string" },
		{ "type: plain\nlocation: \"\"\n", "line 2, column 1: location: " },
		{ "type: plain\nlocation: /x\noptions: {a: 1}\n",
		  "line 3, column 11: options.a: the driver plain has no options" },
		{ "type: plain\nlocation: /x\noptions:\n",
		  "line 3, column 1: options: has no value" },
		{ "type: plain\nlocation: /x\ndefault_fs: ext4\n",
		  "line 3, column 1: default_fs: the driver plain makes no file systems" },
		{ "type: plain\nlocation: /x\nlayout: {metadata: ../y}\n",
		  "line 3, column 10: layout.metadata: " },
		{ "type: plain\nlocation: /x\nlayout: {metadata: /y}\n", "layout.metadata: " },
		{ "type: plain\nlocation: /x\nlayout: {metadata: volumes/y}\n",
		  "\"volumes/y\" is the library's own" },
		{ "type: plain\nlocation: /x\nlayout: {metadata: events.old}\n", "library's own" },
		{ "type: plain\nlocation: /x\nlayout: {volumes: y}\n",
		  "line 3, column 10: layout.volumes: " },
		{ "type: plain\nlocation: /x\nvolumeMap: a\n",
		  "line 3, column 1: volumeMap: must be a regular expression, a blank" },
		{ "type: plain\nlocation: /x\nvolumeMap: \"(a b\"\n",
		  "line 3, column 1: volumeMap: the expression \"(a\" is wrong: " },
		{ "type: plain\nlocation: /x\nvolumeMap: 'a \\1'\n",
		  "the replacement has \\1, the expression 0 groups" },
		{ "type: plain\nlocation: /x\nvolumeMap: '(a) \\x'\n", "comes a digit or \\" },
		{ "type: plain\ntype: plain\nlocation: /x\n", "line 2, column 1" },
		{ "type: [plain\n", "line 2" },
		{ "- a\n", "must be an object" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mosaic_config c;
		struct error err;

		assert_int_equal(read_text(*state, cases[i].text, &c, &err), -EBADMSG);
		if (!strstr(err.text, cases[i].words))
			fail_msg("%s\nsays: %s\nnot: %s", cases[i].text, err.text, cases[i].words);
		assert_non_null(strstr(err.text, "/test.mos: "));
		assert_null(c.type);
	}
}

static void too_long_is_named(void **state)
{
	static char text[(64 << 10) + 2];
	struct mosaic_config c;
	struct error err;

	memset(text, '#', sizeof(text) - 1);
	assert_int_equal(read_text(*state, text, &c, &err), -EFBIG);
	assert_non_null(strstr(err.text, "65536"));
}

static void names_are_searched(void **state)
{
	struct scratch *s = *state;
	struct mosaic_config c = { 0 };
	struct error err = { 0 };
	char path[256];

	assert_int_equal(mkdirat(s->dirfd, "a", 0755), 0);
	assert_int_equal(mkdirat(s->dirfd, "b", 0755), 0);
	put(s->dirfd, "b/here.mos", "{type: plain, location: mine}");
	snprintf(path, sizeof(path), "%s/a::%s/b:%s/none", s->path, s->path, s->path);
	setenv("MOSAIC_PATH", path, 1);
	assert_ok(mosaic_config_read("here", &c, &err), &err);
	assert_string_equal(c.name, "here");
	snprintf(path, sizeof(path), "%s/b/mine", s->path);
	assert_string_equal(c.location, path);
	mosaic_config_free(&c);

	assert_int_equal(mosaic_config_read("there", &c, &err), -ENOENT);
	for (size_t i = 0; i < 3; i++) {
		static const char *const places[] = { "a", "b", "none" };

		snprintf(path, sizeof(path), "%s/%s/there.mos", s->path, places[i]);
		assert_non_null(strstr(err.text, path));
	}
	/* what cannot be read is no "not there" */
	assert_int_equal(symlinkat("loop.mos", s->dirfd, "a/loop.mos"), 0);
	assert_int_equal(mosaic_config_read("loop", &c, &err), -ELOOP);
	assert_int_equal(mosaic_config_read("", &c, &err), -EINVAL);
	unsetenv("MOSAIC_PATH");
}

static void opened_by_name_path_or_directory(void **state)
{
	struct scratch *s = *state;
	struct mosaic *m = NULL;
	struct error err = { 0 };
	char path[256];

	put(s->dirfd, "here.mos", "{type: plain, location: mine}");
	setenv("MOSAIC_PATH", s->path, 1);
	assert_int_equal(mosaic_open_named(&m, "here", 0, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no mosaic at"));
	assert_ok(mosaic_open_named(&m, "here", MOSAIC_OPEN_CREATE, &err), &err);
	assert_string_equal(mosaic_type(m), "plain");
	snprintf(path, sizeof(path), "%s/mine", s->path);
	assert_string_equal(mosaic_location(m), path);
	mosaic_close(m);
	assert_ok(mosaic_open_named(&m, path, 0, &err), &err);
	assert_string_equal(mosaic_location(m), path);
	mosaic_close(m);
	snprintf(path, sizeof(path), "%s/here.mos", s->path);
	assert_ok(mosaic_open_named(&m, path, 0, &err), &err);
	mosaic_close(m);
	m = NULL;
	assert_int_equal(mosaic_open_named(&m, "neither", 0, &err), -ENOENT);
	assert_non_null(strstr(err.text, "neither.mos"));
	assert_null(m);
	unsetenv("MOSAIC_PATH");
}

static void map_replaces_what_matches(void **state)
{
	static const struct {
		const char *map, *name, *becomes;
	} cases[] = {
		{ "^web-(.*) web.\\1", "web-a", "web.a" },
		{ "^web-(.*) web.\\1", "db-a", "db-a" },
		{ "a\tX", "banana", "bXnana" },
		{ "(a)(n) \\2\\1-\\0", "banana", "bna-anana" },
		{ "b+ \\\\", "abbc", "a\\c" },
		{ "(x)?a [\\1]", "a", "[]" },
		{ "[[:space:]] _ _", "a b", "a_ _b" },
		{ "$ .img", "disk", "disk.img" },
	};
	char dst[MOSAIC_NAME_MAX + 1];
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_ok(name_map_check(cases[i].map, &err), &err);
		assert_ok(name_map_apply(cases[i].map, cases[i].name, dst, &err), &err);
		assert_string_equal(dst, cases[i].becomes);
	}
}

static void map_makes_no_overlong_name(void **state)
{
	char name[MOSAIC_NAME_MAX + 1], dst[MOSAIC_NAME_MAX + 1];
	struct error err = { 0 };

	(void)state;
	memset(name, 'a', MOSAIC_NAME_MAX);
	name[MOSAIC_NAME_MAX] = '\0';
	assert_ok(name_map_apply("^a b", name, dst, &err), &err);
	assert_int_equal(strlen(dst), MOSAIC_NAME_MAX);
	assert_int_equal(name_map_apply("^a bb", name, dst, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.text, "200"));
}

static int count_volume(const struct mosaic_volume *v, void *arg)
{
	(void)v;
	++*(unsigned *)arg;
	return 0;
}

/* Every function that takes a name takes it through the map. */
static void every_name_goes_through_the_map(void **state)
{
	struct scratch *s = *state;
	struct mosaic_config c;
	struct mosaic_volume v;
	struct mosaic_usage u;
	struct error err;
	struct mosaic_pair pair = { "v-set", "v-a" };
	_free_ char *value = NULL;
	unsigned n = 0;

	assert_ok(read_text(s, "{type: plain, location: m, volumeMap: '^v-(.*) vol.\\1'}", &c,
			    &err),
		  &err);
	assert_ok(mosaic_open_config(&s->mosaic, &c, MOSAIC_OPEN_CREATE, &err), &err);
	mosaic_config_free(&c);
	commit_hello(s, "v-tree");
	assert_ok(mosaic_create(s->mosaic, "v-a", NULL, &err), &err);
	assert_int_equal(faccessat(s->dirfd, "m/volumes/vol.a/data", F_OK, 0), 0);
	assert_int_equal(faccessat(s->dirfd, "m/volumes/vol.tree/tree", F_OK, 0), 0);
	assert_true(mosaic_have(s->mosaic, "v-a"));
	assert_true(mosaic_have(s->mosaic, "vol.a"));
	assert_ok(mosaic_info(s->mosaic, "v-a", &v, &err), &err);
	assert_string_equal(v.name, "vol.a");
	assert_ok(mosaic_clone(s->mosaic, "v-b", "v-tree", &err), &err);
	assert_ok(mosaic_snapshot(s->mosaic, "v-s", "v-a", &err), &err);
	assert_ok(mosaic_snapshot_set(s->mosaic, &pair, 1, NULL, &err), &err);
	assert_ok(mosaic_rollback(s->mosaic, "v-a", "v-s", &err), &err);
	assert_ok(mosaic_set_data(s->mosaic, "v-a", "v-key", "1", 1, &err), &err);
	assert_ok(mosaic_get_data(s->mosaic, "v-a", "v-key", &value, NULL, &err), &err);
	assert_string_equal(value, "1");
	assert_ok(mosaic_usage(s->mosaic, "v-a", &u, &err), &err);
	assert_ok(mosaic_each_child(s->mosaic, "v-s", count_volume, &n, &err), &err);
	assert_int_equal(n, 1); /* rolled back to it */
	assert_int_equal(mosaic_is_used(s->mosaic, "v-a", &err), 0);
	assert_ok(mosaic_drop(s->mosaic, "v-b", 0, &err), &err);
	assert_int_equal(faccessat(s->dirfd, "m/volumes/vol.b", F_OK, 0), -1);
	assert_int_equal(mosaic_resize(s->mosaic, "v-a", 1, &err), -EOPNOTSUPP);
}

/* It holds for who has nothing but the location; a description may say otherwise. */
static void default_fs_is_kept(void **state)
{
	struct scratch *s = *state;
	struct mosaic_config c;
	struct error err;
	char path[128];

	assert_ok(read_text(s, "{type: fsimg, location: m, default_fs: xfs}", &c, &err), &err);
	assert_ok(mosaic_open_config(&s->mosaic, &c, MOSAIC_OPEN_CREATE, &err), &err);
	mosaic_config_free(&c);
	mosaic_close(s->mosaic);
	snprintf(path, sizeof(path), "%s/m", s->path);
	assert_ok(mosaic_open(&s->mosaic, path, NULL, 0, &err), &err);
	assert_int_equal(mosaic_features(s->mosaic) & MOSAIC_RESIZE_DOWN, 0); /* xfs cannot */
	mosaic_close(s->mosaic);
	assert_ok(read_text(s, "{type: fsimg, location: m, default_fs: ext4}", &c, &err), &err);
	assert_ok(mosaic_open_config(&s->mosaic, &c, 0, &err), &err);
	mosaic_config_free(&c);
	assert_int_not_equal(mosaic_features(s->mosaic) & MOSAIC_RESIZE_DOWN, 0);
}

#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH(everything_is_read),
		SCRATCH(absolute_location_stays),
		SCRATCH(faults_say_where),
		SCRATCH(too_long_is_named),
		SCRATCH(names_are_searched),
		SCRATCH(opened_by_name_path_or_directory),
		cmocka_unit_test(map_replaces_what_matches),
		cmocka_unit_test(map_makes_no_overlong_name),
		SCRATCH(every_name_goes_through_the_map),
		SCRATCH(default_fs_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
