#pragma once
/*
 * What a layer takes away of the layers below it. Never what it made itself, even when that came
 * first in the archive; of a directory that both have, the lower part goes.
 */
#include "images/unpack/place.h"

/* path: the file that goes. Missing is success. */
int whiteout_file(struct place *p, const char *path, struct error *err) _must_check_;

/* path: anything in the directory whose lower content goes. */
int whiteout_beside(struct place *p, const char *path, struct error *err) _must_check_;
