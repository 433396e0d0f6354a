/*
 * Registries: the part of the distribution specification that reads.
 *
 *	GET /v2/REPOSITORY/manifests/TAG-OR-DIGEST
 *	GET /v2/REPOSITORY/blobs/DIGEST
 *
 * A tag is asked for once. Where the configuration has mirrors for the registry they are asked
 * first, in order; the first that has the manifest is asked for all the rest, and the registry
 * itself for what that one then does not have. A digest is a digest wherever it comes from; what a
 * tag means, a mirror decides. Blobs come into a partial download that goes by their digest, so
 * that two images that want the same wait for each other, and what was cut goes on.
 */
#include "images/oci_source.h"

struct registry {
	struct oci_reference reference;
	char *base;     /* "https://example.com:5000" */
	char *token;    /* or NULL */
	bool is_mirror; /* base is one */
};

static int find_name(const char *text, char ret_name[LIMIT_NAME_BYTES + 1], char ret_version[129],
		     struct error *err)
{
	struct oci_reference reference;
	int r = oci_reference_parse(&reference, text, err);

	if (r == 0)
		r = oci_reference_name(&reference, ret_name, err);
	if (r < 0)
		return r;
	/* nobody has looked whether the digest is what the tag means */
	memcpy(ret_version, *reference.digest ? "" : reference.tag,
	       *reference.digest ? 1 : sizeof(reference.tag));
	return 0;
}

/* From now on that host is asked. */
static int turn_to(struct registry *g, const char *scheme, const char *host, struct error *err)
{
	char *base = str_printf("%s://%s", scheme, host);

	if (!base)
		return error_set(err, -ENOMEM, "out of memory");
	free(g->base);
	free(g->token);
	g->base = base;
	g->token = NULL;
	return 0;
}

/* Is it a failure of whom we ask, so that somebody else may do better? */
static bool is_theirs(int r)
{
	return r < 0 && r != -EINTR && r != -ENOMEM && r != -ENOSPC && r != -EDQUOT;
}

/* The mirror has not, or not well: 1 when the registry itself is to be asked now. */
static int leave_mirror(struct registry *g, int failure, struct error *err)
{
	int r;

	if (!g->is_mirror || !is_theirs(failure))
		return 0;
	r = turn_to(g, "https", g->reference.host, NULL);
	g->is_mirror = false;
	if (r == 0 && err)
		*err = (struct error){ 0 };
	return r == 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* A 401: a token for the next try. */
static int authorize(struct oci_source *s, const struct transfer_result *got, struct error *err)
{
	struct registry *g = s->own;
	struct oci_challenge challenge;
	char *token = NULL;
	int r;

	if (!got->authenticate)
		return error_set(err, -EACCES, "%s wants credentials and does not say which.",
				 g->reference.domain);
	r = oci_challenge_parse(&challenge, got->authenticate, err);
	if (r < 0)
		return r;
	if (!challenge.is_bearer)
		return error_set(err, -EACCES,
				 "%s wants a user and password: put them into a file (mode 0600) "
				 "and name it in `hosts` of the configuration.",
				 g->reference.domain);
	r = oci_token_get(s->net, &challenge, g->base, g->reference.repository, &token, err);
	if (r < 0)
		return r;
	free(g->token);
	g->token = token;
	return 0;
}

static char *make_url(const struct registry *g, const char *kind, const char *what)
{
	return str_printf("%s/v2/%s/%s/%s", g->base, g->reference.repository, kind, what);
}

/* What another status than 200 means. */
static int refused(const struct registry *g, const struct transfer_result *got, const char *what,
		   struct error *err)
{
	switch (got->status) {
	case 401:
	case 403:
		return error_set(err, -EACCES, "%s does not let us read %s: status %d.",
				 g->reference.domain, g->reference.repository, got->status);
	case 404:
		return error_set(err, -ENOENT, "%s has no %s of %s.", g->reference.domain, what,
				 g->reference.repository);
	default:
		return error_set(err, -EPROTO, "%s answers with status %d: %.200s",
				 g->reference.domain, got->status, got->body ? got->body : "");
	}
}

/* Into memory. */
static int get(struct oci_source *s, const char *kind, const char *what,
	       struct transfer_result *ret, struct error *err)
{
	static const char *const types[] = { OCI_MANIFEST_TYPES };
	struct registry *g = s->own;
	_free_ char *url = make_url(g, kind, what);
	char accept[ARRAY_SIZE(types)][128];
	const char *headers[ARRAY_SIZE(types) + 1] = { NULL };
	struct transfer t = {
		.url = url,
		.headers = headers,
		.bearer = g->token,
		.max_bytes = OCI_DOCUMENT_BYTES,
		.limit = "OCI_DOCUMENT_BYTES",
		.what = s->image->name,
	};
	int r;

	if (!url)
		return error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; str_eq(kind, "manifests") && i < ARRAY_SIZE(types); i++) {
		snprintf(accept[i], sizeof(accept[i]), "Accept: %s", types[i]);
		headers[i] = accept[i];
	}
	r = transfer_get(s->net, &t, ret, err);
	if (r == 0 && ret->status == 401) {
		r = authorize(s, ret, err);
		if (r < 0)
			return r;
		transfer_result_deinit(ret);
		*ret = (struct transfer_result){ 0 };
		t.bearer = g->token;
		r = transfer_get(s->net, &t, ret, err);
	}
	if (r < 0)
		return r;
	s->image->over_http = s->image->over_http || ret->over_http;
	return ret->status == 200 ? 0 : refused(g, ret, what, err);
}

