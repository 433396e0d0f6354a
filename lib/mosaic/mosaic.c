#include "mosaic/mosaic.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "mosaic/driver.h"

enum { TYPE_MAX = 32 };

/* The order is that of preference: the first that works where a new mosaic is to be. */
static const struct mosaic_driver *const drivers[] = {
	&mosaic_driver_overlay,
	&mosaic_driver_plain,
};

static const struct mosaic_driver *find_driver(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (str_eq(drivers[i]->name, type))
			return drivers[i];
	return NULL;
}

static struct mosaic *new_mosaic(const char *location)
{
	struct mosaic *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->dirfd = -1;
	m->location = strdup(location);
	if (m->location)
		return m;
	free(m);
	return NULL;
}

void mosaic_close(struct mosaic *m)
{
	if (!m)
		return;
	if (m->dirfd >= 0)
		close(m->dirfd);
	free(m->location);
	free(m);
}

/* -ENOENT, without *err, when there is no mosaic. */
static int load(struct mosaic *m, const char *type, struct error *err)
{
	_free_ char *text = NULL;
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
	if (r < 0)
		return error_set(err, r, "cannot read %s/type", m->location);
	text[strcspn(text, "\n")] = '\0';
	m->driver = find_driver(text);
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
	return 0;
}

/* The driver of that name, or without a name the first one that works. */
static int choose_driver(struct mosaic *m, const char *type, struct error *err)
{
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
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
	return error_set(err, -EINVAL, "there is no storage driver '%s'.", type);
}

/* The file "type" makes it a mosaic, so it comes last, and who comes second takes what is there. */
static int create(struct mosaic *m, const char *type, struct error *err)
{
	static const char *const directories[] = { "volumes", "staging" };
	char text[TYPE_MAX + 1];
	int r;

	if (type && !find_driver(type))
		return error_set(err, -EINVAL, "there is no storage driver '%s'.", type);
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
	snprintf(text, sizeof(text), "%s\n", m->driver->name);
	r = file_write(m->dirfd, "type", text, strlen(text), 0644, FILE_SYNC | FILE_EXCLUSIVE);
	if (r < 0 && r != -EEXIST)
		return error_set(err, r, "cannot write %s/type", m->location);
	return load(m, type, err);
}

int mosaic_open(struct mosaic **ret, const char *location, const char *type, unsigned flags,
		struct error *err)
{
	_mosaic_ struct mosaic *m = new_mosaic(location);
	int r;

	if (!m)
		return error_set(err, -ENOMEM, "cannot open mosaic %s", location);
	r = load(m, type, err);
	if (r == -ENOENT && flags & MOSAIC_OPEN_CREATE)
		r = create(m, type, err);
	else if (r == -ENOENT)
		error_set(err, r, "there is no mosaic at %s.", location);
	if (r < 0)
		return r;
	*ret = take_ptr(&m);
	return 0;
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
	return m->driver->features;
}

int mosaic_clone(struct mosaic *m, const char *name, const char *from, struct error *err)
{
	int r = volume_check_name(name, err);

	return r < 0 ? r : m->driver->clone(m, name, from, err);
}

int mosaic_mount(struct mosaic *m, const char *name, unsigned flags, uint64_t attributes,
		 int *ret_fd, struct error *err)
{
	return m->driver->mount(m, name, flags, attributes, ret_fd, err);
}
