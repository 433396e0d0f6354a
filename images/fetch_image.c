/*
 * One image from the network. What comes is a stranger's until its signature is found good by a key
 * that may speak for the image's name; only then is a byte of it decompressed, and only when its
 * own manifest says that it is what was asked for does the store take it.
 */
#include "images/fetch_image.h"

#include <sys/stat.h>

#include "images/discover.h"
#include "images/expect.h"
#include "images/oci.h"
#include "images/origin.h"
#include "images/trust.h"

/* One place to get it from. */
struct place {
	const char *archive, *signature; /* URLs */
};

/* One image on its way. */
struct fetch {
	const struct net *net;
	const struct want *want;
	const struct images_progress *progress;
	struct error *err;
	const struct place *place;
	struct store_partial partial;
	struct transfer_result archive, signature;
	struct trust_verdict verdict;
	bool is_signed;
};

static void fetch_deinit(struct fetch *f)
{
	store_partial_close(&f->partial);
	transfer_result_deinit(&f->archive);
	transfer_result_deinit(&f->signature);
	trust_verdict_deinit(&f->verdict);
}
#define _fetch_ _cleanup_(fetch_deinit)

/* ---- signature ------------------------------------------------------------------------------- */

/* Does anybody say that what comes from there needs no signature? */
static bool may_be_unsigned(const struct fetch *f)
{
	const struct net_config *c = f->net->config;
	struct net_url url;

	if (f->net->policy->insecure_signature)
		return true;
	return net_url_parse(&url, f->place->archive, NULL) == 0 &&
	       net_list_has(c->unsigned_sources, c->n_unsigned_sources, url.host, url.port,
			    url.path);
}

/* Is there an archive at all? Asked when there is no signature, to know what to say. */
static bool has_archive(struct fetch *f)
{
	const struct transfer t = {
		.url = f->place->archive,
		.max_bytes = 1,
		.limit = "a look",
		.what = f->want->text,
	};
	_transfer_result_ struct transfer_result result = { 0 };
	struct error ignored = { 0 };

	/* more than a byte is an error, and an archive */
	return transfer_get(f->net, &t, &result, &ignored) < 0 || result.status == 200;
}

static int get_signature(struct fetch *f)
{
	const struct transfer t = {
		.url = f->place->signature,
		.max_bytes = LIMIT_SIGNATURE_BYTES,
		.limit = "LIMIT_SIGNATURE_BYTES",
		.what = f->want->text,
	};
	int r = transfer_get(f->net, &t, &f->signature, f->err);

	if (r < 0)
		return error_prefix(f->err, r, "its signature");
	if (f->signature.status == 404 && !has_archive(f))
		return error_set(f->err, -ENOENT, "%s answers 404: there is no such image.",
				 f->place->archive);
	if (f->signature.status != 200)
		return error_set(
			f->err, -EKEYREJECTED,
			"it has no signature: %s answers %d; --insecure signature takes it without.",
			f->place->signature, f->signature.status);
	f->is_signed = true;
	return 0;
}

/* A name that is not known yet is checked when the manifest has been read. */
static int check_signature(struct fetch *f)
{
	const struct trust_signed what = {
		.name = f->want->ref.name[0] ? f->want->ref.name : NULL,
		.archive = f->partial.data,
		.signature = f->signature.body,
		.signature_len = f->signature.body_len,
	};

	return trust_verify(f->net->config->trust_dir, &what, &f->verdict, f->err);
}

/* ---- archive --------------------------------------------------------------------------------- */

static int get_archive(struct fetch *f)
{
	const struct transfer t = {
		.url = f->place->archive,
		.max_bytes = f->want->size >= 0 ? (uint64_t)f->want->size : LIMIT_ARCHIVE_BYTES,
		.limit = f->want->size >= 0 ? "the size that the dependency says"
					    : "LIMIT_ARCHIVE_BYTES",
		.what = f->want->text,
	};
	struct stat st;
	int r = transfer_file(f->net, &t, &f->partial, &f->archive, f->progress, f->err);

	if (r < 0)
		return r;
	if (f->archive.status != 200 && f->archive.status != 206)
		return error_set(f->err, f->archive.status == 404 ? -ENOENT : -EREMOTEIO,
				 "%s answers %d.", f->place->archive, f->archive.status);
	if (f->want->size < 0)
		return 0;
	if (fstat(f->partial.data, &st) < 0)
		return error_set(f->err, -errno, "cannot read what came");
	return st.st_size == f->want->size
		       ? 0
		       : error_set(f->err, -EBADMSG, "%s has %lld bytes, and %s wants %lld.",
				   f->place->archive, (long long)st.st_size,
				   f->want->dependent ? f->want->dependent : "who asks",
				   (long long)f->want->size);
}

/* Signed by a key, and by a key for this name? Only now is the name known of what was asked for by
 * URL. */
static int check_name(struct fetch *f, const char *name, struct error *err)
{
	if (!f->is_signed || f->want->ref.name[0])
		return 0;
	return trust_covers(f->net->config->trust_dir, name, &f->verdict, err);
}

/* What tells later where it came from and why it was taken. */
static int keep_papers(struct fetch *f, int dir, struct error *err)
{
	bool over_http = f->archive.over_http || f->signature.over_http;
	struct origin origin = {
		.reference = f->want->text,
		.url = f->archive.url,
		.transport = (char *)(over_http ? "http" : "https"),
		.has_signature = f->is_signed,
		.signature = f->verdict,
		.insecure_http = over_http,
		.insecure_signature = !f->is_signed,
	};
	int r = 0;

	if (f->is_signed)
		r = file_write(dir, "aci.asc", f->signature.body, f->signature.body_len, 0644,
			       FILE_SYNC);
	return r < 0 ? error_set(err, r, "cannot write to the store")
		     : origin_write(dir, &origin, err);
}

