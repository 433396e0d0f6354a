/*
 * `carob image verify`: is what the store has still what its ID says, and would its signature still
 * be accepted today? Keys expire, are revoked, and are trusted no longer.
 */
#include <jansson.h>

#include "cli/image.h"
#include "cli/trust.h"

struct verify_options {
	struct table_options table;
	const char *trust_dir;
};

static const struct cli_option verify_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct verify_options, table.json) },
	{ "no-legend", 0, NULL, "no line of titles", CLI_FLAG,
	  offsetof(struct verify_options, table.no_legend) },
	CLI_TRUST_DIR_OPTION(struct verify_options),
	{ NULL },
};

static const struct table_column verify_columns[] = {
	{ "ID", "id", .format = table_format_id },
	{ "NAME", "name" },
	{ "ARCHIVE", "archive" },
	{ "SIGNATURE", "signature" },
	{ "KEY", "key" },
	{ "RULE", "rule", .format = cli_trust_format_rule },
	{ "USER", "user" },
	{ NULL },
};

static json_t *row_json(const char *id, const struct images_verified *v)
{
	bool good = v->has_signature && v->signature.code == 0;
	const struct trust_verdict *by = good ? &v->verdict : NULL;
	char made[TIME_TEXT] = "";

	if (by)
		time_format(made, by->made_ns);
	return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?}", "id", id, "name", v->name,
			 "archive", v->archive.code ? "bad" : "good", "signature",
			 !v->has_signature ? "none"
			 : good            ? "good"
					   : "bad",
			 "key", by ? by->fingerprint : NULL, "rule", by ? by->prefix : NULL, "user",
			 by ? by->user : NULL, "made", by ? made : NULL);
}

/* Says what is wrong at once; the table comes at the end. 0 or an exit code. */
static int verify_one(const struct images *im, const char *trust_dir, const char *word,
		      json_t *rows, struct error *err)
{
	_cleanup_(images_verified_deinit) struct images_verified v = { 0 };
	char id[STORE_ID_TEXT];
	int result = 0, r = image_find(im->store, word, id, err);

	if (r == 0)
		r = images_verify(im, trust_dir, id, &v, NULL, err);
	if (r != 0)
		return r;
	if (json_array_append_new(rows, row_json(id, &v)) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	if (v.archive.code) {
		error_prefix(&v.archive, v.archive.code, "%s", word);
		result = cli_next_failure(result, CLI_FAILED, &v.archive);
	}
	if (v.signature.code) {
		error_prefix(&v.signature, v.signature.code, "%s", word);
		result = cli_next_failure(result, CLI_FAILED, &v.signature);
	}
	return result;
}

static int verify_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct verify_options o = { 0 };
	struct cli_set set = { verify_options, &o };
	_images_ struct images im = { 0 };
	char dir[LIMIT_PATH_BYTES];
	json_t *rows;
	int result = 0, r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, SIZE_MAX, err);
	if (r == 0)
		r = cli_trust_dir(cli, o.trust_dir, dir, err);
	if (r == 0)
		r = cli_images_open(cli, &im, err);
	if (r != 0)
		return r;
	rows = json_array();
	for (size_t i = 0; i < args->n; i++)
		result = cli_next_failure(result, verify_one(&im, dir, args->argv[i], rows, err),
					  err);
	r = table_print(rows, verify_columns, &o.table, err);
	return r < 0 ? r : result ? CLI_FAILED : 0;
}

const struct cli_verb verb_image_verify = {
	.name = "verify",
	.operands = "IMAGE...",
	.summary = "Check images of the store, and their signatures, once more",
	.tables = { { verify_options } },
	.complete = CLI_COMPLETE_IMAGE,
	.run = verify_run,
};
