/*
 * What `docker save` and `podman save` write: an archive with manifest.json, a list of images,
 * each with the paths of its configuration and of its layers. Such an image has no manifest with
 * digests, so one is made from what is there. Names that are digests must be right.
 */
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "images/oci_source.h"

struct texts {
	char **list;
	size_t n;
};

/* One element of manifest.json. */
struct saved {
	char *config;
	struct texts tags, layers;
};

struct saved_list {
	struct saved *list;
	size_t n;
};

struct archive {
	struct oci_files_reference reference;
	struct store_staged unpacked;
	struct saved_list saved;
	const struct saved *image;
	char digests[OCI_LAYERS][OCI_DIGEST_TEXT]; /* of image->layers */
};

/* ---- manifest.json --------------------------------------------------------------------------- */

static const struct json_list layer_list = {
	JSON_KIND_STRING, json_read_string, NULL, sizeof(char *), OCI_LAYERS,
};
static const struct json_list tag_list = {
	JSON_KIND_STRING, json_read_string, NULL, sizeof(char *), OCI_CHOICES,
};

#define AT(member) offsetof(struct saved, member)

static const struct json_field saved_fields[] = {
	{ "Config", JSON_KIND_STRING, json_read_string, AT(config), JSON_REQUIRED },
	{ "RepoTags", JSON_KIND_ARRAY, json_read_list, AT(tags), 0, &tag_list },
	{ "Layers", JSON_KIND_ARRAY, json_read_list, AT(layers), JSON_REQUIRED, &layer_list },
	{ NULL },
};

#undef AT

static const struct json_list saved_list = {
	JSON_KIND_OBJECT, json_read_struct, saved_fields, sizeof(struct saved), OCI_CHOICES,
};

static void texts_deinit(struct texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->list[i]);
	free(t->list);
}

static int read_list(struct archive *a, struct error *err)
{
	struct json_reader r = { .report = json_report_error, .arg = err };
	_oci_document_ struct oci_document doc = { 0 };
	_json_ json_t *root = NULL;
	int status = oci_files_read(a->unpacked.fd, "manifest.json", OCI_DOCUMENT_BYTES, &doc, err);

	if (status < 0)
		return status;
	if (json_read_text(&r, doc.text, doc.len, OCI_DOCUMENT_BYTES, &root) == 0 &&
	    json_check_kind(&r, root, JSON_KIND_ARRAY))
		json_read_list(&r, root, &a->saved, &saved_list);
	status = json_status(&r);
	return status < 0 ? error_prefix(err, status, "manifest.json") : 0;
}

/* "1.2", "app:1.2" and "docker.io/library/app:1.2" can all mean the tag "app:1.2". */
static bool means(const char *pick, const char *tag)
{
	struct oci_reference wanted, is;
	const char *colon = strrchr(tag, ':');

	if (str_eq(pick, tag) || (colon && str_eq(pick, colon + 1)))
		return true;
	return oci_reference_parse(&wanted, pick, NULL) == 0 &&
	       oci_reference_parse(&is, tag, NULL) == 0 && str_eq(wanted.domain, is.domain) &&
	       str_eq(wanted.repository, is.repository) && str_eq(wanted.tag, is.tag);
}

static bool is_picked(const struct saved *image, const char *pick)
{
	for (size_t i = 0; i < image->tags.n; i++)
		if (means(pick, image->tags.list[i]))
			return true;
	return !*pick;
}

static int pick_image(struct archive *a, struct error *err)
{
	const char *pick = a->reference.pick;

	for (size_t i = 0; i < a->saved.n; i++) {
		if (!is_picked(&a->saved.list[i], pick))
			continue;
		if (a->image)
			return error_set(err, -EINVAL,
					 "there are several images that could be meant: say which "
					 "(\"%.100s\", ...).",
					 a->saved.list[i].tags.n ? a->saved.list[i].tags.list[0]
								 : "without a tag");
		a->image = &a->saved.list[i];
	}
	return a->image ? 0 : error_set(err, -ENOENT, "there is no image \"%.100s\" in it.", pick);
}

/* ---- the manifest that it does not have ------------------------------------------------------ */

/* What the file's name says of its digest: blobs/sha256/HEX, HEX.json. "" when nothing. */
static void named_digest(const char *path, char dst[OCI_DIGEST_TEXT])
{
	const char *last = strrchr(path, '/');
	size_t len;

	last = last ? last + 1 : path;
	len = strcspn(last, ".");
	dst[0] = '\0';
	if (len != 2 * SHA256_DIGEST_SIZE ||
	    (!str_starts(path, "blobs/sha256/") && !str_eq(last + len, ".json")))
		return;
	snprintf(dst, OCI_DIGEST_TEXT, "sha256:%.64s", last);
	if (!oci_is_digest(dst))
		dst[0] = '\0';
}

static const char *media_type(int file)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *type;
	} magics[] = {
		{ "\x1f\x8b", 2, "application/vnd.oci.image.layer.v1.tar+gzip" },
		{ "\x28\xb5\x2f\xfd", 4, "application/vnd.oci.image.layer.v1.tar+zstd" },
	};
	char head[4];
	ssize_t n = pread(file, head, sizeof(head), 0);

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (n >= (ssize_t)magics[i].len &&
		    memcmp(head, magics[i].bytes, magics[i].len) == 0)
			return magics[i].type;
	return "application/vnd.oci.image.layer.v1.tar";
}

