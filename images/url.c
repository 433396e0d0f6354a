/*
 * URLs, as little of them as is needed: which host is asked for what, and where a redirect leads.
 * What is allowed is decided by these parts, so whatever another parser (that of carob-fetch, of a
 * server) could read differently is refused here. Pure.
 */
#include <arpa/inet.h>
#include <ctype.h>

#include "images/net.h"

enum { HOST_MAX = 253, PORT_MAX = 65535 };

static const char *const digits = "0123456789";

static int refuse(struct error *err, const char *text, const char *why)
{
	size_t n = strcspn(text, "?");

	/* queries and users may be secrets */
	if (memchr(text, '@', n))
		return error_set(err, -EINVAL, "a URL with \"@\" in it: %s.", why);
	return error_set(err, -EINVAL, "%.*s: %s.", (int)n, text, why);
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* Takes "http://" or "https://" from the front. */
static bool take_scheme(const char **at, bool *https)
{
	static const struct {
		const char *text;
		bool https;
	} schemes[] = { { "https://", true }, { "http://", false } };

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t n = strlen(schemes[i].text), k = 0;

		while (k < n && tolower((unsigned char)(*at)[k]) == schemes[i].text[k])
			k++;
		if (k < n)
			continue;
		*at += n;
		*https = schemes[i].https;
		return true;
	}
	return false;
}

/* Only what stands for itself in a URL; a fragment is no part of what is asked for. */
static bool is_url_byte(char c)
{
	return c > ' ' && c < 127 && !strchr("\\\"<>^`{|}#", c);
}

static bool is_name(const char *s, size_t n)
{
	bool empty = true;

	if (n == 0 || n > HOST_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.' && empty)
			return false;
		empty = s[i] == '.';
		if (!empty && !isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
			return false;
	}
	return !empty;
}

static bool is_ipv6(const char *s, size_t n)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (n < 2 || n - 2 >= sizeof(text) || s[0] != '[' || s[n - 1] != ']')
		return false;
	memcpy(text, s + 1, n - 2);
	text[n - 2] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

/* "HOST[:PORT]" in the first n bytes. NULL, or what is wrong with it. */
static const char *parse_host(const char *s, size_t n, char host[256], unsigned *port,
			      bool *has_port)
{
	const char *end = *s == '[' ? memchr(s, ']', n) : NULL;
	const char *colon = memchr(end ? end : s, ':', n - (size_t)((end ? end : s) - s));
	size_t len = colon ? (size_t)(colon - s) : n;

	if (!is_name(s, len) && !is_ipv6(s, len))
		return "the host is neither a name nor an address";
	*has_port = colon != NULL;
	if (colon) {
		char text[8] = "";
		size_t left = n - len - 1;
		uint64_t value = 0;

		if (left >= sizeof(text))
			return "the port is no number from 1 to 65535";
		memcpy(text, colon + 1, left);
		if (str_to_u64(text, PORT_MAX, &value) < 0 || value == 0)
			return "the port is no number from 1 to 65535";
		*port = (unsigned)value;
	}
	for (size_t i = 0; i < len; i++)
		host[i] = (char)tolower((unsigned char)s[i]);
	host[len] = '\0';
	return NULL;
}

const char *net_host_fault(const char *text)
{
	char host[256];
	unsigned port;
	bool has_port;

	return parse_host(text, strlen(text), host, &port, &has_port);
}

int net_url_parse(struct net_url *ret, const char *text, struct error *err)
{
	struct net_url url = { 0 };
	const char *at = text, *fault;
	size_t n;

	if (strlen(text) >= LIMIT_URL_BYTES)
		return error_set(err, -EINVAL, "%.64s...: the URL is longer than %d bytes (%s).",
				 text, LIMIT_URL_BYTES - 1, "LIMIT_URL_BYTES");
	if (!take_scheme(&at, &url.https))
		return refuse(err, text, "the URL begins with neither https:// nor http://");
	n = strcspn(at, "/?#\\");
	if (memchr(at, '@', n))
		return refuse(err, text,
			      "a URL must not hold a user; credentials belong into carob.yaml");
	for (const char *p = at; *p; p++)
		if (!is_url_byte(*p))
			return refuse(err, text,
				      "the URL holds a character that must be written as %XX");
	fault = parse_host(at, n, url.host, &url.port, &url.port_is_written);
	if (fault)
		return refuse(err, text, fault);
	if (!url.port_is_written)
		url.port = url.https ? 443 : 80;
	url.path = at + n;
	*ret = url;
	return 0;
}

/* ---- from one to the next -------------------------------------------------------------------- */

/* "SCHEME:" at the front. */
static bool has_scheme(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || (n > 0 && strchr("+-.", s[n]) && s[n]))
		n++;
	return n > 0 && !strchr(digits, s[0]) && s[n] == ':';
}