/* The manifest says that it is what was asked for, and its signer may say so. */
static int check_image(const struct appc_image *image, const char *id, int dir, void *arg,
		       struct error *err)
{
	struct fetch *f = arg;
	int r = 0;

	if (f->want->id && !str_eq(f->want->id, id))
		return error_set(err, -EBADMSG, "expected image %s, and %s is image %s.",
				 f->want->id, f->place->archive, id);
	if (f->want->ref.name[0])
		r = expect_reference(image, &f->want->ref, err);
	if (r == 0)
		r = check_name(f, image->name, err);
	return r == 0 ? keep_papers(f, dir, err) : r;
}

static int import(struct fetch *f, char ret_id[STORE_ID_TEXT])
{
	const struct images *im = f->net->im;
	struct store_staged staged = STORE_STAGED_NONE;
	const struct images_arrival arrival = {
		.staged = &staged,
		.source = f->want->text,
		.check = check_image,
		.arg = f,
		.progress = f->progress,
	};
	int r = store_stage(im->store, &staged, f->err);

	if (r == 0)
		r = store_partial_link(&f->partial, &staged, "aci", f->err);
	if (r == 0)
		r = images_import_staged(im, &arrival, ret_id, f->err);
	store_discard(im->store, &staged);
	return r;
}

/* Signature, archive, check, import. What does not hold is of no use next time either. */
static int fetch_from(struct fetch *f, char ret_id[STORE_ID_TEXT])
{
	const struct images *im = f->net->im;
	int r = may_be_unsigned(f) ? 0 : get_signature(f);

	if (r == 0)
		r = store_partial_open(im->store, f->place->archive, &f->partial, f->err);
	if (r < 0)
		return r;
	/* who had the download before us may have made an image of it */
	if (f->net->policy->pull != IMAGES_PULL_ALWAYS) {
		r = want_find(im, f->want, ret_id, f->err);
		if (r <= 0)
			return r < 0 ? r : STORE_EXISTS;
	}
	r = get_archive(f);
	if (r == 0 && f->is_signed)
		r = check_signature(f);
	if (r == 0)
		r = import(f, ret_id);
	if (r >= 0 || r == -EKEYREJECTED || r == -EBADMSG)
		store_partial_remove(im->store, &f->partial);
	return r;
}

static int fetch_place(const struct net *n, const struct want *w, const struct place *place,
		       char ret_id[STORE_ID_TEXT], const struct images_progress *progress,
		       struct error *err)
{
	_fetch_ struct fetch f = {
		.net = n,
		.want = w,
		.progress = progress,
		.err = err,
		.place = place,
		.partial = STORE_PARTIAL_NONE,
	};

	return fetch_from(&f, ret_id);
}

/* ---- where from ------------------------------------------------------------------------------ */

static int fetch_name(const struct net *n, const struct want *w, char ret_id[STORE_ID_TEXT],
		      const struct images_progress *progress, struct error *err)
{
	_discovery_ struct discovery d = { 0 };
	struct error first = { 0 };
	int r = discover(n, &w->ref, DISCOVER_ENDPOINTS, &d, err);

	if (r < 0)
		return r;
	if (d.n_endpoints == 0) {
		_free_ char *tried = discovery_attempts_text(&d);

		return error_set(err, -ENOENT, "it is nowhere to be found: %s.",
				 tried ? tried : "");
	}
	/* the first that holds; what is said is what was wrong with the first */
	for (size_t i = 0; i < d.n_endpoints; i++) {
		const struct place place = { d.endpoints[i].archive, d.endpoints[i].signature };

		*err = (struct error){ 0 };
		r = fetch_place(n, w, &place, ret_id, progress, err);
		if (r >= 0 || r == -EINTR)
			return r;
		if (i == 0)
			first = *err;
	}
	*err = first;
	return first.code;
}

/* "https://a/b.aci?x" and its signature "https://a/b.aci.asc?x". */
static int fetch_url(const struct net *n, const struct want *w, char ret_id[STORE_ID_TEXT],
		     const struct images_progress *progress, struct error *err)
{
	size_t path = strcspn(w->text, "?");
	_free_ char *signature = str_printf("%.*s.asc%s", (int)path, w->text, w->text + path);
	const struct place place = { w->text, signature };

	return signature ? fetch_place(n, w, &place, ret_id, progress, err)
			 : error_set(err, -ENOMEM, "out of memory");
}

int fetch_image(const struct net *n, const struct want *w, char ret_id[STORE_ID_TEXT],
		const struct images_progress *progress, struct error *err)
{
	int r = -EINVAL;

	switch (w->kind) {
	case REFERENCE_PATH:
		r = images_import(n->im, w->text, ret_id, NULL, progress, err);
		break;
	case REFERENCE_URL:
		r = fetch_url(n, w, ret_id, progress, err);
		break;
	case REFERENCE_OCI:
		r = oci_fetch(n, w->text, ret_id, progress, err);
		break;
	case REFERENCE_ID:
	case REFERENCE_NAME:
		r = w->ref.name[0] ? fetch_name(n, w, ret_id, progress, err)
				   : error_set(err, -ENOENT, "no image of the store has that ID.");
		break;
	}
	return r < 0 ? error_context(err, r, "fetch", w->text) : r;
}
