/*
 * The way of every OCI image from its source to the staging directory:
 *
 *	reference -> (index -> platform ->) manifest -> configuration -> layers
 *
 * What the reference names is asked for once; everything behind it goes by the digest in the
 * document before.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "images/oci_source.h"
#include "images/workers.h"

static const struct oci_source_type *const types[] = {
	&oci_registry_source,
	&oci_layout_source,
	&oci_archive_source,
	&docker_archive_source,
};

enum { BLOB_NAME = 5 + OCI_DIGEST_TEXT, BLOCK = 256 << 10, PARALLEL = 2 };

static const struct oci_source_type *find_type(const char *reference)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_starts(reference, types[i]->prefix))
			return types[i];
	return NULL;
}

bool oci_is_reference(const char *reference)
{
	return find_type(reference) != NULL;
}

int oci_store_name(const char *reference, char ret_name[LIMIT_NAME_BYTES + 1],
		   char ret_version[129], struct error *err)
{
	const struct oci_source_type *type = find_type(reference);

	if (!type)
		return error_set(err, -EINVAL, "\"%s\" is no reference to an OCI image.",
				 reference);
	return type->name(reference + strlen(type->prefix), ret_name, ret_version, err);
}

void oci_document_deinit(struct oci_document *d)
{
	free(d->text);
	*d = (struct oci_document){ 0 };
}

void oci_image_deinit(struct oci_image *i)
{
	free(i->manifest_text);
	free(i->config_text);
	oci_manifest_deinit(&i->manifest);
	oci_config_deinit(&i->config);
	i->manifest_text = i->config_text = NULL;
}

/* ---- checking -------------------------------------------------------------------------------- */

int oci_check_blob(int fd, const struct oci_descriptor *d, struct error *err)
{
	_free_ char *block = malloc(BLOCK);
	char is[OCI_DIGEST_TEXT];
	struct oci_hash hash;
	uint64_t size = 0;
	ssize_t n;

	if (!block)
		return error_set(err, -ENOMEM, "out of memory");
	oci_hash_init(&hash, d->digest);
	while ((n = pread(fd, block, BLOCK, (off_t)size)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, -errno, "cannot read the layer %s", d->digest);
		oci_hash_add(&hash, block, (size_t)n);
		size += (uint64_t)n;
	}
	oci_hash_end(&hash, is);
	if (size != d->size)
		return error_set(err, -EBADMSG,
				 "the layer %s has %llu bytes, its manifest says %llu.", d->digest,
				 (unsigned long long)size, (unsigned long long)d->size);
	if (!str_eq(is, d->digest))
		return error_set(err, -EBADMSG, "the layer %s came with the digest %s.", d->digest,
				 is);
	return 0;
}

/* ---- documents ------------------------------------------------------------------------------- */

static int get_document(struct oci_source *s, const struct oci_descriptor *d, const char *what,
			struct oci_document *ret, struct error *err)
{
	_oci_document_ struct oci_document doc = { 0 };
	int r = s->type->document(s, d, &doc, err);

	if (r < 0)
		return error_context(err, r, what, d->digest);
	if (doc.len != d->size)
		return error_set(err, -EBADMSG, "the %s %s has %zu bytes, not %llu.", what,
				 d->digest, doc.len, (unsigned long long)d->size);
	if (!oci_digest_matches(d->digest, doc.text, doc.len))
		return error_set(err, -EBADMSG, "the %s %s has another digest.", what, d->digest);
	memcpy(doc.digest, d->digest, sizeof(doc.digest));
	*ret = doc;
	doc = (struct oci_document){ 0 };
	return 0;
}

/* The manifest for this host from an index. */
static int choose(struct oci_source *s, const struct oci_document *list, struct oci_document *ret,
		  struct error *err)
{
	_oci_index_ struct oci_index index = { 0 };
	const struct oci_choice *choice;
	int r = oci_index_read(&index, list->text, list->len, err);

