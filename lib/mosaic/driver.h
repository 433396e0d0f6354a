#pragma once
/*
 * What a mosaic's driver is to the core, and what the core does for every driver.
 *
 * A volume is a directory volumes/NAME below m->dirfd. What it is can be read from the names in it
 * alone, for every driver:
 *
 *	tree	a read-only volume: a committed directory, subvolume, image file, ...
 *	data	a writable volume of its own
 *	parent	a symbolic link whose text is the name of the volume that this writable one needs
 *		(clones of the overlay driver); it is made last
 *	below	the same beside "tree", for a read-only volume that needs another (layers of the
 *		overlay driver); it is made before "tree"
 *	raw	an empty file beside "tree" or "data": no file system, only a block device
 *	origin	a symbolic link whose text is the name of what it was copied from, for people
 *	private	a directory with what mosaic_set_data() keeps
 *	id, received	what a volume that was sent or received is known by (stream_volume.h)
 *	kept	how many mosaic_attach() with MOSAIC_ATTACH_KEEP there are: "BOOT-ID N"
 *	readers	what they lock who have it mounted read-only, where copy_while_read
 *	owner	a symbolic link whose text is what mosaic_set_owner() said when it was made
 *
 * A directory without tree, data and parent is being made or was left by somebody who died making
 * it; its maker holds a flock on it. All else in the directory is the driver's own. Names of
 * volumes that start with "." are the driver's own too (hidden bases): listed by nobody, found by
 * volume_find().
 *
 * The core looks up, locks, stages, names, moves and removes; a driver makes content, mounts it and
 * brings it up as a device. A driver whose volumes are not below LOCATION (dm-thin) puts the
 * directory that holds "volumes" and "staging" into m->dirfd when it opens.
 *
 * How a device ends. A driver never counts users. What mount and attach return holds the device (a
 * mount, an open loop device); when the last of them is closed, the kernel takes it down, because
 * the driver has set LO_FLAGS_AUTOCLEAR (loop), DM_DEFERRED_REMOVE (device mapper), or has a FUSE
 * server that ends with its last opener. Two users of one volume share one device; bringing up is
 * serialised by volume_serialise().
 */
#include "base/base.h"
#include "mosaic/mosaic.h"

struct check;

enum { VOLUME_NEEDS_COPY = 1 };

enum volume_kind {
	VOLUME_NONE, /* no such volume, or not made completely */
	VOLUME_TREE,
	VOLUME_DATA,
	VOLUME_CLONE, /* has a "parent" and "upper": writable (overlay) */
	VOLUME_LAYER, /* has "tree" and "below": read-only (overlay) */
};

/* A volume that was looked up and opened. */
struct volume {
	const char *name;
	enum volume_kind kind;
	char parent[MOSAIC_NAME_MAX + 1]; /* "" without one */
	bool raw;
	int dirfd; /* its directory, O_RDONLY */
};

/* One to be made by copy or snapshot_set. */
struct volume_copy {
	int dirfd; /* the new volume's directory, empty but for "origin" and "owner" */
	const struct volume *from;
	bool read_only; /* make "tree", else "data" */
	bool used; /* somebody has from mounted: reads it, or stands still and will write again */
};

/* How mounts of a volume are known in /proc/PID/mountinfo: by device, by the path of the root in
 * its file system, by the source; each only where it is not 0 or NULL. All that are given have to
 * agree. */
struct mount_identity {
	dev_t device;
	const char *root; /* below that path too */
	const char *source;
	char text[512]; /* room for either */
};

/*
 * Every member but name, create, mount, identify and one of clone and copy may be NULL; the comment
 * says what the core does then. All return 0 or a negative errno with *err filled in. What is in
 * the way of several processes at once is the driver's matter, with volume_serialise().
 */
struct mosaic_driver {
	const char *name;  /* the first line of LOCATION/type */
	uint32_t features; /* enum mosaic_features; open may take some away in m->features */

	/* What volumes can be made with, the default first, NULL at the end. NULL: directories. */
	const char *const *filesystems;

	/* The keys that .mos options may have, NULL at the end. NULL: none. */
	const char *const *options;

	/* The name of its own stream. Mosaics with the same one send it to each other. NULL: none.
	 * */
	const char *stream;

	/* Does it work at this location? Asked once, when a mosaic is made. NULL: yes. */
	int (*probe)(struct mosaic *m, struct error *err);

