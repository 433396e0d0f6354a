/*
 * What may be asked: lists of hosts and paths, compared component by component, and the transport.
 * Pure.
 */
#include <ctype.h>

#include "images/net.h"

/* One entry of a list: "[*.]HOST[:PORT][/PATH]". */
struct entry {
	bool below; /* began with "*." */
	char host[256];
	unsigned port; /* 0: any */
	const char *path;
};

/* ---- entries --------------------------------------------------------------------------------- */

/* Without an error there is nothing to say, so it borrows the parser of URLs. */
static const char *parse_entry(struct entry *ret, const char *text)
{
	_free_ char *url = NULL;
	struct net_url parts;

	ret->below = str_starts(text, "*.");
	if (ret->below)
		text += 2;
	if (strpbrk(text, "?@#\\%"))
		return "an entry is HOST[:PORT][/PATH], without ?, %, @ and #";
	url = str_printf("https://%s", text);
	if (!url || net_url_parse(&parts, url, NULL) < 0)
		return "the host is neither a name nor an address, or the port is no number";
	memcpy(ret->host, parts.host, sizeof(ret->host));
	ret->port = parts.port_is_written ? parts.port : 0;
	ret->path = strchr(text, '/');
	if (!ret->path)
		ret->path = "";
	return NULL;
}

/* Takes the next component of "/a/b" from the front; what begins at "?" is no path any more. */
static bool next_component(const char **path, const char **ret, size_t *ret_len)
{
	if (**path != '/')
		return false;
	*ret = *path + 1;
	*ret_len = strcspn(*ret, "/?");
	*path = *ret + *ret_len;
	return true;
}

static int hex_value(char c)
{
	const char *hex = "0123456789abcdef";
	const char *at = c ? strchr(hex, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - hex) : -1;
}

/* Whether a server, or whatever is before it, could take a component for "." or "..", also when it
 * is written as %2e, or hides behind a slash that is written as %2f. */
static bool has_dots(const char *path)
{
	size_t dots = 0, others = 0;

	for (;; path++) {
		char c = *path;

		if (c == '%' && hex_value(path[1]) >= 0 && hex_value(path[2]) >= 0) {
			c = (char)(16 * hex_value(path[1]) + hex_value(path[2]));
			path += 2;
		} else if (c == '?') {
			c = '\0';
		}
		if (c == '/' || c == '\\' || (c == '\0' && (*path == '\0' || *path == '?'))) {
			if (others == 0 && (dots == 1 || dots == 2))
				return true;
			dots = others = 0;
		} else if (c == '.') {
			dots++;
		} else {
			others++;
		}
		if (*path == '\0' || *path == '?')
			return false;
	}
}

const char *net_list_fault(const char *text)
{
	struct entry e;
	const char *fault = parse_entry(&e, text), *component, *path;
	size_t n;

	if (fault)
		return fault;
	for (path = e.path; next_component(&path, &component, &n);)
		if (n == 0 && *path)
			return "the path has an empty part";
	return has_dots(e.path) ? "the path has a part \".\" or \"..\"" : NULL;
}

static bool host_matches(const struct entry *e, const char *host)
{
	size_t n = strlen(host), k = strlen(e->host);

	if (!e->below)
		return str_eq(host, e->host);
	return n > k + 1 && host[n - k - 1] == '.' && str_eq(host + n - k, e->host);
}

/* Is path the entry's, or below it? */
static bool path_matches(const struct entry *e, const char *path)
{
	const char *want = e->path, *wanted, *is;
	size_t n_wanted, n_is;

	if (*want && has_dots(path))
		return false;
	while (next_component(&want, &wanted, &n_wanted)) {
		if (n_wanted == 0 && *want == '\0')
			return true; /* "/a/" is "/a" */
		if (!next_component(&path, &is, &n_is) || n_is != n_wanted ||
		    memcmp(is, wanted, n_is) != 0)
			return false;
	}
	return true;
}

bool net_list_has(char *const *list, size_t n, const char *host, unsigned port, const char *path)
{
	for (size_t i = 0; i < n; i++) {
		struct entry e;

		if (!parse_entry(&e, list[i]) && host_matches(&e, host) &&
		    (e.port == 0 || e.port == port) && path_matches(&e, path))
			return true;
	}
	return false;
}

/* ---- what one command works with ------------------------------------------------------------- */

const struct net_host *net_host_of(const struct net_config *c, const struct net_url *url)
{
	const struct net_host *found = NULL;
	char with_port[300];

	snprintf(with_port, sizeof(with_port), "%s:%u", url->host, url->port);
	for (size_t i = 0; i < c->n_hosts; i++) {
		if (str_eq(c->hosts[i].host, with_port))
			return &c->hosts[i];
		if (str_eq(c->hosts[i].host, url->host))
			found = &c->hosts[i];
	}
	return found;
}

static bool may_use_http(const struct net *n, const struct net_url *url)
{
	const struct net_host *host = net_host_of(n->config, url);

	return (host && host->insecure_http) ||
	       net_list_has((char *const *)n->policy->insecure_hosts, n->policy->n_insecure_hosts,
			    url->host, url->port, "");
}

int net_allows(const struct net *n, const char *url, struct error *err)
{
	const struct net_config *c = n->config;
	struct net_url parts;
	int r = net_url_parse(&parts, url, err), shown = (int)strcspn(url, "?");

	if (r < 0)
		return r;
	if (c->has_sources &&
	    !net_list_has(c->sources, c->n_sources, parts.host, parts.port, parts.path))
		return error_set(
			err, -EACCES,
			"%.*s: nothing may be fetched from there: it is not in the list \"sources\" of %s.",
			shown, url, c->path);
	if (!parts.https && !may_use_http(n, &parts))
		return error_set(
			err, -EACCES,
			"%.*s: http is not allowed for %s: anybody on the way could change what comes; --insecure http allows it for the host that was asked for, insecureHttp in %s for any.",
			shown, url, parts.host, *c->path ? c->path : "carob.yaml");
	return 0;
}
