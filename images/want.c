/* What is wanted, and whether the store has it. */
#include <stdlib.h>

#include "images/fetch_image.h"
#include "images/oci.h"

enum { LABELS_BYTES = 64 << 10 };

void want_deinit(struct want *w)
{
	free(w->text);
	free(w->id);
	free(w->dependent);
	reference_deinit(&w->ref);
	*w = (struct want){ 0 };
}

int want_parse(struct want *ret, const char *text, struct error *err)
{
	struct want w = { .kind = reference_kind(text), .size = -1, .text = strdup(text) };
	int r = w.text ? 0 : error_set(err, -ENOMEM, "out of memory");

	/* what looks like an ID may be a name too: who looks it up finds out */
	if (r == 0 &&
	    (w.kind == REFERENCE_NAME || (w.kind == REFERENCE_ID && !str_starts(text, "sha512-"))))
		r = reference_parse(&w.ref, text, err);
	if (r < 0) {
		want_deinit(&w);
		return r;
	}
	*ret = w;
	return 0;
}

/* The labels asked for, then the system of the image at the top, where that is left open. */
static int dependency_text(const struct chain_missing *m, struct buf *text)
{
	const struct appc_pairs *labels = &m->dependency->labels;
	int r = buf_addf(text, "%s", m->dependency->image_name);

	for (size_t i = 0; r == 0 && i < labels->n; i++)
		r = store_label_add(text, labels->list[i].name, labels->list[i].value);
	if (r == 0 && !appc_pairs_get(labels, "os"))
		r = buf_addf(text, ",os=%s", m->os);
	if (r == 0 && !appc_pairs_get(labels, "arch"))
		r = buf_addf(text, ",arch=%s", m->arch);
	return r;
}

int want_from_dependency(struct want *ret, const struct chain_missing *missing, struct error *err)
{
	_buf_ struct buf text = BUF_INIT(LABELS_BYTES);
	const char *id = missing->dependency->image_id;
	struct want w = { 0 };
	int r = dependency_text(missing, &text);

	r = r < 0 ? error_set(err, r, "dependency %s", missing->dependency->image_name)
		  : want_parse(&w, text.data, err);
	if (r < 0)
		return error_prefix(err, r, "a dependency of %s", missing->dependent);
	w.size = missing->dependency->size;
	w.dependent = strdup(missing->dependent);
	w.id = id ? strdup(id) : NULL;
	if (!w.dependent || (id && !w.id)) {
		want_deinit(&w);
		return error_set(err, -ENOMEM, "out of memory");
	}
	*ret = w;
	return 0;
}

/* ---- in the store ---------------------------------------------------------------------------- */

static int find_name(const struct images *im, const struct want *w, char ret_id[STORE_ID_TEXT],
		     struct error *err)
{
	return store_find_name(im->store, w->ref.name, w->ref.labels.data ? w->ref.labels.data : "",
			       ret_id, err);
}

struct source_search {
	const char *source;
	char id[STORE_ID_TEXT];
};

static int is_from(const struct store_info *info, void *arg)
{
	struct source_search *s = arg;

	if (!info->source || !str_eq(info->source, s->source))
		return 0;
	memcpy(s->id, info->id, STORE_ID_TEXT);
	return 1;
}

/* The newest image that came from there. */
static int find_source(const struct images *im, const char *source, char ret_id[STORE_ID_TEXT],
		       struct error *err)
{
	struct source_search s = { .source = source };
	int r = store_each(im->store, is_from, &s, err);

	if (r == 1)
		memcpy(ret_id, s.id, STORE_ID_TEXT);
	return r == 1 ? 0 : r < 0 ? r : STORE_MISSING;
}

/* docker://HOST/REPO:TAG as the store has it; "" for a layout or an archive, which may be another one
 * by now and is looked into each time. */
static int registry_source(const char *text, char *ret, size_t size, struct error *err)
{
	struct oci_reference ref;
	int n, r;

	*ret = '\0';
	if (!str_starts(text, "docker://"))
		return 0;
	r = oci_reference_parse(&ref, text + strlen("docker://"), err);
	if (r < 0)
		return r;
	n = snprintf(ret, size, "docker://%s/%s%s%s", ref.domain, ref.repository,
		     ref.digest[0] ? "@" : ":", ref.digest[0] ? ref.digest : ref.tag);
	return n < (int)size ? 0 : error_set(err, -ENAMETOOLONG, "%s", text);
}

int want_find(const struct images *im, const struct want *w, char ret_id[STORE_ID_TEXT],
	      struct error *err)
{
	char source[sizeof(((struct oci_image *)0)->source)];
	int r = STORE_MISSING;

	if (w->id)
		return store_find_id(im->store, w->id, ret_id, err);
	switch (w->kind) {
	case REFERENCE_PATH:
		return STORE_MISSING;
	case REFERENCE_ID:
		r = store_find_id(im->store, w->text, ret_id, err);
		return r == STORE_MISSING && w->ref.name[0] ? find_name(im, w, ret_id, err) : r;
	case REFERENCE_NAME:
		return find_name(im, w, ret_id, err);
	case REFERENCE_URL:
		return find_source(im, w->text, ret_id, err);
	case REFERENCE_OCI:
		r = registry_source(w->text, source, sizeof(source), err);
		return r == 0 && *source ? find_source(im, source, ret_id, err)
		       : r < 0           ? r
					 : STORE_MISSING;
	}
	return r;
}
