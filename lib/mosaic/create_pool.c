/* Pools, for the drivers that have some. */
#include "base/base.h"
#include "mosaic/driver.h"

int mosaic_create_pool(const struct mosaic_config *config, const struct mosaic_pool *pool,
		       struct error *err)
{
	const struct mosaic_driver *driver = mosaic_find_driver(config->type);
	char names[MOSAIC_DRIVER_NAMES];

	if (!driver) {
		mosaic_driver_names(names);
		return error_set(err, -EINVAL, "there is no storage driver '%s': %s.", config->type,
				 names);
	}
	if (!driver->create_pool)
		return error_set(err, -EOPNOTSUPP,
				 "the driver %s has no pools: its mosaics are made by opening them.",
				 driver->name);
	return driver->create_pool(config, pool, err);
}