/* The parts of path without "." and ".."; what begins at the first "?" stays as it is. */
static int add_path(struct buf *b, const char *path)
{
	size_t base = b->len, n;
	int r = 0;

	while (r == 0 && *path == '/') {
		n = strcspn(path + 1, "/?");
		if (n == 1 && path[1] == '.') {
			r = path[2] == '/' ? 0 : buf_add(b, "/", 1);
		} else if (n == 2 && path[1] == '.' && path[2] == '.') {
			while (b->len > base && b->data[--b->len] != '/')
				;
			r = path[3] == '/' ? 0 : buf_add(b, "/", 1);
		} else {
			r = buf_add(b, path, n + 1);
		}
		path += n + 1;
	}
	return r < 0 ? r : buf_add(b, path, strlen(path));
}

/* Control characters are left: whoever parses the result refuses them. */
static int add_encoded(struct buf *b, const char *s)
{
	int r = 0;

	for (; r == 0 && *s && *s != '#'; s++) {
		bool encode = (unsigned char)*s >= 127 || *s == ' ' || strchr("\"<>^`{|}", *s);

		r = encode ? buf_addf(b, "%%%02X", (unsigned char)*s) : buf_add(b, s, 1);
	}
	return r < 0 ? r : buf_add(b, "", 0); /* there may have been nothing */
}

/* What comes behind "HOST[:PORT]": location, as it is meant relative to path. */
static int add_relative(struct buf *b, const char *path, const char *location)
{
	_buf_ struct buf whole = BUF_INIT(2 * LIMIT_URL_BYTES);
	size_t n = strcspn(path, "?");
	int r;

	if (*location != '/' && *location != '?')
		while (n > 0 && path[n - 1] != '/')
			n--;
	if (*location == '/')
		n = 0;
	r = n ? buf_add(&whole, path, n) : *location == '/' ? 0 : buf_add(&whole, "/", 1);
	if (r == 0)
		r = buf_add(&whole, location, strlen(location));
	return r < 0 ? r : add_path(b, whole.data);
}

/* SCHEME://HOST, as location has it or as base has it, and the path behind. */
static int join(struct buf *b, const struct net_url *from, const char *base, const char *location)
{
	const char *path = location;
	int r = 0;

	if (!has_scheme(location) && !str_starts(location, "//")) {
		r = buf_add(b, base, (size_t)(from->path - base));
		return r < 0 ? r : add_relative(b, from->path, location);
	}
	if (*location == '/')
		r = buf_addf(b, "%s:", from->https ? "https" : "http");
	path = strstr(location, "//") + 2;
	path += strcspn(path, "/?");
	if (r == 0)
		r = buf_add(b, location, (size_t)(path - location));
	return r < 0 ? r : add_path(b, path);
}

int net_url_join(char **ret, const char *base, const char *location, struct error *err)
{
	_buf_ struct buf text = BUF_INIT(LIMIT_URL_BYTES), joined = BUF_INIT(LIMIT_URL_BYTES);
	struct net_url from, to;
	const char *at;
	bool https;
	int r = net_url_parse(&from, base, err);

	if (r < 0)
		return r;
	r = add_encoded(&text, location);
	at = text.data;
	if (r == 0 && has_scheme(at) && !take_scheme(&at, &https))
		return refuse(err, at, "that is neither https:// nor http://");
	if (r == 0)
		r = join(&joined, &from, base, text.data);
	if (r < 0)
		return error_set(err, r == -E2BIG ? -EINVAL : r,
				 "%.64s...: the URL is longer than %d bytes (%s).", location,
				 LIMIT_URL_BYTES - 1, "LIMIT_URL_BYTES");
	r = net_url_parse(&to, joined.data, err);
	if (r < 0)
		return r;
	*ret = buf_take(&joined);
	return *ret ? 0 : error_set(err, -ENOMEM, "out of memory");
}
