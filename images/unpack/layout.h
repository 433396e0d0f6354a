#pragma once
/*
 * The rules of image archives (appc spec, "aci", image layout): what a member may be called, what
 * may stand where, what may refer to what. Pure: it looks at members one after another and touches
 * no file, so it can be tested and fuzzed by itself.
 *
 *	layout_init(), layout_member() for each member in the archive's order, layout_end()
 */
#include "images/unpack/member.h"
#include "images/unpack/report.h"
#include "images/unpack/seen.h"

struct layout {
	struct report *report;
	struct seen seen;
	struct buf implied; /* directories below rootfs with no member so far, NUL behind each */
	uint64_t members;   /* implied directories included */
	uint64_t bytes;     /* of all files */
	bool manifest, rootfs;
};

int layout_init(struct layout *l, struct report *report) _must_check_;
void layout_deinit(struct layout *l);

/* What to do with a member. path is then what it is called below rootfs ("." for rootfs itself),
 * target likewise for a hard link. Each LIMIT_PATH_BYTES. */
enum layout_verdict {
	LAYOUT_TREE,     /* part of the tree: make path */
	LAYOUT_MANIFEST, /* its content is the manifest */
	LAYOUT_SKIP,     /* nothing to do, or a fault that was reported */
};

/* An enum layout_verdict; -EBADMSG after too many faults, or at a limit; -ENOMEM. */
int layout_member(struct layout *l, const struct member *m, char *path, char *target) _must_check_;

/* All members were seen: is everything there? implied then has only the directories that no member
 * described ("etc", not "rootfs/etc"). */
int layout_end(struct layout *l) _must_check_;
#define _layout_ _cleanup_(layout_deinit)
