#include "cli/volume-plugin/protocol.h"

#include <jansson.h>
#include <string.h>

#define REQUEST(member) offsetof(struct plugin_request, member)

void plugin_request_deinit(struct plugin_request *q)
{
	free(q->name);
	free(q->id);
	free(q->fs);
	free(q->from);
	*q = (struct plugin_request){ 0 };
}

bool plugin_is_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > PLUGIN_NAME_MAX || name[0] == '.')
		return false;
	for (; *name; name++)
		if ((unsigned char)*name < ' ' || *name == 0x7f || *name == '/')
			return false;
	return true;
}

/* ---- values ---------------------------------------------------------------------------------- */

static void read_name(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	const char *name = json_string_value(value);

	if (plugin_is_name(name))
		json_set_text(r, member, name);
	else
		json_fault(r,
			   "is no name for a volume: at most %d bytes, no \"/\", no control "
			   "character, no \".\" in front",
			   PLUGIN_NAME_MAX);
}

static void read_id(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	const char *id = json_string_value(value);

	if (*id && strlen(id) <= PLUGIN_ID_MAX)
		json_set_text(r, member, id);
	else
		json_fault(r, "must have 1 to %d bytes", PLUGIN_ID_MAX);
}

static void read_size(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	const char *text = json_string_value(value);
	uint64_t size;

	if (str_to_size(text, &size) < 0 || size == 0)
		json_fault(r, "is no size: %s; write 512M or 10G", text);
	else
		*(uint64_t *)member = size;
}

static void read_word(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	if (*json_string_value(value))
		json_set_text(r, member, json_string_value(value));
	else
		json_fault(r, "is empty");
}

static const struct json_field option_fields[] = {
	{ "size", JSON_KIND_STRING, read_size, REQUEST(size) },
	{ "fs", JSON_KIND_STRING, read_word, REQUEST(fs) },
	{ "from", JSON_KIND_STRING, read_word, REQUEST(from) },
	{ NULL },
};

/* Nothing asked for is ignored: what is not in the table is refused. */
static void read_options(struct json_reader *r, json_t *value, void *member,
			 _unused_ const void *arg)
{
	const char *key;
	json_t *option;

	json_object_foreach(value, key, option) {
		const struct json_field *f = option_fields;

		while (f->key && !str_eq(f->key, key))
			f++;
		if (!f->key)
			json_fault_at(r, key,
				      "there is no such option; there are size, fs and from");
	}
	/* its members are the request's own */
	json_read_object(r, value, option_fields, member);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Members that a call does not know are not for it: the protocol may grow. */
static const struct {
	unsigned need;
	bool required;
	struct json_field fields[2];
} members[] = {
	{ PLUGIN_NAME, true, { { "Name", JSON_KIND_STRING, read_name, REQUEST(name) } } },
	{ PLUGIN_ID, true, { { "ID", JSON_KIND_STRING, read_id, REQUEST(id) } } },
	{ PLUGIN_OPTIONS, false, { { "Opts", JSON_KIND_OBJECT, read_options, 0 } } },
};

int plugin_request_read(const char *body, size_t len, unsigned needs, struct plugin_request *ret,
			struct error *err)
{
	struct json_reader r = { .report = json_report_error, .arg = err };
	_json_ json_t *root = NULL;

	if (!needs)
		return 0; /* such a call has no body, or says nothing in it */
	if (json_read_text(&r, body, len, PLUGIN_BODY_MAX, &root) == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
			const char *key = members[i].fields[0].key;

			if (!(needs & members[i].need))
				continue;
			json_read_object(&r, root, members[i].fields, ret);
			if (members[i].required && json_is_object(root) &&
			    !json_is_string(json_object_get(root, key)))
				json_fault_at(&r, key, "is missing");
		}
	}
	return json_status(&r);
}