static void take_document(struct oci_document *doc, struct transfer_result *got)
{
	doc->len = got->body_len;
	doc->text = take_ptr(&got->body);
	snprintf(doc->media_type, sizeof(doc->media_type), "%s",
		 got->content_type ? got->content_type : "");
}

/* ---- the source ------------------------------------------------------------------------------ */

static int open_registry(struct oci_source *s, const char *text, struct error *err)
{
	struct registry *g = calloc(1, sizeof(*g));
	bool by_digest;
	int r;

	if (!g)
		return error_set(err, -ENOMEM, "out of memory");
	s->own = g;
	if (!s->net->policy || !s->net->config)
		return error_set(err, -EACCES, "the network is not to be asked.");
	r = oci_reference_parse(&g->reference, text, err);
	if (r < 0)
		return r;
	/* beside a digest a tag says nothing; want.c looks for it so */
	by_digest = *g->reference.digest;
	if (snprintf(s->image->source, sizeof(s->image->source), "docker://%s/%s%s%s",
		     g->reference.domain, g->reference.repository, by_digest ? "@" : ":",
		     by_digest ? g->reference.digest : g->reference.tag) >=
	    (int)sizeof(s->image->source))
		return error_set(err, -ENAMETOOLONG, "the reference is too long");
	return turn_to(g, "https", g->reference.host, err);
}

static void close_registry(struct oci_source *s)
{
	struct registry *g = s->own;

	if (!g)
		return;
	free(g->base);
	free(g->token);
	free(g);
	s->own = NULL;
}

/* What a registry says of the digest of what it sends has to be true. */
static int check_digest(const struct registry *g, const struct transfer_result *got,
			struct error *err)
{
	if (got->digest && !oci_is_digest(got->digest))
		return error_set(err, -EPROTO, "%s sends a digest that is none: \"%.200s\".",
				 g->reference.domain, got->digest);
	if (got->digest && !oci_digest_matches(got->digest, got->body, got->body_len))
		return error_set(err, -EBADMSG, "%s says that the manifest is %s, but it is not.",
				 g->reference.domain, got->digest);
	if (g->reference.digest[0] && g->is_mirror &&
	    !oci_digest_matches(g->reference.digest, got->body, got->body_len))
		return error_set(err, -EBADMSG, "a mirror of %s has something else.",
				 g->reference.domain);
	return 0;
}

/* https first; http where it was allowed and https had no answer. */
static int ask_host(struct oci_source *s, const char *host, struct transfer_result *ret,
		    struct error *err)
{
	struct registry *g = s->own;
	const char *what = g->reference.digest[0] ? g->reference.digest : g->reference.tag;
	_free_ char *probe = str_printf("http://%s/v2/", host);
	int r = probe ? turn_to(g, "https", host, err) : error_set(err, -ENOMEM, "out of memory");

	if (r == 0)
		r = get(s, "manifests", what, ret, err);
	if (is_theirs(r) && !ret->status && net_allows(s->net, probe, NULL) == 0) {
		if (err)
			*err = (struct error){ 0 };
		r = turn_to(g, "http", host, err);
		if (r == 0)
			r = get(s, "manifests", what, ret, err);
	}
	if (r == 0)
		r = check_digest(g, ret, err);
	if (r == 0)
		snprintf(s->image->registry, sizeof(s->image->registry), "%s", host);
	return r;
}

/* The entry of the configuration for the registry as people write it. */
static const struct net_host *entry_of(const struct oci_source *s)
{
	const struct registry *g = s->own;
	_free_ char *text = str_printf("https://%s", g->reference.domain);
	struct net_url url;

	return text && net_url_parse(&url, text, NULL) == 0 ? net_host_of(s->net->config, &url)
							    : NULL;
}

static int ask_mirrors(struct oci_source *s, const struct net_host *entry,
		       struct transfer_result *ret, struct error *err)
{
	struct registry *g = s->own;
	int r = -ENOENT;

	for (size_t i = 0; entry && i < entry->n_mirrors && is_theirs(r); i++) {
		transfer_result_deinit(ret);
		*ret = (struct transfer_result){ 0 };
		g->is_mirror = true;
		r = ask_host(s, entry->mirrors[i], ret, err);
		if (r < 0)
			s->image->over_http = false; /* nothing of that stays */
	}
	return r;
}

