/* libcurl's result in our words, and whether it is for good. */
#include "images/fetch/fetch.h"
#include "images/fetch/transfer.h"

static long number(const struct transfer *t, CURLINFO info)
{
	long value = 0;

	return curl_easy_getinfo(t->curl, info, &value) == CURLE_OK ? value : 0;
}

/* What libcurl says, without the words that ours repeat. */
static const char *message(const struct transfer *t, CURLcode code)
{
	static const char *const prefixes[] = { "SSL certificate problem: ", "SSL: " };

	if (!t->message[0])
		return curl_easy_strerror(code);
	/* how it shows that the other side broke off while it was connecting */
	if (str_starts(t->message, "getpeername() failed"))
		return strerror(ECONNRESET);
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (str_starts(t->message, prefixes[i]))
			return t->message + strlen(prefixes[i]);
	return t->message;
}

static const struct url *connected_to(const struct transfer *t)
{
	return t->proxy ? t->proxy : t->url;
}

static bool is_moment(long status)
{
	return status == 408 || status == 429 || status >= 500;
}

/* A CONNECT that was answered, but not with 200. */
static int explain_tunnel(const struct transfer *t, long status, struct error *err)
{
	error_set(err, -EPROTO, "the proxy %s does not connect to %s: it answers %ld%s.",
		  t->proxy->host, t->url->host, status,
		  status == 407 ? " (it wants credentials)" : "");
	return is_moment(status) ? FETCH_FAILED_NOW : FETCH_FAILED;
}

static int explain_connection(const struct transfer *t, CURLcode code, struct error *err)
{
	const struct url *to = connected_to(t);
	long number_of_error = number(t, CURLINFO_OS_ERRNO);

	error_set(err, -EHOSTUNREACH, "cannot connect to %s%s port %u: %s.",
		  t->proxy ? "the proxy " : "", to->host, to->port,
		  number_of_error ? strerror((int)number_of_error) : message(t, code));
	return FETCH_FAILED_NOW;
}

static int explain_time(const struct transfer *t, _unused_ CURLcode code, struct error *err)
{
	const struct url *to = connected_to(t);
	const int64_t stall_ns = (int64_t)t->job->stall_timeout_s * 1000000000;
	curl_off_t connected_us = 0;

	if (curl_easy_getinfo(t->curl, CURLINFO_PRETRANSFER_TIME_T, &connected_us) != CURLE_OK)
		connected_us = 0;
	if (connected_us > 0 && !t->has_begun)
		error_set(err, -ETIMEDOUT, "%s has not answered within %llu seconds.", t->url->host,
			  (unsigned long long)t->job->stall_timeout_s);
	else if (connected_us > 0 && time_boot_ns() - t->received_ns < stall_ns)
		error_set(err, -ETIMEDOUT,
			  "%s sent less than %llu bytes a second for %llu seconds, up to byte %llu.",
			  t->url->host, (unsigned long long)t->job->min_speed,
			  (unsigned long long)t->job->stall_timeout_s, (unsigned long long)t->at);
	else if (connected_us > 0)
		error_set(err, -ETIMEDOUT, "%s sent nothing for %llu seconds, after %llu bytes.",
			  t->url->host, (unsigned long long)t->job->stall_timeout_s,
			  (unsigned long long)t->at);
	else
		error_set(err, -ETIMEDOUT, "no connection with %s%s port %u within %llu seconds.",
			  t->proxy ? "the proxy " : "", to->host, to->port,
			  (unsigned long long)t->job->connect_timeout_s);
	return FETCH_FAILED_NOW;
}

static int explain_certificate(const struct transfer *t, CURLcode code, struct error *err)
{
	bool proxy = t->proxy && t->proxy->https && number(t, CURLINFO_PROXY_SSL_VERIFYRESULT);

	error_set(err, -EKEYREJECTED, "the certificate of %s is not trusted: %s.",
		  proxy ? t->proxy->host : t->url->host, message(t, code));
	return FETCH_FAILED;
}

