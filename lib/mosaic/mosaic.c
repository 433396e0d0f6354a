#include "mosaic/mosaic.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/driver.h"

enum { TYPE_MAX = 80 }; /* the driver's name and the identity, a line each */

static const struct mosaic_driver *const drivers[] = {
	&mosaic_driver_overlay, &mosaic_driver_plain,   &mosaic_driver_fsimg, &mosaic_driver_ploop,
	&mosaic_driver_btrfs,   &mosaic_driver_dm_thin, &mosaic_driver_zfs,
};

/* Who says nothing gets one of the first: the first that works where a new mosaic is to be. */
enum { AUTOMATIC = 2 };

const struct mosaic_driver *mosaic_find_driver(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (str_eq(drivers[i]->name, type))
			return drivers[i];
	return NULL;
}

void mosaic_driver_names(char dst[MOSAIC_DRIVER_NAMES])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(drivers) && n < MOSAIC_DRIVER_NAMES; i++)
		n += (size_t)snprintf(dst + n, MOSAIC_DRIVER_NAMES - n, "%s%s", i ? ", " : "",
				      drivers[i]->name);
}

static int unknown_driver(const char *type, struct error *err)
{
	char names[MOSAIC_DRIVER_NAMES];

	mosaic_driver_names(names);
	return error_set(err, -EINVAL, "there is no storage driver '%s': %s.", type, names);
}

static int copy_text(char **dst, const char *text)
{
	*dst = text ? strdup(text) : NULL;
	return text && !*dst ? -ENOMEM : 0;
}

static void free_options(struct mosaic *m)
{
	for (size_t i = 0; i < m->n_options; i++) {
		free(m->options[i].key);
		free(m->options[i].value);
	}
	free(m->options);
	m->options = NULL;
	m->n_options = 0;
}

