#pragma once
/* What the files of lib/pod share. */
#include "pod/pod.h"

/* dst = dir/kind/name, without the last part when name is "". */
int pod_path(char dst[LIMIT_PATH_BYTES], const char *dir, const char *kind, const char *name)
	_must_check_;

bool pod_exists(const struct pod_dirs *dirs, const char *uuid);

/* The UUID of the existing pod of that name, by RUN/names. */
bool pod_name_lookup(const struct pod_dirs *dirs, const char *name, char ret_uuid[UUID_TEXT]);
