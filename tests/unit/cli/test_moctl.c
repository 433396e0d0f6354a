#include "cmocka_all.h"

#include <ctype.h>

#include "cli/moctl/completion.h"
#include "cli/moctl/parse.h"
#include "cli/moctl/verbs.h"
#include "kernel/kernel.h"

/* ---- words that say more than a name --------------------------------------------------------- */

static void mount_options_add_up(void **state _unused_)
{
	struct mosaic_mount how = { 0 };
	struct error err = { 0 };

	assert_int_equal(moctl_read_mount_options("ro,nodev", &how, &err), 0);
	assert_int_equal(moctl_read_mount_options("volatile", &how, &err), 0);
	assert_int_equal(how.flags, MOSAIC_MOUNT_READONLY | MOSAIC_MOUNT_VOLATILE);
	assert_int_equal(how.attributes, MOUNT_NODEV);
	assert_int_equal(moctl_read_mount_options("nosuid,noexec,noatime,nosymfollow,rw", &how,
						  &err),
			 0);
	assert_int_equal(how.attributes, MOUNT_NODEV | MOUNT_NOSUID | MOUNT_NOEXEC | MOUNT_NOATIME |
						 MOUNT_NOSYMFOLLOW);
}

static void what_is_no_mount_option_is_named(void **state _unused_)
{
	static const char *const bad[] = { "",         "suid", "ro,", ",ro", "ro,,nodev",
					   "ro nodev", "RO",   "r",   "roo" };
	struct mosaic_mount how = { 0 };
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(moctl_read_mount_options(bad[i], &how, &err), MOCTL_USAGE);
	assert_int_equal(moctl_read_mount_options("ro,suid,nodev", &how, &err), MOCTL_USAGE);
	assert_says(&err, "suid is no mount option");
}

static void sizes_change_by_and_to(void **state _unused_)
{
	static const struct {
		const char *text;
		uint64_t now, then;
	} good[] = {
		{ "1G", 0, 1 << 30 },  { "512", 5, 512 },   { "+1K", 1024, 2048 },
		{ "-1K", 4096, 3072 }, { "none", 4096, 0 }, { "0", 4096, 0 },
		{ "1.5K", 1, 1536 },   { "+0", 7, 7 },      { "-1", 2, 1 },
	};
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct moctl_size_change change;
		uint64_t then = 99;

		assert_int_equal(moctl_read_size_change(good[i].text, &change, &err), 0);
		assert_int_equal(moctl_apply_size_change(&change, good[i].now, &then, &err), 0);
		assert_true(then == good[i].then);
	}
}

static void sizes_that_cannot_be(void **state _unused_)
{
	static const char *const bad[] = { "",
					   "+",
					   "-",
					   "x",
					   "1X",
					   "--1",
					   "+-1",
					   "1 G",
					   "-none",
					   "0x10",
					   "99999999999999999999" };
	static const struct {
		const char *text;
		uint64_t now;
	} senseless[] = { { "+1G", 0 },
			  { "-1G", 0 },
			  { "-1G", 1 << 30 },
			  { "-2G", 1 << 30 },
			  { "+1", UINT64_MAX } };
	struct moctl_size_change change;
	struct error err = { 0 };
	uint64_t then = 99;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(moctl_read_size_change(bad[i], &change, &err), MOCTL_USAGE);
	for (size_t i = 0; i < ARRAY_SIZE(senseless); i++) {
		assert_int_equal(moctl_read_size_change(senseless[i].text, &change, &err), 0);
		assert_int_equal(moctl_apply_size_change(&change, senseless[i].now, &then, &err),
				 -EINVAL);
		assert_true(then == 99);
	}
}

static void maps_of_ids(void **state _unused_)
{
	struct moctl_map map = { .n = 77 };
	struct error err = { 0 };

	assert_int_equal(moctl_read_map("0:100000:65536", &map, &err), 0);
	assert_int_equal(map.n, 1);
	assert_true(map.ranges[0].users && map.ranges[0].groups);
	assert_int_equal(map.ranges[0].disk, 0);
	assert_int_equal(map.ranges[0].shown, 100000);
	assert_int_equal(map.ranges[0].count, 65536);
	assert_int_equal(moctl_read_map("u:0:1000:1,g:0:1001:2,5:6:7", &map, &err), 0);
	assert_int_equal(map.n, 3);
	assert_true(map.ranges[0].users && !map.ranges[0].groups);
	assert_true(!map.ranges[1].users && map.ranges[1].groups);
	assert_int_equal(map.ranges[1].shown, 1001);
	assert_int_equal(map.ranges[2].count, 7);
}