	/* After every mosaic_open(), with m->options: what is wanted before a volume is (pool,
	 * metadata). Not on the way of a start unless it has to be. close undoes it, also after a
	 * failed open. */
	int (*open)(struct mosaic *m, struct error *err);
	void (*close)(struct mosaic *m);

	/* mosaic_create_pool(). NULL: -EOPNOTSUPP. */
	int (*create_pool)(const struct mosaic_config *config, const struct mosaic_pool *pool,
			   struct error *err);

	/* *ret is filled in from the file system of m->dirfd; corrects it. */
	int (*limits)(struct mosaic *m, struct mosaic_limits *ret, struct error *err);

	/* Makes "tree", an empty file system or directory (root 0755 root:root), in the volume
	 * directory dirfd and returns it in *ret_fd: as the directory, or as a detached mount,
	 * which lives as long as this descriptor. NULL: mkdir. */
	int (*stage)(struct mosaic *m, int dirfd, int *ret_fd, struct error *err);

	/* Turns the filled "tree", which nobody has open any more and which is synced, into what
	 * the driver keeps read-only volumes as. It was made by stage; or by create or copy as
	 * "data" and then filled by a stream and renamed. The core syncs the file system and
	 * renames the volume directory afterwards. NULL: it is that already. */
	int (*commit)(struct mosaic *m, int dirfd, struct error *err);

	/* Makes "data", an empty file system or, with MOSAIC_CREATE_RAW, an empty device, in the
	 * volume directory dirfd. The core makes "raw", and has refused sizes, file systems and raw
	 * volumes that features and filesystems do not have. */
	int (*create)(struct mosaic *m, int dirfd, const struct mosaic_create *how,
		      struct error *err);

	/* Makes c->dirfd a copy of c->from: clones, snapshots, rollbacks. Unless
	 * MOSAIC_SNAPSHOT_LIVE, nobody uses from. */
	int (*copy)(struct mosaic *m, const struct volume_copy *c, struct error *err);

	/* Instead of copy, for mosaic_clone() alone: makes the volume name, all of it (see
	 * volume_begin()). Neither name has been looked up. VOLUME_NEEDS_COPY (1) when that is to
	 * be done by copy after all. */
	int (*clone)(struct mosaic *m, const char *name, const char *from, struct error *err);

	/* copy also does (and is told by "used") while somebody has from mounted read-only; what
	 * that one sees must not change by it. For drivers without MOSAIC_SNAPSHOT_LIVE. */
	bool copy_while_read;

	/* copy for several at one instant. NULL: one after the other. */
	int (*snapshot_set)(struct mosaic *m, const struct volume_copy *list, size_t n,
			    struct error *err);

	/* mosaic_mount(): how is never NULL; READONLY is set for read-only volumes. */
	int (*mount)(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
		     int *ret_fd, struct error *err);

	/* A detached mount of the directory path below m->dirfd, the metadata's. NULL: a bind. */
	int (*mount_metadata)(struct mosaic *m, const char *path, int *ret_fd, struct error *err);

	/* How a mount of it would be known. -ENODEV without *err: it is not mounted, surely (no
	 * device is up). */
	int (*identify)(struct mosaic *m, const struct volume *v, struct mount_identity *ret,
			struct error *err);

	/* Brings the volume up as a block device; *ret_hold keeps it so. NULL: -EOPNOTSUPP, for
	 * keep and device too. */
	int (*attach)(struct mosaic *m, const struct volume *v, unsigned flags,
		      char device[MOSAIC_DEVICE_MAX], int *ret_hold, struct error *err);

	/* The device that is up stays without anybody (on), or ends with its last user (off; not
	 * up: 0). */
	int (*keep)(struct mosaic *m, const struct volume *v, bool on, struct error *err);

	/* The path of the device that it is up as, or MOSAIC_NO_DEVICE. */
	int (*device)(struct mosaic *m, const struct volume *v, char device[MOSAIC_DEVICE_MAX],
		      struct error *err);

	/* The new size of the volume, or its quota. NULL: -EOPNOTSUPP. */
	int (*resize)(struct mosaic *m, const struct volume *v, uint64_t bytes, struct error *err);

	/* Corrects *ret, which the core has filled in from the volume directory. NULL: nothing to
	 * add. */
	int (*info)(struct mosaic *m, const struct volume *v, struct mosaic_volume *ret,
		    struct error *err);

