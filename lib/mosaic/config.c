/*
 * .mos files (mosaic.mos(5)): what a mosaic is and where. Read with the tables of base/json.h, so
 * that a fault says its line and column; what is not known is a fault, and so is what the driver
 * would have to ignore.
 */
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>

#include "base/base.h"
#include "mosaic/driver.h"
#include "mosaic/name_map.h"

enum { MOS_BYTES_MAX = 64 << 10, OPTIONS_MAX = 64 };

static const char default_path[] = "/etc/carob/mosaic.d";

/* The file as it is written, before it is known what the driver makes of it. */
struct mos {
	struct mosaic_config config;
	json_t *options; /* borrowed from the document */
};

#define MOS(member) offsetof(struct mos, member)

void mosaic_config_free(struct mosaic_config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_options; i++) {
		free(c->options[i].key);
		free(c->options[i].value);
	}
	free(c->options);
	free(c->name);
	free(c->type);
	free(c->location);
	free(c->default_fs);
	free(c->metadata);
	free(c->volume_map);
	*c = (struct mosaic_config){ 0 };
}

/* ---- values ---------------------------------------------------------------------------------- */

static void read_type(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	const char *type = json_string_value(value);
	char names[MOSAIC_DRIVER_NAMES];

	if (mosaic_find_driver(type)) {
		json_set_text(r, member, type);
		return;
	}
	mosaic_driver_names(names);
	json_fault(r, "there is no driver \"%s\"; there are: %s", type, names);
}

static void read_location(struct json_reader *r, json_t *value, void *member,
			  _unused_ const void *arg)
{
	const char *location = json_string_value(value);

	if (!*location)
		json_fault(r, "must be a directory, not \"\"");
	else if (strlen(location) >= LIMIT_PATH_BYTES / 2)
		json_fault(r, "is longer than %d bytes", LIMIT_PATH_BYTES / 2 - 1);
	else
		json_set_text(r, member, location);
}

/* What is the library's own below the location cannot be the user's too. */
static bool is_ours(const char *path)
{
	static const char *const names[] = { "type", "options", "volumes", "staging", "events" };
	size_t len = strcspn(path, "/");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && strncmp(names[i], path, len) == 0)
			return true;
	return strncmp(path, "events.", strlen("events.")) == 0;
}

static void read_metadata(struct json_reader *r, json_t *value, void *member,
			  _unused_ const void *arg)
{
	const char *path = json_string_value(value);
	char absolute[MOSAIC_NAME_MAX + 2];

	if (strlen(path) > MOSAIC_NAME_MAX) {
		json_fault(r, "is longer than %d bytes", MOSAIC_NAME_MAX);
		return;
	}
	snprintf(absolute, sizeof(absolute), "/%s", path);
	if (!*path || !path_is_clean_absolute(absolute))
		json_fault(r, "must be a path below the location, without \"..\": not \"%s\"",
			   path);
	else if (is_ours(path))
		json_fault(r, "\"%s\" is the library's own", path);
	else
		json_set_text(r, member, path);
}

static void read_volume_map(struct json_reader *r, json_t *value, void *member,
			    _unused_ const void *arg)
{
	struct error err = { 0 };

	if (name_map_check(json_string_value(value), &err) < 0)
		json_fault(r, "%s", err.text);
	else
		json_set_text(r, member, json_string_value(value));
}

static void borrow(_unused_ struct json_reader *r, json_t *value, void *member,
		   _unused_ const void *arg)
{
	*(json_t **)member = value;
}

static const struct json_field layout_fields[] = {
	{ "metadata", JSON_KIND_STRING, read_metadata, MOS(config.metadata) },
	{ NULL },
};

static const struct json_field mos_fields[] = {
	{ "type", JSON_KIND_STRING, read_type, MOS(config.type), JSON_REQUIRED },
	{ "location", JSON_KIND_STRING, read_location, MOS(config.location), JSON_REQUIRED },
	{ "default_fs", JSON_KIND_STRING, json_read_string, MOS(config.default_fs) },
	{ "layout", JSON_KIND_OBJECT, json_read_struct, 0, 0, layout_fields },
	{ "volumeMap", JSON_KIND_STRING, read_volume_map, MOS(config.volume_map) },
	{ "options", JSON_KIND_OBJECT, borrow, MOS(options) },
	{ NULL },
};

/* `options:` with nothing behind it is something that a person forgot. */
static void refuse_nothing(struct json_reader *r, json_t *root)
{
	const char *name;
	json_t *value;

	json_object_foreach(root, name, value)
		if (json_is_null(value))
			json_fault_at(r, name, "has no value: leave it out");
}

