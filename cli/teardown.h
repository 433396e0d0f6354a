#pragma once
/*
 * Taking away all that a pod has anywhere. The caller holds the lock of its directory, so nobody
 * is alive in it. Every step takes "missing" for success: it can be repeated after a crash at any
 * point. The directory goes last, because as long as it is there the rest can be found.
 */
#include "cli/cli.h"

struct teardown {
	const struct cli *cli;
	struct mosaic *mosaic; /* borrowed; NULL: the one that the launch names, or the usual one */
	const char *uuid;
	const struct pod_launch *launch; /* NULL: not known; volumes are found by their names */
};

int teardown(const struct teardown *t, struct error *err) _must_check_;

/* The same for a pod of which only the directory is known. */
int teardown_pod(const struct cli *cli, const char *uuid, int dirfd, struct error *err)
	_must_check_;

/* One step of it: the pod's groups, with everything that is left in them. */
int teardown_cgroups(const char *uuid, struct error *err) _must_check_;
