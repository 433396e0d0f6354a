/*
 * What the value of each isolator may be (spec/ace.md): one row each, with the function that reads
 * it and the one that writes it back.
 */
#include "appc/document.h"

/* ---- resources ------------------------------------------------------------------------------- */

struct quantities {
	bool is_default;
	int64_t request, limit;
};

static const char quantity_words[] = "must be a quantity such as 1, \"0.5\", \"250m\" or \"2Gi\"";

/* A string or a number. Negative ones pass the reference; here they would read as "no limit". */
static void read_quantity(struct json_reader *r, json_t *value, void *member,
			  const void *arg _unused_)
{
	_free_ char *number = NULL;
	const char *text = json_string_value(value);
	int result;

	if (!text) {
		if (!json_is_number(value)) {
			json_fault(r, "%s", quantity_words);
			return;
		}
		/* jansson's way of writing 0.5 does not depend on the locale */
		number = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		if (!number) {
			json_no_memory(r);
			return;
		}
		text = number;
	}
	result = *text == '-' ? -EINVAL : appc_quantity(text, member);
	if (result == -EINVAL)
		json_fault(r, "\"%.64s\" %s", text, quantity_words);
	if (result == -ERANGE) {
		json_warning(r, "\"%.64s\" is more than can be counted: that much is taken", text);
		*(int64_t *)member = INT64_MAX;
	}
}

#define AT(member) offsetof(struct quantities, member)

static const struct json_field resource_fields[] = {
	{ "default", JSON_KIND_BOOLEAN, json_read_boolean, AT(is_default) },
	{ "request", JSON_KIND_ANY, read_quantity, AT(request) },
	{ "limit", JSON_KIND_ANY, read_quantity, AT(limit) },
	{ NULL },
};

#undef AT

static void read_resource(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	const struct appc_isolator_type *type = arg;
	struct quantities q = { .request = -1, .limit = -1 };
	struct appc_isolator *iso = member;
	bool is_default = type->kind != APPC_ISOLATOR_CPU && type->kind != APPC_ISOLATOR_MEMORY;

	json_read_object(r, value, resource_fields, &q);
	if (q.is_default != is_default)
		json_fault_at(r, "default", "must be %s", is_default ? "true" : "false or absent");
	if (is_default && q.request >= 0)
		json_fault_at(r, "request", "cannot be given: %s has a limit only", type->name);
	iso->request_milli = q.request;
	iso->limit_milli = q.limit;
}

static json_t *quantity(int64_t milli)
{
	return milli % 1000 ? json_sprintf("%lldm", (long long)milli)
			    : json_sprintf("%lld", (long long)milli / 1000);
}

static json_t *write_resource(const struct appc_isolator *iso)
{
	json_t *value = json_object();
	int r = 0;

	if (iso->kind != APPC_ISOLATOR_CPU && iso->kind != APPC_ISOLATOR_MEMORY)
		r |= json_object_set_new(value, "default", json_true());
	if (iso->request_milli >= 0)
		r |= json_object_set_new(value, "request", quantity(iso->request_milli));
	if (iso->limit_milli >= 0)
		r |= json_object_set_new(value, "limit", quantity(iso->limit_milli));
	return appc_written(value, r);
}

/* ---- sets of capabilities and system calls --------------------------------------------------- */

#define AT(member) offsetof(struct appc_isolator, member)

static bool is_errno(const char *s)
{
	return !*s || (*s == 'E' && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == strlen(s));
}

static const struct appc_rule errno_rule = { is_errno, "the name of an error, such as EPERM" };

static const struct json_field set_fields[] = {
	{ "set", JSON_KIND_ARRAY, json_read_list, AT(set), JSON_REQUIRED, &appc_string_list },
	{ NULL },
};

static const struct json_field seccomp_fields[] = {
	{ "set", JSON_KIND_ARRAY, json_read_list, AT(set), JSON_REQUIRED, &appc_string_list },
	{ "errno", JSON_KIND_STRING, appc_read_text, AT(error), 0, &errno_rule },
	{ NULL },
};

static void read_set(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	struct appc_isolator *iso = member;

	json_read_object(r, value, set_fields, iso);
	if (iso->set.list && iso->set.n == 0)
		json_fault_at(r, "set", "must not be empty");
}

/* The wild cards of the specification each belong into one of the two lists; what they or those of
 * other runtimes would mean elsewhere is not defined, so it is refused rather than guessed. */
static void check_wildcards(struct json_reader *r, const struct appc_isolator *iso)
{
	bool retain = iso->kind == APPC_ISOLATOR_SECCOMP_RETAIN;
	const char *mine = retain ? "@appc.io/all" : "@appc.io/empty";
	struct json_place set, entry;

	json_enter_key(r, &set, "set");
	for (size_t i = 0; i < iso->set.n; i++) {
		const char *name = iso->set.list[i];

		if (!name || name[0] != '@' || str_eq(name, mine))
			continue;
		json_enter_index(r, &entry, i);
		json_fault(r, "\"%.64s\" has no meaning in this set; the only wild card here is %s",
			   name, mine);
		json_leave(r);
	}
	json_leave(r);
}

