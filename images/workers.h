#pragma once
/*
 * Several things at once without threads: each job runs in a process of its own, forked from this
 * one, and what it has to say comes through a pipe. For work that waits for a network or uses all
 * of a processor; a job sees the caller's memory as it was, and changes nothing of it but files.
 *
 * A worker leads a process group, which its own helpers are in. It ends with all of that group when
 * it is no longer wanted, when it is sent SIGTERM, and when the caller dies, however that happens.
 * A SIGINT, SIGTERM or SIGHUP that the caller catches meanwhile ends them all: -EINTR.
 */
#include "images/images.h"

enum {
	WORKERS_MAX = 64, /* at once */
	WORKERS_RESULT_BYTES = 1 << 20,
};

struct workers {
	size_t n; /* jobs, with the indexes 0 to n - 1 */
	unsigned parallel;
	void *arg;

	/* One job, in the worker. What it adds to result comes back; progress is never NULL. */
	int (*run)(void *arg, size_t index, const struct images_progress *progress,
		   struct buf *result, struct error *err);

	/* In the caller as each job ends, in that order; may be NULL. r: what run() returned; a
	 * negative value of its own is as if run() had returned it. */
	int (*ended)(void *arg, size_t index, int r, const struct buf *result, struct error *err);

	/* In the caller; NULL: every report goes to the caller's progress as it comes. */
	void (*progressed)(void *arg, size_t index, uint64_t done, uint64_t total);

	bool go_on; /* a job that fails does not end the others */
};

/* Runs all jobs, returns when no worker is left. 0, or the first failure with its error. */
int workers_run(const struct workers *w, const struct images_progress *progress, struct error *err)
	_must_check_;