	if (r < 0)
		return error_prefix(err, r, "the index");
	choice = oci_index_choose(&index, appc_host_os(), appc_host_arch(), err);
	if (!choice)
		return -ENOENT;
	r = get_document(s, &choice->descriptor, "manifest", ret, err);
	if (r < 0)
		return r;
	snprintf(ret->media_type, sizeof(ret->media_type), "%s", choice->descriptor.media_type);
	r = oci_document_kind(ret->text, ret->len, ret->media_type, err);
	if (r == OCI_INDEX)
		return error_set(err, -EBADMSG, "the manifest %s is an index.", ret->digest);
	return r < 0 ? error_prefix(err, r, "the manifest %s", ret->digest) : 0;
}

static int get_manifest(struct oci_source *s, struct oci_document *ret, struct error *err)
{
	_oci_document_ struct oci_document top = { 0 };
	int r = s->type->top(s, &top, err);

	if (r < 0)
		return r;
	if (*top.digest && !oci_digest_matches(top.digest, top.text, top.len))
		return error_set(err, -EBADMSG, "what came is not %s.", top.digest);
	r = oci_document_kind(top.text, top.len, top.media_type, err);
	if (r < 0)
		return error_prefix(err, r, "the manifest");
	if (r == OCI_INDEX)
		return choose(s, &top, ret, err);
	if (!*top.digest)
		oci_digest_of(top.text, top.len, top.digest);
	*ret = top;
	top = (struct oci_document){ 0 };
	return 0;
}

static int get_documents(struct oci_source *s, struct error *err)
{
	_oci_document_ struct oci_document manifest = { 0 }, config = { 0 };
	struct oci_image *i = s->image;
	int r = get_manifest(s, &manifest, err);

	if (r < 0)
		return r;
	r = oci_manifest_read(&i->manifest, manifest.text, manifest.len, err);
	if (r < 0)
		return error_prefix(err, r, "the manifest %s", manifest.digest);
	r = get_document(s, &i->manifest.config, "configuration", &config, err);
	if (r < 0)
		return r;
	r = oci_config_read(&i->config, config.text, config.len, err);
	if (r == 0)
		r = oci_config_fits(&i->config, &i->manifest, err);
	if (r < 0)
		return error_prefix(err, r, "the configuration %s", config.digest);
	memcpy(i->digest, manifest.digest, sizeof(i->digest));
	i->manifest_len = manifest.len;
	i->manifest_text = take_ptr(&manifest.text);
	i->config_len = config.len;
	i->config_text = take_ptr(&config.text);
	return 0;
}

/* ---- layers ---------------------------------------------------------------------------------- */

/* The layers that are to be brought, each once. */
struct bringing {
	struct oci_source *source;
	const struct oci_descriptor *layers[OCI_LAYERS];
	uint64_t done[OCI_LAYERS];
	size_t n;
	uint64_t total;
};

static void blob_name(char dst[BLOB_NAME], const char *digest)
{
	snprintf(dst, BLOB_NAME, "blob.%s", digest);
	*strchr(dst, ':') = '-';
}

void oci_partial_name(char dst[16 + OCI_DIGEST_TEXT], const char *digest)
{
	snprintf(dst, 16 + OCI_DIGEST_TEXT, "oci-blob %s", digest);
}

static bool is_listed(const struct bringing *b, const char *digest)
{
	for (size_t i = 0; i < b->n; i++)
		if (str_eq(b->layers[i]->digest, digest))
			return true;
	return false;
}

/* Takes the layer from an image of the store. STORE_MISSING when none has it whole. */
static int take_stored(const struct oci_source *s, const struct oci_descriptor *d, const char *name,
		       struct error *err)
{
	_close_ int fd = -1;
	int r = store_link_blob(s->net->im->store, name, s->staged, err);

	if (r != 0 || !s->net->policy || !s->net->policy->check_layers)
		return r;
	fd = openat(s->staged->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && oci_check_blob(fd, d, NULL) == 0)
		return 0;
	return unlinkat(s->staged->fd, name, 0) < 0
		       ? error_set(err, -errno, "cannot write to the store")
		       : STORE_MISSING;
}

