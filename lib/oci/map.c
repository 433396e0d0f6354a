/* From the documents of an OCI image to the image manifest of appc. */
#include <stdarg.h>

#include "oci/map.h"

void oci_map_warn(struct oci_mapping *m, const char *path, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (appc_warning(m->warnings, path, "%s", text) < 0)
		m->no_memory = true;
}

void oci_map_set(struct oci_mapping *m, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		m->no_memory = true;
}

void oci_map_append(struct oci_mapping *m, json_t *list, json_t *value)
{
	if (json_array_append_new(list, value) < 0)
		m->no_memory = true;
}

void oci_map_pair(struct oci_mapping *m, json_t *list, const char *name, const char *value)
{
	json_t *pair = json_object();

	oci_map_set(m, pair, "name", json_string(name));
	oci_map_set(m, pair, "value", json_string(value));
	oci_map_append(m, list, pair);
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

void oci_identifier(char *dst, size_t max, const char *text)
{
	size_t len = 0;

	for (const char *p = text; *p && len < max; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;

		if (!is_alphanumeric(c) && !strchr("-._~/", c))
			c = '-';
		if (len > 0 || is_alphanumeric(c))
			dst[len++] = c;
	}
	while (len > 0 && !is_alphanumeric(dst[len - 1]))
		len--;
	dst[len] = '\0';
}

/* ---- the manifest ---------------------------------------------------------------------------- */

static json_t *map_labels(struct oci_mapping *m)
{
	const struct oci_config *c = m->config;
	json_t *labels = json_array();

	if (m->naming->version && *m->naming->version)
		oci_map_pair(m, labels, "version", m->naming->version);
	oci_map_pair(m, labels, "os", c->os);
	oci_map_pair(m, labels, "arch", oci_arch_to_appc(c->architecture, c->variant));
	return labels;
}

static json_t *map_image(struct oci_mapping *m)
{
	_json_ json_t *image = json_object(), *app = oci_map_app(m), *annotations = NULL;

	if (app)
		annotations = oci_map_annotations(m);
	if (!image || !app || !annotations)
		return NULL;
	oci_map_set(m, image, "acKind", json_string("ImageManifest"));
	oci_map_set(m, image, "acVersion", json_string(APPC_VERSION));
	oci_map_set(m, image, "name", json_string(m->naming->name));
	oci_map_set(m, image, "labels", map_labels(m));
	oci_map_set(m, image, "app", take_ptr(&app));
	oci_map_set(m, image, "annotations", take_ptr(&annotations));
	return m->no_memory ? NULL : take_ptr(&image);
}

int oci_to_appc(const struct oci_config *config, const struct oci_manifest *manifest,
		const struct oci_naming *naming, char **ret, struct appc_faults *warnings,
		struct error *err)
{
	struct error own = { 0 };
	struct oci_mapping m = { config, manifest, naming, warnings, &own };
	_json_ json_t *image = NULL;
	_free_ char *text = NULL;
	int r = oci_config_fits(config, manifest, err);

	if (r < 0)
		return r;
	image = map_image(&m);
	if (!image && own.code < 0)
		return error_set(err, own.code, "%s", own.text);
	if (!image || json_write_text(image, &text) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	if (strlen(text) > LIMIT_MANIFEST_BYTES)
		return error_set(err, -EBADMSG,
				 "its configuration makes a manifest of more than %d bytes "
				 "(LIMIT_MANIFEST_BYTES).",
				 LIMIT_MANIFEST_BYTES);
	*ret = take_ptr(&text);
	return 0;
}
