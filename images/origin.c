#include "images/origin.h"

#include <jansson.h>

enum { ORIGIN_VERSION = 1, ORIGIN_BYTES = 64 << 10 };

const char *const origin_transports[] = {
	"https", "http", "file", "docker", "oci", "oci-archive", "docker-archive", NULL,
};

void origin_deinit(struct origin *o)
{
	free(o->reference);
	free(o->url);
	free(o->transport);
	free(o->manifest_digest);
	trust_verdict_deinit(&o->signature);
	*o = (struct origin){ 0 };
}

static bool is_transport(const char *s)
{
	for (size_t i = 0; s && origin_transports[i]; i++)
		if (str_eq(s, origin_transports[i]))
			return true;
	return false;
}

/* ---- writing --------------------------------------------------------------------------------- */

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static json_t *signature_json(const struct origin *o)
{
	const struct trust_verdict *v = &o->signature;
	char made[TIME_TEXT];

	if (!o->has_signature)
		return json_null();
	time_format(made, v->made_ns);
	return json_pack("{s:s, s:s, s:s, s:s}", "key", v->fingerprint, "rule", or_empty(v->prefix),
			 "user", or_empty(v->user), "made", made);
}

static json_t *insecure_json(const struct origin *o)
{
	json_t *list = json_array();

	if ((o->insecure_http && json_array_append_new(list, json_string("http")) < 0) ||
	    (o->insecure_signature && json_array_append_new(list, json_string("signature")) < 0)) {
		json_decref(list);
		return NULL;
	}
	return list;
}

struct json_t *origin_json(const struct origin *o)
{
	return json_pack("{s:i, s:s, s:s, s:s, s:o, s:o, s:s}", "version", ORIGIN_VERSION,
			 "reference", or_empty(o->reference), "url", or_empty(o->url), "transport",
			 or_empty(o->transport), "signature", signature_json(o), "insecure",
			 insecure_json(o), "manifestDigest", or_empty(o->manifest_digest));
}

