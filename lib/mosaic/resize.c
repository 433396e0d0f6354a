/* The size of a volume. */
#include <stdio.h>

#include "base/base.h"
#include "mosaic/driver.h"

int mosaic_resize(struct mosaic *m, const char *name, uint64_t bytes, struct error *err)
{
	_volume_ struct volume v = VOLUME_CLOSED;
	char mapped[MOSAIC_NAME_MAX + 1], text[32];
	int r = volume_name(m, &name, mapped, err);

	if (r < 0)
		return r;
	if (!m->driver->resize)
		return error_set(err, -EOPNOTSUPP,
				 "the driver %s of %s cannot limit or change the size of a volume.",
				 m->driver->name, m->location);
	r = volume_open_shared(m, name, &v, err);
	if (r < 0)
		return r;
	if (v.kind == VOLUME_TREE || v.kind == VOLUME_LAYER)
		return error_set(err, -EROFS, "volume %s is read-only.", name);
	r = m->driver->resize(m, &v, bytes, err);
	if (r < 0)
		return error_context(err, r, "resize", name);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	volume_event(m, MOSAIC_EVENT_RESIZE, name, text);
	return 0;
}
