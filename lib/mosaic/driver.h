#pragma once
/*
 * What a mosaic's driver is to the core, and what the core does for every driver.
 *
 * A volume is a directory volumes/NAME. What it is can be read from the names in it alone, for
 * every driver:
 *
 *	tree	a read-only volume: a committed directory, subvolume, image file, ...
 *	data	a writable volume of its own
 *	parent	a symbolic link whose text is the name of the volume that this writable one needs
 *		(clones of the overlay driver); it is made last
 *
 * A directory with none of them is being made or was left by somebody who died making it; its
 * maker holds a flock on it. All else in the directory is the driver's own. The core lists, looks
 * up, stages, renames and removes; a driver makes content and mounts it.
 */
#include "mosaic/mosaic.h"

struct mosaic;

/*
 * Every member but name, create, clone and mount may be NULL; the comment says what the core does
 * then. All return 0 or a negative errno with *err filled in.
 */
struct mosaic_driver {
	const char *name;  /* the text of LOCATION/type */
	uint32_t features; /* enum mosaic_features */

	/* Does it work at this location? Asked once, when a mosaic is made. NULL: yes. */
	int (*probe)(struct mosaic *m, struct error *err);

	/* Makes "tree", an empty directory (0755 root:root) to be filled, in the volume directory
	 * dirfd. NULL: mkdir. */
	int (*stage)(struct mosaic *m, int dirfd, struct error *err);

	/* Turns the filled "tree" into what the driver keeps read-only volumes as; the core syncs
	 * the file system and renames the volume directory afterwards. NULL: it is that already. */
	int (*commit)(struct mosaic *m, int dirfd, struct error *err);

	/* Makes "data", an empty file system, in the volume directory dirfd. */
	int (*create)(struct mosaic *m, int dirfd, struct error *err);

	/* Makes the volume name, all of it: see volume_begin(). Neither name has been looked up. */
	int (*clone)(struct mosaic *m, const char *name, const char *from, struct error *err);

	/* The same, read-only. NULL: -EOPNOTSUPP. */
	int (*snapshot)(struct mosaic *m, const char *name, const char *from, struct error *err);

	/* mosaic_mount(). */
	int (*mount)(struct mosaic *m, const char *name, unsigned flags, uint64_t attributes,
		     int *ret_fd, struct error *err);

	/* Brings the volume up as a block device; its path (PATH_MAX bytes of room) is returned in
	 * device. Counting users is the driver's matter. NULL: -EOPNOTSUPP. */
	int (*attach)(struct mosaic *m, const char *name, char *device, struct error *err);

	/* The end of one attach. NULL together with attach. */
	int (*detach)(struct mosaic *m, const char *name, struct error *err);

	/* The new size of the volume, or its quota. NULL: -EOPNOTSUPP. */
	int (*resize)(struct mosaic *m, const char *name, uint64_t bytes, struct error *err);

	/* Corrects *v, which the core has filled in from the volume directory. NULL: nothing to
	 * add. */
	int (*info)(struct mosaic *m, struct mosaic_volume *v, struct error *err);

	/* Lets go of what the volume has outside its directory, or of what rmdir cannot remove
	 * (subvolumes, thin devices). dirfd is the volume directory, already under a name in
	 * staging. The core removes the directory itself. NULL: nothing. */
	int (*drop)(struct mosaic *m, int dirfd, struct error *err);

	/* Writes the difference between since (NULL: nothing) and the volume to fd in the
	 * driver's own stream; receive makes a volume of it in the volume directory dirfd. NULL:
	 * -EOPNOTSUPP; volumes then travel as archives. */
	int (*send)(struct mosaic *m, const char *name, const char *since, int fd,
		    struct error *err);
	int (*receive)(struct mosaic *m, int dirfd, int fd, struct error *err);
};

extern const struct mosaic_driver mosaic_driver_overlay;
extern const struct mosaic_driver mosaic_driver_plain;

struct mosaic {
	const struct mosaic_driver *driver;
	char *location;
	int dirfd;
};

/* ---- volume.c: what a volume directory says -------------------------------------------------- */

enum volume_kind {
	VOLUME_NONE, /* no such volume, or not made completely */
	VOLUME_TREE,
	VOLUME_DATA,
	VOLUME_CLONE, /* has a "parent" */
};

enum { VOLUME_PATH = MOSAIC_NAME_MAX + 40 };

/* "volumes/NAME" or "volumes/NAME/PART". */
void volume_path(char dst[VOLUME_PATH], const char *name, const char *part);

/* "staging/NAME" */
void staging_path(char dst[VOLUME_PATH], const char *name);

/* The kind, or a negative errno. parent (may be NULL; MOSAIC_NAME_MAX + 1 bytes) is "" without
 * one. */
int volume_find(const struct mosaic *m, const char *name, char *parent) _must_check_;

/* volume_find() for one that has to be there: -ENOENT with a sentence. */
int volume_need(const struct mosaic *m, const char *name, char *parent, struct error *err)
	_must_check_;

/* -EINVAL for a name that no volume can have. */
int volume_check_name(const char *name, struct error *err) _must_check_;

/* ---- stage.c: volumes in the making ---------------------------------------------------------- */

/* Makes an empty, locked volume directory in staging, to become a volume with volume_finish() or to
 * be thrown away with mosaic_discard(). Its descriptor is ret->lock_fd. */
int volume_begin(struct mosaic *m, struct mosaic_staged *ret, struct error *err) _must_check_;

/* Gives the staged volume its name. MOSAIC_EXISTS: taken; it is still staged then. */
int volume_finish(struct mosaic *m, struct mosaic_staged *s, const char *name, struct error *err)
	_must_check_;

/* Removes a volume directory that the caller made in place, without staging, and could not finish.
 * What stays is collected later. */
void volume_remove_unfinished(struct mosaic *m, const char *name);

/* mkdirat() of exactly that mode, whatever the umask. */
int volume_mkdir(int dirfd, const char *name, mode_t mode) _must_check_;

/* ---- directory.c: volumes whose "tree" and "data" are plain directories ---------------------- */

/* "data": an empty directory. */
int directory_create(struct mosaic *m, int dirfd, struct error *err) _must_check_;

/* name, a volume with "data" that holds a copy of the tree or data of from. */
int directory_copy(struct mosaic *m, const char *name, const char *from, struct error *err)
	_must_check_;

/* A copy of the directory from, relative to the location, as the new directory name of dirfd. */
int directory_copy_as(struct mosaic *m, const char *from, int dirfd, const char *name,
		      struct error *err) _must_check_;

/* A detached bind of the tree or data. */
int directory_mount(struct mosaic *m, const char *name, unsigned flags, uint64_t attributes,
		    int *ret_fd, struct error *err) _must_check_;
