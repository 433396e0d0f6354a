#include "images/fetch/answer.h"

#include <strings.h>

#include "images/fetch/fetch.h"

/* ---- Content-Range --------------------------------------------------------------------------- */

/* Digits from *at on, up to the byte end, which is passed over. */
static int number_until(const char **at, char end, uint64_t *ret)
{
	size_t len = strspn(*at, "0123456789");
	char digits[21];

	if (len == 0 || len >= sizeof(digits) || (*at)[len] != end)
		return -EBADMSG;
	memcpy(digits, *at, len);
	digits[len] = '\0';
	*at += end ? len + 1 : len;
	return str_to_u64(digits, INT64_MAX, ret) < 0 ? -EBADMSG : 0;
}

int answer_range_parse(struct answer_range *ret, const char *value)
{
	struct answer_range range = { 0 };
	const char *at = value + strlen("bytes ");

	if (strncasecmp(value, "bytes ", strlen("bytes ")) != 0)
		return -EBADMSG;
	range.satisfied = !str_starts(at, "*/");
	range.has_total = !str_ends(value, "/*");
	if (range.satisfied) {
		if (number_until(&at, '-', &range.first) < 0 ||
		    number_until(&at, '/', &range.last) < 0 || range.last < range.first)
			return -EBADMSG;
	} else {
		at += strlen("*/");
	}
	if (range.has_total ? number_until(&at, '\0', &range.total) < 0 : !str_eq(at, "*"))
		return -EBADMSG;
	/* one of the two has to be said, and what is said has to be possible */
	if (range.satisfied ? range.has_total && range.last >= range.total : !range.has_total)
		return -EBADMSG;
	*ret = range;
	return 0;
}

/* ---- headers --------------------------------------------------------------------------------- */

static int read_length(struct answer *a, const char *value, struct error *err)
{
	uint64_t length;

	if (str_to_u64(value, INT64_MAX, &length) < 0)
		return error_set(err, -EBADMSG, "the server's Content-Length is no number.");
	if (a->has_length && a->length != length)
		return error_set(err, -EBADMSG, "the server sent two different Content-Length.");
	a->has_length = true;
	a->length = length;
	return 0;
}

static int read_range(struct answer *a, const char *value, struct error *err)
{
	if (a->has_range || answer_range_parse(&a->range, value) < 0)
		return error_set(err, -EBADMSG, "the server's Content-Range makes no sense.");
	a->has_range = true;
	return 0;
}

static int read_content_encoding(_unused_ struct answer *a, const char *value, struct error *err)
{
	if (!*value || strcasecmp(value, "identity") == 0)
		return 0;
	return error_set(err, -EBADMSG,
			 "the server encoded the body (Content-Encoding: %.40s), which nobody asked "
			 "for.",
			 value);
}

static int read_transfer_encoding(struct answer *a, const char *value, struct error *err)
{
	if (strcasecmp(value, "chunked") != 0)
		return error_set(err, -EBADMSG,
				 "the server sends the body in a form nobody asked for "
				 "(Transfer-Encoding: %.40s).",
				 value);
	a->is_chunked = true;
	return 0;
}

static const struct {
	const char *name;
	int (*read)(struct answer *a, const char *value, struct error *err);
} understood[] = {
	{ "content-length", read_length },
	{ "content-range", read_range },
	{ "content-encoding", read_content_encoding },
	{ "transfer-encoding", read_transfer_encoding },
};

