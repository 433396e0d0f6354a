#pragma once
/*
 * The rules of the three kinds of archive: what a member may be called, what may stand where, what
 * may refer to what.
 *
 *	image_rules	an image archive (appc spec, "aci", image layout)	layout.c
 *	layer_rules	one layer of an OCI image (its specification, layer.md)	layer.c
 *	bundle_rules	files and nothing else, to be read and thrown away	bundle.c
 *
 * Pure: they look at members one after another and touch no file, so they can be tested and fuzzed
 * by themselves.
 *
 *	layout_init(), rules->member() for each member in the archive's order, rules->end()
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
	uint64_t stream;    /* bytes of the archive so far: the caller sets it */
	bool manifest, rootfs;
	bool ignored_aufs; /* warned of already */
};

int layout_init(struct layout *l, struct report *report) _must_check_;
void layout_deinit(struct layout *l);

/* What to do with a member. path is then what it is called below rootfs ("." for rootfs itself),
 * target likewise for a hard link. Each LIMIT_PATH_BYTES. */
enum layout_verdict {
	LAYOUT_TREE,     /* part of the tree: make path */
	LAYOUT_MANIFEST, /* its content is the manifest */
	LAYOUT_SKIP,     /* nothing to do, or a fault that was reported */
	LAYOUT_WHITEOUT, /* nothing that lower layers have at path is to be left */
	LAYOUT_OPAQUE,   /* likewise of what they have beside path */
};

struct rules {
	/* An enum layout_verdict; -EBADMSG after too many faults, or at a limit; -ENOMEM. Owner and
	 * mode of m may be changed. */
	int (*member)(struct layout *l, struct member *m, char *path, char *target);
	/* All members were seen: is everything there? implied then has only the directories that
	 * no member described ("etc", not "rootfs/etc"). */
	int (*end)(struct layout *l);
	bool over; /* the tree has what lower layers made, and a member may come again */
};

extern const struct rules image_rules, layer_rules, bundle_rules;

/* For the rules: one member more; and what is asked of all members alike. A LAYOUT_ verdict. */
int layout_count(struct layout *l, const char *name) _must_check_;
int layout_check(struct layout *l, const struct member *m, bool trailing_slash) _must_check_;
#define _layout_ _cleanup_(layout_deinit)
