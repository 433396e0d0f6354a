#include "cli/volume-plugin/users.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "cli/volume-plugin/protocol.h"

enum {
	VERSION = 1,
	BOOT_BYTES = 64,
	FILE_BYTES = 16 << 20, /* USERS_MAX of the longest, as JSON */
};

static const char file_name[] = ".users";

void users_deinit(struct users *u)
{
	for (size_t i = 0; i < u->n; i++) {
		free(u->list[i].name);
		free(u->list[i].id);
	}
	free(u->list);
	u->list = NULL;
	u->n = 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

struct file {
	int64_t version;
	char *boot;
	struct user *list;
	size_t n;
};

static const struct json_range version_range = { VERSION, VERSION };

static const struct json_field user_fields[] = {
	{ "name", JSON_KIND_STRING, json_read_string, offsetof(struct user, name), JSON_REQUIRED },
	{ "id", JSON_KIND_STRING, json_read_string, offsetof(struct user, id), JSON_REQUIRED },
	{ NULL },
};

static const struct json_list user_list = { JSON_KIND_OBJECT, json_read_struct, user_fields,
					    sizeof(struct user), USERS_MAX };

static const struct json_field file_fields[] = {
	{ "version", JSON_KIND_INTEGER, json_read_s64, offsetof(struct file, version),
	  JSON_REQUIRED, &version_range },
	{ "boot", JSON_KIND_STRING, json_read_string, offsetof(struct file, boot), JSON_REQUIRED },
	{ "users", JSON_KIND_ARRAY, json_read_list, offsetof(struct file, list), JSON_REQUIRED,
	  &user_list },
	{ NULL },
};

/* The kernel's name for this boot. */
static int read_boot(char **ret, struct error *err)
{
	int r = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", BOOT_BYTES, ret, NULL);

	if (r < 0)
		return error_set(err, r, "cannot read the ID of this boot");
	(*ret)[strcspn(*ret, "\n")] = '\0';
	return 0;
}

static int parse(const char *text, size_t len, struct file *f, struct error *err)
{
	struct json_reader r = { .report = json_report_error, .arg = err };
	_json_ json_t *root = NULL;

	if (json_read_text(&r, text, len, FILE_BYTES, &root) == 0)
		json_read_object(&r, root, file_fields, f);
	for (size_t i = 0; i < f->n; i++)
		if (!f->list[i].name || !f->list[i].id || !plugin_is_name(f->list[i].name))
			json_fault(&r, "users[%zu] is no user", i);
	return json_status(&r);
}

int users_load(struct users *u, int dirfd, struct error *err)
{
	struct users found = { .dirfd = dirfd };
	_free_ char *text = NULL, *boot = NULL;
	struct file f = { 0 };
	size_t len;
	int r = file_read(dirfd, file_name, FILE_BYTES, &text, &len);

	if (r == 0) {
		r = read_boot(&boot, err);
		if (r == 0)
			r = parse(text, len, &f, err);
		found.list = f.list;
		found.n = f.n;
	} else if (r == -ENOENT) {
		r = 0;
	} else {
		error_set(err, r, "cannot read it");
	}
	if (r < 0 || (f.boot && !str_eq(f.boot, boot)))
		users_deinit(&found);
	free(f.boot);
	if (r < 0)
		return error_prefix(err, r, "who has what mounted, %s", file_name);
	*u = found;
	return 0;
}

static int save(const struct users *u, struct error *err)
{
	_free_ char *boot = NULL, *text = NULL;
	_json_ json_t *root = NULL;
	json_t *list = json_array();
	int r = read_boot(&boot, err);

	for (size_t i = 0; i < u->n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "name", u->list[i].name, "id",
						      u->list[i].id));
	if (r == 0 && json_array_size(list) != u->n)
		r = error_set(err, -ENOMEM, "who has what mounted");
	if (r < 0) {
		json_decref(list);
		return r;
	}
	root = json_pack("{s:i, s:s, s:o}", "version", VERSION, "boot", boot, "users", list);
	r = root ? json_write_text(root, &text) : -ENOMEM;
	if (r == 0)
		r = file_write(u->dirfd, file_name, text, strlen(text), 0600, 0);
	return r < 0 ? error_set(err, r, "cannot write down who has what mounted") : 0;
}

/* ---- questions and changes ------------------------------------------------------------------- */

static bool is(const struct user *who, const char *name, const char *id)
{
	return str_eq(who->name, name) && (!id || str_eq(who->id, id));
}

bool users_has(const struct users *u, const char *name, const char *id)
{
	for (size_t i = 0; i < u->n; i++)
		if (is(&u->list[i], name, id))
			return true;
	return false;
}

size_t users_count(const struct users *u, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < u->n; i++)
		n += str_eq(u->list[i].name, name);
	return n;
}

int users_add(struct users *u, const char *name, const char *id, struct error *err)
{
	struct user *more;
	int r;

	if (users_has(u, name, id))
		return 0;
	if (u->n == USERS_MAX)
		return error_set(err, -E2BIG, "volumes are mounted for %d users: that is the most.",
				 USERS_MAX);
	more = reallocarray(u->list, u->n + 1, sizeof(*more));
	if (!more)
		return error_set(err, -ENOMEM, "who has what mounted");
	u->list = more;
	more += u->n;
	more->name = strdup(name);
	more->id = strdup(id);
	u->n++;
	r = more->name && more->id ? save(u, err) : error_set(err, -ENOMEM, "user %s", id);
	if (r < 0) {
		free(more->name);
		free(more->id);
		u->n--;
	}
	return r;
}

/* What goes is put behind what stays, until the file says so too. */
static int remove_matching(struct users *u, const char *name, const char *id, struct error *err)
{
	size_t all = u->n, kept = 0;
	int r;

	for (size_t i = 0; i < all; i++) {
		struct user moved = u->list[i];

		if (is(&moved, name, id))
			continue;
		u->list[i] = u->list[kept];
		u->list[kept++] = moved;
	}
	if (kept == all)
		return 0;
	u->n = kept;
	r = save(u, err);
	if (r < 0) {
		u->n = all;
		return r;
	}
	for (size_t i = kept; i < all; i++) {
		free(u->list[i].name);
		free(u->list[i].id);
	}
	return 0;
}

int users_remove(struct users *u, const char *name, const char *id, struct error *err)
{
	return remove_matching(u, name, id, err);
}

int users_remove_all(struct users *u, const char *name, struct error *err)
{
	return remove_matching(u, name, NULL, err);
}
