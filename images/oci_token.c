/*
 * Tokens of registries (the distribution project's "token authentication"). A registry that wants to
 * know who asks names a realm: a server that has to be asked for a token with our credentials. Who
 * could choose the realm freely would get the credentials, so it must belong to the registry or be
 * named in the configuration.
 */
#include <strings.h>

#include "images/oci_source.h"

/* ---- WWW-Authenticate ------------------------------------------------------------------------ */

#define TOKEN_CHARACTERS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* A token or a quoted string at *at, which is moved behind it. */
static bool take_value(const char **at, char *dst, size_t size)
{
	const char *p = *at;
	size_t len = 0, n;

	if (*p != '"') {
		n = strspn(p, TOKEN_CHARACTERS);
		if (n == 0 || n >= size)
			return false;
		memcpy(dst, p, n);
		dst[n] = '\0';
		*at = p + n;
		return true;
	}
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		if ((unsigned char)*p < 0x20 || *p == 0x7f || len + 1 >= size)
			return false;
		dst[len++] = *p;
	}
	dst[len] = '\0';
	*at = p + 1;
	return *p == '"';
}

/* One NAME=VALUE. What is not asked for is passed over; the same name twice is refused. */
static bool take_parameter(const char **at, struct oci_challenge *c)
{
	const struct {
		const char *name;
		char *dst;
		size_t size;
	} known[] = {
		{ "realm", c->realm, sizeof(c->realm) },
		{ "service", c->service, sizeof(c->service) },
	};
	size_t len = strspn(*at, TOKEN_CHARACTERS);
	char *dst, unknown[1024];
	size_t size = sizeof(unknown);
	const char *name = *at, *p = skip_blanks(name + len);

	if (len == 0 || *p != '=')
		return false;
	p = skip_blanks(p + 1);
	dst = unknown;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strlen(known[i].name) == len && strncasecmp(known[i].name, name, len) == 0) {
			dst = known[i].dst;
			size = known[i].size;
			if (*dst)
				return false;
		}
	}
	if (!take_value(&p, dst, size))
		return false;
	*at = skip_blanks(p);
	return true;
}

static bool parse_challenge(struct oci_challenge *c, const char *text)
{
	const char *p = skip_blanks(text);
	size_t len = strspn(p, TOKEN_CHARACTERS);

	c->is_bearer = len == strlen("bearer") && strncasecmp(p, "bearer", len) == 0;
	if (!c->is_bearer)
		return len == strlen("basic") && strncasecmp(p, "basic", len) == 0;
	for (p = skip_blanks(p + len);; p = skip_blanks(p + 1)) {
		if (!take_parameter(&p, c))
			return false;
		if (*p != ',')
			break;
	}
	return !*p && *c->realm;
}

int oci_challenge_parse(struct oci_challenge *ret, const char *text, struct error *err)
{
	struct oci_challenge c = { 0 };

	if (!parse_challenge(&c, text))
		return error_set(err, -EPROTO,
				 "the registry asks who we are in a way that is not understood: "
				 "\"%.200s\".",
				 text);
	*ret = c;
	return 0;
}

/* ---- the realm ------------------------------------------------------------------------------- */

static size_t count_labels(const char *host)
{
	size_t n = 1;

	for (; *host; host++)
		n += *host == '.';
	return n;
}

static bool is_address(const char *host)
{
	return *host == '[' || !host[strspn(host, "0123456789.")];
}

/* A domain under which strangers register theirs, as far as its form tells: "com", "co.uk". */
static bool is_public(const char *domain)
{
	const char *dot = strchr(domain, '.');

	return !dot || (count_labels(domain) == 2 && dot - domain <= 3 && strlen(dot + 1) == 2);
}

static bool is_in(const char *host, const char *domain)
{
	size_t len = strlen(host), tail = strlen(domain);

	return str_eq(host, domain) ||
	       (len > tail && host[len - tail - 1] == '.' && str_eq(host + len - tail, domain));
}

/* The registry's own host, one below it, or one of the same parent domain. */
static bool is_related(const char *registry, const char *realm)
{
	const char *parent = strchr(registry, '.');

	if (is_address(registry) || is_address(realm))
		return false;
	if (!is_public(registry) && is_in(realm, registry))
		return true;
	return parent && !is_public(parent + 1) && is_in(realm, parent + 1);
}

int oci_realm_allowed(const struct net *n, const char *registry, const char *realm,
		      struct error *err)
{
	struct net_url from, to;
	bool same_host;
	int r = net_url_parse(&from, registry, err);

	if (r == 0)
		r = net_url_parse(&to, realm, err);
	if (r == 0 && from.https && !to.https)
		r = error_set(err, -EACCES,
			      "the registry sends us to %.200s for a token, without TLS.", realm);
	if (r == 0)
		r = net_allows(n, realm, err);
	if (r < 0)
		return r;
	same_host = str_eq(from.host, to.host);
	if (net_host_of(n->config, &to) || (same_host && from.port == to.port) ||
	    (to.https && to.port == 443 && (same_host || is_related(from.host, to.host))))
		return 0;
	return error_set(err, -EACCES,
			 "the registry %s sends us to %s:%u for a token, which is not of its "
			 "domain. When that is right, name it in `hosts` of %s.",
			 from.host, to.host, to.port,
			 *n->config->path ? n->config->path : "the configuration");
}

