/* `moctl MOSAIC data get|set|list|rm`: what somebody wants to remember about a volume. */
#include <jansson.h>

#include "cli/moctl/verbs.h"

static int get_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	_mosaic_ struct mosaic *m = NULL;
	_free_ char *value = NULL;
	size_t len;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_no_options, 2, 2 }, NULL, args, err);

	if (r == 0)
		r = moctl_open(c, &m, err);
	if (r != 0)
		return r;
	r = mosaic_get_data(m, args->argv[0], args->argv[1], &value, &len, err);
	if (r == 0)
		r = cli_put(value, len, err);
	/* a line for people; for programs the bytes, as they are */
	if (r == 0 && isatty(STDOUT_FILENO) && len > 0 && value[len - 1] != '\n')
		r = cli_puts("\n", err);
	return error_context(err, r, "data get", args->argv[0]);
}

static const struct moctl_verb get = {
	.name = "get",
	.operands = "VOLUME KEY",
	.summary = "Print a value, as it is",
	.complete = { CLI_COMPLETE_VOLUME },
	.run = get_run,
};

/* ---- set ------------------------------------------------------------------------------------- */

/* One byte more than a value may have is enough to be refused. */
static int read_value(char **ret, size_t *ret_len, struct error *err)
{
	_free_ char *value = malloc(MOSAIC_VALUE_MAX + 1);
	ssize_t n = value ? read_all(STDIN_FILENO, value, MOSAIC_VALUE_MAX + 1) : -ENOMEM;

	if (n < 0)
		return error_set(err, (int)n, "cannot read standard input");
	if (n > MOSAIC_VALUE_MAX)
		return error_set(err, -E2BIG, "standard input has more than %d bytes.",
				 MOSAIC_VALUE_MAX);
	*ret = take_ptr(&value);
	*ret_len = (size_t)n;
	return 0;
}

static int set_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	_mosaic_ struct mosaic *m = NULL;
	_free_ char *input = NULL;
	const char *value;
	size_t len = 0;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_no_options, 2, 3 }, NULL, args, err);

	if (r == 0 && args->n == 2)
		r = read_value(&input, &len, err);
	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	value = args->n == 3 ? args->argv[2] : input;
	len = args->n == 3 ? strlen(value) : len;
	r = mosaic_set_data(m, args->argv[0], args->argv[1], value, len, err);
	return error_context(err, r, "data set", args->argv[0]);
}

static const struct moctl_verb set = {
	.name = "set",
	.operands = "VOLUME KEY [VALUE]",
	.summary = "Keep a value; without VALUE, standard input",
	.complete = { CLI_COMPLETE_VOLUME },
	.run = set_run,
};

/* ---- list ------------------------------------------------------------------------------------ */

struct list_options {
	bool json;
};

static const struct cli_option list_options[] = {
	{ "json", 0, NULL, "as JSON: an object with all keys and values that are text", CLI_FLAG,
	  offsetof(struct list_options, json) },
	{ NULL },
};

static int add_key(const char *key, void *arg)
{
	return json_array_append_new(arg, json_string_nocheck(key)) < 0 ? -ENOMEM : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Bytes that are no text have no place in JSON: null. */
static int add_value(struct mosaic *m, const char *name, const char *key, json_t *object,
		     struct error *err)
{
	_json_ json_t *shown = moctl_text(key);
	_free_ char *value = NULL;
	json_t *text;
	size_t len;
	int r = mosaic_get_data(m, name, key, &value, &len, err);

	if (r < 0)
		return r;
	text = json_stringn(value, len);
	r = json_object_set_new(object, json_string_value(shown), text ? text : json_null());
	return r < 0 ? error_set(err, -ENOMEM, "volume %s", name) : 0;
}

static int print_keys(struct mosaic *m, const char *name, const json_t *keys, bool json,
		      struct error *err)
{
	size_t n = json_array_size(keys);
	_free_ const char **sorted = calloc(n + 1, sizeof(*sorted));
	_json_ json_t *object = json_object();
	int r = sorted && object ? 0 : error_set(err, -ENOMEM, "volume %s", name);

	for (size_t i = 0; r == 0 && i < n; i++)
		sorted[i] = json_string_value(json_array_get(keys, i));
	if (r == 0)
		qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; r == 0 && i < n; i++) {
		char text[4 * MOSAIC_NAME_MAX + 1];

		str_escape(text, sizeof(text), sorted[i]);
		r = json ? add_value(m, name, sorted[i], object, err)
			 : cli_print(err, "%s\n", text);
	}
	return r == 0 && json ? cli_put_json(take_ptr(&object), err) : r;
}

static int list_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct list_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	_json_ json_t *keys = json_array();
	int r = moctl_parse(&(struct moctl_syntax){ list_options, 1, 1 }, &o, args, err);

	if (r == 0)
		r = keys ? moctl_open(c, &m, err) : error_set(err, -ENOMEM, "cannot list");
	if (r != 0)
		return r;
	r = mosaic_each_data(m, args->argv[0], add_key, keys, err);
	if (r == 0)
		r = print_keys(m, args->argv[0], keys, o.json, err);
	return error_context(err, r, "data list", args->argv[0]);
}

static const struct moctl_verb list = {
	.name = "list",
	.operands = "VOLUME",
	.summary = "List the keys",
	.tables = { { list_options } },
	.complete = { CLI_COMPLETE_VOLUME },
	.run = list_run,
};

/* ---- rm -------------------------------------------------------------------------------------- */

static int rm_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	_mosaic_ struct mosaic *m = NULL;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_no_options, 2, 2 }, NULL, args, err);

	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	r = mosaic_set_data(m, args->argv[0], args->argv[1], NULL, 0, err);
	return error_context(err, r, "data rm", args->argv[0]);
}

static const struct moctl_verb rm = {
	.name = "rm",
	.operands = "VOLUME KEY",
	.summary = "Forget a key",
	.complete = { CLI_COMPLETE_VOLUME },
	.run = rm_run,
};

static const struct moctl_verb *const verbs[] = { &get, &set, &list, &rm, NULL };

const struct moctl_verb moctl_verb_data = {
	.name = "data",
	.summary = "Keep keys and values with a volume, and read them",
	.verbs = verbs,
};
