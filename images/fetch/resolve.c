#include "images/fetch/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include "images/fetch/fetch.h"

static int add_address(struct buf *entry, const struct addrinfo *ai)
{
	char text[INET6_ADDRSTRLEN];
	const char *separator = str_ends(entry->data, ":") ? "" : ",";

	if (ai->ai_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)ai->ai_addr;

		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		return buf_addf(entry, "%s%s", separator, text);
	}
	if (ai->ai_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)ai->ai_addr;

		/* one of a single link would need its interface, which this form cannot name */
		if (in6->sin6_scope_id)
			return 0;
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		return buf_addf(entry, "%s[%s]", separator, text);
	}
	return 0;
}

char *resolve_entry(const char *host, unsigned port, const struct addrinfo *list)
{
	_buf_ struct buf entry = BUF_INIT(16 << 10);
	size_t n = 0;

	if (buf_addf(&entry, "%s:%u:", host, port) < 0)
		return NULL;
	for (const struct addrinfo *ai = list; ai && n < LIMIT_FETCH_ADDRESSES;
	     ai = ai->ai_next, n++)
		if (add_address(&entry, ai) < 0)
			return NULL;
	return buf_take(&entry);
}

static bool is_address(const char *host)
{
	struct in_addr in;

	return host[0] == '[' || inet_pton(AF_INET, host, &in) == 1;
}

static int explain(const char *host, int code, struct error *err)
{
	switch (code) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		error_set(err, -ENOENT, "%s has no address (%s).", host, gai_strerror(code));
		return FETCH_FAILED;
	case EAI_MEMORY:
		return error_set(err, -ENOMEM, "out of memory");
	case EAI_SYSTEM:
		error_set(err, -errno, "cannot look %s up", host);
		return FETCH_FAILED_NOW;
	default:
		error_set(err, -EHOSTUNREACH, "cannot look %s up: %s.", host, gai_strerror(code));
		return FETCH_FAILED_NOW;
	}
}

int resolve(const struct url *u, struct curl_slist **ret, struct error *err)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	_free_ char *entry = NULL;
	struct addrinfo *list;
	int code;

	*ret = NULL;
	if (is_address(u->host))
		return 0;
	code = getaddrinfo(u->host, NULL, &hints, &list);
	if (code != 0)
		return explain(u->host, code, err);
	entry = resolve_entry(u->host, u->port, list);
	freeaddrinfo(list);
	if (entry && str_ends(entry, ":")) {
		error_set(err, -ENOENT, "%s has no address that can be connected to.", u->host);
		return FETCH_FAILED;
	}
	if (entry)
		*ret = curl_slist_append(NULL, entry);
	return *ret ? 0 : error_set(err, -ENOMEM, "out of memory");
}