/* ---- the token ------------------------------------------------------------------------------- */

struct answer {
	char *token, *access_token;
};

static const struct json_field answer_fields[] = {
	{ "token", JSON_KIND_STRING, json_read_string, offsetof(struct answer, token) },
	{ "access_token", JSON_KIND_STRING, json_read_string,
	  offsetof(struct answer, access_token) },
	{ NULL },
};

static void answer_deinit(struct answer *a)
{
	free(a->token);
	free(a->access_token);
}

/* It becomes part of a header. */
static bool is_token(const char *s)
{
	for (const char *p = s; *p; p++)
		if (*p <= 0x20 || *p >= 0x7f)
			return false;
	return *s;
}

static int read_answer(const struct transfer_result *got, char **ret, struct error *err)
{
	_cleanup_(answer_deinit) struct answer a = { 0 };
	struct json_reader r = { .report = json_report_error, .arg = err };
	_json_ struct json_t *root = NULL;
	char **token;
	int status;

	if (json_read_text(&r, got->body, got->body_len, LIMIT_TOKEN_BYTES, &root) == 0)
		json_read_object(&r, root, answer_fields, &a);
	status = json_status(&r);
	if (status < 0)
		return status == -ENOMEM ? error_set(err, status, "out of memory") : status;
	token = a.token && *a.token ? &a.token : &a.access_token;
	if (!*token || !is_token(*token))
		return error_set(err, -EPROTO, "there is no token in the answer.");
	*ret = take_ptr(token);
	return 0;
}

/* As a value in a query. */
static int add_escaped(struct buf *b, const char *s)
{
	int r = 0;

	for (; r == 0 && *s; s++)
		r = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
				    (*s >= '0' && *s <= '9') || strchr("-._~", *s)
			    ? buf_add(b, s, 1)
			    : buf_addf(b, "%%%02X", (unsigned char)*s);
	return r;
}

/* The scope is ours, not the registry's: it has no say in what we ask for. */
static int make_url(struct buf *b, const struct oci_challenge *c, const char *repository)
{
	int r = buf_addf(b, "%s%s", c->realm, strchr(c->realm, '?') ? "&" : "?");

	if (r == 0 && *c->service) {
		r = buf_add(b, "service=", strlen("service="));
		if (r == 0)
			r = add_escaped(b, c->service);
		if (r == 0)
			r = buf_add(b, "&", 1);
	}
	if (r == 0)
		r = buf_add(b, "scope=repository%3A", strlen("scope=repository%3A"));
	if (r == 0)
		r = add_escaped(b, repository);
	return r == 0 ? buf_add(b, "%3Apull", strlen("%3Apull")) : r;
}

/* The registry's credentials, when its token server has none of its own. Needs 300 bytes. */
static const char *credentials_of(const struct net *n, const char *registry, const char *realm,
				  char *dst)
{
	const struct net_host *host;
	struct net_url url;

	if (net_url_parse(&url, realm, NULL) < 0)
		return NULL;
	host = net_host_of(n->config, &url);
	if (host && host->credentials && *host->credentials)
		return NULL;
	if (net_url_parse(&url, registry, NULL) < 0)
		return NULL;
	host = net_host_of(n->config, &url);
	if (!host || !host->credentials || !*host->credentials)
		return NULL;
	snprintf(dst, 300, "%s:%u", url.host, url.port);
	return dst;
}

int oci_token_get(const struct net *n, const struct oci_challenge *c, const char *registry,
		  const char *repository, char **ret, struct error *err)
{
	_transfer_result_ struct transfer_result got = { 0 };
	_buf_ struct buf url = BUF_INIT(8 << 10);
	char host[300];
	struct transfer t = {
		.max_bytes = LIMIT_TOKEN_BYTES,
		.limit = "LIMIT_TOKEN_BYTES",
		.what = "a token of the registry",
		.credentials_of = credentials_of(n, registry, c->realm, host),
	};
	int r = oci_realm_allowed(n, registry, c->realm, err);

	if (r < 0)
		return r;
	r = make_url(&url, c, repository);
	if (r < 0)
		return error_set(err, r, "cannot ask %s for a token", c->realm);
	t.url = url.data;
	r = transfer_get(n, &t, &got, err);
	if (r < 0)
		return r;
	if (got.status != 200)
		return error_set(err, -EACCES,
				 "%s gave no token for %s: status %d. Are there credentials for it "
				 "in `hosts` of the configuration?",
				 c->realm, repository, got.status);
	r = read_answer(&got, ret, err);
	return r < 0 ? error_prefix(err, r, "the token from %s", c->realm) : 0;
}