/* ---- what the driver knows ------------------------------------------------------------------- */

static bool is_among(const char *const *list, const char *word)
{
	for (; list && *list; list++)
		if (str_eq(*list, word))
			return true;
	return false;
}

static void list_words(char *dst, size_t size, const char *const *list)
{
	size_t used = 0;

	dst[0] = '\0';
	for (; list && *list && used < size; list++)
		used += (size_t)snprintf(dst + used, size - used, "%s%s", used ? ", " : "", *list);
}

static void check_fs(struct json_reader *r, const struct mosaic_driver *driver, const char *fs)
{
	char words[128];

	if (!fs || is_among(driver->filesystems, fs))
		return;
	list_words(words, sizeof(words), driver->filesystems);
	if (!driver->filesystems)
		json_fault_at(r, "default_fs", "the driver %s makes no file systems", driver->name);
	else
		json_fault_at(r, "default_fs", "the driver %s does not make \"%s\", but: %s",
			      driver->name, fs, words);
}

/* Options are texts to the drivers; whole numbers and truth values may be written plainly. NULL:
 * not one of these. */
static char *option_text(const json_t *value)
{
	if (json_is_string(value))
		return strdup(json_string_value(value));
	if (json_is_integer(value))
		return str_printf("%lld", (long long)json_integer_value(value));
	return strdup(json_is_true(value) ? "true" : "false");
}

#pragma GCC diagnostic push
/* What is allocated here is the config's afterwards. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static void read_option(struct json_reader *r, const char *key, const json_t *value,
			struct mosaic_config *c)
{
	struct mosaic_option *o = &c->options[c->n_options];

	if (!json_is_string(value) && !json_is_integer(value) && !json_is_boolean(value)) {
		json_fault_at(r, key, "must be a text, an integer, true or false");
		return;
	}
	c->n_options++;
	o->key = strdup(key);
	o->value = option_text(value);
	if (!o->key || !o->value)
		json_no_memory(r);
}
#pragma GCC diagnostic pop

static void read_options(struct json_reader *r, const struct mosaic_driver *driver, json_t *options,
			 struct mosaic_config *c)
{
	struct json_place place;
	char words[256];
	const char *key;
	json_t *value;

	if (json_object_size(options) > OPTIONS_MAX) {
		json_fault_at(r, "options", "has more than %d members", OPTIONS_MAX);
		return;
	}
	c->options = calloc(json_object_size(options) + 1, sizeof(*c->options));
	if (!c->options) {
		json_no_memory(r);
		return;
	}
	list_words(words, sizeof(words), driver->options);
	json_enter_key(r, &place, "options");
	json_object_foreach(options, key, value) {
		if (is_among(driver->options, key))
			read_option(r, key, value, c);
		else if (driver->options)
			json_fault_at(r, key, "the driver %s has no such option, but: %s",
				      driver->name, words);
		else
			json_fault_at(r, key, "the driver %s has no options", driver->name);
	}
	json_leave(r);
}

static int parse(struct mos *mos, const char *text, size_t len, struct error *err)
{
	struct yaml_report report = { .err = err };
	struct json_reader r = { .report = yaml_report_error, .arg = &report, .strict = true };
	_json_ json_t *root = NULL;

	if (yaml_read_text(&r, text, len, MOS_BYTES_MAX, &root, &report.places) == 0) {
		const struct mosaic_driver *driver;

		refuse_nothing(&r, root);
		json_read_object(&r, root, mos_fields, mos);
		driver = mos->config.type ? mosaic_find_driver(mos->config.type) : NULL;
		if (driver) {
			check_fs(&r, driver, mos->config.default_fs);
			read_options(&r, driver, mos->options, &mos->config);
		}
	}
	mos->options = NULL;
	yaml_places_free(report.places);
	return json_status(&r);
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool is_path(const char *what)
{
	return strchr(what, '/') || str_ends(what, ".mos");
}

/* A word without slash. 0 with the path and its open file; -ENOENT when no directory has it. */
static int search(const char *name, char *path, int *ret_fd, struct error *err)
{
	const char *where = getenv("MOSAIC_PATH");
	struct buf places = BUF_INIT(512);
	int r = -ENOENT;

	if (!where || !*where)
		where = default_path;
	for (const char *end; *where; where = *end ? end + 1 : end) {
		int len = (int)strcspn(where, ":"), fd;

		end = where + len;
		if (len == 0)
			continue;
		if (snprintf(path, LIMIT_PATH_BYTES, "%.*s/%s.mos", len, where, name) >=
		    LIMIT_PATH_BYTES) {
			r = error_set(err, -ENAMETOOLONG, "a directory of MOSAIC_PATH");
			break;
		}
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0) {
			*ret_fd = fd;
			r = 0;
			break;
		}
		if (errno != ENOENT && errno != ENOTDIR) {
			r = error_set(err, -errno, "cannot open %s", path);
			break;
		}
		/* too many are not all named */
		(void)!buf_addf(&places, "%s%s", places.len ? ", " : "", path);
	}
	if (r == -ENOENT)
		error_set(err, r, "there is no mosaic '%s'; looked for: %s.", name,
			  places.data ? places.data : "nothing, MOSAIC_PATH names no directory");
	buf_deinit(&places);
	return r;
}

