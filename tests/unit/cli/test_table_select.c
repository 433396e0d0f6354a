/* Columns, order and filters of lists: as people write them, on rows. */
#include "cmocka_all.h"

#include <jansson.h>

#include "cli/cli.h"
#include "cli/table_select.h"

static void labels(char dst[TABLE_CELL], const struct json_t *value)
{
	snprintf(dst, TABLE_CELL, "%zu labels", json_object_size(value));
}

static const struct table_column columns[] = {
	{ "NAME", "name" },
	{ "VERSION", "version", .version = true },
	{ "SIZE", "size", .right = true },
	{ "LABELS", "labels", .format = labels, .members = true },
	{ "PINNED", "pinned" },
	{ "USED BY", "usedBy", .hidden = true },
	{ NULL },
};

/* Without a column whose members can be asked for. */
static const struct table_column plain[] = { { "NAME", "name" }, { NULL } };

static json_t *rows(void)
{
	json_t *list = json_array();

	json_array_append_new(list,
			      json_pack("{s:s, s:s, s:i, s:{s:s, s:s}, s:b, s:[s, s]}", "name", "b",
					"version", "1.10", "size", 9, "labels", "os", "linux",
					"odd=~", "x", "pinned", 0, "usedBy", "web", "db"));
	json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:{s:s}, s:b, s:[]}", "name", "a",
					      "version", "1.9", "size", 100, "labels", "os",
					      "freebsd", "pinned", 1, "usedBy"));
	json_array_append_new(list,
			      json_pack("{s:s, s:n, s:i, s:{}, s:b, s:[s]}", "name", "c", "version",
					"size", 9, "labels", "pinned", 0, "usedBy", "db"));
	return list;
}

/* The names of the rows that are left, in their order. */
static void expect(const char *sort, const char *filter, const char *more, const char *names)
{
	const char *filters[] = { filter, more };
	struct table_options o = { .sort = sort,
				   .filters = { filters, filter ? more ? 2 : 1 : 0 } };
	_json_ json_t *all = rows();
	_json_ json_t *left = NULL;
	struct error err = { 0 };
	char got[16] = "";

	assert_int_equal(table_check(columns, &o, &err), 0);
	assert_int_equal(table_select(all, columns, &o, &left, &err), 0);
	for (size_t i = 0; i < json_array_size(left); i++)
		got[i] = *json_string_value(json_object_get(json_array_get(left, i), "name"));
	assert_string_equal(got, names);
}

static void nothing_asked_is_everything_as_it_came(void **state _unused_)
{
	expect(NULL, NULL, NULL, "bac");
}

static void orders(void **state _unused_)
{
	expect("name", NULL, NULL, "abc");
	expect("-name", NULL, NULL, "cba");
	expect("size", NULL, NULL, "bca"); /* numbers, not texts; what is alike stays as it came */
	expect("-size", NULL, NULL, "abc");
	expect("version", NULL, NULL, "abc"); /* 1.9 before 1.10; what has none is last */
	expect("-version", NULL, NULL, "bac");
	expect("pinned", NULL, NULL, "bca");
	expect("labels", NULL, NULL, "cab");
}

static void filters(void **state _unused_)
{
	expect(NULL, "name=a", NULL, "a");
	expect(NULL, "name=", NULL, "");
	expect(NULL, "name~[ab]", NULL, "ba");
	expect(NULL, "name~a*", NULL, "a");
	expect(NULL, "size=9", NULL, "bc");
	expect(NULL, "size=9", "name=c", "c");
	expect(NULL, "pinned=true", NULL, "a");
	expect(NULL, "pinned=no", NULL, "bc");
	expect(NULL, "version=", NULL, "c");
	expect(NULL, "used-by=db", NULL, "bc");
	expect(NULL, "used-by~w*", NULL, "b");
	expect(NULL, "used-by=", NULL, "a");
	expect("-size", "size~*", NULL, "abc");
}

static void members_of_labels(void **state _unused_)
{
	expect(NULL, "os=linux", NULL, "b");
	expect(NULL, "os~*", NULL, "bac"); /* what is not there is "" */
	expect(NULL, "os~?*", NULL, "ba");
	expect(NULL, "nothing=1", NULL, "");
	expect(NULL, "nothing=", NULL, "bac");
	expect(NULL, "labels=1 labels", NULL, "a");
}

static void refuse(const struct table_column *table, const struct table_options *o,
		   const char *words)
{
	struct error err = { 0 };

	assert_int_equal(table_check(table, o, &err), CLI_USAGE);
	assert_says(&err, words);
}

static void what_is_not_there_is_said_with_what_is(void **state _unused_)
{
	const char *wrong[] = { "size=1", "name" }, *empty[] = { "=1" };

	refuse(columns, &(struct table_options){ .columns = "name,hue" },
	       "there is no column hue; there are: name, version, size, labels, pinned, used-by");
	refuse(columns, &(struct table_options){ .columns = "" }, "there is no column ;");
	refuse(columns, &(struct table_options){ .columns = "name," }, "there is no column ;");
	refuse(columns, &(struct table_options){ .columns = "NAME" }, "there is no column NAME;");
	refuse(columns, &(struct table_options){ .sort = "-" }, "there is no column ;");
	refuse(columns, &(struct table_options){ .sort = "--size" }, "there is no column -size;");
	refuse(columns, &(struct table_options){ .filters = { wrong, 2 } },
	       "name is neither COLUMN=VALUE nor COLUMN~PATTERN");
	refuse(columns, &(struct table_options){ .filters = { empty, 1 } }, "=1 is neither");
	refuse(plain, &(struct table_options){ .filters = { wrong, 1 } },
	       "there is no column size; there are: name");
}

static void columns_are_chosen_in_their_order(void **state _unused_)
{
	struct table_chosen chosen;
	struct error err = { 0 };

	assert_int_equal(table_choose(columns, &(struct table_options){ 0 }, &chosen, &err), 0);
	assert_int_equal(chosen.n, 5); /* not the hidden one */
	assert_int_equal(table_choose(columns,
				      &(struct table_options){ .columns = "used-by,name,name" },
				      &chosen, &err),
			 0);
	assert_int_equal(chosen.n, 3);
	assert_ptr_equal(chosen.columns[0], &columns[5]);
	assert_ptr_equal(chosen.columns[2], &columns[0]);
	refuse(columns,
	       &(struct table_options){ .columns = "name,name,name,name,name,name,name,name,name,"
						   "name,name,name,name,name,name,name,name,name,"
						   "name,name,name,name,name,name,name" },
	       "more than 24 columns");
}

static void what_is_costly_is_only_made_when_it_is_wanted(void **state _unused_)
{
	const char *filter[] = { "name=x", "used-by~a" };
	const struct table_options o = { .columns = "name,used-bye,size",
					 .sort = "-pinned",
					 .filters = { filter, 1 } },
				   both = { .filters = { filter, 2 } };

	assert_true(table_wants(&o, "size"));
	assert_true(table_wants(&o, "pinned"));
	assert_true(table_wants(&o, "name"));
	assert_false(table_wants(&o, "used-by"));
	assert_true(table_wants(&both, "used-by"));
	assert_false(table_wants(&(struct table_options){ 0 }, "name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_asked_is_everything_as_it_came),
		cmocka_unit_test(orders),
		cmocka_unit_test(filters),
		cmocka_unit_test(members_of_labels),
		cmocka_unit_test(what_is_not_there_is_said_with_what_is),
		cmocka_unit_test(columns_are_chosen_in_their_order),
		cmocka_unit_test(what_is_costly_is_only_made_when_it_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