static void read_seccomp(struct json_reader *r, json_t *value, void *member,
			 const void *arg _unused_)
{
	struct appc_isolator *iso = member;

	json_read_object(r, value, seccomp_fields, iso);
	if (iso->set.list && iso->set.n == 0)
		json_fault_at(r, "set", "must not be empty");
	check_wildcards(r, iso);
	if (!iso->error)
		json_set_text(r, &iso->error, "");
}

static json_t *write_set(const struct appc_isolator *iso)
{
	json_t *value = json_object(), *set = json_array();
	int r = 0;

	for (size_t i = 0; i < iso->set.n; i++)
		r |= json_array_append_new(set, json_string(iso->set.list[i]));
	r |= json_object_set_new(value, "set", set);
	if (iso->error && *iso->error)
		r |= json_object_set_new(value, "errno", json_string(iso->error));
	return appc_written(value, r);
}

/* ---- flags and numbers ----------------------------------------------------------------------- */

static void read_flag(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	json_read_boolean(r, value, &((struct appc_isolator *)member)->flag, arg);
}

static json_t *write_flag(const struct appc_isolator *iso)
{
	return json_boolean(iso->flag);
}

static void read_number(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	json_read_s64(r, value, &((struct appc_isolator *)member)->number,
		      &((const struct appc_isolator_type *)arg)->form->range);
}

static json_t *write_number(const struct appc_isolator *iso)
{
	return json_integer(iso->number);
}

static void read_pids(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	const struct appc_isolator_type *type = arg;
	const struct json_field fields[] = {
		{ "limit", JSON_KIND_INTEGER, json_read_s64, AT(number), JSON_REQUIRED,
		  &type->form->range },
		{ NULL },
	};

	json_read_object(r, value, fields, member);
}

static json_t *write_pids(const struct appc_isolator *iso)
{
	json_t *value = json_object();

	return appc_written(value, json_object_set_new(value, "limit", json_integer(iso->number)));
}

/* ---- labels of security modules -------------------------------------------------------------- */

static const struct json_field apparmor_fields[] = {
	{ "profile", JSON_KIND_STRING, appc_read_text, AT(text), JSON_REQUIRED,
	  &appc_rule_not_empty },
	{ NULL },
};

static void read_apparmor(struct json_reader *r, json_t *value, void *member,
			  const void *arg _unused_)
{
	json_read_object(r, value, apparmor_fields, member);
}

static json_t *write_apparmor(const struct appc_isolator *iso)
{
	json_t *value = json_object();

	return appc_written(value, json_object_set_new(value, "profile", json_string(iso->text)));
}

#undef AT

struct context {
	char *user, *role, *type, *level;
};

#define AT(member) offsetof(struct context, member)

static bool is_context_part(const char *s)
{
	return *s && !strchr(s, ':');
}

static const struct appc_rule part_rule = { is_context_part, "a string without \":\", not empty" };

static const struct json_field context_fields[] = {
	{ "user", JSON_KIND_STRING, appc_read_text, AT(user), JSON_REQUIRED, &part_rule },
	{ "role", JSON_KIND_STRING, appc_read_text, AT(role), JSON_REQUIRED, &part_rule },
	{ "type", JSON_KIND_STRING, appc_read_text, AT(type), JSON_REQUIRED, &part_rule },
	{ "level", JSON_KIND_STRING, appc_read_text, AT(level), JSON_REQUIRED,
	  &appc_rule_not_empty },
	{ NULL },
};

#undef AT

static void read_selinux(struct json_reader *r, json_t *value, void *member,
			 const void *arg _unused_)
{
	struct appc_isolator *iso = member;
	struct context c = { 0 };

	json_read_object(r, value, context_fields, &c);
	if (c.user && c.role && c.type && c.level) {
		iso->selinux = str_printf("%s:%s:%s:%s", c.user, c.role, c.type, c.level);
		if (!iso->selinux)
			json_no_memory(r);
	}
	free(c.user);
	free(c.role);
	free(c.type);
	free(c.level);
}

static json_t *write_selinux(const struct appc_isolator *iso)
{
	static const char *const keys[] = { "user", "role", "type" };
	json_t *value = json_object();
	const char *part = iso->selinux;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t len = strcspn(part, ":");

		r |= json_object_set_new(value, keys[i], json_stringn(part, len));
		part += len + (part[len] == ':');
	}
	r |= json_object_set_new(value, "level", json_string(part));
	return appc_written(value, r);
}