static int hash_file(int file, char ret[OCI_DIGEST_TEXT], uint64_t *ret_size)
{
	enum { BLOCK = 256 << 10 };
	_free_ char *block = malloc(BLOCK);
	struct oci_hash hash;
	uint64_t size = 0;
	ssize_t n;

	if (!block)
		return -ENOMEM;
	oci_hash_init(&hash, "sha256:");
	while ((n = pread(file, block, BLOCK, (off_t)size)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		oci_hash_add(&hash, block, (size_t)n);
		size += (uint64_t)n;
	}
	oci_hash_end(&hash, ret);
	*ret_size = size;
	return 0;
}

/* A descriptor of the file; NULL and err when there is none. type NULL: that of a layer. */
static json_t *describe(const struct archive *a, const char *path, const char *type,
			char digest[OCI_DIGEST_TEXT], struct error *err)
{
	_close_ int file = oci_files_open(a->unpacked.fd, path, err);
	char named[OCI_DIGEST_TEXT];
	uint64_t size = 0;
	json_t *d;
	int r;

	if (file < 0)
		return NULL;
	r = hash_file(file, digest, &size);
	if (r < 0) {
		error_set(err, r, "cannot read %s in it", path);
		return NULL;
	}
	named_digest(path, named);
	if (*named && !str_eq(named, digest)) {
		error_set(err, -EBADMSG, "%.200s in it has the digest %s.", path, digest);
		return NULL;
	}
	d = json_pack("{s:s, s:s, s:I}", "mediaType", type ? type : media_type(file), "digest",
		      digest, "size", (json_int_t)size);
	if (!d)
		error_set(err, -ENOMEM, "out of memory");
	return d;
}

static json_t *describe_layers(struct archive *a, struct error *err)
{
	_json_ json_t *layers = json_array();

	for (size_t i = 0; i < a->image->layers.n; i++) {
		json_t *d = describe(a, a->image->layers.list[i], NULL, a->digests[i], err);

		if (!d)
			return NULL;
		if (json_array_append_new(layers, d) < 0) {
			error_set(err, -ENOMEM, "out of memory");
			return NULL;
		}
	}
	return take_ptr(&layers);
}

static int top(struct oci_source *s, struct oci_document *ret, struct error *err)
{
	static const char type[] = "application/vnd.oci.image.manifest.v1+json";
	struct archive *a = s->own;
	char digest[OCI_DIGEST_TEXT];
	_json_ json_t *manifest = NULL, *config = NULL, *layers = NULL;

	config = describe(a, a->image->config, "application/vnd.docker.container.image.v1+json",
			  digest, err);
	if (config)
		layers = describe_layers(a, err);
	if (!config || !layers)
		return err && err->code ? err->code : -EBADMSG;
	manifest = json_pack("{s:i, s:s, s:O, s:O}", "schemaVersion", 2, "mediaType", type,
			     "config", config, "layers", layers);
	if (!manifest || json_write_text(manifest, &ret->text) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	ret->len = strlen(ret->text);
	snprintf(ret->media_type, sizeof(ret->media_type), "%s", type);
	return 0;
}

/* The only other document is the configuration. */
static int document(struct oci_source *s, const struct oci_descriptor *d _unused_,
		    struct oci_document *ret, struct error *err)
{
	const struct archive *a = s->own;

	return oci_files_read(a->unpacked.fd, a->image->config, OCI_DOCUMENT_BYTES, ret, err);
}

static int blob(struct oci_source *s, const struct oci_descriptor *d, const char *name,
		const struct images_progress *progress, struct error *err)
{
	const struct archive *a = s->own;
	_close_ int file = -1;
	size_t i = 0;
	int r;

	while (i < a->image->layers.n && !str_eq(a->digests[i], d->digest))
		i++;
	if (i == a->image->layers.n)
		return error_set(err, -ENOENT, "there is no layer %s in it.", d->digest);
	file = oci_files_open(a->unpacked.fd, a->image->layers.list[i], err);
	if (file < 0)
		return file;
	r = oci_files_stage(s, file, true, d, name, err);
	progress->report(progress->arg, s->image->name, d->size, d->size);
	return r;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The tag of the only image, when nobody said another one. */
static void take_version(struct oci_image *image, const struct saved *saved)
{
	const char *colon = saved->tags.n == 1 ? strrchr(saved->tags.list[0], ':') : NULL;

	if (!*image->version && colon && strlen(colon + 1) < sizeof(image->version) &&
	    !strchr(colon, '/'))
		memcpy(image->version, colon + 1, strlen(colon + 1) + 1);
}

static int open_archive(struct oci_source *s, const char *text, struct error *err)
{
	struct archive *a = calloc(1, sizeof(*a));
	_close_ int file = -1;
	int r;

	if (!a)
		return error_set(err, -ENOMEM, "out of memory");
	a->unpacked = (struct store_staged)STORE_STAGED_NONE;
	s->own = a;
	r = oci_files_reference(&a->reference, text, err);
	if (r < 0)
		return r;
	file = oci_archive_open(a->reference.path, err);
	if (file < 0)
		return file;
	r = store_stage(s->net->im->store, &a->unpacked, err);
	if (r == 0)
		r = images_unpack_files(s->net->im, file, a->unpacked.fd, s->progress, err);
	if (r == 0)
		r = read_list(a, err);
	if (r == 0)
		r = pick_image(a, err);
	if (r == 0)
		take_version(s->image, a->image);
	return r;
}

static void close_archive(struct oci_source *s)
{
	struct archive *a = s->own;

	if (!a)
		return;
	for (size_t i = 0; i < a->saved.n; i++) {
		free(a->saved.list[i].config);
		texts_deinit(&a->saved.list[i].tags);
		texts_deinit(&a->saved.list[i].layers);
	}
	free(a->saved.list);
	store_discard(s->net->im->store, &a->unpacked);
	free(a);
	s->own = NULL;
}

const struct oci_source_type docker_archive_source = {
	.prefix = "docker-archive:",
	.name = oci_files_name,
	.open = open_archive,
	.close = close_archive,
	.top = top,
	.document = document,
	.blob = blob,
};
