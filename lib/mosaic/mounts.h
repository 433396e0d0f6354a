#pragma once
/* Mounts of volumes in the mount tables of all processes. */
#include "kernel/kernel.h"
#include "mosaic/driver.h"

/* Is it a mount of that volume? */
bool mount_identity_fits(const struct mount_identity *i, const struct mountinfo *m);

/* mosaic_each_mount_point() for what is known already. */
int mount_identity_each(const struct mount_identity *identity, mosaic_mount_point_fn fn, void *arg,
			struct error *err) _must_check_;
int volume_each_mount(struct mosaic *m, const struct volume *v, mosaic_mount_point_fn fn, void *arg,
		      struct error *err) _must_check_;

/* What mounts of the volume of that name look like. -ENODEV as of the driver's identify(). */
int volume_identify(struct mosaic *m, const char *name, struct mount_identity *ret,
		    struct error *err) _must_check_;

/* A mosaic_mount_point_fn that ends the search with 1. */
int mount_point_found(const struct mosaic_mount_point *p, void *arg);
