/*
 * OCI image layouts: a directory with the files oci-layout, index.json and blobs/ALG/HEX; or an
 * archive of one, which is unpacked into a staging directory first.
 *
 * The directory is somebody else's, and may change while it is read: whatever is taken from it is
 * copied first and checked then. What was unpacked is ours, and linked.
 */
#include <fcntl.h>

#include "images/oci_source.h"

enum { BLOB_PATH = 6 + OCI_DIGEST_TEXT }; /* "blobs/" */

struct layout {
	struct oci_files_reference reference;
	struct store_staged unpacked; /* of an archive */
	int dir;
};

/* ---- opening --------------------------------------------------------------------------------- */

static int make_layout(struct oci_source *s, const char *text, struct error *err)
{
	struct layout *l = calloc(1, sizeof(*l));

	if (!l)
		return error_set(err, -ENOMEM, "out of memory");
	*l = (struct layout){ .unpacked = STORE_STAGED_NONE, .dir = -1 };
	s->own = l;
	return oci_files_reference(&l->reference, text, err);
}

static int check_marker(const struct layout *l, struct error *err)
{
	static const struct json_field fields[] = {
		{ "imageLayoutVersion", JSON_KIND_STRING, json_read_string, 0, JSON_REQUIRED },
		{ NULL },
	};
	struct json_reader r = { .report = json_report_error, .arg = err };
	_oci_document_ struct oci_document marker = { 0 };
	_json_ struct json_t *root = NULL;
	_free_ char *version = NULL;
	int status = oci_files_read(l->dir, "oci-layout", 4096, &marker, err);

	if (status < 0)
		return status;
	if (json_read_text(&r, marker.text, marker.len, 4096, &root) == 0)
		json_read_object(&r, root, fields, &version);
	status = json_status(&r);
	if (status < 0)
		return error_prefix(err, status, "oci-layout");
	if (!str_starts(version, "1."))
		return error_set(err, -EBADMSG, "oci-layout: version \"%.32s\" is not known here.",
				 version);
	return 0;
}

static int open_directory(struct oci_source *s, const char *text, struct error *err)
{
	int r = make_layout(s, text, err);
	struct layout *l = s->own;

	if (r < 0)
		return r;
	l->dir = open(l->reference.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir < 0)
		return error_set(err, -errno, "cannot open the directory %s", l->reference.path);
	return check_marker(l, err);
}

static int open_archive(struct oci_source *s, const char *text, struct error *err)
{
	_close_ int archive = -1;
	int r = make_layout(s, text, err);
	struct layout *l = s->own;

	if (r < 0)
		return r;
	archive = oci_archive_open(l->reference.path, err);
	if (archive < 0)
		return archive;
	r = store_stage(s->net->im->store, &l->unpacked, err);
	if (r == 0)
		r = images_unpack_files(s->net->im, archive, l->unpacked.fd, s->progress, err);
	if (r < 0)
		return r;
	l->dir = fcntl(l->unpacked.fd, F_DUPFD_CLOEXEC, 3);
	return l->dir < 0 ? error_set(err, -errno, "cannot read the archive")
			  : check_marker(l, err);
}

static void close_layout(struct oci_source *s)
{
	struct layout *l = s->own;

	if (!l)
		return;
	cleanup_close(&l->dir);
	store_discard(s->net->im->store, &l->unpacked);
	free(l);
	s->own = NULL;
}

/* ---- choosing -------------------------------------------------------------------------------- */

static bool is_picked(const struct oci_choice *c, const char *pick)
{
	if (c->is_attestation)
		return false;
	return !*pick || str_eq(c->ref_name, pick) || str_eq(c->descriptor.digest, pick);
}

/* The names of the images, for people. */
static void list_names(const struct oci_index *i, char *dst, size_t size)
{
	size_t len = 0;

	dst[0] = '\0';
	for (size_t k = 0; k < i->n && len + 1 < size; k++)
		if (*i->choices[k].ref_name && !i->choices[k].is_attestation)
			len += (size_t)snprintf(dst + len, size - len, "%s%.100s", len ? ", " : "",
						i->choices[k].ref_name);
}

static const struct oci_choice *nothing(const struct oci_index *i, const char *pick, bool several,
					struct error *err)
{
	char names[400];

	list_names(i, names, sizeof(names));
	if (several)
		error_set(err, -EINVAL, "there are several images: say which (%s).", names);
	else
		error_set(err, -ENOENT, "there is no image \"%.100s\" in it; there is: %s.", pick,
			  *names ? names : "none with a name");
	return NULL;
}