static int list_layers(struct bringing *b, struct error *err)
{
	const struct oci_manifest *m = &b->source->image->manifest;
	const struct oci_source *s = b->source;

	for (size_t i = 0; i < m->n_layers; i++) {
		char name[BLOB_NAME];
		int r;

		blob_name(name, m->layers[i].digest);
		if (is_listed(b, m->layers[i].digest) ||
		    faccessat(s->staged->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		r = take_stored(s, &m->layers[i], name, err);
		if (r < 0)
			return r;
		if (r == STORE_MISSING) {
			b->layers[b->n++] = &m->layers[i];
			b->total += m->layers[i].size;
		}
	}
	return 0;
}

/* In a worker. */
static int bring(void *arg, size_t index, const struct images_progress *progress,
		 struct buf *result _unused_, struct error *err)
{
	const struct bringing *b = arg;
	const struct oci_descriptor *d = b->layers[index];
	char name[BLOB_NAME];
	int r;

	blob_name(name, d->digest);
	r = b->source->type->blob(b->source, d, name, progress, err);
	return r < 0 ? error_context(err, r, "layer", d->digest) : 0;
}

static void report(void *arg, size_t index, uint64_t done, uint64_t total _unused_)
{
	struct bringing *b = arg;
	const struct images_progress *p = b->source->progress;
	uint64_t sum = 0;

	b->done[index] = done < b->layers[index]->size ? done : b->layers[index]->size;
	for (size_t i = 0; i < b->n; i++)
		sum += b->done[i];
	if (p)
		p->report(p->arg, b->source->image->name, sum, b->total);
}

static int bring_layers(struct oci_source *s, struct error *err)
{
	struct bringing b = { .source = s };
	const struct workers w = {
		.parallel = s->net->config ? s->net->config->parallel : PARALLEL,
		.arg = &b,
		.run = bring,
		.progressed = report,
	};
	struct workers jobs = w;
	int r = list_layers(&b, err);

	jobs.n = b.n;
	return r < 0 ? r : workers_run(&jobs, NULL, err);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int obtain(struct oci_source *s, const char *text, struct error *err)
{
	int r = s->type->name(text, s->image->name, s->image->version, err);

	if (r == 0)
		r = s->type->open(s, text, err);
	if (r == 0)
		r = get_documents(s, err);
	return r < 0 ? r : bring_layers(s, err);
}

int oci_obtain(const struct net *n, const char *reference, struct store_staged *staged,
	       struct oci_image *ret, const struct images_progress *progress, struct error *err)
{
	_oci_image_ struct oci_image image = { 0 };
	struct oci_source s = {
		.type = find_type(reference),
		.net = n,
		.staged = staged,
		.image = &image,
		.progress = progress,
	};
	int r;

	if (!s.type)
		return error_set(err, -EINVAL, "\"%s\" is no reference to an OCI image.",
				 reference);
	if (strlen(reference) >= sizeof(image.source))
		return error_set(err, -ENAMETOOLONG, "the reference has more than %zu bytes.",
				 sizeof(image.source) - 1);
	memcpy(image.source, reference, strlen(reference) + 1);
	r = obtain(&s, reference + strlen(s.type->prefix), err);
	s.type->close(&s);
	if (r < 0)
		return error_context(err, r, "fetch", reference);
	*ret = image;
	image = (struct oci_image){ 0 };
	return 0;
}

void oci_obtained(const struct net *n, const struct oci_image *image)
{
	if (find_type(image->source) != &oci_registry_source)
		return;
	for (size_t i = 0; i < image->manifest.n_layers; i++) {
		struct store_partial partial = STORE_PARTIAL_NONE;
		char name[16 + OCI_DIGEST_TEXT];

		oci_partial_name(name, image->manifest.layers[i].digest);
		if (store_partial_open(n->im->store, name, &partial, NULL) == 0)
			store_partial_remove(n->im->store, &partial);
	}
}
