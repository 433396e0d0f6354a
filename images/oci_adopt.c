/*
 * From a reference of an OCI image to an image in the store: its documents and layers are obtained
 * into the staging area, the layers laid into a tree, and what the configuration says becomes the
 * image manifest by which all verbs know it.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "images/oci.h"
#include "images/origin.h"

#define MANIFEST_FILE "oci-manifest"
#define CONFIG_FILE   "oci-config"

struct adopting {
	const struct net *net;
	struct adoption adoption;
	struct oci_image image;
	struct appc_faults faults;
	struct store_info info;
	char *manifest; /* of appc */
};

static void adopting_deinit(struct adopting *a)
{
	adoption_deinit(&a->adoption);
	oci_image_deinit(&a->image);
	appc_faults_deinit(&a->faults);
	free(a->manifest);
}

/* ---- the ID ---------------------------------------------------------------------------------- */

static void image_id(const char *manifest, const struct oci_config *config, char ret[STORE_ID_TEXT])
{
	static const char head[] = "carob oci 1\n";
	unsigned char digest[SHA512_DIGEST_SIZE];
	struct sha512_ctx ctx;

	sha512_init(&ctx);
	sha512_update(&ctx, strlen(head), (const uint8_t *)head);
	sha512_update(&ctx, strlen(manifest), (const uint8_t *)manifest);
	sha512_update(&ctx, 1, (const uint8_t *)"\n");
	for (size_t i = 0; i < config->n_diff_ids; i++) {
		sha512_update(&ctx, strlen(config->diff_ids[i]),
			      (const uint8_t *)config->diff_ids[i]);
		sha512_update(&ctx, 1, (const uint8_t *)"\n");
	}
	sha512_digest(&ctx, sizeof(digest), digest);
	memcpy(ret, "sha512-", 7);
	hex_encode(ret + 7, digest, sizeof(digest));
}

/* ---- without a signature --------------------------------------------------------------------- */

/* An image of a registry has no OpenPGP signature: somebody must have said that it needs none. Who
 * names a layout or an archive has it at hand, as with `carob image import`. */
static int may_be_unsigned(const struct net *n, const char *reference, struct error *err)
{
	static const char scheme[] = "docker://";
	char text[sizeof("https:///") + 2 * sizeof(((struct oci_reference *)0)->repository)];
	struct oci_reference ref;
	struct net_url url;
	int r;

	if (!str_starts(reference, scheme) || !n->policy || !n->config ||
	    n->policy->insecure_signature)
		return 0;
	r = oci_reference_parse(&ref, reference + strlen(scheme), err);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "https://%s/%s", ref.domain, ref.repository);
	r = net_url_parse(&url, text, err);
	if (r < 0)
		return r;
	if (net_list_has(n->config->unsigned_sources, n->config->n_unsigned_sources, url.host,
			 url.port, url.path))
		return 0;
	return error_set(
		err, -EKEYREJECTED,
		"images of registries have no signature that could be checked: --insecure signature takes it without, \"%s/%s\" in unsignedSources of %s always.",
		ref.domain, ref.repository, *n->config->path ? n->config->path : "carob.yaml");
}

/* ---- the store has it ------------------------------------------------------------------------ */

/* Is the newest of that name and version one of the same documents, complete? */
static bool is_there(const struct adopting *a, char ret_id[STORE_ID_TEXT])
{
	const struct images *im = a->adoption.im;
	_buf_ struct buf labels = BUF_INIT(LIMIT_NAME_BYTES * 4);
	_store_info_ struct store_info info = { 0 };
	_free_ char *manifest = NULL;
	char volume[160];
	size_t len = 0;

	if (a->image.version[0] && store_label_add(&labels, "version", a->image.version) < 0)
		return false;
	if (store_find_name(im->store, a->image.name, labels.data ? labels.data : "", ret_id,
			    NULL) != 0 ||
	    store_read(im->store, ret_id, MANIFEST_FILE, &manifest, &len, NULL) < 0 || !manifest ||
	    store_info(im->store, ret_id, &info, NULL) < 0)
		return false;
	store_volume_name(volume, ret_id);
	return len == a->image.manifest_len && memcmp(manifest, a->image.manifest_text, len) == 0 &&
	       (a->image.version[0] || !strstr(info.labels, "version=")) &&
	       mosaic_have(im->mosaic, volume);
}