/* One of index.json: by name or digest, or the only one. Of several with one name the one for this
 * host. */
static const struct oci_choice *pick_choice(const struct oci_index *i, const char *pick,
					    struct error *err)
{
	_free_ struct oci_choice *matching = calloc(i->n + 1, sizeof(*matching));
	struct oci_index sub = { matching, 0 };
	const struct oci_choice *only = NULL, *chosen;
	bool differ = false;

	if (!matching) {
		error_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	for (size_t k = 0; k < i->n; k++) {
		if (!is_picked(&i->choices[k], pick))
			continue;
		differ = differ || (only && !str_eq(only->ref_name, i->choices[k].ref_name));
		only = &i->choices[k];
		sub.choices[sub.n++] = *only;
	}
	if (sub.n == 0 || differ)
		return nothing(i, pick, differ, err);
	if (sub.n == 1)
		return only;
	chosen = oci_index_choose(&sub, appc_host_os(), appc_host_arch(), err);
	for (size_t k = 0; chosen && k < i->n; k++)
		if (i->choices[k].ref_name == chosen->ref_name)
			return &i->choices[k];
	return NULL;
}

static int document(struct oci_source *s, const struct oci_descriptor *d, struct oci_document *ret,
		    struct error *err)
{
	const struct layout *l = s->own;
	char path[BLOB_PATH];

	snprintf(path, sizeof(path), "blobs/%s", d->digest);
	*strchr(path, ':') = '/';
	return oci_files_read(l->dir, path, OCI_DOCUMENT_BYTES, ret, err);
}

/* What the layout calls the image is its version, when nobody said another one. */
static void take_version(struct oci_image *image, const struct oci_choice *choice)
{
	const char *colon = strrchr(choice->ref_name, ':');
	const char *tag = colon ? colon + 1 : choice->ref_name;

	if (!*image->version && strlen(tag) < sizeof(image->version) && !strchr(tag, '/'))
		memcpy(image->version, tag, strlen(tag) + 1);
}

static int top(struct oci_source *s, struct oci_document *ret, struct error *err)
{
	static const char type[] = "application/vnd.oci.image.index.v1+json";
	const struct layout *l = s->own;
	_oci_document_ struct oci_document list = { 0 };
	_oci_index_ struct oci_index index = { 0 };
	const struct oci_choice *choice;
	int r = oci_files_read(l->dir, "index.json", OCI_DOCUMENT_BYTES, &list, err);

	if (r == 0)
		r = oci_document_kind(list.text, list.len, type, err);
	if (r >= 0)
		r = oci_index_read(&index, list.text, list.len, err);
	if (r < 0)
		return error_prefix(err, r, "index.json");
	choice = pick_choice(&index, l->reference.pick, err);
	if (!choice)
		return -ENOENT;
	r = document(s, &choice->descriptor, ret, err);
	if (r < 0)
		return r;
	if (ret->len != choice->descriptor.size)
		return error_set(err, -EBADMSG, "%s has %zu bytes, index.json says %llu.",
				 choice->descriptor.digest, ret->len,
				 (unsigned long long)choice->descriptor.size);
	if (!oci_is_digest(l->reference.pick))
		take_version(s->image, choice);
	snprintf(ret->media_type, sizeof(ret->media_type), "%s", choice->descriptor.media_type);
	memcpy(ret->digest, choice->descriptor.digest, sizeof(ret->digest));
	return 0;
}

static int blob(struct oci_source *s, const struct oci_descriptor *d, const char *name,
		const struct images_progress *progress, struct error *err)
{
	const struct layout *l = s->own;
	_close_ int file = -1;
	char path[BLOB_PATH];
	int r;

	snprintf(path, sizeof(path), "blobs/%s", d->digest);
	*strchr(path, ':') = '/';
	file = oci_files_open(l->dir, path, err);
	if (file < 0)
		return file;
	r = oci_files_stage(s, file, l->unpacked.fd >= 0, d, name, err);
	progress->report(progress->arg, s->image->name, d->size, d->size);
	return r;
}

const struct oci_source_type oci_layout_source = {
	.prefix = "oci:",
	.name = oci_files_name,
	.open = open_directory,
	.close = close_layout,
	.top = top,
	.document = document,
	.blob = blob,
};

const struct oci_source_type oci_archive_source = {
	.prefix = "oci-archive:",
	.name = oci_files_name,
	.open = open_archive,
	.close = close_layout,
	.top = top,
	.document = document,
	.blob = blob,
};
