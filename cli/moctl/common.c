/* What most verbs begin with. */
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/moctl/interrupted.h"
#include "cli/moctl/moctl.h"

const struct cli_option moctl_no_options[] = { { NULL } };

int moctl_exit_code(int r)
{
	static const struct {
		int error;
		enum moctl_exit code;
	} codes[] = {
		{ ENOENT, MOCTL_MISSING },
		{ ENODATA, MOCTL_MISSING },
		{ EBUSY, MOCTL_BUSY },
		{ EEXIST, MOCTL_EXISTS },
		{ EOPNOTSUPP, MOCTL_UNSUPPORTED },
		{ ENOSPC, MOCTL_NO_SPACE },
		{ EDQUOT, MOCTL_NO_SPACE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (r == -codes[i].error)
			return codes[i].code;
	return r < 0 ? MOCTL_FAILED : r;
}

int moctl_parse(const struct moctl_syntax *syntax, void *target, struct cli_args *args,
		struct error *err)
{
	struct cli_set set = { syntax->options, target };
	int r = cli_parse(&set, 1, args, err);

	return r ? r : cli_want_operands(args, syntax->min, syntax->max, err);
}

bool moctl_is_location(const char *word)
{
	struct stat st;

	if (stat(word, &st) == 0)
		return S_ISDIR(st.st_mode);
	return strchr(word, '/') && !str_ends(word, ".mos");
}

int moctl_open(const struct moctl *c, struct mosaic **ret, struct error *err)
{
	int r;

	if (c->host)
		return c->host->open(c, ret, err);
	r = mosaic_open_named(ret, c->mosaic, 0, err);
	if (r == -ENOENT && moctl_is_location(c->mosaic))
		return error_set(err, r, "there is no mosaic at %s; `moctl %s make` makes one.",
				 c->mosaic, c->mosaic);
	return r;
}

int moctl_open_to_change(const struct moctl *c, struct mosaic **ret, struct error *err)
{
	int r = moctl_open(c, ret, err);

	if (r == 0)
		r = interrupted_begin(c->mosaic, NULL);
	return r < 0 && !err->code ? error_set(err, r, "cannot catch signals") : r;
}

int moctl_need(struct mosaic *m, const char *name, struct error *err)
{
	if (mosaic_have(m, name))
		return 0;
	error_set(err, -ENOENT, "there is no volume %s in %s.", name, mosaic_location(m));
	return MOCTL_MISSING;
}

int moctl_next_failure(int before, int now, struct error *err)
{
	char text[1024];

	if (now == 0)
		return before;
	if (err->code) {
		error_format(err, text, sizeof(text));
		cli_complain("%s", text);
		*err = (struct error){ 0 };
	}
	return before ? before : moctl_exit_code(now);
}

/* ---- of another program ---------------------------------------------------------------------- */

const char *moctl_shown(const struct moctl *c, const char *name)
{
	if (!c->host)
		return name;
	return str_starts(name, c->host->prefix) ? name + strlen(c->host->prefix) : NULL;
}

int moctl_need_unused(const struct moctl *c, const char *name, struct error *err)
{
	_json_ json_t *users = c->host ? c->host->users(c, name, err) : NULL;
	const char *first = json_string_value(json_array_get(users, 0));
	char more[32] = "";

	if (!c->host || (users && !first))
		return 0;
	if (!users)
		return err && err->code ? err->code : -ENOMEM;
	if (json_array_size(users) > 1)
		snprintf(more, sizeof(more), " and %zu more", json_array_size(users) - 1);
	return error_set(err, -EBUSY,
			 "the pod %s%s uses volume %s: stop it (`carob stop %s`), or remove it if "
			 "it was only prepared.",
			 first, more, name, first);
}

int moctl_explain(const struct moctl *c, const struct cli_args *names, int r, struct error *err)
{
	for (size_t i = 0; r == -EBUSY && i < names->n; i++) {
		struct error why = { 0 };

		if (moctl_need_unused(c, names->argv[i], &why) == -EBUSY) {
			*err = why;
			return r;
		}
	}
	return r;
}

/* ---- volumes as JSON ------------------------------------------------------------------------- */

json_t *moctl_text(const char *text)
{
	_free_ char *escaped = NULL;
	json_t *plain = json_string(text);
	size_t size = 4 * strlen(text) + 1;

	if (plain)
		return plain;
	escaped = malloc(size);
	if (!escaped)
		return NULL;
	str_escape(escaped, size, text);
	return json_string(escaped);
}

static json_t *bytes(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

json_t *moctl_volume_json(const struct moctl *c, const struct mosaic_volume *v)
{
	const char *name = moctl_shown(c, v->name), *parent = moctl_shown(c, v->parent);
	char created[TIME_TEXT];

	time_format(created, v->created_ns);
	return json_pack("{s:o, s:o, s:s, s:b, s:b, s:s?, s:o}", "name",
			 moctl_text(name ? name : v->name), "parent",
			 parent && *parent ? moctl_text(parent) : json_null(), "created", created,
			 "readOnly", v->read_only, "raw", v->raw, "fs", v->fs[0] ? v->fs : NULL,
			 "size", bytes(v->size));
}

int moctl_volume_add_usage(struct mosaic *m, const char *name, json_t *row, struct error *err)
{
	struct mosaic_usage usage;
	json_t *more;
	int r = mosaic_usage(m, name, &usage, err);

	if (r < 0)
		return r;
	more = json_pack("{s:I, s:I, s:I}", "used", (json_int_t)usage.used, "exclusive",
			 (json_int_t)usage.exclusive, "shared", (json_int_t)usage.shared);
	r = more ? json_object_update(row, more) : -1;
	json_decref(more);
	return r < 0 ? error_set(err, -ENOMEM, "volume %s", name) : 0;
}

int moctl_volume_add_use(struct mosaic *m, const char *name, json_t *row, struct error *err)
{
	char device[MOSAIC_DEVICE_MAX];
	int used = mosaic_is_used(m, name, err), r = MOSAIC_NO_DEVICE;

	if (used >= 0 && mosaic_features(m) & MOSAIC_DEVICE)
		r = mosaic_get_device(m, name, device, err);
	if (used < 0 || r < 0)
		return used < 0 ? used : r;
	if (json_object_set_new(row, "inUse", json_boolean(used)) < 0 ||
	    json_object_set_new(row, "device",
				r == MOSAIC_NO_DEVICE ? json_null() : json_string(device)) < 0)
		return error_set(err, -ENOMEM, "volume %s", name);
	return 0;
}