int mosaic_add_option(struct mosaic *m, const char *key, const char *value)
{
	struct mosaic_option *more;

	more = reallocarray(m->options, m->n_options + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	m->options = more;
	more += m->n_options;
	if (copy_text(&more->key, key) < 0)
		return -ENOMEM;
	if (copy_text(&more->value, value) < 0) {
		free(more->key);
		return -ENOMEM;
	}
	m->n_options++;
	return 0;
}

static struct mosaic *new_mosaic(const struct mosaic_config *config)
{
	_mosaic_ struct mosaic *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->dirfd = -1;
	if (copy_text(&m->location, config->location) < 0 || !m->location ||
	    copy_text(&m->default_fs, config->default_fs) < 0 ||
	    copy_text(&m->metadata, config->metadata) < 0 ||
	    copy_text(&m->volume_map, config->volume_map) < 0)
		return NULL;
	for (size_t i = 0; i < config->n_options; i++)
		if (mosaic_add_option(m, config->options[i].key, config->options[i].value) < 0)
			return NULL;
	return take_ptr(&m);
}

void mosaic_close(struct mosaic *m)
{
	if (!m)
		return;
	volume_unuse_all(m);
	if (m->driver && m->driver->close)
		m->driver->close(m);
	if (m->dirfd >= 0)
		close(m->dirfd);
	free_options(m);
	free(m->location);
	free(m->default_fs);
	free(m->metadata);
	free(m->volume_map);
	free(m->owner);
	free(m);
}

/* -ENOENT, without *err, when there is no mosaic. */
static int load(struct mosaic *m, const char *type, struct error *err)
{
	_free_ char *text = NULL;
	char *id;
	int r;

	if (m->dirfd < 0)
		m->dirfd = open(m->location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->dirfd < 0)
		return errno == ENOENT
			       ? -ENOENT
			       : error_set(err, -errno, "cannot open mosaic %s", m->location);
	r = file_read(m->dirfd, "type", TYPE_MAX, &text, NULL);
	if (r == -ENOENT)
		return r;
	if (r < 0 || !text)
		return error_set(err, r < 0 ? r : -EIO, "cannot read %s/type", m->location);
	id = text + strcspn(text, "\n");
	if (*id)
		*id++ = '\0';
	m->driver = mosaic_find_driver(text);
	if (!m->driver) {
		char shown[2 * TYPE_MAX];

		str_escape(shown, sizeof(shown), text);
		return error_set(err, -EOPNOTSUPP,
				 "%s/type says '%s': no driver of this program has that name.",
				 m->location, shown);
	}
	if (type && !str_eq(type, text))
		return error_set(err, -EINVAL, "the mosaic %s has the driver %s, not %s.",
				 m->location, text, type);
	snprintf(m->id, sizeof(m->id), "%.*s", (int)strspn(id, "0123456789abcdef"), id);
	m->features = m->driver->features;
	r = m->driver->options ? options_read(m, err) : 0;
	return r == 0 && m->driver->open ? m->driver->open(m, err) : r;
}

/* The driver of that name, or without a name the first one that works. */
static int choose_driver(struct mosaic *m, const char *type, struct error *err)
{
	int r = -EOPNOTSUPP;

	for (size_t i = 0; i < (type ? ARRAY_SIZE(drivers) : AUTOMATIC); i++) {
		m->driver = drivers[i];
		if (type && !str_eq(drivers[i]->name, type))
			continue;
		r = m->driver->probe ? m->driver->probe(m, err) : 0;
		if (r == 0)
			return 0;
		if (type)
			return error_prefix(err, r, "the driver %s does not work in %s", type,
					    m->location);
	}
	return type ? unknown_driver(type, err) : r;
}

/* "NAME\nIDENTITY\n" */
static int write_type(struct mosaic *m, struct error *err)
{
	char text[TYPE_MAX + 1], uuid[UUID_TEXT], *to = uuid;
	int r = uuid_new(uuid);

	if (r < 0)
		return error_set(err, r, "cannot make a random identity");
	for (const char *from = uuid; *from; from++)
		if (*from != '-')
			*to++ = *from;
	*to = '\0';
	snprintf(text, sizeof(text), "%s\n%s\n", m->driver->name, uuid);
	r = file_write(m->dirfd, "type", text, strlen(text), 0644, FILE_SYNC | FILE_EXCLUSIVE);
	return r < 0 && r != -EEXIST ? error_set(err, r, "cannot write %s/type", m->location) : 0;
}

/* The file "type" makes it a mosaic, so it comes last, and who comes second takes what is there. */
static bool is_among(const char *const *list, const char *word)
{
	for (; list && *list; list++)
		if (str_eq(*list, word))
			return true;
	return false;
}

/* Who opens without a .mos file may ask for what the driver does not know. */
static int check_asked(const struct mosaic *m, const struct mosaic_driver *driver,
		       struct error *err)
{
	if (!driver)
		return 0;
	for (size_t i = 0; i < m->n_options; i++)
		if (!is_among(driver->options, m->options[i].key))
			return error_set(err, -EINVAL, "the driver %s has no option '%s'.",
					 driver->name, m->options[i].key);
	if (m->default_fs && !is_among(driver->filesystems, m->default_fs))
		return error_set(err, -EINVAL, "the driver %s makes no file system '%s'.",
				 driver->name, m->default_fs);
	return 0;
}

static int create(struct mosaic *m, const char *type, struct error *err)
{
	static const char *const directories[] = { "volumes", "staging" };
	int r;

	if (type && !mosaic_find_driver(type))
		return unknown_driver(type, err);
	r = type ? check_asked(m, mosaic_find_driver(type), err) : 0;
	if (r < 0)
		return r;
	r = make_dirs(m->location, 0700);
	if (r < 0)
		return error_set(err, r, "cannot make %s", m->location);
	m->dirfd = open(m->location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->dirfd < 0)
		return error_set(err, -errno, "cannot open %s", m->location);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		if (mkdirat(m->dirfd, directories[i], 0700) < 0 && errno != EEXIST)
			return error_set(err, -errno, "cannot make %s/%s", m->location,
					 directories[i]);
	r = choose_driver(m, type, err);
	if (r < 0)
		return r;
	r = m->driver->options ? options_write(m, err) : 0;
	if (r == 0)
		r = write_type(m, err);
	return r < 0 ? r : load(m, type, err);
}

int mosaic_open_config(struct mosaic **ret, const struct mosaic_config *config, unsigned flags,
		       struct error *err)
{
	_mosaic_ struct mosaic *m = new_mosaic(config);
	int r;

	if (!m)
		return error_set(err, -ENOMEM, "cannot open mosaic %s", config->location);
	r = load(m, config->type, err);
	if (r == -ENOENT && flags & MOSAIC_OPEN_CREATE)
		r = create(m, config->type, err);
	else if (r == -ENOENT)
		error_set(err, r, "there is no mosaic at %s.", config->location);
	if (r < 0)
		return r;
	mosaic_log(MOSAIC_LOG_DEBUG, "%s: opened, driver %s", m->location, m->driver->name);
	*ret = take_ptr(&m);
	return 0;
}

int mosaic_open(struct mosaic **ret, const char *location, const char *type, unsigned flags,
		struct error *err)
{
	const struct mosaic_config config = { .location = (char *)location, .type = (char *)type };

	return mosaic_open_config(ret, &config, flags, err);
}

const char *mosaic_type(const struct mosaic *m)
{
	return m->driver->name;
}

const char *mosaic_location(const struct mosaic *m)
{
	return m->location;
}

uint32_t mosaic_features(const struct mosaic *m)
{
	return m->features;
}

const char *mosaic_id(const struct mosaic *m)
{
	return m->id;
}

const char *mosaic_option(const struct mosaic *m, const char *key)
{
	for (size_t i = 0; i < m->n_options; i++)
		if (str_eq(m->options[i].key, key))
			return m->options[i].value;
	return NULL;
}
