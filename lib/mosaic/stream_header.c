/* What stands in front of a stream. */
#include <jansson.h>
#include <string.h>

#include "mosaic/stream.h"

void stream_header_deinit(struct stream_header *h)
{
	free(h->volume);
	free(h->since_name);
	free(h->id);
	free(h->since);
	free(h->stream);
	free(h->fs);
	*h = (struct stream_header){ 0 };
}

int stream_header_encode(const struct stream_header *h, char **ret, struct error *err)
{
	_json_ json_t *o = json_pack("{s:s, s:s, s:s*, s:s*, s:s, s:s, s:b, s:I, s:I, s:I}",
				     "volume", h->volume, "id", h->id, "sinceName", h->since_name,
				     "since", h->since, "stream", h->stream, "fs", h->fs, "raw",
				     h->raw, "size", (json_int_t)h->size, "content",
				     (json_int_t)h->content, "entries", (json_int_t)h->entries);
	int r = o ? json_write_text(o, ret) : -EINVAL;

	return r < 0 ? error_set(err, r, "cannot write the header of the stream") : 0;
}

static const struct json_range sizes = { .min = 0, .max = INT64_MAX };

static const struct json_field fields[] = {
	{ "volume", JSON_KIND_STRING, json_read_string, offsetof(struct stream_header, volume),
	  JSON_REQUIRED },
	{ "sinceName", JSON_KIND_STRING, json_read_string,
	  offsetof(struct stream_header, since_name) },
	{ "id", JSON_KIND_STRING, json_read_string, offsetof(struct stream_header, id),
	  JSON_REQUIRED },
	{ "since", JSON_KIND_STRING, json_read_string, offsetof(struct stream_header, since) },
	{ "stream", JSON_KIND_STRING, json_read_string, offsetof(struct stream_header, stream),
	  JSON_REQUIRED },
	{ "fs", JSON_KIND_STRING, json_read_string, offsetof(struct stream_header, fs),
	  JSON_REQUIRED },
	{ "raw", JSON_KIND_BOOLEAN, json_read_boolean, offsetof(struct stream_header, raw),
	  JSON_REQUIRED },
	{ "size", JSON_KIND_INTEGER, json_read_s64, offsetof(struct stream_header, size),
	  JSON_REQUIRED, &sizes },
	{ "content", JSON_KIND_INTEGER, json_read_s64, offsetof(struct stream_header, content),
	  JSON_REQUIRED, &sizes },
	{ "entries", JSON_KIND_INTEGER, json_read_s64, offsetof(struct stream_header, entries),
	  JSON_REQUIRED, &sizes },
	{ NULL },
};

static void check(struct json_reader *r, const struct stream_header *h)
{
	if (!hex_is(h->id, STREAM_ID))
		json_fault_at(r, "id", "must be %d hexadecimal digits", STREAM_ID);
	if (h->since && !hex_is(h->since, STREAM_ID))
		json_fault_at(r, "since", "must be %d hexadecimal digits", STREAM_ID);
	if (h->raw && *h->fs)
		json_fault_at(r, "fs", "a raw volume has none");
	if (strlen(h->fs) >= MOSAIC_FS_MAX)
		json_fault_at(r, "fs", "is longer than %d bytes", MOSAIC_FS_MAX - 1);
	if (!*h->stream)
		json_fault_at(r, "stream", "is empty");
}

int stream_header_decode(struct stream_header *ret, const char *text, size_t len, struct error *err)
{
	struct json_reader r = { .report = json_report_error, .arg = err };
	_stream_header_ struct stream_header h = { 0 };
	_json_ json_t *root = NULL;
	int result;

	if (json_read_text(&r, text, len, LIMIT_STREAM_HEADER, &root) == 0)
		json_read_object(&r, root, fields, &h);
	if (json_status(&r) == 0)
		check(&r, &h);
	result = json_status(&r);
	if (result < 0)
		return error_prefix(err, result, "the header of the stream");
	*ret = h;
	h = (struct stream_header){ 0 };
	return 0;
}
