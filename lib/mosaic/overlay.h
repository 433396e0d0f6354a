#pragma once
/*
 * The parts of the overlay driver among themselves.
 *
 *	driver_overlay.c	 the driver: clones, mounts
 *	driver_overlay_layers.c	 a volume as a stack of layers, and mounting it
 *	driver_overlay_base.c	 hidden base volumes: making, letting go
 *	driver_overlay_map.c	 id-mapped mounts
 *	driver_overlay_again.c	 mounting what is mounted already
 *	driver_overlay_check.c	 what somebody who died left
 */
#include "mosaic/driver.h"

enum {
	/* Layers below a writable one. A volume that has as many is folded before it gets another.
	 * */
	OVERLAY_LAYERS = 32,
	/* as many the kernel takes as one string: all there is before Linux 6.8 */
	OVERLAY_STRING_LAYERS = 13,
};

/* ---- driver_overlay_layers.c ----------------------------------------------------------------- */

struct layers {
	int volume; /* where "work" is, borrowed */
	int upper;
	int lower[OVERLAY_LAYERS + 2]; /* the topmost first */
	size_t n;
	char bottom[MOSAIC_NAME_MAX + 1]; /* the volume that has the last of them */
	bool writable;
	bool is_volatile;
};
#define LAYERS_CLOSED                                       \
	{                                                   \
		.volume = -1, .upper = -1, .writable = true \
	}
void layers_close(struct layers *l);
#define _layers_ _cleanup_(layers_close)

/* The layers of a clone or of a read-only layer; root is m->dirfd, or another mount of it, and
 * volume the volume's directory there. */
int layers_open(int root, int volume, const struct volume *v, struct layers *ret) _must_check_;

/* For a clone without "upper", whose maker died before he gave "data" that name
 * (driver_overlay_base.c). */
int layers_finish(int volume) _must_check_;

/* A detached overlay. source may be NULL; the kernel's words for a refusal go to message. */
int layers_mount(const struct layers *l, const char *source, uint64_t attributes, char *message,
		 size_t size) _must_check_;

/* Does the kernel take more than OVERLAY_STRING_LAYERS? l has at least two. */
bool layers_can_grow(const struct layers *l);

/* Is it the name of a hidden base volume? */
bool overlay_is_base(const char *name);

/* The volume that name, in "volumes" or "staging", stands on, by one of the links that say so. 1,
 * or 0 when it stands on nothing. */
int overlay_read_link(int dirfd, const char *link, char ret[MOSAIC_NAME_MAX + 1]) _must_check_;

/* ---- driver_overlay_base.c ------------------------------------------------------------------- */

/* An empty directory name in dirfd that looks like root. */
int overlay_make_like(int dirfd, const char *name, int root, const struct stat *st) _must_check_;

/* The volume that a copy of v stands on, made if need be: v has its content as before and shares
 * it. used: somebody has v mounted and will write to it again. *ret_hold keeps the volume until it
 * is closed; -1 when it has to be kept by nobody. */
int overlay_share(struct mosaic *m, const struct volume *v, bool used,
		  char ret_parent[MOSAIC_NAME_MAX + 1], int *ret_hold, struct error *err)
	_must_check_;

/* Removes the base volume name if no volume stands on it; except (-1: none) is a volume directory
 * that does not count. 1 when it was removed. wait: for those who are about to make use of it;
 * otherwise it is kept then. */
int overlay_release_base(struct mosaic *m, const char *name, int except, bool wait) _must_check_;

/* 1 or 0: would overlay_release_base() remove it? */
int overlay_base_is_orphan(struct mosaic *m, const char *name) _must_check_;

/* ---- driver_overlay_map.c -------------------------------------------------------------------- */

/*
 * Overlays themselves cannot be id-mapped: the mount that their layers are found in is. The kernel
 * writes to the upper layer as who mounted it, so that has to be somebody who has an ID there: root
 * of the user namespace.
 */
struct overlay_map {
	int root;   /* for m->dirfd; -1: there is no map */
	int volume; /* the volume's directory there */
};
#define OVERLAY_NO_MAP \
	{              \
		-1, -1 \
	}
void overlay_map_close(struct overlay_map *map);
int overlay_map_open(struct mosaic *m, const struct volume *v, int userns, struct overlay_map *ret)
	_must_check_;

/* layers_mount() by that user. */
int overlay_map_mount(const struct overlay_map *map, const struct layers *l, const char *source,
		      uint64_t attributes, char *message, size_t size) _must_check_;

/* ---- driver_overlay_again.c ------------------------------------------------------------------ */

/* Has the kernel an overlay that writes to the upper layer? */
bool overlay_is_written(const struct layers *l);

/* Another mount of that overlay, detached. OVERLAY_NOWHERE (1) when it is not to be had; it may be
 * gone then, if only this process had it. */
enum { OVERLAY_NOWHERE = 1 };
int overlay_mount_again(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
			const char *source, int *ret_fd, struct error *err) _must_check_;

/* ---- driver_overlay_check.c ------------------------------------------------------------------ */

int overlay_check(struct mosaic *m, const struct volume *v, struct check *c, struct error *err);
