/* LOCATION/options: what the driver was told when the mosaic was made, and its default_fs, so that
 * the location alone is enough to open it. */
#include <jansson.h>
#include <string.h>

#include "base/base.h"
#include "mosaic/driver.h"

enum { OPTIONS_MAX = 64 << 10 };

static const char default_fs[] = "default_fs";

int mosaic_option_size(const struct mosaic *m, const char *key, uint64_t instead, uint64_t *ret,
		       struct error *err)
{
	const char *value = mosaic_option(m, key);

	if (!value) {
		*ret = instead;
		return 0;
	}
	if (str_to_size(value, ret) < 0)
		return error_set(err, -EINVAL,
				 "option %s of %s: '%s' is no size; sizes are like 512M, 10G.", key,
				 m->location, value);
	return 0;
}

int options_write(struct mosaic *m, struct error *err)
{
	_json_ json_t *root = json_object();
	_free_ char *text = NULL;
	int r;

	for (size_t i = 0; i < m->n_options; i++)
		if (json_object_set_new(root, m->options[i].key, json_string(m->options[i].value)) <
		    0)
			return error_set(err, -EINVAL, "option %s of %s is no text",
					 m->options[i].key, m->location);
	if (m->default_fs && json_object_set_new(root, default_fs, json_string(m->default_fs)) < 0)
		return error_set(err, -ENOMEM, "the options of %s", m->location);
	text = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS);
	if (!text)
		return error_set(err, -ENOMEM, "the options of %s", m->location);
	r = file_write(m->dirfd, "options", text, strlen(text), 0644, FILE_SYNC);
	return r < 0 ? error_set(err, r, "cannot write %s/options", m->location) : 0;
}

/* What a description says now is what holds. */
static int take_option(struct mosaic *m, const char *key, const char *value)
{
	if (str_eq(key, default_fs)) {
		if (!m->default_fs)
			m->default_fs = strdup(value);
		return m->default_fs ? 0 : -ENOMEM;
	}
	return mosaic_option(m, key) ? 0 : mosaic_add_option(m, key, value);
}

int options_read(struct mosaic *m, struct error *err)
{
	struct json_reader reader = { .report = json_report_error, .arg = err };
	_json_ json_t *root = NULL;
	_free_ char *text = NULL;
	const char *key;
	json_t *value;
	size_t len;
	int r;

	r = file_read(m->dirfd, "options", OPTIONS_MAX, &text, &len);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_set(err, r, "cannot read %s/options", m->location);
	r = json_read_text(&reader, text, len, OPTIONS_MAX, &root);
	if (r < 0)
		return error_prefix(err, r, "%s/options", m->location);
	json_object_foreach(root, key, value) {
		if (!json_is_string(value))
			return error_set(err, -EBADMSG, "%s/options: %s: must be a text.",
					 m->location, key);
		if (take_option(m, key, json_string_value(value)) < 0)
			return error_set(err, -ENOMEM, "cannot read %s/options", m->location);
	}
	return 0;
}
