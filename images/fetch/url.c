#include "images/fetch/url.h"

/* The part, or NULL when there is none. */
static char *part_of(CURLU *handle, CURLUPart part, unsigned flags)
{
	char *text = NULL, *copy;

	if (curl_url_get(handle, part, &text, flags) != CURLUE_OK)
		return NULL;
	copy = strdup(text);
	curl_free(text);
	return copy;
}

static bool has_part(CURLU *handle, CURLUPart part)
{
	_free_ char *text = part_of(handle, part, 0);

	return text != NULL;
}

static int read_parts(struct url *u, const char *what, struct error *err)
{
	_free_ char *scheme = part_of(u->handle, CURLUPART_SCHEME, 0);
	_free_ char *port = part_of(u->handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	uint64_t number;

	if (!scheme || (!str_eq(scheme, "http") && !str_eq(scheme, "https")))
		return error_set(err, -EINVAL, "the %s is neither http:// nor https://.", what);
	u->https = str_eq(scheme, "https");
	u->host = part_of(u->handle, CURLUPART_HOST, 0);
	if (!u->host || !*u->host)
		return error_set(err, -EINVAL, "the %s names no host.", what);
	if (has_part(u->handle, CURLUPART_ZONEID))
		return error_set(err, -EINVAL,
				 "the %s has an address with a zone, which is not supported.",
				 what);
	if (!port || str_to_u64(port, 65535, &number) < 0 || number == 0)
		return error_set(err, -EINVAL, "the port of the %s is none.", what);
	u->port = (unsigned)number;
	u->has_user = has_part(u->handle, CURLUPART_USER) ||
		      has_part(u->handle, CURLUPART_PASSWORD);
	return 0;
}

int url_parse(struct url *ret, const char *text, const char *what, struct error *err)
{
	_url_ struct url u = { .handle = curl_url() };
	const char *slashes = strstr(text, "://");
	CURLUcode code;
	int r;

	if (!u.handle)
		return error_set(err, -ENOMEM, "out of memory");
	/* libcurl guesses a scheme, and takes one slash or three for two */
	if (!slashes || slashes[3] == '/')
		return error_set(err, -EINVAL,
				 "the %s does not begin with http://HOST or https://HOST.", what);
	code = curl_url_set(u.handle, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
	if (code != CURLUE_OK)
		return error_set(err, -EINVAL, "the %s cannot be understood: %s.", what,
				 curl_url_strerror(code));
	r = read_parts(&u, what, err);
	if (r < 0)
		return r;
	*ret = u;
	u = (struct url){ 0 };
	return 0;
}

void url_deinit(struct url *u)
{
	curl_url_cleanup(u->handle);
	free(u->host);
}
