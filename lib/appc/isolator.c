/*
 * Lists of isolators: the form {name, value}, which may stand where and how often, and which
 * exclude each other. What a value may be is isolator_values.c's matter.
 */
#include "appc/document.h"

const enum appc_scope appc_scope_app = APPC_SCOPE_APP, appc_scope_pod = APPC_SCOPE_POD;

/* No two of these in one list. */
static const enum appc_isolator_kind exclusive[][2] = {
	{ APPC_ISOLATOR_CAPS_RETAIN, APPC_ISOLATOR_CAPS_REMOVE },
	{ APPC_ISOLATOR_SECCOMP_RETAIN, APPC_ISOLATOR_SECCOMP_REMOVE },
};

struct form {
	char *name;
	json_t *value; /* borrowed */
};

static void keep_value(struct json_reader *r _unused_, json_t *value, void *member,
		       const void *arg _unused_)
{
	*(json_t **)member = value;
}

static const struct json_field form_fields[] = {
	{ "name", JSON_KIND_STRING, appc_read_text, offsetof(struct form, name), JSON_REQUIRED,
	  &appc_rule_identifier },
	{ "value", JSON_KIND_ANY, keep_value, offsetof(struct form, value), JSON_REQUIRED },
	{ NULL },
};

static void read_value(struct json_reader *r, json_t *value, struct appc_isolator *iso,
		       const struct appc_isolator_type *type)
{
	struct json_place place;

	json_enter_key(r, &place, "value");
	if (!type) {
		if (json_write_text(value, &iso->value) < 0)
			json_no_memory(r);
	} else if (json_check_kind(r, value, type->form->value)) {
		type->form->read(r, value, iso, type);
	}
	json_leave(r);
}

static void read_isolator(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	enum appc_scope scope = *(const enum appc_scope *)arg;
	const struct appc_isolator_type *type;
	struct appc_isolator *iso = member;
	struct form form = { 0 };

	iso->request_milli = iso->limit_milli = -1;
	json_read_object(r, value, form_fields, &form);
	iso->name = form.name;
	if (!form.name)
		return;
	type = appc_isolator_type(form.name);
	if (!type)
		json_warning_at(r, "name", "\"%.64s\" is not known here: it will be ignored",
				form.name);
	else if (!(type->scope & scope))
		json_warning_at(r, "name", "\"%.64s\" will be ignored: it is for %s", form.name,
				scope == APPC_SCOPE_POD ? "apps, not pods" : "pods, not apps");
	iso->kind = type ? type->kind : APPC_ISOLATOR_UNKNOWN;
	if (form.value)
		read_value(r, form.value, iso, type);
}

/* Index of the first isolator of that kind; n when there is none. */
static size_t first_of(const struct appc_isolators *set, enum appc_isolator_kind kind)
{
	size_t i = 0;

	while (i < set->n && set->list[i].kind != kind)
		i++;
	return i;
}

static void check_set(struct json_reader *r, const struct appc_isolators *set)
{
	struct json_place place;

	for (size_t i = 0; i < set->n; i++) {
		const struct appc_isolator_type *type = appc_isolator_type_of(set->list[i].kind);

		if (!type || !type->once || first_of(set, type->kind) == i)
			continue;
		json_enter_index(r, &place, i);
		json_fault_at(r, "name", "\"%s\" is there already", type->name);
		json_leave(r);
	}
	for (size_t i = 0; i < ARRAY_SIZE(exclusive); i++) {
		size_t a = first_of(set, exclusive[i][0]), b = first_of(set, exclusive[i][1]);

		if (a == set->n || b == set->n)
			continue;
		json_enter_index(r, &place, a > b ? a : b);
		json_fault_at(r, "name", "\"%s\" and \"%s\" exclude each other", set->list[a].name,
			      set->list[b].name);
		json_leave(r);
	}
}

void appc_read_isolators(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	const struct json_list list = {
		JSON_KIND_OBJECT, read_isolator, arg, sizeof(struct appc_isolator),
		APPC_MAX_ENTRIES,
	};

	json_read_list(r, value, member, &list);
	check_set(r, member);
}

const struct appc_isolator *appc_isolator_find(const struct appc_isolators *set,
					       enum appc_isolator_kind kind)
{
	for (size_t i = set->n; i > 0; i--)
		if (set->list[i - 1].kind == kind)
			return &set->list[i - 1];
	return NULL;
}

void appc_isolators_deinit(struct appc_isolators *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct appc_isolator *iso = &set->list[i];

		free(iso->name);
		appc_strings_deinit(&iso->set);
		free(iso->error);
		free(iso->text);
		free(iso->selinux);
		appc_pairs_deinit(&iso->sysctl);
		free(iso->rlimits);
		free(iso->value);
	}
	free(set->list);
}
