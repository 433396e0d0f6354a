#pragma once
/* A root and a runtime directory for each test: scratch.h's directory has both. */
#include "../base/scratch.h"
#include "pod/pod.h"

static inline struct pod_dirs pods_dirs(const struct scratch *s)
{
	struct pod_dirs dirs;

	snprintf(dirs.root, sizeof(dirs.root), "%s/lib/carob", s->path);
	snprintf(dirs.run, sizeof(dirs.run), "%s/run/carob", s->path);
	return dirs;
}

/* The sentence is in the output when r is not 0. */
static inline void assert_ok(int r, const struct error *err)
{
	if (r != 0)
		print_message("%s %s: %s\n", err->step, err->object, err->text);
	assert_int_equal(r, 0);
}
