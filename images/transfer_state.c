/*
 * The state beside a download: JSON in the file "state" of a partial download. It is written when a
 * body begins, so that whoever finds the data knows what it is the beginning of; each time a good
 * deal of it was made durable; and at the end.
 *
 *	{"url", "finalUrl", "validator", "contentType", "digest", "boot", "total", "durable",
 *	 "complete", "overHttp"}
 */
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "images/transfer.h"

#define STATE(member) offsetof(struct transfer_state, member)

static const struct json_range count = { 0, INT64_MAX };

static const struct json_field fields[] = {
	{ "url", JSON_KIND_STRING, json_read_string, STATE(url), JSON_REQUIRED },
	{ "finalUrl", JSON_KIND_STRING, json_read_string, STATE(final_url), JSON_REQUIRED },
	{ "validator", JSON_KIND_STRING, json_read_string, STATE(validator) },
	{ "contentType", JSON_KIND_STRING, json_read_string, STATE(content_type) },
	{ "digest", JSON_KIND_STRING, json_read_string, STATE(digest) },
	{ "boot", JSON_KIND_STRING, json_read_string, STATE(boot), JSON_REQUIRED },
	{ "total", JSON_KIND_INTEGER, json_read_s64, STATE(total), JSON_REQUIRED, &count },
	{ "durable", JSON_KIND_INTEGER, json_read_s64, STATE(durable), JSON_REQUIRED, &count },
	{ "complete", JSON_KIND_BOOLEAN, json_read_boolean, STATE(complete), JSON_REQUIRED },
	{ "overHttp", JSON_KIND_BOOLEAN, json_read_boolean, STATE(over_http), JSON_REQUIRED },
	{ NULL },
};

void transfer_state_deinit(struct transfer_state *s)
{
	free(s->url);
	free(s->final_url);
	free(s->validator);
	free(s->content_type);
	free(s->digest);
	free(s->boot);
	*s = (struct transfer_state){ 0 };
}

/* The ID of this boot; "" when the system has none: then no other is the same. */
static char *this_boot(void)
{
	char *text = NULL;

	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 128, &text, NULL) < 0)
		return strdup("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* Is it there, whole, and about this URL? */
static bool parse(struct transfer_state *s, const char *text, size_t len, const struct transfer *t)
{
	struct error ignored = { 0 };
	struct json_reader r = { .report = json_report_error, .arg = &ignored };
	_json_ json_t *root = NULL;

	if (json_read_text(&r, text, len, len, &root) == 0)
		json_read_object(&r, root, fields, s);
	return json_status(&r) == 0 && str_eq(s->url, t->url);
}

/* How much of size bytes is what it should be. */
static uint64_t trusted(const struct transfer_state *s, const struct transfer *t, uint64_t size,
			const char *boot)
{
	if (s->complete)
		return size == s->total ? size : 0;
	if (!s->validator && !t->immutable)
		return 0;
	if (*boot && str_eq(s->boot, boot))
		return size;
	return s->durable < size ? s->durable : size;
}

int transfer_state_load(struct transfer_state *ret, const struct transfer *t,
			const struct store_partial *partial, uint64_t *ret_have, struct error *err)
{
	_cleanup_(transfer_state_deinit) struct transfer_state s = { 0 };
	_free_ char *text = NULL, *boot = this_boot();
	uint64_t have = 0;
	struct stat st;
	size_t len;
	int r = store_partial_read(partial, &text, &len, err);

	if (r < 0 && r != -EFBIG)
		return r;
	if (fstat(partial->data, &st) < 0 || !boot)
		return error_set(err, boot ? -errno : -ENOMEM, "cannot look at a download");
	if (r == 0 && text && parse(&s, text, len, t))
		have = trusted(&s, t, (uint64_t)st.st_size, boot);
	if (have == 0) {
		transfer_state_deinit(&s);
		s.url = strdup(t->url);
		if (!s.url)
			return error_set(err, -ENOMEM, "out of memory");
	}
	if ((uint64_t)st.st_size > have && ftruncate(partial->data, (off_t)have) < 0)
		return error_set(err, -errno, "cannot cut a download");
	free(s.boot);
	s.boot = take_ptr(&boot);
	if (err)
		*err = (struct error){ 0 };
	*ret = s;
	s = (struct transfer_state){ 0 };
	*ret_have = have;
	return 0;
}

int transfer_state_save(const struct transfer_state *s, const struct store_partial *partial,
			struct error *err)
{
	_json_ json_t *root = NULL;
	_free_ char *text = NULL;
	int r;

	root = json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s, s:I, s:I, s:b, s:b}", "url", s->url,
			 "finalUrl", s->final_url, "validator", s->validator, "contentType",
			 s->content_type, "digest", s->digest, "boot", s->boot, "total",
			 (json_int_t)s->total, "durable", (json_int_t)s->durable, "complete",
			 (int)s->complete, "overHttp", (int)s->over_http);
	if (!root)
		return error_set(err, -EINVAL, "cannot write the state of a download down");
	r = json_write_text(root, &text);
	if (r < 0)
		return error_set(err, r, "cannot write the state of a download down");
	return store_partial_write(partial, text, strlen(text), err);
}
