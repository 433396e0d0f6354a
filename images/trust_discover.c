/*
 * The keys that a name's owner offers. They come over TLS from the host of the name, which says no
 * more than that: whoever calls shows them to a person, who compares fingerprints.
 */
#include "images/discover.h"

#include "images/internal.h"
#include "images/net.h"
#include "images/trust_parts.h"

void trust_offers_deinit(struct trust_offers *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->list[i].url);
		free(o->list[i].data);
	}
	free(o->list);
	free(o->page);
	*o = (struct trust_offers){ 0 };
}

static int get(const struct net *n, const char *prefix, const char *url, struct trust_offer *ret,
	       struct error *err)
{
	const struct transfer t = {
		.url = url,
		.max_bytes = LIMIT_KEY_BYTES,
		.limit = "LIMIT_KEY_BYTES",
		.what = prefix,
	};
	_transfer_result_ struct transfer_result result = { 0 };
	int r = transfer_get(n, &t, &result, err);

	if (r < 0)
		return r;
	if (result.status != 200)
		return error_set(err, -ENOENT, "the keys of %s: %s answers %d.", prefix, url,
				 result.status);
	ret->url = strdup(result.url ? result.url : url);
	if (!ret->url)
		return error_set(err, -ENOMEM, "out of memory");
	ret->over_http = result.over_http;
	ret->data = take_ptr(&result.body);
	ret->len = result.body_len;
	return 0;
}

static int get_all(const struct net *n, const char *prefix, const struct discovery *d,
		   struct trust_offers *ret, struct error *err)
{
	int r = 0;

	ret->list = calloc(d->n_keys, sizeof(*ret->list));
	ret->page = strdup(d->keys_page ? d->keys_page : "");
	if (!ret->list || !ret->page)
		return error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < d->n_keys; i++)
		r = get(n, prefix, d->keys[i], &ret->list[ret->n++], err);
	return r;
}

static int search(const struct net *n, const char *prefix, struct trust_offers *ret,
		  struct error *err)
{
	_discovery_ struct discovery d = { 0 };
	_reference_ struct reference ref = { 0 };
	_free_ char *attempts = NULL;
	int r = reference_parse(&ref, prefix, err);

	if (r == 0)
		r = discover(n, &ref, DISCOVER_KEYS, &d, err);
	if (r < 0)
		return r;
	if (d.n_keys > LIMIT_KEYS)
		return error_set(err, -E2BIG, "%s offers more than %d files of keys (LIMIT_KEYS).",
				 d.keys_page ? d.keys_page : prefix, LIMIT_KEYS);
	if (d.n_keys > 0)
		return get_all(n, prefix, &d, ret, err);
	attempts = discovery_attempts_text(&d);
	return error_set(err, -ENOENT, "no key is offered for %s (%s): name a file with keys.",
			 prefix, attempts ? attempts : "");
}

int trust_discover(const struct images *im, const struct images_policy *policy, const char *prefix,
		   struct trust_offers *ret, struct error *err)
{
	_cleanup_(trust_offers_deinit) struct trust_offers offers = { 0 };
	_net_ struct net n = { 0 };
	int r = net_open(&n, im, policy, err);

	if (r == 0)
		r = search(&n, prefix, &offers, err);
	if (r < 0)
		return r;
	*ret = offers;
	offers = (struct trust_offers){ 0 };
	return 0;
}
