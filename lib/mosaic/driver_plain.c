/* Volumes are directories and clones are copies: works everywhere. */
#include "mosaic/driver.h"

const struct mosaic_driver mosaic_driver_plain = {
	.name = "plain",
	.create = directory_create,
	.copy = directory_copy,
	.mount = directory_mount,
	.identify = directory_identify,
};
