/*
 * Options that limit an app. Each is written as the isolator it stands for and read by the reader
 * of manifests, so that what may be said on the command line and in a manifest is the same, with
 * the same words when it is wrong.
 */
#include "cli/request.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

/* Adds {"name": name, "value": value}; takes value, NULL means that memory was out. */
static int add(json_t *list, const char *name, json_t *value)
{
	return value && json_array_append_new(list, json_pack("{s:s, s:o}", "name", name, "value",
							      value)) == 0
		       ? 0
		       : -ENOMEM;
}

/* A list of words divided by commas; as capabilities: in capitals, with CAP_ before. */
static json_t *words(const char *text, bool capabilities)
{
	_free_ char *copy = strdup(text);
	char *rest = copy, *word;
	json_t *list = json_array();

	while (copy && (word = strsep(&rest, ",")) != NULL) {
		char name[LIMIT_NAME_BYTES];
		bool prefix = capabilities && strncasecmp(word, "cap_", 4) != 0;

		snprintf(name, sizeof(name), "%s%s", prefix ? "CAP_" : "", word);
		for (char *p = name; capabilities && *p; p++)
			*p = (char)toupper((unsigned char)*p);
		json_array_append_new(list, json_string(name));
	}
	return list;
}

static int add_set(json_t *list, const char *name, const char *text, bool capabilities)
{
	return add(list, name, json_pack("{s:o}", "set", words(text, capabilities)));
}

static int add_limits(json_t *list, const struct app_request *o)
{
	char bytes[32];
	int r = 0;

	snprintf(bytes, sizeof(bytes), "%ju", (uintmax_t)o->memory.value);
	if (o->memory.given)
		r = add(list, "resource/memory", json_pack("{s:s}", "limit", bytes));
	if (r == 0 && o->cpus)
		r = add(list, "resource/cpu", json_pack("{s:s}", "limit", o->cpus));
	if (r == 0 && o->pids.given)
		r = add(list, "carob/pids", json_pack("{s:I}", "limit", (json_int_t)o->pids.value));
	return r;
}

static int add_rights(json_t *list, const struct app_request *o, struct error *err)
{
	const char *names = o->seccomp ? strchr(o->seccomp, ':') : NULL;
	int r = 0;

	if (o->cap_retain)
		r = add_set(list, "os/linux/capabilities-retain-set", o->cap_retain, true);
	if (r == 0 && o->cap_remove)
		r = add_set(list, "os/linux/capabilities-remove-set", o->cap_remove, true);
	if (r == 0 && o->no_new_privileges)
		r = add(list, "os/linux/no-new-privileges", json_true());
	if (r < 0 || !o->seccomp)
		return r;
	if (names && str_starts(o->seccomp, "retain:"))
		return add_set(list, "os/linux/seccomp-retain-set", names + 1, false);
	if (names && str_starts(o->seccomp, "remove:"))
		return add_set(list, "os/linux/seccomp-remove-set", names + 1, false);
	error_set(err, -EINVAL, "--seccomp %s is neither retain:NAME,... nor remove:NAME,....",
		  o->seccomp);
	return CLI_USAGE;
}

/* A number, or a word such as "unlimited", which the reader judges. */
static json_t *rlimit_value(const char *text)
{
	uint64_t value;

	return str_to_u64(text, INT64_MAX, &value) == 0 ? json_integer((json_int_t)value)
							: json_string(text);
}

/* NAME=SOFT[:HARD]... become one isolator. */
static int add_rlimits(json_t *list, const struct app_request *o, struct error *err)
{
	json_t *all = o->rlimits.n ? json_object() : NULL;

	for (size_t i = 0; i < o->rlimits.n; i++) {
		_free_ char *text = strdup(o->rlimits.items[i]);
		char *soft = text ? strchr(text, '=') : NULL, *hard;

		if (!soft) {
			json_decref(all);
			error_set(err, -EINVAL, "--rlimit %s is no NAME=SOFT[:HARD].",
				  o->rlimits.items[i]);
			return CLI_USAGE;
		}
		*soft++ = '\0';
		hard = strchr(soft, ':');
		if (hard)
			*hard++ = '\0';
		json_object_set_new(all, text,
				    json_pack("[o, o]", rlimit_value(soft),
					      rlimit_value(hard ? hard : soft)));
	}
	return all ? add(list, "carob/rlimits", all) : 0;
}

