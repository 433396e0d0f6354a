/* `moctl MOSAIC info`, `moctl MOSAIC features`: what the mosaic is, and what it can do. */
#include <jansson.h>

#include "cli/moctl/verbs.h"
#include "cli/table.h"

static const struct {
	uint32_t bit;
	const char *text;
} meanings[] = {
	{ MOSAIC_CLONE, "clones share data with what they come from" },
	{ MOSAIC_SNAPSHOT, "so do snapshots" },
	{ MOSAIC_RAW, "volumes without a file system" },
	{ MOSAIC_DEVICE, "volumes as block devices" },
	{ MOSAIC_RESIZE_UP, "volumes can grow" },
	{ MOSAIC_RESIZE_DOWN, "volumes can shrink" },
	{ MOSAIC_QUOTA, "a volume's size limits what it holds" },
	{ MOSAIC_SEND, "a stream of its own between two mosaics of this type" },
	{ MOSAIC_SNAPSHOT_SET, "snapshots of several volumes in use are of one instant" },
	{ MOSAIC_SNAPSHOT_LIVE, "volumes in use can be cloned and snapshotted" },
	{ MOSAIC_EXCLUSIVE, "exclusive and shared bytes are told apart" },
};

static json_t *feature_names(const struct mosaic *m)
{
	json_t *list = json_array();

	for (unsigned i = 0; list && mosaic_feature_name(1u << i); i++)
		if (mosaic_features(m) & 1u << i &&
		    json_array_append_new(list, json_string(mosaic_feature_name(1u << i))) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* ---- info ------------------------------------------------------------------------------------ */

struct info_options {
	bool json;
};

static const struct cli_option info_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct info_options, json) },
	{ NULL },
};

static const struct table_column facts[] = {
	{ "type", "type" },
	{ "location", "location" },
	{ "id", "id" },
	{ "volumes", "volumes" },
	{ "total", "total", .format = table_format_size },
	{ "available", "available", .format = table_format_size },
	{ "sizes from", "sizeMin", .format = table_format_size },
	{ "sizes up to", "sizeMax", .format = table_format_size },
	{ "at most", "maxVolumes" },
	{ "snapshots", "maxSnapshots" },
	{ "filesystems", "filesystems" },
	{ "features", "features" },
	{ NULL },
};

static int count(_unused_ const struct mosaic_volume *v, void *arg)
{
	++*(json_int_t *)arg;
	return 0;
}

/* Limits that are not there are null. */
static json_t *number(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

static json_t *describe(const struct mosaic *m, const struct mosaic_limits *l, json_int_t volumes)
{
	const char *id = mosaic_id(m);
	json_t *filesystems = json_array();

	for (const char *const *fs = l->filesystems; filesystems && fs && *fs; fs++)
		if (json_array_append_new(filesystems, json_string(*fs)) < 0)
			return NULL;
	return json_pack("{s:s, s:o, s:s?, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "type",
			 mosaic_type(m), "location", moctl_text(mosaic_location(m)), "id",
			 *id ? id : NULL, "volumes", volumes, "total", (json_int_t)l->total,
			 "available", (json_int_t)l->available, "sizeMin", number(l->size_min),
			 "sizeMax", number(l->size_max), "maxVolumes", number(l->max_volumes),
			 "maxSnapshots", number(l->max_snapshots), "filesystems", filesystems,
			 "features", feature_names(m));
}

static int info_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct info_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	_json_ json_t *row = NULL;
	struct mosaic_limits limits;
	json_int_t volumes = 0;
	int r = moctl_parse(&(struct moctl_syntax){ info_options, 0, 0 }, &o, args, err);

	if (r == 0)
		r = moctl_open(c, &m, err);
	if (r == 0)
		r = mosaic_limits(m, &limits, err);
	if (r == 0)
		r = mosaic_each(m, count, &volumes, err);
	if (r != 0)
		return r;
	row = describe(m, &limits, volumes);
	if (!row || o.json)
		return cli_put_json(take_ptr(&row), err);
	return table_print_record(row, facts, err);
}

const struct moctl_verb moctl_verb_info = {
	.name = "info",
	.summary = "Tell what the mosaic is: type, place, room, limits, features",
	.tables = { { info_options } },
	.run = info_run,
};

/* ---- features -------------------------------------------------------------------------------- */

static const struct cli_option features_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct table_options, json) },
	{ "no-legend", 0, NULL, "no line of titles", CLI_FLAG,
	  offsetof(struct table_options, no_legend) },
	{ NULL },
};

static const struct table_column feature_columns[] = {
	{ "FEATURE", "name" },
	{ "HERE", "supported" },
	{ "MEANING", "meaning" },
	{ NULL },
};

static const char *meaning_of(uint32_t bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
		if (meanings[i].bit == bit)
			return meanings[i].text;
	return NULL;
}

static int list_features(const struct mosaic *m, const struct table_options *o, struct error *err)
{
	json_t *rows = json_array();

	for (unsigned i = 0; rows && mosaic_feature_name(1u << i); i++)
		if (json_array_append_new(rows, json_pack("{s:s, s:b, s:s?}", "name",
							  mosaic_feature_name(1u << i), "supported",
							  (mosaic_features(m) & 1u << i) != 0,
							  "meaning", meaning_of(1u << i))) < 0) {
			json_decref(rows);
			rows = NULL;
		}
	return table_print(rows, feature_columns, o, err);
}

/* The bit of that name, or 0. */
static uint32_t bit_of(const char *name)
{
	for (unsigned i = 0; mosaic_feature_name(1u << i); i++)
		if (str_eq(mosaic_feature_name(1u << i), name))
			return 1u << i;
	return 0;
}

static int need_features(const struct mosaic *m, const struct cli_args *args, struct error *err)
{
	for (size_t i = 0; i < args->n; i++)
		if (!(mosaic_features(m) & bit_of(args->argv[i])))
			return error_set(err, -EOPNOTSUPP, "%s, of type %s, does not have %s.",
					 mosaic_location(m), mosaic_type(m), args->argv[i]);
	return 0;
}

static int features_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct table_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	int r = moctl_parse(&(struct moctl_syntax){ features_options, 0, SIZE_MAX }, &o, args, err);

	for (size_t i = 0; r == 0 && i < args->n; i++)
		if (!bit_of(args->argv[i]))
			r = moctl_usage(err, "there is no feature %s.", args->argv[i]);
	if (r == 0)
		r = moctl_open(c, &m, err);
	if (r != 0)
		return r;
	return args->n ? need_features(m, args, err) : list_features(m, &o, err);
}

const struct moctl_verb moctl_verb_features = {
	.name = "features",
	.operands = "[FEATURE...]",
	.summary = "List what the mosaic's driver can do, or ask whether it can do that",
	.tables = { { features_options } },
	.run = features_run,
};