static int top(struct oci_source *s, struct oci_document *ret, struct error *err)
{
	struct registry *g = s->own;
	_transfer_result_ struct transfer_result got = { 0 };
	int r = ask_mirrors(s, entry_of(s), &got, err);

	if (is_theirs(r)) {
		g->is_mirror = false;
		transfer_result_deinit(&got);
		got = (struct transfer_result){ 0 };
		if (err)
			*err = (struct error){ 0 };
		r = ask_host(s, g->reference.host, &got, err);
	}
	if (r < 0)
		return r;
	take_document(ret, &got);
	memcpy(ret->digest, g->reference.digest, sizeof(ret->digest));
	return 0;
}

static int is_config(const struct oci_source *s, const struct oci_descriptor *d)
{
	return d == &s->image->manifest.config;
}

static int document(struct oci_source *s, const struct oci_descriptor *d, struct oci_document *ret,
		    struct error *err)
{
	const char *kind = is_config(s, d) ? "blobs" : "manifests";
	_transfer_result_ struct transfer_result got = { 0 };
	struct registry *g = s->own;
	int r = get(s, kind, d->digest, &got, err);

	if (r == 0 && g->is_mirror && !oci_digest_matches(d->digest, got.body, got.body_len))
		r = error_set(err, -EBADMSG, "a mirror of %s has something else.",
			      g->reference.domain);
	if (leave_mirror(g, r, err)) {
		transfer_result_deinit(&got);
		got = (struct transfer_result){ 0 };
		r = get(s, kind, d->digest, &got, err);
	}
	if (r == 0)
		take_document(ret, &got);
	return r;
}

/* ---- blobs ----------------------------------------------------------------------------------- */

static int transfer_blob(struct oci_source *s, const struct oci_descriptor *d,
			 struct store_partial *partial, const struct images_progress *progress,
			 struct error *err)
{
	struct registry *g = s->own;
	_free_ char *url = make_url(g, "blobs", d->digest);
	struct transfer t = {
		.url = url,
		.max_bytes = d->size,
		.limit = "its size in the manifest",
		.what = s->image->name,
		.immutable = true,
	};
	int r = url ? 0 : error_set(err, -ENOMEM, "out of memory");

	for (int tries = 0; r == 0 && tries < 2; tries++) {
		_transfer_result_ struct transfer_result got = { 0 };

		t.bearer = g->token;
		r = transfer_file(s->net, &t, partial, &got, progress, err);
		if (r < 0 || got.status == 200 || got.status == 206)
			return r;
		/* tokens are short-lived, layers long */
		r = got.status == 401 && tries == 0 ? authorize(s, &got, err)
						    : refused(g, &got, d->digest, err);
	}
	return r;
}

/* What was there from an earlier time may be what is wrong: then once more from nothing. */
static int bring(struct oci_source *s, const struct oci_descriptor *d,
		 struct store_partial *partial, const struct images_progress *progress,
		 struct error *err)
{
	struct store *store = s->net->im->store;
	char name[16 + OCI_DIGEST_TEXT];
	bool was_begun = lseek(partial->data, 0, SEEK_END) > 0;
	int r = transfer_blob(s, d, partial, progress, err);

	if (r == 0)
		r = oci_check_blob(partial->data, d, err);
	if (r != -EBADMSG)
		return r;
	store_partial_remove(store, partial);
	*partial = (struct store_partial)STORE_PARTIAL_NONE;
	if (!was_begun)
		return r;
	if (err)
		*err = (struct error){ 0 };
	oci_partial_name(name, d->digest);
	r = store_partial_open(store, name, partial, err);
	return r < 0 ? r : bring(s, d, partial, progress, err);
}

/* After a failure the download may be gone. */
static int bring_anew(struct oci_source *s, const struct oci_descriptor *d,
		      struct store_partial *partial, const struct images_progress *progress,
		      struct error *err)
{
	char name[16 + OCI_DIGEST_TEXT];
	int r = 0;

	oci_partial_name(name, d->digest);
	if (partial->dir < 0)
		r = store_partial_open(s->net->im->store, name, partial, err);
	return r < 0 ? r : bring(s, d, partial, progress, err);
}

static int blob(struct oci_source *s, const struct oci_descriptor *d, const char *name,
		const struct images_progress *progress, struct error *err)
{
	_store_partial_ struct store_partial partial = STORE_PARTIAL_NONE;
	char partial_name[16 + OCI_DIGEST_TEXT];
	int r;

	oci_partial_name(partial_name, d->digest);
	r = store_partial_open(s->net->im->store, partial_name, &partial, err);
	if (r < 0)
		return r;
	/* whoever had it may have made an image of it while we waited */
	r = store_link_blob(s->net->im->store, name, s->staged, err);
	if (r == STORE_MISSING) {
		r = bring(s, d, &partial, progress, err);
		if (leave_mirror(s->own, r, err))
			r = bring_anew(s, d, &partial, progress, err);
		if (r == 0 && fsync(partial.data) < 0)
			r = error_set(err, -errno, "cannot sync the layer");
		if (r == 0)
			r = store_partial_link(&partial, s->staged, name, err);
	}
	return r;
}

const struct oci_source_type oci_registry_source = {
	.prefix = "docker://",
	.name = find_name,
	.open = open_registry,
	.close = close_registry,
	.top = top,
	.document = document,
	.blob = blob,
};