static int add_written(json_t *list, const char *text, struct error *err)
{
	const char *value = strchr(text, '=');
	_free_ char *name = value ? strndup(text, (size_t)(value - text)) : NULL;
	json_t *json = name ? json_loads(value + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL)
			    : NULL;

	if (!json) {
		error_set(err, -EINVAL, "--isolator %s is no NAME=JSON.", text);
		return CLI_USAGE;
	}
	return add(list, name, json);
}

static int collect(json_t *list, const struct app_request *o, struct error *err)
{
	int r = add_limits(list, o);

	if (r == 0)
		r = add_rights(list, o, err);
	if (r == 0)
		r = add_rlimits(list, o, err);
	for (size_t i = 0; r == 0 && i < o->isolators.n; i++)
		r = add_written(list, o->isolators.items[i], err);
	return r < 0 ? error_set(err, r, "isolators") : r;
}

/* ---- reading, merging ------------------------------------------------------------------------ */

/* The list inside the smallest image manifest around it. */
static int read_list(json_t *list, struct appc_image **ret, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	json_t *root = json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:O}}", "acKind", "ImageManifest",
				 "acVersion", APPC_VERSION, "name", "options", "app", "user", "0",
				 "group", "0", "isolators", list);
	_free_ char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	int r;

	json_decref(root);
	if (!text)
		return error_set(err, -ENOMEM, "isolators");
	r = appc_image_read(ret, text, strlen(text), &faults);
	for (size_t i = 0; r < 0 && i < faults.n; i++) {
		size_t index = 0;
		const char *name;

		if (faults.list[i].warning)
			continue;
		if (sscanf(faults.list[i].path, "app.isolators[%zu]", &index) != 1)
			index = 0;
		name = json_string_value(json_object_get(json_array_get(list, index), "name"));
		error_set(err, -EINVAL, "isolator %s: %s.", name ? name : "", faults.list[i].text);
		return CLI_USAGE;
	}
	return r < 0 ? error_set(err, r, "isolators") : 0;
}

/* Isolators of which an app can have only one, although they have different names. */
static int family(enum appc_isolator_kind kind)
{
	if (kind == APPC_ISOLATOR_CAPS_RETAIN || kind == APPC_ISOLATOR_CAPS_REMOVE)
		return 1;
	return kind == APPC_ISOLATOR_SECCOMP_RETAIN || kind == APPC_ISOLATOR_SECCOMP_REMOVE ? 2 : 0;
}

static bool is_replaced(const struct appc_isolator *old, const struct appc_isolators *by)
{
	for (size_t i = 0; i < by->n; i++)
		if (str_eq(old->name, by->list[i].name) ||
		    (family(old->kind) && family(old->kind) == family(by->list[i].kind)))
			return true;
	return false;
}

/* What is replaced changes places with what comes: `by` ends up with the old ones, to be freed. */
static int merge(struct appc_isolators *set, struct appc_isolators *by)
{
	size_t room = set->n + by->n + 1;
	struct appc_isolators kept = { calloc(room, sizeof(*kept.list)), 0 };
	struct appc_isolators gone = { calloc(room, sizeof(*gone.list)), 0 };

	if (!kept.list || !gone.list) {
		free(kept.list);
		free(gone.list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < set->n; i++) {
		struct appc_isolators *to = is_replaced(&set->list[i], by) ? &gone : &kept;

		to->list[to->n++] = set->list[i];
	}
	for (size_t i = 0; i < by->n; i++)
		kept.list[kept.n++] = by->list[i];
	free(set->list);
	free(by->list);
	*set = kept;
	*by = gone;
	return 0;
}

int isolators_apply(const struct app_request *o, struct appc_isolators *isolators,
		    struct error *err)
{
	_appc_image_ struct appc_image *image = NULL;
	json_t *list = json_array();
	int r = collect(list, o, err);

	if (r == 0 && json_array_size(list) > 0) {
		r = read_list(list, &image, err);
		if (r == 0 && merge(isolators, &image->app->isolators) < 0)
			r = error_set(err, -ENOMEM, "isolators");
	}
	json_decref(list);
	return r;
}
