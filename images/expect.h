#pragma once
/*
 * Is the image that came the one that was asked for? A server may answer with another one, and a
 * signature of it may even be good (S76). Pure.
 *
 * The name must be the same and every label that was asked for must be there with its value. os
 * and arch hold without being asked for, of images that have them. A version that was not written
 * ("latest" in a template) was not asked for.
 *
 * -EBADMSG: err says what was expected and what came.
 */
#include "images/internal.h"

int expect_reference(const struct appc_image *image, const struct reference *ref, struct error *err)
	_must_check_;

/* For a dependency: os and arch are those of the image that needs it; NULL: the host's. */
int expect_dependency(const struct appc_image *image, const struct appc_dependency *d,
		      const char *os, const char *arch, struct error *err) _must_check_;