static void maps_that_are_none(void **state _unused_)
{
	static const char *const bad[] = {
		"",
		":",
		"0",
		"0:1",
		"0:1:",
		"0:1:0",
		"0:1:1:",
		"0:1:x",
		"x:0:1:1",
		"u:0:1",
		"0:1:1,",
		",0:1:1",
		"-1:0:1",
		"0:1:1:1",
		"01:1:1",
		"0:4294967295:1",
		"0:1:99999999999999999999",
		"u:u:0:1:1",
	};
	struct moctl_map map = { .n = 77 };
	struct error err = { 0 };
	char many[256];
	size_t used;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (moctl_read_map(bad[i], &map, &err) != MOCTL_USAGE)
			fail_msg("\"%s\" was taken for a map", bad[i]);
	assert_int_equal(map.n, 77);
	used = (size_t)snprintf(many, sizeof(many), "0:0:1");
	for (size_t i = 1; i < MOCTL_MAP_RANGES; i++)
		used += (size_t)snprintf(many + used, sizeof(many) - used, ",0:0:1");
	assert_int_equal(moctl_read_map(many, &map, &err), 0);
	snprintf(many + used, sizeof(many) - used, ",0:0:1");
	assert_int_equal(moctl_read_map(many, &map, &err), MOCTL_USAGE);
}

static void pairs_have_a_key(void **state _unused_)
{
	struct error err = { 0 };
	size_t len = 99;

	assert_int_equal(moctl_read_pair("size=10G", &len, &err), 0);
	assert_int_equal(len, 4);
	assert_int_equal(moctl_read_pair("a=", &len, &err), 0);
	assert_int_equal(moctl_read_pair("a=b=c", &len, &err), 0);
	assert_int_equal(len, 1);
	assert_int_equal(moctl_read_pair("=b", &len, &err), MOCTL_USAGE);
	assert_int_equal(moctl_read_pair("a", &len, &err), MOCTL_USAGE);
}

static void errors_have_codes(void **state _unused_)
{
	assert_int_equal(moctl_exit_code(0), 0);
	assert_int_equal(moctl_exit_code(MOCTL_DAMAGED), 8);
	assert_int_equal(moctl_exit_code(-ENOENT), 3);
	assert_int_equal(moctl_exit_code(-EBUSY), 4);
	assert_int_equal(moctl_exit_code(-EEXIST), 5);
	assert_int_equal(moctl_exit_code(-EOPNOTSUPP), 6);
	assert_int_equal(moctl_exit_code(-ENOSPC), 7);
	assert_int_equal(moctl_exit_code(-EDQUOT), 7);
	assert_int_equal(moctl_exit_code(-EBADMSG), 1); /* of a description; receive says 8 */
	assert_int_equal(moctl_exit_code(-EIO), 1);
	assert_int_equal(moctl_exit_code(-EINVAL), 1);
}

/* ---- verbs ----------------------------------------------------------------------------------- */

static const char *found(const char *word)
{
	static struct error err;
	const struct moctl_verb *verb = NULL;
	int r = moctl_verb_find(moctl_verbs, word, &verb, &err);

	assert_int_equal(r, verb ? 0 : MOCTL_USAGE);
	return verb ? verb->name : err.text;
}

static void beginnings_of_verbs(void **state _unused_)
{
	assert_string_equal(found("cl"), "clone");
	assert_string_equal(found("clone"), "clone");
	assert_string_equal(found("create"), "create"); /* also the beginning of create-pool */
	assert_string_equal(found("create-"), "create-pool");
	assert_string_equal(found("snap"), "snapshot");
	assert_string_equal(found("u"), "umount");
	assert_non_null(strstr(found("c"), "create"));
	assert_non_null(strstr(found("c"), "create-pool"));
	assert_non_null(strstr(found("c"), "clone"));
	assert_non_null(strstr(found("c"), "check"));
	assert_null(strstr(found("c"), "info"));
	assert_non_null(strstr(found(""), "there is no command"));
	assert_non_null(strstr(found("lisx"), "did you mean list?"));
	assert_non_null(strstr(found("clones"), "there is no command"));
	assert_non_null(strstr(found("CL"), "there is no command"));
}

static void groups_have_second_words(void **state _unused_)
{
	char *words[] = { "da", "g", "volume", "key" };
	struct cli_args args = { words, 4 };
	const struct moctl_verb *verb;
	struct error err = { 0 };
	char text[64];

	assert_int_equal(moctl_verb_choose(moctl_verbs, &args, &verb, &err), 0);
	moctl_verb_words(verb, text, sizeof(text));
	assert_string_equal(text, "data get");
	assert_int_equal(args.n, 2);
	assert_string_equal(args.argv[0], "volume");
}

static void check_option(const struct cli_option *o, const char *words)
{
	if (!o->help || str_ends(o->help, ".") || isupper((unsigned char)o->help[0]) ||
	    strchr(o->help, '\n'))
		fail_msg("%s --%s: its help is no plain phrase", words, o->name);
	if ((o->kind == CLI_FLAG) != (o->argument == NULL))
		fail_msg("%s --%s: flags have no argument, all else has one", words, o->name);
	if (str_eq(o->name, "help") || o->letter == 'h')
		fail_msg("%s --%s: that is help's", words, o->name);
}

