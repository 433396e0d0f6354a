/*
 * Proxies, by the rules that curl has made the usual ones: http_proxy in small letters only (what
 * is in capitals can be a header of a request, in a CGI program), for the others the small letters
 * first, all_proxy for both, no_proxy with names, addresses and networks.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

#include "images/transfer.h"

struct address {
	int family; /* 0: it is none */
	unsigned char bytes[16];
	unsigned bits;
};

static struct address parse_address(const char *s, size_t len)
{
	struct address a = { 0 };
	char text[INET6_ADDRSTRLEN];

	if (len >= 2 && s[0] == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	}
	if (len >= sizeof(text))
		return a;
	memcpy(text, s, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, a.bytes) == 1)
		return (a.family = AF_INET, a.bits = 32, a);
	if (inet_pton(AF_INET6, text, a.bytes) == 1)
		return (a.family = AF_INET6, a.bits = 128, a);
	return a;
}

/* "10.0.0.0/8", or one address. */
static bool network_has(const char *entry, size_t len, const struct address *host)
{
	const char *slash = memchr(entry, '/', len);
	struct address network = parse_address(entry, slash ? (size_t)(slash - entry) : len);
	uint64_t bits = network.bits;
	char text[8] = "";
	unsigned whole;

	if (!network.family || network.family != host->family)
		return false;
	if (slash) {
		size_t n = len - (size_t)(slash - entry) - 1;

		if (n >= sizeof(text))
			return false;
		memcpy(text, slash + 1, n);
		if (str_to_u64(text, network.bits, &bits) < 0)
			return false;
	}
	whole = (unsigned)bits / 8;
	if (memcmp(network.bytes, host->bytes, whole) != 0)
		return false;
	return bits % 8 == 0 || (network.bytes[whole] ^ host->bytes[whole]) >> (8 - bits % 8) == 0;
}

/* "example.com" and ".example.com" have it, and all below it. */
static bool name_has(const char *entry, size_t len, const char *host)
{
	size_t n = strlen(host);

	if (len > 0 && entry[0] == '.') {
		entry++;
		len--;
	}
	if (len > 0 && entry[len - 1] == '.')
		len--;
	if (len == 0 || len > n || strncasecmp(host + n - len, entry, len) != 0)
		return false;
	return len == n || host[n - len - 1] == '.';
}

static bool is_excepted(const char *list, const char *host)
{
	const struct address address = parse_address(host, strlen(host));

	if (str_eq(list, "*"))
		return true;
	while (*list) {
		size_t n = strcspn(list, ", \t");

		if (n > 0 &&
		    (address.family ? network_has(list, n, &address) : name_has(list, n, host)))
			return true;
		list += n;
		list += strspn(list, ", \t");
	}
	return false;
}

static const char *first_of(const char *(*get)(const char *name), const char *a, const char *b)
{
	const char *value = get(a);

	return value || !b ? value : get(b);
}

static const char *from_environment(bool https, const char *(*get)(const char *name))
{
	const char *proxy = https ? first_of(get, "https_proxy", "HTTPS_PROXY")
				  : first_of(get, "http_proxy", NULL);

	return proxy ? proxy : first_of(get, "all_proxy", "ALL_PROXY");
}

const char *proxy_of(const struct net_config *c, const struct net_url *url,
		     const char *(*get)(const char *name))
{
	const char *proxy = url->https ? c->https_proxy : c->http_proxy;
	const char *except = c->no_proxy ? c->no_proxy : first_of(get, "no_proxy", "NO_PROXY");

	if (!proxy)
		proxy = from_environment(url->https, get);
	if (!proxy || !*proxy || (except && is_excepted(except, url->host)))
		return NULL;
	return proxy;
}
