#pragma once
/* What is known of a pod, as JSON: the rows of `list` and the answer of `status`. */
#include "cli/cli.h"

/* Everything: the pod file, and the status by the API for the living, by the file for the others.
 * A damaged pod has few members and a note. -ENOENT: gone meanwhile. The caller decrefs *ret. */
int pod_describe(const struct cli *cli, const char *uuid, bool ask, struct json_t **ret,
		 struct error *err) _must_check_;
