/* The info file of an image, and the list of all. */
#include <fcntl.h>
#include <jansson.h>

#include "store/internal.h"

static const struct json_field info_fields[] = {
	{ "name", JSON_KIND_STRING, json_read_string, offsetof(struct store_info, name),
	  JSON_REQUIRED },
	{ "labels", JSON_KIND_STRING, json_read_string, offsetof(struct store_info, labels),
	  JSON_REQUIRED },
	{ "imported", JSON_KIND_INTEGER, json_read_s64, offsetof(struct store_info, imported_ns),
	  JSON_REQUIRED },
	{ "size", JSON_KIND_INTEGER, json_read_s64, offsetof(struct store_info, size),
	  JSON_REQUIRED },
	{ "archiveSize", JSON_KIND_INTEGER, json_read_s64,
	  offsetof(struct store_info, archive_size), JSON_REQUIRED },
	{ "source", JSON_KIND_STRING, json_read_string, offsetof(struct store_info, source),
	  JSON_REQUIRED },
	{ NULL },
};

void store_info_deinit(struct store_info *info)
{
	free(info->name);
	free(info->labels);
	free(info->source);
	info->name = info->labels = info->source = NULL;
}

int store_info(struct store *s, const char *id, struct store_info *ret, struct error *err)
{
	_store_info_ struct store_info info = { 0 };
	struct json_reader reader = { .report = json_report_error, .arg = err };
	_json_ struct json_t *root = NULL;
	_free_ char *text = NULL;
	size_t len;
	int r;

	r = store_read(s, id, "info", &text, &len, err);
	if (r < 0)
		return r;
	if (!text)
		return error_set(err, -ENOENT, "image %s is not in the store.", id);
	if (json_read_text(&reader, text, len, STORE_INFO_BYTES, &root) == 0)
		json_read_object(&reader, root, info_fields, &info);
	r = json_status(&reader);
	if (r < 0)
		return error_prefix(err, r, "%s/images/%s/info is damaged", s->path, id);
	memcpy(info.id, id, STORE_ID_TEXT);
	*ret = info;
	info = (struct store_info){ 0 };
	return 0;
}

/* The source is whatever a person typed: shown, never opened again. */
static json_t *readable(const char *s)
{
	char text[LIMIT_PATH_BYTES];

	str_escape(text, sizeof(text), s ? s : "");
	return json_string(text);
}

int store_info_write(int dirfd, const struct store_info *info, struct error *err)
{
	_json_ struct json_t *root = NULL;
	_free_ char *text = NULL;
	int r;

	root = json_pack("{s:s, s:s, s:I, s:I, s:I, s:o}", "name", info->name, "labels",
			 info->labels, "imported", (json_int_t)info->imported_ns, "size",
			 (json_int_t)info->size, "archiveSize", (json_int_t)info->archive_size,
			 "source", readable(info->source));
	if (!root)
		return error_set(err, -EINVAL, "cannot write the info of image %s", info->name);
	r = json_write_text(root, &text);
	if (r == 0)
		r = file_write(dirfd, "info", text, strlen(text), 0644, FILE_SYNC);
	return r < 0 ? error_set(err, r, "cannot write the info of image %s", info->name) : 0;
}

/* ---- all images ------------------------------------------------------------------------------ */

struct listing {
	struct store *store;
	struct store_list list;
	size_t room;
};

/* What is known of an image whose info cannot be read: that it is there. */
static int unreadable(struct store_info *info, const char *id)
{
	memcpy(info->id, id, STORE_ID_TEXT);
	info->imported_ns = INT64_MIN;
	info->name = strdup("");
	info->labels = strdup("");
	info->source = strdup("");
	return info->name && info->labels && info->source ? 0 : -ENOMEM;
}

/* Takes over what info has. */
static int append(struct listing *l, struct store_info *info)
{
	if (l->list.n >= LIMIT_LIST_ENTRIES)
		return -E2BIG;
	if (l->list.n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct store_info *more = reallocarray(l->list.list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->list.list = more;
		l->room = room;
	}
	l->list.list[l->list.n++] = *info;
	*info = (struct store_info){ 0 };
	return 0;
}

static int list_entry(_unused_ int dirfd, const char *name, void *arg)
{
	_store_info_ struct store_info info = { 0 };
	char path[STORE_IMAGE_PATH];
	struct listing *l = arg;
	int r;

	if (!store_is_id(name))
		return 0;
	r = store_info(l->store, name, &info, NULL);
	if (r < 0) {
		/* removed since the directory was read? */
		store_image_path(path, name, NULL);
		if (faccessat(l->store->fd, path, F_OK, 0) < 0)
			return 0;
		r = unreadable(&info, name);
	}
	return r < 0 ? r : append(l, &info);
}

static int newest_first(const void *a, const void *b)
{
	const struct store_info *x = a, *y = b;

	if (x->imported_ns != y->imported_ns)
		return x->imported_ns > y->imported_ns ? -1 : 1;
	return strcmp(x->id, y->id);
}

void store_list_deinit(struct store_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		store_info_deinit(&l->list[i]);
	free(l->list);
	*l = (struct store_list){ 0 };
}

int store_list_read(struct store *s, struct store_list *ret, struct error *err)
{
	struct listing l = { .store = s };
	_close_ int images = openat(s->fd, "images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (images < 0)
		return error_set(err, -errno, "cannot open %s/images", s->path);
	r = dir_each(images, list_entry, &l);
	if (r < 0) {
		store_list_deinit(&l.list);
		if (r == -E2BIG)
			return error_set(err, r, "more than %d images in %s", LIMIT_LIST_ENTRIES,
					 s->path);
		return error_set(err, r, "cannot read %s/images", s->path);
	}
	if (l.list.n)
		qsort(l.list.list, l.list.n, sizeof(l.list.list[0]), newest_first);
	*ret = l.list;
	return 0;
}

int store_each(struct store *s, int (*fn)(const struct store_info *info, void *arg), void *arg,
	       struct error *err)
{
	_store_list_ struct store_list all = { 0 };
	int r = store_list_read(s, &all, err);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		if (all.list[i].imported_ns == INT64_MIN)
			all.list[i].imported_ns = 0;
		r = fn(&all.list[i], arg);
	}
	return r;
}