static int keep(struct answer *a, const char *name, const char *value, struct error *err)
{
	static const char *const reported[] = { FETCH_HEADERS };

	for (size_t i = 0; i < ARRAY_SIZE(reported); i++) {
		if (!str_eq(name, reported[i]))
			continue;
		if (strlen(name) + strlen(": ") + strlen(value) > FETCH_TEXT_BYTES)
			return error_set(err, -E2BIG,
					 "the server's header %s is longer than %d bytes.", name,
					 FETCH_TEXT_BYTES);
		if (buf_addf(&a->reported, "%s: %s", name, value) < 0 ||
		    buf_add(&a->reported, "", 1) < 0)
			return error_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* line: without its end. */
static int read_header(struct answer *a, char *line, struct error *err)
{
	char *value = strchr(line, ':');

	if (!value || !a->status)
		return error_set(err, -EBADMSG,
				 "the server sent a header without \":\", or before its status.");
	*value++ = '\0';
	value += strspn(value, " \t");
	for (char *p = line; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	for (size_t i = 0; i < ARRAY_SIZE(understood); i++)
		if (str_eq(line, understood[i].name)) {
			int r = understood[i].read(a, value, err);

			if (r < 0)
				return r;
		}
	return keep(a, line, value, err);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* "HTTP/1.1 200 OK", "HTTP/2 200". What came before was an interim answer. */
static int read_status(struct answer *a, const char *line, struct error *err)
{
	const char *code = strchr(line, ' ');
	size_t n_lines = a->n_lines, n_bytes = a->n_bytes;

	if (!code || strspn(code + 1, "0123456789") != 3)
		return error_set(err, -EBADMSG, "the server's status line makes no sense.");
	code++;
	answer_deinit(a);
	*a = (struct answer){
		.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'),
		.reported = BUF_INIT(2 * LIMIT_FETCH_HEADER_BYTES),
		.n_lines = n_lines,
		.n_bytes = n_bytes,
	};
	return 0;
}

static int end_head(struct answer *a, struct error *err)
{
	if (a->status == 101)
		return error_set(err, -EBADMSG,
				 "the server went over to another protocol unasked.");
	if (a->status < 100)
		return error_set(err, -EBADMSG, "the server's answer has no status.");
	a->is_whole = a->status >= 200;
	if (a->is_whole && a->is_chunked && a->has_length)
		return error_set(err, -EBADMSG,
				 "the server sent both Content-Length and Transfer-Encoding.");
	return 0;
}

int answer_line(struct answer *a, const char *line, size_t len, struct error *err)
{
	_free_ char *text = NULL;

	a->n_lines++;
	a->n_bytes += len;
	if (a->n_bytes > LIMIT_FETCH_HEADER_BYTES)
		return error_set(err, -E2BIG,
				 "the headers of the answer are longer than "
				 "LIMIT_FETCH_HEADER_BYTES (%d).",
				 LIMIT_FETCH_HEADER_BYTES);
	if (a->n_lines > LIMIT_FETCH_HEADERS)
		return error_set(err, -E2BIG,
				 "the answer has more headers than LIMIT_FETCH_HEADERS (%d).",
				 LIMIT_FETCH_HEADERS);
	if (a->is_whole) /* a trailer */
		return 0;
	while (len > 0 && strchr("\r\n \t", line[len - 1]))
		len--;
	if (memchr(line, '\0', len))
		return error_set(err, -EBADMSG, "the server sent a header with a NUL in it.");
	text = strndup(line, len);
	if (!text)
		return error_set(err, -ENOMEM, "out of memory");
	if (len == 0)
		return end_head(a, err);
	return str_starts(text, "HTTP/") ? read_status(a, text, err) : read_header(a, text, err);
}

/* ---- where the body goes --------------------------------------------------------------------- */

int answer_place(const struct answer *a, uint64_t offset, uint64_t *ret_start, uint64_t *ret_length,
		 uint64_t *ret_total, struct error *err)
{
	const struct answer_range *range = &a->range;
	uint64_t length;

	if (a->status == 200) {
		*ret_start = 0;
		*ret_length = *ret_total = a->has_length ? a->length : UINT64_MAX;
		return 0;
	}
	if (offset == 0)
		return error_set(err, -EBADMSG,
				 "the server sent a part (206), but all was asked for.");
	if (!a->has_range || !range->satisfied)
		return error_set(err, -EBADMSG,
				 "the server sent a part (206) and does not say which: it has no "
				 "Content-Range.");
	if (range->first != offset)
		return error_set(err, -EBADMSG,
				 "the server sent the part from byte %llu on, but byte %llu was "
				 "asked for.",
				 (unsigned long long)range->first, (unsigned long long)offset);
	length = range->last - range->first + 1;
	if (a->has_length && a->length != length)
		return error_set(err, -EBADMSG,
				 "the server's Content-Range has %llu bytes, its Content-Length "
				 "%llu.",
				 (unsigned long long)length, (unsigned long long)a->length);
	*ret_start = offset;
	*ret_length = length;
	*ret_total = range->has_total ? range->total : UINT64_MAX;
	return 0;
}

void answer_deinit(struct answer *a)
{
	buf_deinit(&a->reported);
}
