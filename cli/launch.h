#pragma once
/*
 * A pod on disk, and the step into carob-stage1.
 *
 *	launch_prepare()   directory, name, volumes, pod file: all or nothing
 *	launch_foreground() or launch_detached()
 *
 * What launch_prepare() and a failed launch began is taken away by launch_undo().
 */
#include "cli/cli.h"
#include "cli/request.h"

struct launch {
	const struct cli *cli;
	struct mosaic *mosaic; /* borrowed */
	struct pod pod;
	int dirfd;             /* locked; -1: none */
	const char *uuid_file; /* written; or NULL */
};

#define LAUNCH_INIT(c)                  \
	{                               \
		.cli = (c), .dirfd = -1 \
	}
void launch_deinit(struct launch *l);

/* What launch_prepare() is given beside the request. */
struct launch_plan {
	const struct run_request *request;
	const struct run_image *images; /* by app */
	bool prepared;                  /* not started now: durable, status "prepared" */
};

/* Takes manifest. 0 or an exit code; l is to be undone then. */
int launch_prepare(struct launch *l, struct appc_pod *manifest, const struct launch_plan *plan,
		   struct error *err) _must_check_;

/* Chooses the standard input of each app (pod.h) from what was asked and what is connected. 0 or
 * CLI_USAGE. apps: by app; NULL: nothing was asked. */
int launch_choose_input(struct pod_launch *launch, const struct app_request *apps,
			struct error *err) _must_check_;

/* This process becomes carob-stage1: returns only when that failed. */
int launch_foreground(struct launch *l, struct error *err) _must_check_;

/* Starts carob-stage1 in a session of its own and waits until the apps run. 0 or an exit code. */
int launch_detached(struct launch *l, struct error *err) _must_check_;

/* Takes back what was begun. */
void launch_undo(struct launch *l);
