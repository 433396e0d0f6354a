/* NAME[:VERSION][,LABEL=VALUE]... as people write them. */
#include "images/internal.h"

enum { LABELS_BYTES = 8 << 10 };

void reference_deinit(struct reference *r)
{
	buf_deinit(&r->labels);
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
	int e;

	if (!label)
		return error_set(err, -ENOMEM, "out of memory");
	if (!equals || equals == label || !equals[1])
		return error_set(err, -EINVAL, "\"%s\" is no LABEL=VALUE.", label);
	*equals = '\0';
	if (!appc_is_identifier(label) || str_eq(label, "name"))
		return error_set(err, -EINVAL, "\"%s\" is no name of a label.", label);
	if (has_label(next, label))
		return error_set(err, -EINVAL, "the label %s is there twice.", label);
	e = store_label_add(&r->labels, label, equals + 1);
	if (e < 0)
		return error_set(err, e, "the labels take too much room");
	*at = next;
	return 0;
}

static int take_version(struct reference *r, const char *version, size_t len, const char *labels,
			struct error *err)
{
	_free_ char *copy = strndup(version, len);
	int e;

	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	if (!*copy)
		return error_set(err, -EINVAL, "the version behind the colon is empty.");
	if (has_label(labels, "version"))
		return error_set(err, -EINVAL, "the version is there twice.");
	e = store_label_add(&r->labels, "version", copy);
	return e < 0 ? error_set(err, e, "the version takes too much room") : 0;
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
