/* Rules that every verb's tables keep, so that help and completions can be made of them. */
#include "cmocka_all.h"

#include <ctype.h>

#include "cli/completion.h"

static void check_option(const struct cli_option *o, const char *words)
{
	if (!o->help || str_ends(o->help, ".") || isupper((unsigned char)o->help[0]) ||
	    strchr(o->help, '\n'))
		fail_msg("%s --%s: its help is no plain phrase", words, o->name);
	if ((o->kind == CLI_FLAG) != (o->argument == NULL))
		fail_msg("%s --%s: flags have no argument, all else has one", words, o->name);
	if (strspn(o->name, "abcdefghijklmnopqrstuvwxyz-") != strlen(o->name) ||
	    str_eq(o->name, "help"))
		fail_msg("%s --%s: no good name", words, o->name);
	if (o->letter && (!isalpha((unsigned char)o->letter) || o->letter == 'h'))
		fail_msg("%s -%c: no good letter", words, o->letter);
}

static bool clash(const struct cli_option *a, const struct cli_option *b)
{
	return str_eq(a->name, b->name) || (a->letter && a->letter == b->letter);
}

/* All options of a verb in one list. */
static size_t gather(const struct cli_verb *verb, const struct cli_option **list, size_t room)
{
	size_t n = 0;

	for (size_t t = 0; verb->tables[t].options; t++)
		for (const struct cli_option *o = verb->tables[t].options; o->name; o++) {
			assert_true(n < room);
			list[n++] = o;
		}
	return n;
}

static int check_verb(_unused_ struct buf *b, const struct cli_verb *verb, const char *words,
		      _unused_ const char *label)
{
	const struct cli_option *list[64];
	size_t n = gather(verb, list, ARRAY_SIZE(list));

	if (!verb->summary || str_ends(verb->summary, ".") ||
	    !isupper((unsigned char)verb->summary[0]))
		fail_msg("%s: its summary is no sentence without a full stop", words);
	if (!verb->run == !verb->verbs)
		fail_msg("%s: either run or verbs", words);
	for (size_t i = 0; i < n; i++) {
		check_option(list[i], words);
		for (size_t k = 0; k < i; k++)
			if (clash(list[i], list[k]))
				fail_msg("%s: --%s and --%s", words, list[i]->name, list[k]->name);
	}
	return 0;
}

static void tables_keep_the_rules(void **state _unused_)
{
	_buf_ struct buf none = BUF_INIT(1);

	assert_int_equal(completion_each(check_verb, &none), 0);
	for (const struct cli_option *o = cli_global_options; o->name; o++)
		check_option(o, "carob");
}

static int check_help(_unused_ struct buf *b, const struct cli_verb *verb, const char *words,
		      _unused_ const char *label)
{
	const struct cli_option *list[64];
	size_t n = gather(verb, list, ARRAY_SIZE(list));
	_free_ char *text = NULL;

	assert_int_equal(cli_help_verb(verb, &text), 0);
	assert_non_null(strstr(text, words));
	for (size_t i = 0; i < n; i++) {
		char spelling[64];

		snprintf(spelling, sizeof(spelling), "--%s", list[i]->name);
		if (!strstr(text, spelling))
			fail_msg("the help of %s does not have %s", words, spelling);
	}
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;)
		if (strlen(line) > 90 || str_ends(line, " "))
			fail_msg("the help of %s has a line that is too long or ends in a blank: %s",
				 words, line);
	return 0;
}

static void help_has_every_option(void **state _unused_)
{
	_buf_ struct buf none = BUF_INIT(1);

	assert_int_equal(completion_each(check_help, &none), 0);
}

static struct cli_args *args_of(struct cli_args *a, char **argv, size_t n)
{
	*a = (struct cli_args){ argv, n };
	return a;
}

static void verbs_are_found_by_one_word_or_two(void **state _unused_)
{
	char image[] = "image", import[] = "import", listt[] = "listt", run[] = "run",
	     list[] = "list";
	char *two[] = { image, import }, *wrong[] = { image, listt }, *one[] = { run, list },
	     *bad[] = { listt };
	const struct cli_verb *verb = NULL;
	struct error err = { 0 };
	struct cli_args a;
	char words[64];

	assert_int_equal(cli_verb_choose(args_of(&a, two, 2), &verb, &err), 0);
	cli_verb_words(verb, words, sizeof(words));
	assert_string_equal(words, "image import");
	assert_int_equal(a.n, 0);
	assert_int_equal(cli_verb_choose(args_of(&a, two, 1), &verb, &err), 0);
	assert_string_equal(verb->name, "image");
	assert_int_equal(cli_verb_choose(args_of(&a, one, 2), &verb, &err), 0);
	assert_string_equal(verb->name, "run");
	assert_int_equal(a.n, 1);
	assert_int_equal(cli_verb_choose(args_of(&a, wrong, 2), &verb, &err), CLI_USAGE);
	assert_says(&err, "did you mean image list?");
	assert_int_equal(cli_verb_choose(args_of(&a, bad, 1), &verb, &err), CLI_USAGE);
	assert_says(&err, "did you mean list?");
}

static void quoting_for_shells(void **state _unused_)
{
	_buf_ struct buf b = BUF_INIT(256);

	assert_int_equal(completion_quote(&b, "it's [a]: \\", "[]:\\"), 0);
	assert_string_equal(b.data, "it'\\''s \\[a\\]\\: \\\\");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_keep_the_rules),
		cmocka_unit_test(help_has_every_option),
		cmocka_unit_test(verbs_are_found_by_one_word_or_two),
		cmocka_unit_test(quoting_for_shells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