	/* NULL: the blocks of all files below "tree", "data" or "upper". */
	int (*usage)(struct mosaic *m, const struct volume *v, struct mosaic_usage *ret,
		     struct error *err);

	/* Lets go of what the volume has outside its directory, or of what rmdir cannot remove
	 * (subvolumes, thin devices), as far as there is any: it may have been half made. dirfd is
	 * the volume directory, in staging or volumes. The core removes the directory itself. NULL:
	 * nothing. */
	int (*drop)(struct mosaic *m, int dirfd, struct error *err);

	/* Writes the difference between since (NULL: nothing) and the volume to fd in the driver's
	 * own stream; receive makes "tree" of it in the volume directory dirfd. NULL with stream
	 * NULL. */
	int (*send)(struct mosaic *m, const struct volume *v, const struct volume *since, int fd,
		    struct error *err);
	int (*receive)(struct mosaic *m, int dirfd, const struct volume *since, int fd,
		       struct error *err);

	/* One volume: is its content what it should be? And once, with v NULL: what is there that
	 * belongs to no volume? Each fault goes to volume_problem(). NULL: nothing to look at. */
	int (*check)(struct mosaic *m, const struct volume *v, struct check *c, struct error *err);
};

extern const struct mosaic_driver mosaic_driver_btrfs;
extern const struct mosaic_driver mosaic_driver_dm_thin;
extern const struct mosaic_driver mosaic_driver_fsimg;
extern const struct mosaic_driver mosaic_driver_overlay;
extern const struct mosaic_driver mosaic_driver_plain;
extern const struct mosaic_driver mosaic_driver_ploop;
extern const struct mosaic_driver mosaic_driver_zfs;

/* A lock on a volume, or a device held, for as long as the mosaic is open. */
struct volume_use {
	struct volume_use *next;
	char name[MOSAIC_NAME_MAX + 1];
	int fd;
	int mount;   /* a clone's that is written to, for who mounts it again; -1: none */
	bool device; /* by mosaic_attach(); else by mosaic_mount() */
};

struct mosaic {
	const struct mosaic_driver *driver;
	uint32_t features;
	char *location;
	char *metadata;   /* its place below dirfd */
	char *default_fs; /* NULL: the driver's first */
	char *volume_map; /* NULL: none */
	char *owner;      /* of what is made; NULL: nobody */
	char id[33];
	int dirfd; /* the directory with "volumes" and "staging"; LOCATION, but for dm-thin */
	struct mosaic_option *options;
	size_t n_options;
	struct volume_use *uses;
	void *priv; /* the driver's */
};

/* ---- mosaic.c -------------------------------------------------------------------------------- */

/* NULL: there is none. */
const struct mosaic_driver *mosaic_find_driver(const char *type);

/* All of them: "overlay, plain, ...". */
enum { MOSAIC_DRIVER_NAMES = 256 };
void mosaic_driver_names(char dst[MOSAIC_DRIVER_NAMES]);

/* The value of a .mos option of this mosaic, or NULL. */
const char *mosaic_option(const struct mosaic *m, const char *key);

/* The same as bytes ("10G", "512M"; powers of 1024): instead is returned in *ret when there is
 * none. -EINVAL. */
int mosaic_option_size(const struct mosaic *m, const char *key, uint64_t instead, uint64_t *ret,
		       struct error *err) _must_check_;

/* ---- options.c ------------------------------------------------------------------------------- */

int mosaic_add_option(struct mosaic *m, const char *key, const char *value) _must_check_;
int options_write(struct mosaic *m, struct error *err) _must_check_;
int options_read(struct mosaic *m, struct error *err) _must_check_;

/* ---- log.c ----------------------------------------------------------------------------------- */

void mosaic_log(enum mosaic_log_level level, const char *fmt, ...) _printf_(2, 3);

/* ---- copied.c -------------------------------------------------------------------------------- */

/* copy_file() that is told of by mosaic_set_copy_progress(). */
int volume_copy_file(int src, int dst, const struct stat *st) _must_check_;

/* ---- volume.c: what a volume directory says -------------------------------------------------- */

enum { VOLUME_PATH = MOSAIC_NAME_MAX + 40 };

/* "volumes/NAME" or "volumes/NAME/PART". */
void volume_path(char dst[VOLUME_PATH], const char *name, const char *part);

/* "staging/NAME" */
void staging_path(char dst[VOLUME_PATH], const char *name);

/* "tree" or "data" or "upper": where the volume's own content is. */
const char *volume_content(enum volume_kind kind);

