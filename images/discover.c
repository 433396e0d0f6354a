/*
 * The walk: https://NAME?ac-discovery=1, and then the same for what NAME is below, up to the host.
 *
 * Endpoints and keys are looked for apart, each up to its own first hit. Both go the same way, so
 * one walk does for them and no page is asked twice. A page that is not there, not readable, or
 * has nothing for the name is passed by (also when the server itself is in trouble, as the
 * reference implementation does); what became of each is kept for whoever asks why. http is no
 * fallback but a permission: it is tried where the policy has it for that host, and only when https
 * brought no page.
 */
#include "images/discover.h"

#include "images/discovery.h"
#include "images/internal.h"
#include "images/net.h"
#include "images/templates.h"

struct search {
	const struct net *net;
	const struct reference *ref;
	unsigned wanted; /* what was not found yet */
	struct discovery found;
	struct error *err;
};

/* These are no answers of a server. */
static bool is_final(int code)
{
	return code == -ENOMEM || code == -EINTR || code == -ECANCELED;
}

/* ---- what a page says ------------------------------------------------------------------------ */

/* 0 when the URL can be used; 1 and a note when not. */
static int check_url(struct search *s, const char *url)
{
	struct error why = { 0 };
	struct net_url parts;
	int r = strpbrk(url, " \t") ? error_set(&why, -EINVAL, "there is a blank in it.")
				    : net_url_parse(&parts, url, &why);

	if (r == 0)
		return 0;
	r = discovery_note(&s->found, url, NULL, s->err, "left out: %s", why.text);
	return r < 0 ? r : 1;
}

/* 0 and the URL; 1 and a note. */
static int fill(struct search *s, const char *template, const char *ext, char **ret)
{
	_free_ char *url = NULL;
	int r = template_fill(template, s->ref, ext, &url);

	if (r == -E2BIG)
		r = discovery_note(&s->found, "ac-discovery", NULL, s->err,
				   "left out: a URL with more than %d bytes (LIMIT_URL_BYTES)",
				   LIMIT_URL_BYTES);
	else if (r == TEMPLATE_OPEN)
		r = discovery_note(&s->found, url, NULL, s->err,
				   "left out: a label that was not asked for is needed");
	else if (r < 0)
		return error_set(s->err, r, "cannot fill in a template");
	else {
		r = check_url(s, url);
		if (r == 0)
			*ret = take_ptr(&url);
		return r;
	}
	return r < 0 ? r : 1;
}

static int take_endpoint(struct search *s, const char *template)
{
	_free_ char *archive = NULL, *signature = NULL;
	int r = fill(s, template, "aci", &archive);

	if (r == 0)
		r = fill(s, template, "aci.asc", &signature);
	if (r != 0)
		return r < 0 ? r : 0;
	return discovery_add_endpoint(&s->found, take_ptr(&archive), take_ptr(&signature), s->err);
}

static int take_key(struct search *s, const char *url)
{
	char *copy;
	int r = check_url(s, url);

	if (r != 0)
		return r < 0 ? r : 0;
	copy = strdup(url);
	return copy ? discovery_add_key(&s->found, copy, s->err)
		    : error_set(s->err, -ENOMEM, "out of memory");
}

static int take_tags(struct search *s, const struct meta_pairs *pairs)
{
	static const struct {
		const char *name;
		unsigned what;
		int (*take)(struct search *s, const char *text);
	} tags[] = {
		{ "ac-discovery", DISCOVER_ENDPOINTS, take_endpoint },
		{ "ac-discovery-pubkeys", DISCOVER_KEYS, take_key },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < pairs->n; i++) {
		const char *text = tag_match(pairs->list[i].content, s->ref->name);

		for (size_t k = 0; r == 0 && text && k < ARRAY_SIZE(tags); k++)
			if (s->wanted & tags[k].what && str_eq(pairs->list[i].name, tags[k].name))
				r = tags[k].take(s, text);
	}
	return r;
}

/* "200, 2 endpoints, 1 key" */
static int note_found(struct search *s, size_t attempt, const char *final, size_t n_pairs)
{
	const size_t endpoints = s->wanted & DISCOVER_ENDPOINTS ? s->found.n_endpoints : 0,
		     keys = s->wanted & DISCOVER_KEYS ? s->found.n_keys : 0;
	struct discovery *d = &s->found;
	bool moved = !str_eq(final, d->attempts[attempt].url);
	char what[128];
	int n = 0;

	if (endpoints)
		n = snprintf(what, sizeof(what), "%zu endpoint%s", endpoints,
			     endpoints > 1 ? "s" : "");
	if (keys)
		snprintf(what + n, sizeof(what) - (size_t)n, "%s%zu key%s", n ? ", " : "", keys,
			 keys > 1 ? "s" : "");
	if (!endpoints && !keys)
		snprintf(what, sizeof(what), "%s",
			 n_pairs ? "its tags have nothing for this name" : "it has no tags");
	return discovery_outcome(d, attempt, s->err, "200%s%s, %s", moved ? " from " : "",
				 moved ? final : "", what);
}

