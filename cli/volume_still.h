#pragma once
/*
 * Pods that stand still while their volumes are copied: for drivers that cannot take what is being
 * written to at one instant by themselves.
 *
 * Everything in the control groups of these pods is frozen, and then looked whether somebody else
 * has the volumes mounted, who would write on: that is refused. A child thaws the pods when this
 * process is done or dies, however that happens.
 */
#include "kernel/kernel.h"
#include "mosaic/mosaic.h"

struct json_t;

struct still {
	struct mosaic *m;
	const struct mosaic_pair *pairs; /* whose volumes they are */
	size_t n;
	struct json_t *pods; /* an array of UUIDs */
	/* while they stand still */
	struct cgroup_host host;
	struct guard guard;
};

/* The functions of struct mosaic_quiesce; arg is the struct still. */
int still_begin(void *arg, struct error *err) _must_check_;
void still_end(void *arg);
