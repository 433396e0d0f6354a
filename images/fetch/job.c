#include "images/fetch/job.h"

#include <stddef.h>
#include <strings.h>

enum { TIMEOUT_MAX_S = 24 * 60 * 60, KEEP_ERROR_MAX = 64 << 10, SPEED_MAX = 1 << 30 };

struct member {
	const char *name;
	int (*parse)(const struct member *m, struct job *j, const char *value, struct error *err);
	size_t offset;     /* in struct job */
	uint64_t min, max; /* of a number */
};

/* Nothing that could end a line, and nothing that libraries understand differently. */
static bool is_visible(const char *s, bool blanks)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x7f || *s < ' ' || (*s == ' ' && !blanks))
			return false;
	return true;
}

static int parse_number(const struct member *m, struct job *j, const char *value, struct error *err)
{
	uint64_t *number = (uint64_t *)((char *)j + m->offset);

	if (str_to_u64(value, m->max, number) < 0 || *number < m->min)
		return error_set(err, -EINVAL, "%s= of the job is no number from %llu to %llu.",
				 m->name, (unsigned long long)m->min, (unsigned long long)m->max);
	return 0;
}

static int set_text(const struct member *m, struct job *j, const char *value, struct error *err)
{
	const char **text = (const char **)((char *)j + m->offset);

	if (*text)
		return error_set(err, -EINVAL, "%s= is in the job twice.", m->name);
	*text = value;
	return 0;
}

static int parse_url(const struct member *m, struct job *j, const char *value, struct error *err)
{
	if (!*value || strlen(value) > LIMIT_URL_BYTES || !is_visible(value, false))
		return error_set(err, -EINVAL,
				 "%s= of the job is empty, longer than LIMIT_URL_BYTES (%d), or has "
				 "blanks, control characters or bytes outside ASCII.",
				 m->name, LIMIT_URL_BYTES);
	return set_text(m, j, value, err);
}

static int parse_validator(const struct member *m, struct job *j, const char *value,
			   struct error *err)
{
	if (!*value || !is_visible(value, true))
		return error_set(err, -EINVAL, "%s= of the job is no ETag and no date.", m->name);
	return set_text(m, j, value, err);
}

/* Those that are ours to send: with them a request could become two, or say what it is not. */
static bool is_reserved(const char *name, size_t len)
{
	static const char *const names[] = {
		"Accept-Encoding",
		"Connection",
		"Content-Length",
		"Expect",
		"Host",
		"If-Range",
		"Proxy-Authorization",
		"Range",
		"TE",
		"Trailer",
		"Transfer-Encoding",
		"Upgrade",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && strncasecmp(name, names[i], len) == 0)
			return true;
	return false;
}

static int parse_header(const struct member *m, struct job *j, const char *value, struct error *err)
{
	size_t len = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789!#$%&'*+-.^_`|~");

	if (len == 0 || value[len] != ':' || value[len + 1] != ' ' || !value[len + 2] ||
	    !is_visible(value, true))
		return error_set(err, -EINVAL, "%s= of the job is no \"Name: value\".", m->name);
	if (is_reserved(value, len))
		return error_set(err, -EINVAL, "%s= of the job: %.*s is not the caller's to send.",
				 m->name, (int)len, value);
	if (j->n_headers == LIMIT_FETCH_JOB_HEADERS)
		return error_set(err, -E2BIG,
				 "the job has more headers than LIMIT_FETCH_JOB_HEADERS (%d).",
				 LIMIT_FETCH_JOB_HEADERS);
	j->headers[j->n_headers++] = value;
	return 0;
}

#define MEMBER(name) offsetof(struct job, name)

/* Positions in a file are off_t. */
static const struct member members[] = {
	{ "url", parse_url, MEMBER(url) },
	{ "header", parse_header, 0 },
	{ "proxy", parse_url, MEMBER(proxy) },
	{ "offset", parse_number, MEMBER(offset), 0, INT64_MAX },
	{ "validator", parse_validator, MEMBER(validator) },
	{ "max", parse_number, MEMBER(max), 0, INT64_MAX },
	{ "connect-timeout", parse_number, MEMBER(connect_timeout_s), 1, TIMEOUT_MAX_S },
	{ "stall-timeout", parse_number, MEMBER(stall_timeout_s), 1, TIMEOUT_MAX_S },
	{ "min-speed", parse_number, MEMBER(min_speed), 1, SPEED_MAX },
	{ "keep-error", parse_number, MEMBER(keep_error), 0, KEEP_ERROR_MAX },
};

static int parse_member(struct job *j, const char *text, struct error *err)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (strlen(members[i].name) == len && strncmp(members[i].name, text, len) == 0)
			return members[i].parse(&members[i], j, equals + 1, err);
	if (!equals)
		return error_set(err, -EINVAL, "the job has a member without \"=\".");
	return error_set(err, -EINVAL, "the job has a member that is not known: %.*s.",
			 len < 64 ? (int)len : 64, text);
}

int job_parse(struct job *ret, char *text, size_t len, struct error *err)
{
	_job_ struct job j = {
		.text = text,
		.max = LIMIT_ARCHIVE_BYTES,
		.connect_timeout_s = 30,
		.stall_timeout_s = 60,
		.min_speed = 1024,
	};

	if (len == 0 || text[len - 1] != '\0')
		return error_set(err, -EBADMSG, "the job is cut off.");
	for (size_t at = 0; at < len; at += strlen(text + at) + 1) {
		int r = parse_member(&j, text + at, err);

		if (r < 0)
			return r;
	}
	if (!j.url)
		return error_set(err, -EINVAL, "the job has no url=.");
	*ret = j;
	j.text = NULL;
	return 0;
}

void job_deinit(struct job *j)
{
	free(j->text);
	j->text = NULL;
}
