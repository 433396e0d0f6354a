/* `carob image show`: what store and manifest say. `carob image cat-manifest`: its bytes. */
#include <jansson.h>
#include <string.h>

#include "cli/image.h"
#include "cli/table.h"

struct show_options {
	bool json;
};

static const struct cli_option show_options[] = {
	{ "json", 0, NULL, "as JSON, the manifest included", CLI_FLAG,
	  offsetof(struct show_options, json) },
	{ NULL },
};

static const struct table_column columns[] = {
	{ "id", "id" },
	{ "name", "name" },
	{ "source", "source" },
	{ "imported", "imported" },
	{ "size", "size", .format = table_format_size },
	{ "archive size", "archiveSize", .format = table_format_size },
	{ "last used", "lastUsed" },
	{ "pinned", "pinned" },
	{ NULL },
};

static const struct cli_option no_options[] = { { NULL } };

/* Adds what is known of where it came from: null for one that was imported. */
static int add_origin(struct store *store, const char *id, json_t *info, struct error *err)
{
	_origin_ struct origin origin = { 0 };
	int r = origin_read(store, id, &origin, err);

	if (r < 0)
		return r;
	r = json_object_set_new(info, "origin",
				r == STORE_MISSING ? json_null() : origin_json(&origin));
	return r < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
}

/* Finds the image that the one operand names and reads its manifest. 0 or an exit code. */
static int load(const struct cli *cli, const char *word, json_t **ret_info, char **ret_manifest,
		size_t *ret_len, struct error *err)
{
	_store_ struct store *store = NULL;
	_store_info_ struct store_info info = { 0 };
	_json_ struct json_t *facts = NULL;
	char id[STORE_ID_TEXT];
	int r = image_store_open(cli, &store, err);

	if (r == 0)
		r = image_find(store, word, id, err);
	if (r == 0)
		r = store_info(store, id, &info, err);
	if (r == 0)
		r = store_manifest(store, id, ret_manifest, ret_len, err);
	if (r != 0)
		return r;
	facts = image_info_json(store, &info);
	if (!facts)
		return error_set(err, -ENOMEM, "%s", word);
	r = add_origin(store, id, facts, err);
	if (r == 0)
		*ret_info = take_ptr(&facts);
	return r;
}

/* "KEY (USER), trusted for PREFIX, made 2026-..." */
static void format_signature(char dst[TABLE_CELL], const struct json_t *value)
{
	const char *rule = json_string_value(json_object_get(value, "rule"));

	snprintf(dst, TABLE_CELL, "%s (%.200s), trusted for %s, made %s",
		 json_string_value(json_object_get(value, "key")),
		 json_string_value(json_object_get(value, "user")), *rule ? rule : "any name",
		 json_string_value(json_object_get(value, "made")));
}

static const struct table_column origin_facts[] = {
	{ "reference", "reference" },
	{ "url", "url" },
	{ "transport", "transport" },
	{ "signature", "signature", .format = format_signature },
	{ "insecure", "insecure" },
	{ "digest", "manifestDigest" },
	{ NULL },
};

/* What there is nothing to say of is left out, but for the signature. */
static int print_origin(const json_t *origin, struct error *err)
{
	int r = 0;

	for (const struct table_column *c = origin_facts; r == 0 && c->title; c++) {
		const json_t *value = json_object_get(origin, c->key);
		char cell[TABLE_CELL];

		if ((json_is_string(value) && json_string_length(value) == 0) ||
		    (json_is_array(value) && json_array_size(value) == 0))
			continue;
		table_cell(cell, c, origin);
		r = cli_print(err, "%-12s %s\n", c->title, json_is_null(value) ? "none" : cell);
	}
	return r;
}

static int print_text(const json_t *info, const json_t *manifest, struct error *err)
{
	_free_ char *app = cli_json_text(json_object_get(manifest, "app"));
	const char *key;
	json_t *label;
	int r = 0;

	for (const struct table_column *c = columns; r == 0 && c->title; c++) {
		char cell[TABLE_CELL];

		table_cell(cell, c, info);
		r = cli_print(err, "%-12s %s\n", c->title, cell);
	}
	if (r == 0 && json_is_object(json_object_get(info, "origin")))
		r = print_origin(json_object_get(info, "origin"), err);
	json_object_foreach(json_object_get(info, "labels"), key, label) {
		char raw[TABLE_CELL], text[TABLE_CELL];

		snprintf(raw, sizeof(raw), "%s=%s", key, json_string_value(label));
		str_escape(text, sizeof(text), raw);
		if (r == 0)
			r = cli_print(err, "%-12s %s\n", "label", text);
	}
	if (r == 0 && app)
		r = cli_print(err, "app %s\n", app);
	return r;
}

static int show_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct show_options o = { 0 };
	struct cli_set set = { show_options, &o };
	json_t *info = NULL, *manifest;
	_free_ char *text = NULL;
	size_t len;
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r == 0)
		r = load(cli, args->argv[0], &info, &text, &len, err);
	if (r != 0)
		return r;
	manifest = json_loadb(text, len, 0, NULL);
	if (!manifest)
		r = error_set(err, -EBADMSG, "the manifest of %s in the store is damaged.",
			      args->argv[0]);
	else if (o.json)
		r = json_object_set(info, "manifest", manifest) < 0
			    ? error_set(err, -ENOMEM, "%s", args->argv[0])
			    : cli_put_json(json_incref(info), err);
	else
		r = print_text(info, manifest, err);
	json_decref(manifest);
	json_decref(info);
	return r;
}

static int cat_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct cli_set set = { no_options, NULL };
	_free_ char *text = NULL;
	json_t *info = NULL;
	size_t len;
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r == 0)
		r = load(cli, args->argv[0], &info, &text, &len, err);
	json_decref(info);
	return r ? r : cli_put(text, len, err);
}

const struct cli_verb verb_image_show = {
	.name = "show",
	.operands = "IMAGE",
	.summary = "Tell what is known of an image",
	.tables = { { show_options } },
	.complete = CLI_COMPLETE_IMAGE,
	.run = show_run,
};

const struct cli_verb verb_image_cat_manifest = {
	.name = "cat-manifest",
	.operands = "IMAGE",
	.summary = "Print an image's manifest, byte for byte",
	.complete = CLI_COMPLETE_IMAGE,
	.run = cat_run,
};