static int keep_page(struct search *s, const char *url, bool over_http)
{
	char **const pages[] = { &s->found.endpoints_page, &s->found.keys_page };
	const size_t counts[] = { s->found.n_endpoints, s->found.n_keys };

	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
		if (!(s->wanted & 1U << i) || counts[i] == 0)
			continue;
		*pages[i] = strdup(url);
		if (!*pages[i])
			return error_set(s->err, -ENOMEM, "out of memory");
		s->wanted &= ~(1U << i);
		s->found.over_http |= over_http;
	}
	return 0;
}

static int read_page(struct search *s, size_t attempt, const struct transfer_result *page)
{
	_meta_pairs_ struct meta_pairs pairs = { 0 };
	_free_ char *url = strdup(s->found.attempts[attempt].url);
	struct error why = { 0 };
	int r = url ? meta_read(s->net->im, page->body ? page->body : "", page->body_len, &pairs,
				&why)
		    : -ENOMEM;

	if (r == -E2BIG) /* its own fault */
		return discovery_outcome(&s->found, attempt, s->err, "200, %s", why.text);
	if (r < 0)
		return error_set(s->err, r, why.code ? "%s" : "out of memory%s", why.text);
	r = take_tags(s, &pairs);
	if (r == 0)
		r = note_found(s, attempt, page->url ? page->url : url, pairs.n);
	return r == 0 ? keep_page(s, url, page->over_http) : r;
}

/* ---- which pages ----------------------------------------------------------------------------- */

/* 0 when there was a page, whatever is in it; 1 when not. */
static int ask(struct search *s, const char *url)
{
	const struct transfer t = {
		.url = url,
		.max_bytes = LIMIT_PAGE_BYTES,
		.limit = "LIMIT_PAGE_BYTES",
		.what = s->ref->name,
	};
	_transfer_result_ struct transfer_result page = { 0 };
	struct error why = { 0 };
	size_t attempt;
	int e, r = transfer_get(s->net, &t, &page, &why);

	if (is_final(r)) {
		*s->err = why;
		return r;
	}
	if (r < 0)
		e = discovery_note(&s->found, url, &attempt, s->err, "%s", why.text);
	else if (page.url && !str_eq(page.url, url))
		e = discovery_note(&s->found, url, &attempt, s->err, "%d from %s", page.status,
				   page.url);
	else
		e = discovery_note(&s->found, url, &attempt, s->err, "%d", page.status);
	if (e < 0)
		return e;
	return r == 0 && page.status == 200 ? read_page(s, attempt, &page) : 1;
}

static int ask_level(struct search *s, const char *name, size_t len)
{
	_free_ char *https = str_printf("https://%.*s?ac-discovery=1", (int)len, name);
	_free_ char *http = str_printf("http://%.*s?ac-discovery=1", (int)len, name);
	struct error refused = { 0 };
	int r;

	if (!https || !http)
		return error_set(s->err, -ENOMEM, "out of memory");
	r = ask(s, https);
	if (r == 1 && net_allows(s->net, http, &refused) == 0)
		r = ask(s, http);
	return r < 0 ? r : 0;
}

int discover(const struct net *n, const struct reference *ref, unsigned what, struct discovery *ret,
	     struct error *err)
{
	struct search s = { .net = n, .ref = ref, .wanted = what, .err = err };
	size_t len = strlen(ref->name);
	int r = 0;

	while (r == 0 && s.wanted && len > 0) {
		r = ask_level(&s, ref->name, len);
		while (len > 0 && ref->name[--len] != '/')
			;
	}
	if (r < 0) {
		discovery_deinit(&s.found);
		return error_context(err, r, "discover", ref->name);
	}
	*ret = s.found;
	return 0;
}

int images_discover(const struct images *im, const struct images_policy *policy,
		    const char *reference, unsigned what, struct discovery *ret, struct error *err)
{
	_reference_ struct reference ref = { 0 };
	_allowed_ struct allowed allowed = { 0 };
	_net_ struct net net = { 0 };
	int r = reference_parse(&ref, reference, err);

	allowed_init(&allowed, policy);
	if (r == 0)
		r = allowed_add_host(&allowed, ref.name, strcspn(ref.name, "/"), err);
	if (r == 0)
		r = net_open(&net, im, &allowed.policy, err);
	return r == 0 ? discover(&net, &ref, what, ret, err) : r;
}