/* The kind, or a negative errno. parent (may be NULL; MOSAIC_NAME_MAX + 1 bytes) is "" without
 * one. */
int volume_find(const struct mosaic *m, const char *name, char *parent) _must_check_;

/* volume_find() for one that has to be there: -ENOENT with a sentence. */
int volume_need(const struct mosaic *m, const char *name, char *parent, struct error *err)
	_must_check_;

/* Looks it up and opens it; name has to outlive *ret. -ENOENT with a sentence. */
int volume_open(const struct mosaic *m, const char *name, struct volume *ret, struct error *err)
	_must_check_;

/* The same, with the shared lock of those who use it. The name leads there still once it is locked:
 * a volume is dropped, or replaced by a rollback, under the exclusive lock. */
int volume_open_shared(const struct mosaic *m, const char *name, struct volume *ret,
		       struct error *err) _must_check_;

/* 1: its name leads to what was opened; 0: to something else (a rollback), or nowhere. */
int volume_is_current(const struct mosaic *m, const struct volume *v, struct error *err)
	_must_check_;

/* For who reads without a lock: did r come of a volume that was dropped or replaced meanwhile? Then
 * it is to be opened again, and *err is empty. */
bool volume_read_again(const struct mosaic *m, const struct volume *v, int r, struct error *err)
	_must_check_;

/* Fills in again what the directory says, once it is locked. */
int volume_look(const struct mosaic *m, struct volume *v, struct error *err) _must_check_;

void volume_close(struct volume *v);
#define _volume_ _cleanup_(volume_close)
#define VOLUME_CLOSED       \
	{                   \
		.dirfd = -1 \
	}

/* Where a name comes in that a user gave: *name becomes what the mosaic's volumeMap makes of it
 * (room, or as it was), and is one that a volume can have: -EINVAL. */
int volume_name(const struct mosaic *m, const char **name, char room[MOSAIC_NAME_MAX + 1],
		struct error *err) _must_check_;

/* -EINVAL for a name that no volume can have. */
int volume_check_name(const char *name, struct error *err) _must_check_;

/* -EINVAL for flags that are not among the known. */
int volume_check_flags(unsigned flags, unsigned known, struct error *err) _must_check_;

/* A lock among those who bring the volume up, change its size or keep it: returned as a descriptor
 * to close. Not to be held while waiting for anything but the kernel and children. */
int volume_serialise(const struct volume *v, struct error *err) _must_check_;

/* ---- stage.c: volumes in the making ---------------------------------------------------------- */

/* Makes an empty, locked volume directory in staging, to become a volume with volume_finish() or to
 * be thrown away with mosaic_discard(). Its descriptor is ret->lock_fd. */
int volume_begin(struct mosaic *m, struct mosaic_staged *ret, struct error *err) _must_check_;

/* Gives the staged volume its name. MOSAIC_EXISTS: taken; it is still staged then. */
int volume_finish(struct mosaic *m, struct mosaic_staged *s, const char *name, struct error *err)
	_must_check_;

/* fsync of the directory of volumes: names survive. */
int volume_sync_names(struct mosaic *m, struct error *err) _must_check_;

/* Removes a volume directory that the caller made in place, without staging, and could not finish.
 * What stays is collected later. */
void volume_remove_unfinished(struct mosaic *m, const char *name);

/* mkdirat() of exactly that mode, whatever the umask. */
int volume_mkdir(int dirfd, const char *name, mode_t mode) _must_check_;

/* What mosaic_create() makes, in a volume directory that the caller has begun. */
int volume_make_content(struct mosaic *m, int dirfd, const struct mosaic_create *how,
			struct error *err) _must_check_;

/* ---- receive_state.c ------------------------------------------------------------------------- */

/* Is that directory of staging what a stream that broke off has left, not too long ago? Then it is
 * no leftover. */
bool receive_is_kept(int dirfd);

/* ---- remove.c -------------------------------------------------------------------------------- */

/* mosaic_drop() for a name that is the volume's, without telling of it. 1: there was none. */
int volume_drop(struct mosaic *m, const char *name, unsigned flags, struct error *err) _must_check_;

/* ---- mount.c --------------------------------------------------------------------------------- */

/* mosaic_mount() for a name that is the volume's, without telling of it. */
int volume_mount(struct mosaic *m, const char *name, const struct mosaic_mount *how, int *ret_fd,
		 struct error *err) _must_check_;