static int explain_our_certificate(const struct transfer *t, CURLcode code, struct error *err)
{
	error_set(err, -EINVAL, "our certificate or its key cannot be used: %s.", message(t, code));
	return FETCH_FAILED;
}

static int explain_cas(const struct transfer *t, CURLcode code, struct error *err)
{
	error_set(err, -EINVAL, "the list of CAs cannot be used: %s.", message(t, code));
	return FETCH_FAILED;
}

/* An alert is the other side's verdict on what we showed or offered; all else may be a cut. */
static int explain_handshake(const struct transfer *t, CURLcode code, struct error *err)
{
	bool cut = strstr(t->message, "SYSCALL") || strstr(t->message, "unexpected eof") ||
		   strstr(t->message, "reset by peer");

	error_set(err, -EPROTO, "no TLS with %s: %s.", t->url->host, message(t, code));
	return cut ? FETCH_FAILED_NOW : FETCH_FAILED;
}

static int explain_cut(const struct transfer *t, CURLcode code, struct error *err)
{
	if (strstr(t->message, "alert ") || strstr(t->message, "hunked-Encoded") ||
	    strstr(t->message, "hunked-encoding")) {
		error_set(err, -EPROTO, "%s: %s.", t->url->host, message(t, code));
		return FETCH_FAILED;
	}
	if (!t->has_begun)
		error_set(err, -EPROTO, "%s closed the connection without an answer (%s).",
			  t->url->host, message(t, code));
	else if (t->end != UINT64_MAX)
		error_set(err, -EPROTO, "the connection was cut after %llu of %llu bytes.",
			  (unsigned long long)t->at, (unsigned long long)t->end);
	else
		error_set(err, -EPROTO, "the connection was cut after %llu bytes (%s).",
			  (unsigned long long)t->at, message(t, code));
	return FETCH_FAILED_NOW;
}

static int explain_look_up(const struct transfer *t, CURLcode code, struct error *err)
{
	error_set(err, -EHOSTUNREACH, "cannot look %s up: %s.", connected_to(t)->host,
		  message(t, code));
	return FETCH_FAILED_NOW;
}

static int explain_memory(_unused_ const struct transfer *t, _unused_ CURLcode code,
			  struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory");
}

static const struct {
	CURLcode code;
	int (*explain)(const struct transfer *t, CURLcode code, struct error *err);
} known[] = {
	{ CURLE_COULDNT_RESOLVE_PROXY, explain_look_up },
	{ CURLE_COULDNT_RESOLVE_HOST, explain_look_up },
	{ CURLE_COULDNT_CONNECT, explain_connection },
	{ CURLE_OPERATION_TIMEDOUT, explain_time },
	{ CURLE_PEER_FAILED_VERIFICATION, explain_certificate },
	{ CURLE_SSL_CERTPROBLEM, explain_our_certificate },
	{ CURLE_SSL_CACERT_BADFILE, explain_cas },
	{ CURLE_SSL_CONNECT_ERROR, explain_handshake },
	{ CURLE_PARTIAL_FILE, explain_cut },
	{ CURLE_RECV_ERROR, explain_cut },
	{ CURLE_SEND_ERROR, explain_cut },
	{ CURLE_GOT_NOTHING, explain_cut },
	{ CURLE_HTTP2, explain_cut },
	{ CURLE_HTTP2_STREAM, explain_cut },
	{ CURLE_OUT_OF_MEMORY, explain_memory },
};

int transfer_explain(const struct transfer *t, CURLcode code, struct error *err)
{
	long tunnel = number(t, CURLINFO_HTTP_CONNECTCODE);

	if (t->proxy && tunnel >= 300)
		return explain_tunnel(t, tunnel, err);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].code == code)
			return known[i].explain(t, code, err);
	error_set(err, -EPROTO, "%s: %s.", t->url->host, message(t, code));
	return FETCH_FAILED;
}