static int open_mos(const char *what, char path[LIMIT_PATH_BYTES], struct error *err)
{
	int fd = -1, r;

	if (!*what)
		return error_set(err, -EINVAL, "a mosaic has a name or a .mos file, not ''.");
	if (!is_path(what)) {
		r = search(what, path, &fd, err);
		return r < 0 ? r : fd;
	}
	if (snprintf(path, LIMIT_PATH_BYTES, "%s", what) >= LIMIT_PATH_BYTES)
		return error_set(err, -ENAMETOOLONG, "the path of a .mos file");
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? error_set(err, -errno, "cannot open %s", path) : fd;
}

/* The directory that the file's name is in, absolute. */
static int directory_of(const char *path, char dst[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	_free_ char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");

	if (!dir)
		return -ENOMEM;
	return realpath(dir, dst) ? 0 : -errno;
}

/* Makes the location absolute and clean. */
static int place_location(struct mosaic_config *c, const char *path)
{
	char dir[PATH_MAX], clean[LIMIT_PATH_BYTES];
	_free_ char *joined = NULL;
	int r;

	if (c->location[0] != '/') {
		r = directory_of(path, dir);
		if (r < 0)
			return r;
		joined = str_printf("%s/%s", dir, c->location);
		if (!joined)
			return -ENOMEM;
	}
	r = path_clean(clean, joined ? joined : c->location);
	if (r < 0)
		return r;
	free(c->location);
	c->location = strdup(clean);
	return c->location ? 0 : -ENOMEM;
}

static int set_name(struct mosaic_config *c, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(name);

	c->name = strndup(name, str_ends(name, ".mos") ? len - strlen(".mos") : len);
	return c->name ? 0 : -ENOMEM;
}

static void mos_free(struct mos *m)
{
	mosaic_config_free(&m->config);
}

#pragma GCC diagnostic push
/* What was read is the caller's afterwards. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
int mosaic_config_read(const char *what, struct mosaic_config *ret, struct error *err)
{
	_cleanup_(mos_free) struct mos mos = { 0 };
	char path[LIMIT_PATH_BYTES] = "";
	_close_ int fd = open_mos(what, path, err);
	struct error why = { 0 };
	_free_ char *text = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return fd;
	r = file_read_fd(fd, MOS_BYTES_MAX, &text, &len);
	if (r == -EFBIG)
		return error_set(err, r, "%s is longer than %d bytes.", path, MOS_BYTES_MAX);
	if (r < 0)
		return error_set(err, r, "cannot read %s", path);
	r = parse(&mos, text, len, &why);
	if (r < 0)
		return error_set(err, r, "%s: %s.", path, why.text);
	r = place_location(&mos.config, path);
	if (r == 0)
		r = set_name(&mos.config, path);
	if (r < 0)
		return error_set(err, r, "%s: the location '%s'", path,
				 mos.config.location ? mos.config.location : "");
	*ret = mos.config;
	mos.config = (struct mosaic_config){ 0 };
	return 0;
}
#pragma GCC diagnostic pop

static int open_described(struct mosaic **ret, const char *what, unsigned flags, struct error *err)
{
	struct mosaic_config config = { 0 };
	int r = mosaic_config_read(what, &config, err);

	if (r == 0)
		r = mosaic_open_config(ret, &config, flags, err);
	mosaic_config_free(&config);
	return r;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A word that both a description and a directory have is the description's name: what is in the
 * working directory by chance does not hide it. */
int mosaic_open_named(struct mosaic **ret, const char *what, unsigned flags, struct error *err)
{
	struct error why = { 0 };
	int r;

	if (is_path(what))
		return is_directory(what) ? mosaic_open(ret, what, NULL, flags, err)
					  : open_described(ret, what, flags, err);
	r = open_described(ret, what, flags, &why);
	if (r == -ENOENT && is_directory(what))
		return mosaic_open(ret, what, NULL, flags, err);
	if (r < 0 && err)
		*err = why;
	return r;
}