/* ---- kernel parameters ----------------------------------------------------------------------- */

static void read_sysctl(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	appc_read_map(r, value, &((struct appc_isolator *)member)->sysctl, arg);
}

static json_t *write_sysctl(const struct appc_isolator *iso)
{
	return appc_write_map(&iso->sysctl);
}

/* ---- the table ------------------------------------------------------------------------------- */

enum {
	RESOURCE,
	CAPABILITIES,
	SECCOMP,
	SELINUX,
	APPARMOR,
	SYSCTL,
	FLAG,
	SCORE,
	SHARES,
	PIDS,
	RLIMITS,
};

static const struct appc_isolator_form forms[] = {
	[RESOURCE] = { JSON_KIND_OBJECT, read_resource, write_resource },
	[CAPABILITIES] = { JSON_KIND_OBJECT, read_set, write_set },
	[SECCOMP] = { JSON_KIND_OBJECT, read_seccomp, write_set },
	[SELINUX] = { JSON_KIND_OBJECT, read_selinux, write_selinux },
	[APPARMOR] = { JSON_KIND_OBJECT, read_apparmor, write_apparmor },
	[SYSCTL] = { JSON_KIND_OBJECT, read_sysctl, write_sysctl },
	[FLAG] = { JSON_KIND_BOOLEAN, read_flag, write_flag },
	[SCORE] = { JSON_KIND_INTEGER, read_number, write_number, { -1000, 1000 } },
	[SHARES] = { JSON_KIND_INTEGER, read_number, write_number, { 2, 262144 } },
	[PIDS] = { JSON_KIND_OBJECT, read_pids, write_pids, { 1, INT32_MAX } },
	[RLIMITS] = { JSON_KIND_OBJECT, appc_read_rlimits, appc_write_rlimits },
};

enum { APP = APPC_SCOPE_APP, POD = APPC_SCOPE_POD, BOTH = APP | POD };
enum { MANY = false, ONCE = true };

static const struct appc_isolator_type types[] = {
	{ "resource/cpu", APPC_ISOLATOR_CPU, BOTH, MANY, &forms[RESOURCE] },
	{ "resource/memory", APPC_ISOLATOR_MEMORY, BOTH, MANY, &forms[RESOURCE] },
	{ "resource/block-bandwidth", APPC_ISOLATOR_BLOCK_BANDWIDTH, BOTH, MANY, &forms[RESOURCE] },
	{ "resource/block-iops", APPC_ISOLATOR_BLOCK_IOPS, BOTH, MANY, &forms[RESOURCE] },
	{ "resource/network-bandwidth", APPC_ISOLATOR_NETWORK_BANDWIDTH, BOTH, MANY,
	  &forms[RESOURCE] },
	{ "os/linux/capabilities-retain-set", APPC_ISOLATOR_CAPS_RETAIN, APP, MANY,
	  &forms[CAPABILITIES] },
	{ "os/linux/capabilities-remove-set", APPC_ISOLATOR_CAPS_REMOVE, APP, MANY,
	  &forms[CAPABILITIES] },
	{ "os/linux/no-new-privileges", APPC_ISOLATOR_NO_NEW_PRIVS, APP, MANY, &forms[FLAG] },
	{ "os/linux/seccomp-retain-set", APPC_ISOLATOR_SECCOMP_RETAIN, APP, ONCE, &forms[SECCOMP] },
	{ "os/linux/seccomp-remove-set", APPC_ISOLATOR_SECCOMP_REMOVE, APP, ONCE, &forms[SECCOMP] },
	{ "os/linux/selinux-context", APPC_ISOLATOR_SELINUX, BOTH, ONCE, &forms[SELINUX] },
	{ "os/linux/apparmor-profile", APPC_ISOLATOR_APPARMOR, BOTH, ONCE, &forms[APPARMOR] },
	{ "os/unix/sysctl", APPC_ISOLATOR_SYSCTL, POD, ONCE, &forms[SYSCTL] },
	{ "os/linux/oom-score-adj", APPC_ISOLATOR_OOM_SCORE_ADJ, APP, ONCE, &forms[SCORE] },
	{ "os/linux/cpu-shares", APPC_ISOLATOR_CPU_SHARES, APP, ONCE, &forms[SHARES] },
	{ "carob/pids", APPC_ISOLATOR_PIDS, BOTH, ONCE, &forms[PIDS] },
	{ "carob/rlimits", APPC_ISOLATOR_RLIMITS, APP, ONCE, &forms[RLIMITS] },
};

const struct appc_isolator_type *appc_isolator_type(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_eq(name, types[i].name))
			return &types[i];
	return NULL;
}

const struct appc_isolator_type *appc_isolator_type_of(enum appc_isolator_kind kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (kind == types[i].kind)
			return &types[i];
	return NULL;
}
