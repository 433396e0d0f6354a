/* References as people write them: which kind, and NAME[:VERSION][,LABEL=VALUE]... in parts. */
#include <strings.h>
#include <unistd.h>

#include "images/internal.h"

enum { LABELS_BYTES = 8 << 10, ID_DIGITS_MIN = 12, ID_DIGITS = 128 };

/* ---- which kind ------------------------------------------------------------------------------ */

static bool is_id(const char *text)
{
	const char *digits = str_starts(text, "sha512-") ? text + 7 : text;
	size_t n = strlen(digits);

	return n >= ID_DIGITS_MIN && n <= ID_DIGITS && hex_is(digits, n);
}

/* A path is what looks like no name, or is there. */
static bool is_path(const char *text)
{
	if (text[0] == '/' || text[0] == '.' || str_ends(text, ".aci"))
		return true;
	return strchr(text, '/') && access(text, F_OK) == 0;
}

/* Case does not matter in the scheme of a URL. */
static bool has_scheme(const char *text, const char *scheme)
{
	return strncasecmp(text, scheme, strlen(scheme)) == 0;
}

enum reference_kind reference_kind(const char *text)
{
	static const struct {
		const char *begin;
		enum reference_kind kind;
	} schemes[] = {
		{ "https://", REFERENCE_URL },     { "http://", REFERENCE_URL },
		{ "docker://", REFERENCE_OCI },    { "oci:", REFERENCE_OCI },
		{ "oci-archive:", REFERENCE_OCI }, { "docker-archive:", REFERENCE_OCI },
	};

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (has_scheme(text, schemes[i].begin))
			return schemes[i].kind;
	if (is_path(text))
		return REFERENCE_PATH;
	return is_id(text) ? REFERENCE_ID : REFERENCE_NAME;
}

/* ---- the parts of a name --------------------------------------------------------------------- */

void reference_deinit(struct reference *r)
{
	for (size_t i = 0; i < r->n_asked; i++) {
		free(r->asked[i].name);
		free(r->asked[i].value);
	}
	free(r->asked);
	buf_deinit(&r->labels);
	*r = (struct reference){ 0 };
}

static int digit_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* %XX becomes the byte; any other "%" is one. In place. */
static int decode(char *value, struct error *err)
{
	char *out = value;

	for (const char *in = value; *in;) {
		int high = *in == '%' ? digit_of(in[1]) : -1,
		    low = high >= 0 ? digit_of(in[2]) : -1;

		if (high == 0 && low == 0)
			return error_set(err, -EINVAL, "%%00 cannot be in the value of a label.");
		*out++ = low >= 0 ? (char)(high << 4 | low) : *in;
		in += low >= 0 ? 3 : 1;
	}
	*out = '\0';
	return 0;
}

/* As it is meant, the version first; and for the store. */
static int add_label(struct reference *r, const char *name, const char *value, struct error *err)
{
	struct reference_label *list = reallocarray(r->asked, r->n_asked + 1, sizeof(list[0]));
	struct reference_label *label;
	int e;

	if (!list)
		return error_set(err, -ENOMEM, "out of memory");
	r->asked = list;
	label = &list[r->n_asked];
	if (str_eq(name, "version")) {
		memmove(list + 1, list, r->n_asked * sizeof(list[0]));
		label = list;
	}
	r->n_asked++;
	*label = (struct reference_label){ .name = strdup(name), .value = strdup(value) };
	if (!label->name || !label->value)
		return error_set(err, -ENOMEM, "out of memory");
	e = decode(label->value, err);
	if (e < 0)
		return e;
	e = store_label_add(&r->labels, name, label->value);
	return e < 0 ? error_set(err, e, "the labels take too much room") : 0;
}

/* Was a label of that name written? labels begins after the name and version. */
static bool has_label(const char *labels, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = labels; *p; p += *p == ',') {
		if (strncmp(p, name, len) == 0 && p[len] == '=')
			return true;
		p += strcspn(p, ",");
	}
	return false;
}

/* The label at *at, which is moved behind it and its comma. */
static int take_label(struct reference *r, const char **at, struct error *err)
{
	size_t len = strcspn(*at, ",");
	_free_ char *label = strndup(*at, len);
	char *equals = label ? strchr(label, '=') : NULL;
	const char *next = *at + len + ((*at)[len] == ',');

	if (!label)
		return error_set(err, -ENOMEM, "out of memory");
	if (!equals || equals == label || !equals[1])
		return error_set(err, -EINVAL, "\"%s\" is no LABEL=VALUE.", label);
	*equals = '\0';
	if (!appc_is_identifier(label) || str_eq(label, "name"))
		return error_set(err, -EINVAL, "\"%s\" is no name of a label.", label);
	if (has_label(next, label))
		return error_set(err, -EINVAL, "the label %s is there twice.", label);
	*at = next;
	return add_label(r, label, equals + 1, err);
}

static int take_version(struct reference *r, const char *version, size_t len, const char *labels,
			struct error *err)
{
	_free_ char *copy = strndup(version, len);

	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	if (!*copy)
		return error_set(err, -EINVAL, "the version behind the colon is empty.");
	if (has_label(labels, "version"))
		return error_set(err, -EINVAL, "the version is there twice.");
	return add_label(r, "version", copy, err);
}

/* Of images that say for which system they are, only those for this one. */
static int add_host(struct reference *r, const char *labels, struct error *err)
{
	int e = 0;

	if (!has_label(labels, "os"))
		e = store_label_add(&r->labels, "os?", appc_host_os());
	if (e == 0 && !has_label(labels, "arch"))
		e = store_label_add(&r->labels, "arch?", appc_host_arch());
	return e < 0 ? error_set(err, e, "the labels take too much room") : 0;
}

static int parse(struct reference *r, const char *text, struct error *err)
{
	size_t head = strcspn(text, ","), name = strcspn(text, ":,");
	const char *labels = text[head] ? text + head + 1 : text + head;
	int e = 0;

	if (name >= sizeof(r->name))
		return error_set(err, -ENAMETOOLONG, "the image name has more than %d bytes.",
				 LIMIT_NAME_BYTES);
	memcpy(r->name, text, name);
	r->name[name] = '\0';
	if (!appc_is_identifier(r->name))
		return error_set(err, -EINVAL, "\"%s\" is no image name.", r->name);
	if (name < head)
		e = take_version(r, text + name + 1, head - name - 1, labels, err);
	if (e == 0 && str_ends(text, ","))
		e = error_set(err, -EINVAL, "there is no label behind the comma.");
	for (const char *at = labels; e == 0 && *at;)
		e = take_label(r, &at, err);
	return e == 0 ? add_host(r, labels, err) : e;
}

int reference_parse(struct reference *ret, const char *text, struct error *err)
{
	struct reference r = { .labels = BUF_INIT(LABELS_BYTES) };
	int e = parse(&r, text, err);

	if (e < 0) {
		reference_deinit(&r);
		return error_prefix(err, e, "%s", text);
	}
	*ret = r;
	return 0;
}
