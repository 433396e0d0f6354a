/* Volumes: what may be said depends on the kind, so all is read first and judged then. */
#include "appc/document.h"

/* What the document says; -1 and NULL when it does not. */
struct draft {
	char *name, *kind, *source, *mode;
	int64_t uid, gid;
	bool read_only;
	bool recursive, has_recursive;
};

#define AT(member) offsetof(struct draft, member)

static const struct json_range id_range = { 0, (int64_t)UINT32_MAX - 1 };

static void read_recursive(struct json_reader *r _unused_, json_t *value, void *member,
			   const void *arg _unused_)
{
	struct draft *draft = member;

	draft->recursive = json_is_true(value);
	draft->has_recursive = true;
}

static const struct json_field fields[] = {
	{ "name", JSON_KIND_STRING, appc_read_text, AT(name), JSON_REQUIRED, &appc_rule_name },
	{ "kind", JSON_KIND_STRING, json_read_string, AT(kind), JSON_REQUIRED },
	{ "source", JSON_KIND_STRING, json_read_string, AT(source) },
	{ "mode", JSON_KIND_STRING, json_read_string, AT(mode) },
	{ "uid", JSON_KIND_INTEGER, json_read_s64, AT(uid), 0, &id_range },
	{ "gid", JSON_KIND_INTEGER, json_read_s64, AT(gid), 0, &id_range },
	{ "readOnly", JSON_KIND_BOOLEAN, json_read_boolean, AT(read_only) },
	{ "recursive", JSON_KIND_BOOLEAN, read_recursive },
	{ NULL },
};

/* One to five octal digits, at most 07777. */
static bool parse_mode(const char *s, mode_t *ret)
{
	size_t len = strlen(s);
	mode_t mode = 0;

	if (len == 0 || len > 5 || strspn(s, "01234567") != len)
		return false;
	for (; *s; s++)
		mode = mode * 8 + (mode_t)(*s - '0');
	*ret = mode;
	return mode <= 07777;
}

static void check_empty(struct json_reader *r, const struct draft *draft,
			struct appc_volume *volume)
{
	volume->kind = APPC_VOLUME_EMPTY;
	volume->mode = 0755;
	volume->uid = draft->uid < 0 ? 0 : (uid_t)draft->uid;
	volume->gid = draft->gid < 0 ? 0 : (gid_t)draft->gid;
	if (draft->mode && !parse_mode(draft->mode, &volume->mode))
		json_fault_at(r, "mode", "\"%.64s\" must be an octal number of at most 7777",
			      draft->mode);
	if (draft->source && *draft->source)
		json_fault_at(r, "source", "is for host volumes: this one is empty");
}

static void check_host(struct json_reader *r, struct draft *draft, struct appc_volume *volume)
{
	volume->kind = APPC_VOLUME_HOST;
	if (!draft->source)
		json_fault_at(r, "source", "is missing: a host volume has one");
	else if (!appc_is_absolute_path(draft->source))
		json_fault_at(r, "source", "\"%.64s\" must be %s", draft->source,
			      appc_rule_absolute_path.what);
	if (draft->mode)
		json_fault_at(r, "mode", "is for empty volumes: this one is the host's");
	if (draft->uid >= 0)
		json_fault_at(r, "uid", "is for empty volumes: this one is the host's");
	if (draft->gid >= 0)
		json_fault_at(r, "gid", "is for empty volumes: this one is the host's");
	volume->source = take_ptr(&draft->source);
}

void appc_read_volume(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	struct draft draft = { .uid = -1, .gid = -1 };
	struct appc_volume *volume = member;

	json_read_object(r, value, fields, &draft);
	volume->name = take_ptr(&draft.name);
	volume->read_only = draft.read_only;
	volume->recursive = draft.has_recursive ? draft.recursive : -1;
	if (draft.kind && str_eq(draft.kind, "empty"))
		check_empty(r, &draft, volume);
	else if (draft.kind && str_eq(draft.kind, "host"))
		check_host(r, &draft, volume);
	else if (draft.kind)
		json_fault_at(r, "kind", "\"%.64s\" must be \"empty\" or \"host\"", draft.kind);
	free(draft.kind);
	free(draft.source);
	free(draft.mode);
}

void appc_read_app_volume(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	struct appc_volume *volume = calloc(1, sizeof(*volume));

	if (!volume) {
		json_no_memory(r);
		return;
	}
	*(struct appc_volume **)member = volume;
	appc_read_volume(r, value, volume, arg);
}

void appc_volume_deinit(struct appc_volume *volume)
{
	free(volume->name);
	free(volume->source);
	free(volume->named);
}
