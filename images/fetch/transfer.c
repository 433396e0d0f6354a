#include "images/fetch/transfer.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include "images/fetch/fetch.h"
#include "images/fetch/report.h"

enum {
	BUFFER_BYTES = 512 << 10, /* the most that libcurl 7.88 takes */
	BODY_RECORD_BYTES = 4000, /* goes into a pipe in one piece */
	PROGRESS_NS = 200 * 1000 * 1000,
};

/* ---- the answer ------------------------------------------------------------------------------ */

static int too_large(struct transfer *t, const char *at_least, uint64_t bytes)
{
	error_set(t->err, -EFBIG, "the body has %s%llu bytes, and %llu are allowed.", at_least,
		  (unsigned long long)bytes, (unsigned long long)t->job->max);
	return FETCH_TOO_LARGE;
}

static void report_head(const struct transfer *t)
{
	const struct answer *a = &t->answer;

	report_value(FETCH_STATUS, (uint64_t)a->status);
	for (size_t at = 0; at < a->reported.len;) {
		size_t len = strlen(a->reported.data + at);

		report_text(FETCH_HEADER, 0, a->reported.data + at, len);
		at += len + 1;
	}
}

/* A body for the file: may it come, and where does it go? */
static int begin_content(struct transfer *t)
{
	uint64_t start, length, size;
	int r = answer_place(&t->answer, t->job->offset, &start, &length, &t->total, t->err);

	if (r < 0)
		return FETCH_FAILED;
	t->at = start;
	t->end = length == UINT64_MAX ? length : start + length;
	size = t->total != UINT64_MAX ? t->total : t->end;
	if (size != UINT64_MAX && size > t->job->max)
		return too_large(t, "", size);
	if (ftruncate(FETCH_FILE_FD, (off_t)start) < 0)
		return error_set(t->err, -errno, "cannot cut the file");
	report_value(FETCH_START, start);
	if (t->total != UINT64_MAX)
		report_value(FETCH_TOTAL, t->total);
	return 0;
}

static int begin(struct transfer *t)
{
	const struct answer *a = &t->answer;

	t->has_begun = true;
	report_head(t);
	t->is_content = a->status == 200 || a->status == 206;
	if (t->is_content)
		return begin_content(t);
	if (a->status == 416 && a->has_range && a->range.has_total)
		report_value(FETCH_TOTAL, a->range.total);
	t->has_enough = t->job->keep_error == 0;
	return 0;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	int r = answer_line(&t->answer, line, size * n, t->err);

	if (r < 0)
		t->failure = r == -ENOMEM ? r : FETCH_FAILED;
	else if (t->answer.is_whole && !t->has_begun)
		t->failure = begin(t);
	return t->failure || t->has_enough ? 0 : size * n;
}

/* ---- the body -------------------------------------------------------------------------------- */

static int store(struct transfer *t, const char *data, size_t len)
{
	int r = pwrite_all(FETCH_FILE_FD, data, len, t->at);

	if (r < 0)
		return error_set(t->err, r, "cannot write the file");
	t->at += len;
	return 0;
}

static int take_content(struct transfer *t, const char *data, size_t len)
{
	int64_t now;
	int r;

	if (len > t->end - t->at) {
		error_set(t->err, -EBADMSG, "the server sent more bytes than it said.");
		return FETCH_FAILED;
	}
	if (len > t->job->max - t->at)
		return too_large(t, "more than ", t->job->max);
	r = store(t, data, len);
	if (r < 0)
		return r;
	now = time_boot_ns();
	if (now - t->progress_ns >= PROGRESS_NS) {
		t->progress_ns = now;
		report_value(FETCH_PROGRESS, t->at);
	}
	return 0;
}

static void take_other(struct transfer *t, const char *data, size_t len)
{
	while (len > 0 && !t->has_enough) {
		uint64_t left = t->job->keep_error - t->reported;
		size_t n = len < BODY_RECORD_BYTES ? len : BODY_RECORD_BYTES;

		if (n > left)
			n = (size_t)left;
		report_text(FETCH_BODY, 0, data, n);
		data += n;
		len -= n;
		t->reported += n;
		t->has_enough = t->reported == t->job->keep_error;
	}
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	t->received_ns = time_boot_ns();
	if (t->is_content)
		t->failure = take_content(t, data, size * n);
	else
		take_other(t, data, size * n);
	return t->failure || t->has_enough ? 0 : size * n;
}