/* Nothing is laid again: the image that is there becomes the newest of its name. */
static int renew(struct adopting *a, struct error *err)
{
	const struct images *im = a->adoption.im;
	_free_ char *manifest = NULL;
	size_t len;
	int r = store_manifest(im->store, a->info.id, &manifest, &len, err);

	if (r == 0)
		r = adoption_read_manifest(&a->adoption, manifest, len, &a->faults, err);
	return r < 0 ? r : adoption_publish(&a->adoption, &a->info, manifest, len, err);
}

/* ---- from the tree to the manifest ----------------------------------------------------------- */

/* A file of the image, as its processes would find it; none when there is no regular file. */
static int read_accounts(int tree, const char *path, char **ret, size_t *ret_len, struct error *err)
{
	_close_ int fd = path_open(tree, path, PATH_IN_ROOT, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = file_read_fd(fd, LIMIT_PASSWD_BYTES, ret, ret_len);
	return r < 0 ? error_set(err, r, "cannot read /%s of the image", path) : 0;
}

static int find_user(const struct adopting *a, int tree, struct oci_user *ret, struct error *err)
{
	_free_ char *passwd = NULL, *group = NULL;
	struct oci_accounts accounts = { 0 };
	int r = read_accounts(tree, "etc/passwd", &passwd, &accounts.passwd_len, err);

	if (r == 0)
		r = read_accounts(tree, "etc/group", &group, &accounts.group_len, err);
	accounts.passwd = passwd;
	accounts.group = group;
	return r < 0 ? r : oci_user_read(ret, &a->image.config, &accounts, err);
}

static int make_manifest(struct adopting *a, int tree, struct error *err)
{
	_oci_user_ struct oci_user user = { 0 };
	const struct oci_naming naming = {
		.name = a->image.name,
		.version = a->image.version,
		.user = &user,
	};
	int r = find_user(a, tree, &user, err);

	if (r == 0)
		r = oci_to_appc(&a->image.config, &a->image.manifest, &naming, &a->manifest,
				&a->faults, err);
	if (r == 0)
		r = adoption_read_manifest(&a->adoption, a->manifest, strlen(a->manifest),
					   &a->faults, err);
	if (r == 0)
		image_id(a->manifest, &a->image.config, a->info.id);
	return r;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int lay(struct adopting *a, const struct images_progress *progress, struct error *err)
{
	const struct oci_laying job = {
		.im = a->adoption.im,
		.dir = a->adoption.staged.fd,
		.image = &a->image,
		.faults = &a->faults,
		.progress = progress,
	};
	_close_ int tree = -1;
	int r = mosaic_stage(a->adoption.im->mosaic, &a->adoption.tree, &tree, err);

	if (r == 0)
		r = oci_lay_layers(&job, tree, &a->info.size, err);
	return r < 0 ? r : make_manifest(a, tree, err);
}

/* "docker://x" came by "docker". */
static int transport_of(const char *reference, char **ret)
{
	*ret = strndup(reference, strcspn(reference, ":"));
	return *ret ? 0 : -ENOMEM;
}

/* Where the manifest is on the registry, or mirror, that sent it; "" for what was no registry's. */
static int url_of(const struct oci_image *image, char **ret)
{
	static const char scheme[] = "docker://";
	struct oci_reference ref;
	int r;

	if (!str_starts(image->source, scheme)) {
		*ret = strdup("");
		return *ret ? 0 : -ENOMEM;
	}
	r = oci_reference_parse(&ref, image->source + strlen(scheme), NULL);
	if (r == 0)
		*ret = str_printf("%s://%s/v2/%s/manifests/%s", image->over_http ? "http" : "https",
				  *image->registry ? image->registry : ref.host, ref.repository,
				  image->digest);
	return r < 0 ? r : *ret ? 0 : -ENOMEM;
}

static int keep_origin(const struct adopting *a, const char *reference, struct error *err)
{
	_free_ char *transport = NULL, *url = NULL;
	struct origin origin = {
		.reference = (char *)reference,
		.insecure_http = a->image.over_http,
		.insecure_signature = str_starts(reference, "docker:"),
		.manifest_digest = (char *)a->image.digest,
	};
	int r = transport_of(reference, &transport);

	if (r == 0)
		r = url_of(&a->image, &url);
	if (r < 0)
		return error_set(err, r, "cannot tell where the image comes from");
	origin.transport = transport;
	origin.url = url;
	return origin_write(a->adoption.staged.fd, &origin, err);
}

static int keep_documents(const struct adopting *a, const char *reference, struct error *err)
{
	int fd = a->adoption.staged.fd;
	int r = file_write(fd, MANIFEST_FILE, a->image.manifest_text, a->image.manifest_len, 0644,
			   FILE_SYNC);

	if (r == 0)
		r = file_write(fd, CONFIG_FILE, a->image.config_text, a->image.config_len, 0644,
			       FILE_SYNC);
	return r < 0 ? error_set(err, r, "cannot write to the store")
		     : keep_origin(a, reference, err);
}

static int fetch(struct adopting *a, const char *reference, const struct images_progress *progress,
		 struct error *err)
{
	int r = may_be_unsigned(a->net, reference, err);

	if (r == 0)
		r = store_stage(a->adoption.im->store, &a->adoption.staged, err);
	if (r == 0)
		r = oci_obtain(a->net, reference, &a->adoption.staged, &a->image, progress, err);
	if (r == 0)
		r = keep_documents(a, reference, err);
	if (r < 0)
		return r;
	a->info.source = a->image.source;
	for (size_t i = 0; i < a->image.manifest.n_layers; i++)
		a->info.archive_size += a->image.manifest.layers[i].size;
	if (!(a->net->policy && a->net->policy->check_layers) && is_there(a, a->info.id))
		return renew(a, err);
	r = lay(a, progress, err);
	return r < 0 ? r
		     : adoption_publish(&a->adoption, &a->info, a->manifest, strlen(a->manifest),
					err);
}

int oci_fetch(const struct net *n, const char *reference, char ret_id[STORE_ID_TEXT],
	      const struct images_progress *progress, struct error *err)
{
	_cleanup_(adopting_deinit) struct adopting a = { .net = n, .faults = APPC_FAULTS_INIT };
	int r;

	adoption_init(&a.adoption, n->im);
	r = fetch(&a, reference, progress, err);
	if (r < 0)
		return error_context(err, r, "fetch", reference);
	oci_obtained(n, &a.image);
	memcpy(ret_id, a.info.id, STORE_ID_TEXT);
	return r;
}

/* ---- once more ------------------------------------------------------------------------------- */

bool oci_is_image(const struct images *im, const char *id)
{
	_close_ int fd = store_open_file(im->store, id, MANIFEST_FILE, NULL);

	return fd >= 0;
}

static int read_document(const struct images *im, const char *id, const char *name, char **ret,
			 size_t *ret_len, struct error *err)
{
	int r = store_read(im->store, id, name, ret, ret_len, err);

	return r == 0 && !*ret ? error_set(err, -ENOENT, "the store has no %s of it", name) : r;
}

/* The documents of an image in the store; they are those of its ID, or an error. */
static int read_stored(const struct images *im, const char *id, struct oci_image *ret,
		       struct error *err)
{
	_free_ char *manifest = NULL;
	char is[STORE_ID_TEXT];
	size_t len;
	int r = store_manifest(im->store, id, &manifest, &len, err);

	if (r == 0)
		r = read_document(im, id, MANIFEST_FILE, &ret->manifest_text, &ret->manifest_len,
				  err);
	if (r == 0)
		r = read_document(im, id, CONFIG_FILE, &ret->config_text, &ret->config_len, err);
	if (r == 0)
		r = oci_manifest_read(&ret->manifest, ret->manifest_text, ret->manifest_len, err);
	if (r == 0)
		r = oci_config_read(&ret->config, ret->config_text, ret->config_len, err);
	if (r < 0)
		return r;
	image_id(manifest, &ret->config, is);
	return str_eq(is, id)
		       ? 0
		       : error_set(
				 err, -EBADMSG,
				 "its manifest or configuration in the store is damaged: they have the ID %s.",
				 is);
}

int oci_restore(const struct images *im, const char *id, int tree, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_oci_image_ struct oci_image image = { 0 };
	const struct oci_laying job = {
		.im = im,
		.dir = -1,
		.id = id,
		.image = &image,
		.faults = &faults,
	};
	uint64_t size;
	int r = read_stored(im, id, &image, err);

	return r < 0 ? r : oci_lay_layers(&job, tree, &size, err);
}