int origin_write(int dirfd, const struct origin *o, struct error *err)
{
	_json_ struct json_t *json = NULL;
	_free_ char *text = NULL;
	int r;

	if (!is_transport(o->transport))
		return error_set(err, -EINVAL, "%s is no way that an image comes.",
				 or_empty(o->transport));
	json = origin_json(o);
	r = json ? json_write_text(json, &text) : -ENOMEM;
	if (r == 0)
		r = file_write(dirfd, "origin", text, strlen(text), 0644, FILE_SYNC);
	return r < 0 ? error_set(err, r, "cannot write down where the image comes from") : 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_fingerprint(struct json_reader *r, struct json_t *value, void *member,
			     _unused_ const void *arg)
{
	const char *text = json_string_value(value);
	size_t n = strlen(text);

	if (n != 40 || strspn(text, "0123456789ABCDEF") != n)
		json_fault(r, "expected a fingerprint of 40 digits");
	else
		memcpy(member, text, n + 1);
}

static void read_time(struct json_reader *r, struct json_t *value, void *member,
		      _unused_ const void *arg)
{
	if (time_parse(json_string_value(value), member) < 0)
		json_fault(r, "expected a time as RFC 3339 has it");
}

static void read_transport(struct json_reader *r, struct json_t *value, void *member,
			   _unused_ const void *arg)
{
	if (is_transport(json_string_value(value)))
		json_set_text(r, member, json_string_value(value));
	else
		json_fault(r,
			   "expected https, http, file, docker, oci, oci-archive or docker-archive");
}

static const struct json_field signature_fields[] = {
	{ "key", JSON_KIND_STRING, read_fingerprint, offsetof(struct trust_verdict, fingerprint),
	  JSON_REQUIRED },
	{ "rule", JSON_KIND_STRING, json_read_string, offsetof(struct trust_verdict, prefix),
	  JSON_REQUIRED },
	{ "user", JSON_KIND_STRING, json_read_string, offsetof(struct trust_verdict, user),
	  JSON_REQUIRED },
	{ "made", JSON_KIND_STRING, read_time, offsetof(struct trust_verdict, made_ns),
	  JSON_REQUIRED },
	{ NULL },
};

static void read_signature(struct json_reader *r, struct json_t *value, void *member,
			   _unused_ const void *arg)
{
	struct origin *o = member;

	json_read_object(r, value, signature_fields, &o->signature);
	o->has_signature = true;
}

static void read_insecure(struct json_reader *r, struct json_t *value, void *member,
			  _unused_ const void *arg)
{
	struct origin *o = member;

	for (size_t i = 0; i < json_array_size(value); i++) {
		const char *word = json_string_value(json_array_get(value, i));

		if (word && str_eq(word, "http"))
			o->insecure_http = true;
		else if (word && str_eq(word, "signature"))
			o->insecure_signature = true;
		else
			json_fault(r, "expected \"http\" or \"signature\"");
	}
}

static const struct json_range versions = { ORIGIN_VERSION, ORIGIN_VERSION };
static const struct json_field version_field[] = {
	{ "version", JSON_KIND_INTEGER, json_read_s64, 0, JSON_REQUIRED, &versions },
	{ NULL },
};
static const struct json_field fields[] = {
	{ "reference", JSON_KIND_STRING, json_read_string, offsetof(struct origin, reference),
	  JSON_REQUIRED },
	{ "url", JSON_KIND_STRING, json_read_string, offsetof(struct origin, url), JSON_REQUIRED },
	{ "transport", JSON_KIND_STRING, read_transport, offsetof(struct origin, transport),
	  JSON_REQUIRED },
	{ "signature", JSON_KIND_OBJECT, read_signature, 0 },
	{ "insecure", JSON_KIND_ARRAY, read_insecure, 0, JSON_REQUIRED },
	{ "manifestDigest", JSON_KIND_STRING, json_read_string,
	  offsetof(struct origin, manifest_digest), JSON_REQUIRED },
	{ NULL },
};

static int parse(const char *text, size_t len, struct origin *ret, struct error *err)
{
	struct json_reader reader = { .report = json_report_error, .arg = err };
	_origin_ struct origin o = { 0 };
	_json_ struct json_t *root = NULL;
	int64_t version;
	int r;

	if (json_read_text(&reader, text, len, ORIGIN_BYTES, &root) == 0) {
		json_read_object(&reader, root, version_field, &version);
		json_read_object(&reader, root, fields, &o);
	}
	r = json_status(&reader);
	if (r < 0)
		return r;
	*ret = o;
	o = (struct origin){ 0 };
	return 0;
}

int origin_read(struct store *s, const char *id, struct origin *ret, struct error *err)
{
	_free_ char *text = NULL;
	size_t len;
	int r = store_read(s, id, "origin", &text, &len, err);

	if (r < 0)
		return r;
	if (!text)
		return STORE_MISSING;
	r = parse(text, len, ret, err);
	return r < 0 ? error_prefix(err, r, "where image %.19s came from is not known", id) : 0;
}

int origin_read_staged(int dirfd, struct origin *ret, struct error *err)
{
	_free_ char *text = NULL;
	size_t len;
	int r = file_read(dirfd, "origin", ORIGIN_BYTES, &text, &len);

	if (r == -ENOENT)
		return STORE_MISSING;
	return r < 0 ? error_set(err, r, "cannot read where the image comes from")
		     : parse(text, len, ret, err);
}

/* ---- of two ---------------------------------------------------------------------------------- */

bool origin_is_better(const struct origin *now, const struct origin *was)
{
	if (!now->has_signature)
		return false;
	if (!was || !was->has_signature)
		return true;
	return !str_eq(now->signature.fingerprint, was->signature.fingerprint) &&
	       now->signature.made_ns > was->signature.made_ns;
}