/* ---- the request ----------------------------------------------------------------------------- */

static int add_header(struct transfer *t, const char *text)
{
	struct curl_slist *more = curl_slist_append(t->headers, text);

	if (!more)
		return -ENOMEM;
	t->headers = more;
	return 0;
}

static int add_headers(struct transfer *t)
{
	_free_ char *validator = NULL;
	int r = 0;

	for (size_t i = 0; i < t->job->n_headers && r == 0; i++)
		r = add_header(t, t->job->headers[i]);
	if (r < 0 || t->job->offset == 0 || !t->job->validator)
		return r;
	validator = str_printf("If-Range: %s", t->job->validator);
	return validator ? add_header(t, validator) : -ENOMEM;
}

static CURLcode set_texts(struct transfer *t)
{
	char range[32];
	const struct {
		CURLoption option;
		const char *value;
	} texts[] = {
		{ CURLOPT_PROTOCOLS_STR, "http,https" },
		{ CURLOPT_PROXY, t->job->proxy ? t->job->proxy : "" }, /* not the environment's */
		{ CURLOPT_NOPROXY, "" },
		{ CURLOPT_USERAGENT, "carob/" CAROB_VERSION },
		{ CURLOPT_RANGE, t->job->offset ? range : NULL },
	};
	CURLcode code = CURLE_OK;

	snprintf(range, sizeof(range), "%llu-", (unsigned long long)t->job->offset);
	for (size_t i = 0; i < ARRAY_SIZE(texts) && code == CURLE_OK; i++)
		code = curl_easy_setopt(t->curl, texts[i].option, texts[i].value);
	return code;
}

static CURLcode set_numbers(struct transfer *t)
{
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
		{ CURLOPT_HEADEROPT, CURLHEADER_SEPARATE }, /* ours are not for a proxy */
		{ CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
		{ CURLOPT_BUFFERSIZE, BUFFER_BYTES },
		{ CURLOPT_CONNECTTIMEOUT, (long)t->job->connect_timeout_s },
		/* of the body: a head has so long in all */
		{ CURLOPT_LOW_SPEED_LIMIT, (long)t->job->min_speed },
		{ CURLOPT_LOW_SPEED_TIME, (long)t->job->stall_timeout_s },
		{ CURLOPT_FORBID_REUSE, 1 },
		{ CURLOPT_DNS_CACHE_TIMEOUT, -1 },
	};
	CURLcode code = CURLE_OK;

	for (size_t i = 0; i < ARRAY_SIZE(numbers) && code == CURLE_OK; i++)
		code = curl_easy_setopt(t->curl, numbers[i].option, numbers[i].value);
	return code;
}

static CURLcode set_objects(struct transfer *t)
{
	const struct {
		CURLoption option;
		void *value;
	} objects[] = {
		{ CURLOPT_CURLU, t->url->handle },  { CURLOPT_RESOLVE, t->addresses },
		{ CURLOPT_HTTPHEADER, t->headers }, { CURLOPT_ERRORBUFFER, t->message },
		{ CURLOPT_HEADERDATA, t },          { CURLOPT_WRITEDATA, t },
	};
	CURLcode code = CURLE_OK;

	for (size_t i = 0; i < ARRAY_SIZE(objects) && code == CURLE_OK; i++)
		code = curl_easy_setopt(t->curl, objects[i].option, objects[i].value);
	if (code == CURLE_OK)
		code = curl_easy_setopt(t->curl, CURLOPT_HEADERFUNCTION, on_header);
	if (code == CURLE_OK)
		code = curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_body);
	return code;
}

static bool uses_tls(const struct transfer *t)
{
	return t->url->https || (t->proxy && t->proxy->https);
}

/* OpenSSL reads its configuration and fetches its algorithms when they are first used. */
static int warm_tls(struct error *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return error_set(err, -ENOMEM, "cannot make a TLS context: out of memory?");
	SSL_CTX_free(ctx);
	return 0;
}

