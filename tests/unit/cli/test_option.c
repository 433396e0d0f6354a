#include "cmocka_all.h"

#include "cli/option.h"

struct options {
	bool flag, other;
	const char *word, *choice;
	struct cli_list list;
	struct cli_number number, size, time;
};

#define AT(member) offsetof(struct options, member)

static const struct cli_option options[] = {
	{ "flag", 'f', NULL, "a flag", CLI_FLAG, AT(flag) },
	{ "other", 'o', NULL, "another flag", CLI_FLAG, AT(other) },
	{ "word", 'w', "WORD", "a word", CLI_STRING, AT(word) },
	{ "choice", 0, "red|green", "one of two", CLI_CHOICE, AT(choice) },
	{ "list", 'l', "ITEM", "many", CLI_LIST, AT(list) },
	{ "number", 'n', "NUMBER", "a number", CLI_NUMBER, AT(number), .max = 100 },
	{ "size", 0, "SIZE", "a size", CLI_SIZE, AT(size) },
	{ "time", 0, "DURATION", "a time", CLI_DURATION, AT(time) },
	{ NULL },
};

/* The words of a command line, divided by blanks, as argv that may be written to. */
struct line {
	char text[512];
	char *argv[64];
	struct cli_args args;
};

static struct cli_args *line(struct line *l, const char *text)
{
	char *rest = l->text, *word;

	snprintf(l->text, sizeof(l->text), "%s", text);
	l->args = (struct cli_args){ l->argv, 0 };
	while ((word = strsep(&rest, " ")) != NULL)
		if (*word)
			l->argv[l->args.n++] = word;
	return &l->args;
}

static int parse(struct options *o, struct cli_args *args, struct error *err)
{
	struct cli_set set = { options, o };

	*o = (struct options){ 0 };
	return cli_parse(&set, 1, args, err);
}

static void all_spellings_of_a_value(void **state _unused_)
{
	static const char *const lines[] = { "--word x", "--word=x", "-w x",     "-wx",
					     "-fw x",    "-fwx",     "-w y -w x" };
	struct error err = { 0 };
	struct options o;
	struct line l;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(parse(&o, line(&l, lines[i]), &err), 0);
		assert_string_equal(o.word, "x");
		assert_int_equal(l.args.n, 0);
	}
	assert_int_equal(parse(&o, line(&l, "--word="), &err), 0);
	assert_string_equal(o.word, "");
	assert_int_equal(parse(&o, line(&l, "--word --flag"), &err), 0);
	assert_string_equal(o.word, "--flag"); /* what follows is the value, whatever it is */
	assert_false(o.flag);
	assert_int_equal(parse(&o, line(&l, "-of"), &err), 0);
	assert_true(o.flag && o.other);
}

static void operands_stay_in_order(void **state _unused_)
{
	static const char *const lines[] = { "a -f b c", "-f a b c", "a b c -f", "-f -- a b c",
					     "a -f -- b c" };
	struct error err = { 0 };
	struct options o;
	struct line l;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(parse(&o, line(&l, lines[i]), &err), 0);
		assert_true(o.flag);
		assert_int_equal(l.args.n, 3);
		for (size_t k = 0; k < 3; k++)
			assert_int_equal(l.args.argv[k][0], "abc"[k]);
	}
	assert_int_equal(parse(&o, line(&l, "a -- -f --"), &err), 0);
	assert_false(o.flag);
	assert_int_equal(l.args.n, 3);
	assert_string_equal(l.args.argv[1], "-f");
	assert_string_equal(l.args.argv[2], "--");
	assert_int_equal(parse(&o, line(&l, "-"), &err), 0);
	assert_int_equal(l.args.n, 1);
}

static void leading_options_end_at_the_first_operand(void **state _unused_)
{
	struct options o = { 0 };
	struct cli_set set = { options, &o };
	struct error err = { 0 };
	struct line l;

	assert_int_equal(cli_parse_leading(&set, 1, line(&l, "-w x a -f"), &err), 0);
	assert_int_equal(l.args.n, 2);
	assert_string_equal(l.args.argv[0], "a");
	assert_false(o.flag);
	assert_int_equal(cli_parse_leading(&set, 1, line(&l, "-- -f"), &err), 0);
	assert_int_equal(l.args.n, 1);
	assert_string_equal(l.args.argv[0], "-f");
	assert_int_equal(cli_parse_leading(&set, 1, line(&l, "--- -f"), &err), 0);
	assert_int_equal(l.args.n, 2); /* "---" is nobody's option */
}

static void lists_keep_all(void **state _unused_)
{
	struct error err = { 0 };
	struct options o;
	struct line l;

	assert_int_equal(parse(&o, line(&l, "-l a --list=b x -lc"), &err), 0);
	assert_int_equal(o.list.n, 3);
	assert_string_equal(o.list.items[0], "a");
	assert_string_equal(o.list.items[2], "c");
	cli_options_deinit(options, &o);
	assert_int_equal(o.list.n, 0);
}