static void check_verb(const struct moctl_verb *verb)
{
	_free_ char *help = NULL;
	char words[64], spelling[64];

	moctl_verb_words(verb, words, sizeof(words));
	if (!verb->summary || str_ends(verb->summary, ".") ||
	    !isupper((unsigned char)verb->summary[0]))
		fail_msg("%s: its summary is no sentence without a full stop", words);
	if (!verb->run == !verb->verbs)
		fail_msg("%s: either run or verbs", words);
	assert_int_equal(moctl_help_verb(verb, &help), 0);
	assert_non_null(strstr(help, words));
	for (size_t t = 0; verb->tables[t].options; t++)
		for (const struct cli_option *o = verb->tables[t].options; o->name; o++) {
			check_option(o, words);
			snprintf(spelling, sizeof(spelling), "--%s", o->name);
			if (!strstr(help, spelling))
				fail_msg("%s: %s is not in its help", words, spelling);
		}
	for (const struct moctl_verb *const *v = verb->verbs; v && *v; v++)
		check_verb(*v);
}

static void tables_keep_the_rules(void **state _unused_)
{
	_free_ char *overview = NULL;

	assert_int_equal(moctl_help_overview(&overview), 0);
	for (const struct moctl_verb *const *v = moctl_verbs; *v; v++) {
		check_verb(*v);
		assert_non_null(strstr(overview, (*v)->name));
		/* or it could not be told from a mosaic */
		assert_null(moctl_verb_exact(moctl_commands, (*v)->name));
	}
	for (const struct moctl_verb *const *v = moctl_commands; *v; v++)
		check_verb(*v);
}

/* ---- completion ------------------------------------------------------------------------------ */

static struct completion at(const char *text)
{
	static char buf[256];
	const char *words[16];
	char *rest = buf, *word;
	size_t n = 0;

	snprintf(buf, sizeof(buf), "%s", text);
	while ((word = strsep(&rest, " ")) != NULL)
		words[n++] = word;
	return completion_of(words, n);
}

static void what_is_to_be_completed(void **state _unused_)
{
	struct completion c;

	assert_int_equal(at("").what, COMPLETING_MOSAIC);
	assert_int_equal(at("de").what, COMPLETING_MOSAIC);
	assert_int_equal(at("--de").what, COMPLETING_OPTION);
	assert_int_equal(at("--debug de").what, COMPLETING_MOSAIC);
	assert_int_equal(at("m ").what, COMPLETING_VERB);
	assert_int_equal(at("--debug m cl").what, COMPLETING_VERB);
	c = at("m clone ");
	assert_int_equal(c.what, COMPLETING_OPERAND);
	assert_int_equal(c.kind, CLI_COMPLETE_VOLUME);
	assert_string_equal(c.mosaic, "m");
	assert_int_equal(at("m clone a ").kind, CLI_COMPLETE_NONE);
	assert_int_equal(at("m mount a /m").kind, CLI_COMPLETE_DIRECTORY);
	assert_int_equal(at("m mou -o ro a /m").kind, CLI_COMPLETE_DIRECTORY);
	assert_int_equal(at("m drop a b c").kind, CLI_COMPLETE_VOLUME);
	assert_int_equal(at("m snapshot a s ").kind, CLI_COMPLETE_VOLUME);
	assert_int_equal(at("m snapshot a s b ").kind, CLI_COMPLETE_NONE);
	assert_int_equal(at("m send a --s").what, COMPLETING_OPTION);
	c = at("m send --since ");
	assert_int_equal(c.what, COMPLETING_VALUE);
	assert_int_equal(c.kind, CLI_COMPLETE_VOLUME);
	c = at("m send --progress b");
	assert_int_equal(c.what, COMPLETING_VALUE);
	assert_string_equal(c.option->name, "progress");
	assert_int_equal(at("m send a /tmp/f").kind, CLI_COMPLETE_FILE);
	c = at("m data ");
	assert_int_equal(c.what, COMPLETING_VERB);
	assert_string_equal(c.verbs[0]->name, "get");
	assert_int_equal(at("m data get v").kind, CLI_COMPLETE_VOLUME);
	assert_int_equal(at("m nonsense x").what, COMPLETING_NOTHING);
	assert_int_equal(at("m c x").what, COMPLETING_NOTHING);
	c = at("check-config f");
	assert_int_equal(c.kind, CLI_COMPLETE_FILE);
	assert_null(c.mosaic);
	assert_int_equal(at("help cl").kind, CLI_COMPLETE_VERB);
	assert_int_equal(at("completion ").kind, CLI_COMPLETE_SHELL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mount_options_add_up),
		cmocka_unit_test(what_is_no_mount_option_is_named),
		cmocka_unit_test(sizes_change_by_and_to),
		cmocka_unit_test(sizes_that_cannot_be),
		cmocka_unit_test(maps_of_ids),
		cmocka_unit_test(maps_that_are_none),
		cmocka_unit_test(pairs_have_a_key),
		cmocka_unit_test(errors_have_codes),
		cmocka_unit_test(beginnings_of_verbs),
		cmocka_unit_test(groups_have_second_words),
		cmocka_unit_test(tables_keep_the_rules),
		cmocka_unit_test(what_is_to_be_completed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
