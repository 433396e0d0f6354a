/*
 * Docker's names of images: [DOMAIN/]PATH[:TAG][@DIGEST].
 *
 * The first component is a domain when it has a dot, a colon or a capital, or is "localhost"; else
 * the name is one of docker.io's. The grammar is that of the distribution project's "reference".
 */
#include <arpa/inet.h>

#include "oci/document.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static int refuse(struct error *err, const char *what)
{
	return error_set(err, -EINVAL, "%s.", what);
}

/* ---- the domain ------------------------------------------------------------------------------ */

/* Letters, digits and single dots and dashes between them, as in a host's name. */
static bool is_host(const char *s, size_t len)
{
	for (size_t at = 0; at <= len;) {
		size_t n = strspn(s + at, LOWER UPPER DIGITS "-");

		if (n == 0 || s[at] == '-' || s[at + n - 1] == '-' || at + n > len)
			return false;
		at += n;
		if (at == len)
			return true;
		if (s[at++] != '.')
			return false;
	}
	return false;
}

static bool is_address(const char *s, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_domain(const char *s)
{
	size_t len = *s == '[' ? strcspn(s, "]") : strcspn(s, ":");
	uint64_t port;

	if (*s == '[') {
		if (s[len] != ']' || !is_address(s + 1, len - 1))
			return false;
		len++;
	} else if (!is_host(s, len)) {
		return false;
	}
	return !s[len] ||
	       (s[len] == ':' && str_to_u64(s + len + 1, UINT16_MAX, &port) == 0 && port > 0);
}

static bool looks_like_domain(const char *s)
{
	return strpbrk(s, ".:[" UPPER) || str_eq(s, "localhost");
}

/* In small letters: hosts do not know capitals. */
static int take_domain(struct oci_reference *r, const char *domain, struct error *err)
{
	size_t len = strlen(domain);

	if (len >= sizeof(r->domain) || !is_domain(domain))
		return refuse(err, "what is before the first slash is no HOST[:PORT]");
	for (size_t i = 0; i <= len; i++)
		r->domain[i] = domain[i] >= 'A' && domain[i] <= 'Z' ? (char)(domain[i] - 'A' + 'a')
								    : domain[i];
	if (str_eq(r->domain, "index.docker.io"))
		memcpy(r->domain, "docker.io", sizeof("docker.io"));
	memcpy(r->host, r->domain, sizeof(r->host));
	if (str_eq(r->domain, "docker.io"))
		memcpy(r->host, "registry-1.docker.io", sizeof("registry-1.docker.io"));
	return 0;
}

/* ---- the path -------------------------------------------------------------------------------- */

/* What may stand between two letters or digits: ".", "_", "__", any number of "-". */
static size_t separator(const char *s)
{
	if (*s == '.')
		return 1;
	if (*s == '_')
		return s[1] == '_' ? 2 : 1;
	return strspn(s, "-");
}

static bool is_component(const char *s, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = strspn(s + at, LOWER DIGITS);

		if (n == 0)
			return false;
		at += n;
		if (at == len)
			return true;
		n = separator(s + at);
		if (n == 0)
			return false;
		at += n;
	}
	return false;
}

static int take_path(struct oci_reference *r, const char *path, struct error *err)
{
	bool is_short = str_eq(r->domain, "docker.io") && !strchr(path, '/');

	for (const char *p = path;;) {
		size_t len = strcspn(p, "/");

		if (!is_component(p, len))
			return refuse(err,
				      "the repository must be of small letters and digits, with "
				      "single \".\" and \"_\" or dashes between them");
		p += len;
		if (!*p++)
			break;
	}
	if (is_short && hex_is(path, 64))
		return refuse(err, "64 hexadecimal digits are no repository: Docker takes them for "
				   "an image ID");
	if (snprintf(r->repository, sizeof(r->repository), "%s%s", is_short ? "library/" : "",
		     path) >= (int)sizeof(r->repository) ||
	    strlen(r->domain) + 1 + strlen(r->repository) > LIMIT_NAME_BYTES)
		return refuse(err, "the name has more than 255 bytes");
	return 0;
}

static int take_name(struct oci_reference *r, const char *name, struct error *err)
{
	size_t len = strcspn(name, "/");
	_free_ char *first = strndup(name, len);
	int e;

	if (!first)
		return error_set(err, -ENOMEM, "out of memory");
	if (!name[len] || !looks_like_domain(first)) {
		e = take_domain(r, "docker.io", err);
		return e < 0 ? e : take_path(r, name, err);
	}
	e = take_domain(r, first, err);
	return e < 0 ? e : take_path(r, name + len + 1, err);
}

/* ---- tag and digest -------------------------------------------------------------------------- */

static int take_tag(struct oci_reference *r, const char *tag, struct error *err)
{
	size_t len = strlen(tag);

	if (len == 0 || len >= sizeof(r->tag) || strspn(tag, LOWER UPPER DIGITS "_.-") != len ||
	    strchr(".-", tag[0]))
		return refuse(err,
			      "the tag must be 1 to 128 letters, digits, \"_\", \".\" and \"-\", "
			      "and not begin with \".\" or \"-\"");
	memcpy(r->tag, tag, len + 1);
	return 0;
}

static int take_digest(struct oci_reference *r, const char *digest, struct error *err)
{
	if (!oci_is_digest(digest))
		return refuse(err,
			      "what is behind the \"@\" is no digest: sha256: and 64 or sha512: "
			      "and 128 hexadecimal digits in lower case");
	memcpy(r->digest, digest, strlen(digest) + 1);
	return 0;
}

/* text is taken apart in place. */
static int parse(struct oci_reference *r, char *text, struct error *err)
{
	char *at = strchr(text, '@'), *slash, *colon;
	int e = 0;

	if (at) {
		*at = '\0';
		e = take_digest(r, at + 1, err);
	}
	slash = strrchr(text, '/');
	colon = strchr(slash ? slash : text, ':');
	if (e == 0 && colon) {
		*colon = '\0';
		e = take_tag(r, colon + 1, err);
	}
	if (e == 0)
		e = take_name(r, text, err);
	if (e == 0 && !*r->tag && !*r->digest)
		memcpy(r->tag, "latest", sizeof("latest"));
	return e;
}

int oci_reference_parse(struct oci_reference *ret, const char *text, struct error *err)
{
	struct oci_reference r = { 0 };
	_free_ char *copy = strdup(text);
	int e;

	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	e = parse(&r, copy, err);
	if (e < 0)
		return error_prefix(err, e, "docker://%s", text);
	*ret = r;
	return 0;
}

/* A "~" in the first component can only be a colon, in the others only "_": neither has one of its
 * own. */
int oci_reference_name(const struct oci_reference *r, char ret[LIMIT_NAME_BYTES + 1],
		       struct error *err)
{
	char name[LIMIT_NAME_BYTES + 1];
	bool is_v6 = r->domain[0] == '[';

	if (snprintf(name, sizeof(name), "%s%s/%s", is_v6 ? "ipv6~" : "", r->domain + is_v6,
		     r->repository) >= (int)sizeof(name))
		return error_set(err, -ENAMETOOLONG, "the name has more than %d bytes.",
				 LIMIT_NAME_BYTES);
	for (char *p = name; *p; p++) {
		if (*p == ':' || *p == '_')
			*p = '~';
		else if (*p == ']')
			*p = '.';
	}
	memcpy(ret, name, sizeof(name));
	return 0;
}
