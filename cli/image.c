#include "cli/image.h"

#include <jansson.h>
#include <string.h>

#include "cli/verbs.h"

int image_store_open(const struct cli *cli, struct store **ret, struct error *err)
{
	char path[LIMIT_PATH_BYTES];
	int r;

	snprintf(path, sizeof(path), "%s/store", cli->dirs.root);
	r = store_open(ret, path, false, err);
	if (r != -ENOENT)
		return r;
	error_set(err, r, "there is no image in %s.", cli->dirs.root);
	return CLI_MISSING;
}

/* The labels of NAME[:VERSION][,LABEL=VALUE]..., in the store's words; text is taken apart. */
static int labels_of(char *text, struct buf *labels)
{
	char *more = strchr(text, ','), *version, *word;
	int r = 0;

	if (more)
		*more++ = '\0';
	version = strchr(text, ':');
	if (version) {
		*version++ = '\0';
		r = store_label_add(labels, "version", version);
	}
	while (r == 0 && (word = strsep(&more, ",")) != NULL) {
		char *value = strchr(word, '=');

		if (!value)
			return -EINVAL;
		*value++ = '\0';
		r = store_label_add(labels, word, value);
	}
	return r;
}

static int find_by_name(struct store *store, const char *word, char ret_id[STORE_ID_TEXT],
			struct error *err)
{
	_buf_ struct buf labels = BUF_INIT(LIMIT_ARG_BYTES);
	_free_ char *text = strdup(word);
	int r = text ? labels_of(text, &labels) : -ENOMEM;

	if (r == -ENOMEM)
		return error_set(err, r, "%s", word);
	if (r < 0 || !appc_is_identifier(text))
		return STORE_MISSING;
	return store_find_name(store, text, labels.data ? labels.data : "", ret_id, err);
}

int image_find(struct store *store, const char *word, char ret_id[STORE_ID_TEXT], struct error *err)
{
	int r = store_find_id(store, word, ret_id, err);

	if (r == STORE_MISSING)
		r = find_by_name(store, word, ret_id, err);
	if (r == STORE_AMBIGUOUS)
		return CLI_AMBIGUOUS;
	if (r != STORE_MISSING)
		return r;
	error_set(err, -ENOENT, "there is no image %s.", word);
	return CLI_MISSING;
}

/* %XX back to bytes, in place (store_label_add() made them). */
static void label_decode(char *s)
{
	char *out = s;

	while (*s) {
		unsigned byte;

		if (*s == '%' && s[1] && s[2] && sscanf(s + 1, "%2x", &byte) == 1 && byte) {
			*out++ = (char)byte;
			s += 3;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

struct json_t *image_info_json(struct store *store, const struct store_info *info)
{
	json_t *labels = json_object();
	_free_ char *copy = strdup(info->labels ? info->labels : "");
	char *rest = copy, *word, imported[TIME_TEXT], used[TIME_TEXT];

	if (!labels || !copy) {
		json_decref(labels);
		return NULL;
	}
	while ((word = strsep(&rest, ",")) != NULL) {
		char *value = strchr(word, '=');

		if (!value)
			continue;
		*value++ = '\0';
		label_decode(value);
		json_object_set_new(labels, word, json_string(value));
	}
	time_format(imported, info->imported_ns);
	time_format(used, store_last_used(store, info));
	return json_pack("{s:s, s:s?, s:o, s:O?, s:I, s:I, s:s, s:s, s:s?, s:b}", "id", info->id,
			 "name", info->name, "labels", labels, "version",
			 json_object_get(labels, "version"), "size", (json_int_t)info->size,
			 "archiveSize", (json_int_t)info->archive_size, "imported", imported,
			 "lastUsed", used, "source", info->source, "pinned",
			 store_is_pinned(store, info->id));
}

int image_put_faults(const char *file, const struct appc_faults *faults, int fd)
{
	for (size_t i = 0; i < faults->n; i++) {
		const struct appc_fault *f = &faults->list[i];
		_free_ char *raw = str_printf("%s: %s%s%s%s", file, f->warning ? "warning: " : "",
					      f->path, *f->path ? ": " : "", f->text);
		size_t room = raw ? 4 * strlen(raw) + 2 : 0;
		_free_ char *line = raw ? malloc(room) : NULL;
		int r;

		if (!line)
			return -ENOMEM;
		str_escape(line, room - 1, raw);
		memcpy(line + strlen(line), "\n", 2);
		r = write_all(fd, line, strlen(line));
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct cli_verb *const image_verbs[] = {
	&verb_image_import, &verb_image_list,   &verb_image_show,   &verb_image_cat_manifest,
	&verb_image_rm,     &verb_image_pin,    &verb_image_unpin,  &verb_image_gc,
	&verb_image_check,  &verb_image_export, &verb_image_build,  &verb_image_extract,
	&verb_image_render, &verb_image_sign,   &verb_image_verify, NULL,
};

const struct cli_verb verb_image = {
	.name = "image",
	.summary =
		"Bring images into the store, look at them, keep, check and remove them, make them",
	.verbs = image_verbs,
};