static int check_file(const struct transfer *t, struct error *err)
{
	struct stat st;

	if (fstat(FETCH_FILE_FD, &st) < 0)
		return error_set(err, -errno, "cannot use descriptor %d, the file for the body",
				 FETCH_FILE_FD);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "descriptor %d is no regular file.", FETCH_FILE_FD);
	if ((uint64_t)st.st_size < t->job->offset)
		return error_set(err, -EINVAL,
				 "the job wants to go on from byte %llu, and the file has %lld.",
				 (unsigned long long)t->job->offset, (long long)st.st_size);
	return 0;
}

int transfer_prepare(struct transfer *t, struct error *err)
{
	CURLcode code;
	int r = check_file(t, err);

	if (r == 0 && uses_tls(t))
		r = warm_tls(err);
	if (r < 0)
		return r;
	t->curl = curl_easy_init();
	if (!t->curl || add_headers(t) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	code = set_texts(t);
	if (code == CURLE_OK)
		code = set_numbers(t);
	if (code == CURLE_OK)
		code = set_objects(t);
	if (code == CURLE_OK && uses_tls(t))
		code = tls_apply(t->tls, t->curl);
	if (code != CURLE_OK)
		return error_set(err, -EINVAL, "cannot set libcurl up: %s.",
				 curl_easy_strerror(code));
	return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Is the end of the connection all that says where the body ends, so that anybody on the way could
 * have made it? */
static bool is_cut_tls(const struct transfer *t)
{
	long version = 0;

	if (!t->url->https || t->end != UINT64_MAX || t->answer.is_chunked || t->tls->has_ended)
		return false;
	return curl_easy_getinfo(t->curl, CURLINFO_HTTP_VERSION, &version) != CURLE_OK ||
	       version < CURL_HTTP_VERSION_2_0;
}

/* libcurl is content: are we? */
static int check_whole(const struct transfer *t, struct error *err)
{
	if (!t->has_begun) {
		error_set(err, -EPROTO, "%s closed the connection without an answer.",
			  t->url->host);
		return FETCH_FAILED_NOW;
	}
	if (!t->is_content)
		return 0;
	if (t->end != UINT64_MAX && t->at < t->end) {
		error_set(err, -EPROTO, "the connection was cut after %llu of %llu bytes.",
			  (unsigned long long)t->at, (unsigned long long)t->end);
		return FETCH_FAILED_NOW;
	}
	if (is_cut_tls(t)) {
		error_set(err, -EPROTO,
			  "the connection was cut after %llu bytes: TLS did not come to its end.",
			  (unsigned long long)t->at);
		return FETCH_FAILED_NOW;
	}
	if (t->total != UINT64_MAX && t->at < t->total) {
		error_set(err, -EPROTO, "the server sent the bytes up to %llu only, of %llu.",
			  (unsigned long long)t->at, (unsigned long long)t->total);
		return FETCH_FAILED_NOW;
	}
	return 0;
}

/* fstat() may be a call with a path, which is not on the list. */
static int file_size(uint64_t *ret, struct error *err)
{
	off_t size = lseek(FETCH_FILE_FD, 0, SEEK_END);

	if (size < 0)
		return error_set(err, -errno, "cannot ask for the size of the file");
	*ret = (uint64_t)size;
	return 0;
}

int transfer_run(struct transfer *t, uint64_t *ret_size, struct error *err)
{
	CURLcode code;
	int r = 0;

	t->err = err;
	t->progress_ns = time_boot_ns();
	code = curl_easy_perform(t->curl);
	if (t->failure)
		return t->failure;
	/* an answer that has no content is one also when its text does not come to an end */
	if (code == CURLE_OK || t->has_enough || (t->has_begun && !t->is_content))
		r = check_whole(t, err);
	else
		r = transfer_explain(t, code, err);
	return r ? r : file_size(ret_size, err);
}

void transfer_deinit(struct transfer *t)
{
	curl_easy_cleanup(t->curl);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->addresses);
	answer_deinit(&t->answer);
}