static void what_is_wrong_is_named(void **state _unused_)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "--nothing-like-it", "no option --nothing-like-it" },
		{ "--flga", "did you mean --flag?" },
		{ "--fla",
		  "did you mean --flag?" }, /* beginnings are not taken: a new option would break them */
		{ "-z", "no option -z" },
		{ "-fz", "no option -z" },
		{ "--flag=yes", "--flag takes no value" },
		{ "--word", "--word needs a value: WORD" },
		{ "-w", "-w needs a value: WORD" },
		{ "-fw", "-w needs a value: WORD" },
		{ "--choice blue", "--choice: blue is none of red|green" },
		{ "--choice red|green", "none of" },
		{ "--choice re", "none of" },
		{ "--choice=", "none of" },
		{ "--number 101", "--number: 101 is no number from 0 to 100" },
		{ "-n -1", "-n: -1 is no number" },
		{ "--number 1x", "no number" },
		{ "--number 0x1", "no number" },
		{ "--number +1", "no number" },
		{ "--number 007", "no number" },
		{ "--number=", "no number" },
		{ "--number 99999999999999999999", "no number" },
		{ "--size 5Q", "--size: 5Q is no SIZE" },
		{ "--size -1", "no SIZE" },
		{ "--time 5y", "--time: 5y is no DURATION" },
	};
	struct options o;
	struct line l;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = { 0 };

		assert_int_equal(parse(&o, line(&l, cases[i].line), &err), CLI_USAGE);
		assert_says(&err, cases[i].says);
	}
}

static void help_is_everywhere(void **state _unused_)
{
	static const char *const lines[] = { "--help", "-h", "a b --help", "-fh",
					     "--nothing-before --help" };
	struct options o;
	struct line l;

	for (size_t i = 0; i < ARRAY_SIZE(lines) - 1; i++)
		assert_int_equal(parse(&o, line(&l, lines[i]), NULL), CLI_HELP);
	assert_int_equal(parse(&o, line(&l, lines[4]), NULL), CLI_USAGE);
	assert_int_equal(parse(&o, line(&l, "-- --help"), NULL), 0);
}

static void values_of_numbers(void **state _unused_)
{
	struct options o;
	struct line l;

	assert_int_equal(parse(&o, line(&l, ""), NULL), 0);
	assert_false(o.number.given || o.size.given || o.time.given);
	assert_int_equal(parse(&o, line(&l, "--number 0 --size 1.5K --time 1h30m"), NULL), 0);
	assert_true(o.number.given && o.number.value == 0);
	assert_int_equal(o.size.value, 1536);
	assert_int_equal(o.time.value, 5400);
}

static void durations(void **state _unused_)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} good[] = { { "0", 0 },        { "90", 90 },     { "90s", 90 },        { "30m", 1800 },
		     { "1h30m", 5400 }, { "2d", 172800 }, { "1d1h1m1s", 90061 } };
	static const char *const bad[] = { "",   "m",    "1x",  "1m1h", "1h1h", "1 h",
					   "-1", "1.5h", "5s5", "1m5",  "1hh" };
	uint64_t value = 77;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(cli_duration(good[i].text, &value), 0);
		assert_int_equal(value, good[i].seconds);
	}
	value = 77;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cli_duration(bad[i], &value), -EINVAL);
	assert_int_equal(cli_duration("99999999999999999999d", &value), -ERANGE);
	assert_int_equal(cli_duration("999999999999999999d", &value), -ERANGE);
	assert_int_equal(value, 77);
}

/* ---- near words ------------------------------------------------------------------------------ */

static const char *next_word(void *arg)
{
	const char *const **at = arg;

	return **at ? *(*at)++ : NULL;
}

static const char *near(const char *typed)
{
	static const char *const words[] = { "run",    "rm",   "list",         "logs",
					     "status", "stop", "run-prepared", NULL };
	const char *const *at = words;

	return cli_nearest(typed, next_word, &at);
}

static void nearest_words(void **state _unused_)
{
	assert_string_equal(near("rnu"), "run");
	assert_string_equal(near("listt"), "list");
	assert_string_equal(near("sttus"), "status");
	assert_string_equal(near("run-prepare"), "run-prepared");
	assert_string_equal(near("rmm"), "rm");
	assert_null(near("frobnicate"));
	assert_null(near("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"));
}

static void counts_operands(void **state _unused_)
{
	struct error err = { 0 };
	struct line l;

	line(&l, "a b");
	assert_int_equal(cli_want_operands(&l.args, 0, 2, &err), 0);
	assert_int_equal(cli_want_operands(&l.args, 3, SIZE_MAX, &err), CLI_USAGE);
	assert_int_equal(cli_want_operands(&l.args, 0, 1, &err), CLI_USAGE);
	assert_says(&err, "b is one word too many");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_spellings_of_a_value),
		cmocka_unit_test(operands_stay_in_order),
		cmocka_unit_test(leading_options_end_at_the_first_operand),
		cmocka_unit_test(lists_keep_all),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(help_is_everywhere),
		cmocka_unit_test(values_of_numbers),
		cmocka_unit_test(durations),
		cmocka_unit_test(nearest_words),
		cmocka_unit_test(counts_operands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
