/* What only some drivers can do: the core's answer where the driver has none. */
#include "base/base.h"
#include "mosaic/driver.h"

static int cannot(const struct mosaic *m, const char *what, struct error *err)
{
	return error_set(err, -EOPNOTSUPP, "the driver %s of %s cannot %s.", m->driver->name,
			 m->location, what);
}

int mosaic_snapshot(struct mosaic *m, const char *name, const char *from, struct error *err)
{
	int r = volume_check_name(name, err);

	if (r < 0)
		return r;
	if (!m->driver->snapshot)
		return cannot(m, "take snapshots", err);
	return m->driver->snapshot(m, name, from, err);
}

int mosaic_attach(struct mosaic *m, const char *name, char *device, struct error *err)
{
	if (!m->driver->attach)
		return cannot(m, "give volumes as block devices", err);
	return m->driver->attach(m, name, device, err);
}

int mosaic_detach(struct mosaic *m, const char *name, struct error *err)
{
	if (!m->driver->detach)
		return cannot(m, "give volumes as block devices", err);
	return m->driver->detach(m, name, err);
}

int mosaic_resize(struct mosaic *m, const char *name, uint64_t bytes, struct error *err)
{
	if (!m->driver->resize)
		return cannot(m, "limit or change the size of a volume", err);
	return m->driver->resize(m, name, bytes, err);
}

int mosaic_send(struct mosaic *m, const char *name, const char *since, int fd, struct error *err)
{
	if (!m->driver->send)
		return cannot(m, "send volumes as a stream: use an archive", err);
	return m->driver->send(m, name, since, fd, err);
}

int mosaic_receive(struct mosaic *m, const char *name, int fd, struct error *err)
{
	struct mosaic_staged s = { .lock_fd = -1 };
	int r = volume_check_name(name, err);

	if (r < 0)
		return r;
	if (!m->driver->receive)
		return cannot(m, "receive volumes as a stream: use an archive", err);
	r = volume_begin(m, &s, err);
	if (r < 0)
		return r;
	r = m->driver->receive(m, s.lock_fd, fd, err);
	if (r == 0)
		r = volume_finish(m, &s, name, err);
	if (r == MOSAIC_EXISTS)
		r = error_set(err, -EEXIST, "there is a volume %s already.", name);
	mosaic_discard(m, &s);
	return r == 0 ? mosaic_sync(m, err) : r;
}