/* ---- used.c ---------------------------------------------------------------------------------- */

/* -EBUSY with a sentence that says who uses it and what (a verb) has to wait. On success v->dirfd
 * has the exclusive lock: nobody begins to use it until volume_close(), and the name leads there.
 * -ENOENT when it was dropped or replaced since it was opened. */
int volume_need_unused(struct mosaic *m, const struct volume *v, const char *what,
		       struct error *err) _must_check_;

/* The two in one, of the volume that has the name when it is locked. */
int volume_open_unused(struct mosaic *m, const char *name, const char *what, struct volume *ret,
		       struct error *err) _must_check_;

/* The same of a volume that is to be copied or read: with a driver that says copy_while_read, who
 * has it mounted read-only is not in the way, and is told by *ret_read. */
int volume_open_unwritten(struct mosaic *m, const char *name, const char *what, struct volume *ret,
			  bool *ret_read, struct error *err) _must_check_;

/* In the place of the shared lock of a writable volume: the lock of one who reads alone, as a
 * descriptor, or -1 where there is none; then the shared lock has to do. */
int volume_lock_reader(const struct mosaic *m, const struct volume *v);

/* ---- data.c ---------------------------------------------------------------------------------- */

/* Copies the private data of v into the new volume directory dirfd: of a volume that is rolled
 * back. */
int volume_copy_data(const struct volume *v, int dirfd, struct error *err) _must_check_;

/* Counts, and with remove removes, what died being written in the volume directory dirfd, which
 * the caller has locked. */
int volume_clean_data(int dirfd, bool remove, unsigned *ret_n) _must_check_;

/* ---- owner.c --------------------------------------------------------------------------------- */

/* Marks the new volume directory dirfd as m's owner's. volume_begin() has done it. */
int volume_mark_owner(const struct mosaic *m, int dirfd) _must_check_;

/* The new volume directory dirfd gets the owner of v instead: of a volume that is rolled back. */
int volume_keep_owner(const struct volume *v, int dirfd, struct error *err) _must_check_;

/* ---- use.c: what this process uses ----------------------------------------------------------- */

/* Keeps fd with the mosaic until volume_unuse() or mosaic_close(); fd is the library's then, also
 * on failure. */
int volume_use(struct mosaic *m, const char *name, int fd, bool device) _must_check_;

/* Closes the last one of that kind. 1, or 0 when there was none. */
int volume_unuse(struct mosaic *m, const char *name, bool device);
void volume_unuse_all(struct mosaic *m);

/* ---- events.c -------------------------------------------------------------------------------- */

/* Tells followers, if there ever were any: one system call otherwise. Failing is only logged. */
void volume_event(struct mosaic *m, enum mosaic_event_kind kind, const char *volume,
		  const char *other);

/* ---- check.c --------------------------------------------------------------------------------- */

struct check {
	struct mosaic *m;
	bool repair;
	unsigned n;
	int (*fn)(const struct mosaic_problem *p, void *arg);
	void *arg;
	int ended; /* what fn returned to end the check */
};

/* Tells of one; counts it unless mended. What fn returned. */
int volume_problem(struct check *c, const char *where, bool mended, const char *fmt, ...)
	_printf_(4, 5);

/* ---- directory.c: volumes whose "tree" and "data" are plain directories ---------------------- */

/* "data": an empty directory. */
int directory_create(struct mosaic *m, int dirfd, const struct mosaic_create *how,
		     struct error *err);

/* A copy of the tree or data of c->from. */
int directory_copy(struct mosaic *m, const struct volume_copy *c, struct error *err);

/* A copy of the directory src (a path below dirfd srcfd) as the new directory name of dirfd. */
int directory_copy_as(struct mosaic *m, int srcfd, const char *src, int dirfd, const char *name,
		      struct error *err);

/* When r says that there is no room or no quota left: adds to the error how much there is. Returns
 * r. */
int directory_room(const struct mosaic *m, int r, struct error *err);

/* A detached bind of the tree or data; its identity is a path. */
int directory_mount(struct mosaic *m, const struct volume *v, const struct mosaic_mount *how,
		    int *ret_fd, struct error *err);
int directory_identify(struct mosaic *m, const struct volume *v, struct mount_identity *ret,
		       struct error *err);

/* Attributes and id map of a fresh detached mount. */
int directory_adjust(int mountfd, const struct volume *v, const struct mosaic_mount *how,
		     struct error *err) _must_check_;
