/*
 * The manifest of an image that is built. What a person wrote as JSON goes in as it is, byte for
 * byte. What has to be made of it (YAML, further dependencies) is written with its keys sorted and
 * without blanks, so that the same content is the same image however it was laid out.
 */
#include <fcntl.h>
#include <jansson.h>
#include <strings.h>
#include <sys/mman.h>

#include "images/internal.h"

static int read_file(const char *path, char **ret, size_t *ret_len, struct error *err)
{
	_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return error_set(err, -errno, "cannot open %s", path);
	r = file_read_fd(fd, LIMIT_MANIFEST_BYTES, ret, ret_len);
	return r < 0 ? error_set(err, r, "cannot read %s", path) : 0;
}

/* JSON manifests are objects. What begins otherwise is YAML if anything. */
static bool is_json(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '{';
}

static int parse(const struct images_recipe *recipe, const char *text, size_t len, json_t **ret,
		 struct error *err)
{
	struct json_reader reader = { .report = json_report_error, .arg = err };
	int r;

	if (is_json(text))
		r = json_read_text(&reader, text, len, LIMIT_MANIFEST_BYTES, ret);
	else if (recipe->read_yaml)
		r = recipe->read_yaml(text, len, ret, err);
	else
		r = error_set(err, -EBADMSG, "it does not begin with { as a JSON object does.");
	return r < 0 ? error_prefix(err, r, "%s", recipe->manifest) : 0;
}

/* ---- dependencies ---------------------------------------------------------------------------- */

static int read_image(const struct images *im, const char *id, struct appc_image **ret,
		      struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_free_ char *text = NULL;
	size_t len;
	int r = store_manifest(im->store, id, &text, &len, err);

	if (r < 0)
		return r;
	r = appc_image_read(ret, text, len, &faults);
	return r < 0 ? images_faults_error(&faults, "its manifest in the store", err) : 0;
}

static json_t *dependency_json(const struct appc_image *image, const char *id)
{
	json_t *labels = json_array();

	for (size_t i = 0; labels && i < image->labels.n; i++)
		json_array_append_new(labels,
				      json_pack("{s:s, s:s}", "name", image->labels.list[i].name,
						"value", image->labels.list[i].value));
	return json_pack("{s:s, s:s, s:o}", "imageName", image->name, "imageID", id, "labels",
			 labels);
}

/* The key may be written in any case; a manifest without one gets it as the specification has
 * it. */
static json_t *dependencies_of(json_t *root)
{
	const char *key;
	json_t *value;

	json_object_foreach(root, key, value) {
		if (strcasecmp(key, "dependencies") == 0 && json_is_array(value))
			return value;
	}
	value = json_array();
	return json_object_set_new(root, "dependencies", value) < 0 ? NULL : value;
}

static int add_dependencies(const struct images *im, const struct images_recipe *recipe,
			    json_t *root, struct error *err)
{
	json_t *list = dependencies_of(root);

	for (size_t i = 0; i < recipe->n_from; i++) {
		_appc_image_ struct appc_image *image = NULL;
		int r = read_image(im, recipe->from[i], &image, err);

		if (r < 0)
			return error_prefix(err, r, "image %s", recipe->from[i]);
		if (!list ||
		    json_array_append_new(list, dependency_json(image, recipe->from[i])) < 0)
			return error_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int make(const struct images *im, const struct images_recipe *recipe, char **text,
		size_t *len, struct error *err)
{
	_json_ json_t *root = NULL;
	int r = parse(recipe, *text, *len, &root, err);

	if (r < 0)
		return r;
	if (!json_is_object(root))
		return error_set(err, -EBADMSG, "%s is no object.", recipe->manifest);
	r = recipe->n_from ? add_dependencies(im, recipe, root, err) : 0;
	if (r < 0)
		return r;
	free(*text);
	*text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	if (!*text)
		return error_set(err, -ENOMEM, "out of memory");
	*len = strlen(*text);
	return *len <= LIMIT_MANIFEST_BYTES
		       ? 0
		       : error_set(err, -EFBIG,
				   "the manifest has more than %d bytes (LIMIT_MANIFEST_BYTES).",
				   LIMIT_MANIFEST_BYTES);
}

static int check(const char *file, const char *text, size_t len, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_appc_image_ struct appc_image *image = NULL;
	int r = appc_image_read(&image, text, len, &faults);

	return r < 0 ? images_faults_error(&faults, file, err) : 0;
}

int images_compose_manifest(const struct images *im, const struct images_recipe *recipe,
			    struct error *err)
{
	_free_ char *text = NULL;
	_close_ int fd = -1;
	size_t len;
	int r = read_file(recipe->manifest, &text, &len, err);

	if (r == 0 && (recipe->n_from || (!is_json(text) && recipe->read_yaml)))
		r = make(im, recipe, &text, &len, err);
	if (r == 0)
		r = check(recipe->manifest, text, len, err);
	if (r < 0)
		return r;
	fd = memfd_create("manifest", MFD_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "cannot make a file in memory");
	r = write_all(fd, text, len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? error_set(err, r, "cannot write the manifest") : take_fd(&fd);
}
