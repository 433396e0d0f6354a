#pragma once
/*
 * libmosaic: one API over every kind of storage that can hold root file systems and volumes.
 *
 * A mosaic is a place on disk run by one driver. It holds metadata, which is a directory for what
 * its user wants to keep beside the volumes, and volumes, named by plain components of at most 200
 * bytes (no "/", no control character, not starting with "."). A volume comes into being by
 *
 *     mosaic_stage(), fill, mosaic_commit()   a tree, all or nothing
 *     mosaic_create()                         an empty volume, with a file system or raw
 *     mosaic_clone(), mosaic_snapshot()       a writable, a read-only copy of another
 *     mosaic_receive()                        a copy of one that was sent
 *
 * and is used by mosaic_mount(): a detached mount, given as a descriptor, that exists in no mount
 * table until somebody attaches it and that vanishes with its last user; or by mosaic_attach(), as
 * a block device. Nobody counts users: the kernel does. The first user brings a volume up, the last
 * one takes it down, and one that died is none any more: loop devices clear themselves, device
 * mapper removes what was marked so, and who lives holds a lock.
 *
 * A mosaic is found by the directory it is in (mosaic_open), or by a description, a .mos file,
 * given by path or by name (mosaic_open_named). Everything that a volume needs to be opened is in
 * the mosaic.
 *
 * On disk:  LOCATION/type            the driver's name; the mosaic's identity, 32 hex digits
 *           LOCATION/options         what the driver was told when the mosaic was made (JSON)
 *           LOCATION/metadata/       the user's
 *           LOCATION/volumes/NAME/   whatever the driver keeps
 *           LOCATION/staging/        volumes being made; leftovers of the dead are removed by
 *                                    mosaic_collect()
 *           LOCATION/events          there once somebody asked for events
 *
 * Locks: mosaic_open() takes none. flock on a volume's directory: shared while a living process
 * uses the volume, exclusive while it is made, dropped or replaced. So a staged volume is locked
 * while its maker lives; mosaic_collect() takes what is not locked. Who waits for the lock of a
 * volume that is dropped finds it gone; until then nobody can begin to use it. A child of fork()
 * has the locks of its parent until it execs or ends.
 *
 * Every function that can fail returns 0 (or what it says) or a negative errno and fills *err,
 * which may be NULL: what was done, to what, why not. Out parameters are untouched then. A struct
 * mosaic is for one thread at a time; processes need not know of each other. Nothing is printed;
 * see mosaic_set_log().
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error_value.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOSAIC_MUST_CHECK   __attribute__((warn_unused_result))
#define MOSAIC_PRINTF(a, b) __attribute__((format(printf, a, b)))

enum {
	MOSAIC_NAME_MAX = 200,
	MOSAIC_DEVICE_MAX = 256, /* the path of a block device, with its end */
	MOSAIC_FS_MAX = 16,      /* the name of a file system, with its end */
	MOSAIC_TOKEN_MAX = 256,
	MOSAIC_VALUE_MAX = 64 << 10, /* bytes of one value of private data */
};

struct mosaic;

/* The error as one line: "step object: sentence". */
void mosaic_error_format(const struct error *err, char *buf, size_t size);

/* ---- descriptions: .mos files ---------------------------------------------------------------- */

/*
 * A .mos file is YAML (mosaic.mos(5)):
 *
 *	type: btrfs                       a driver's name
 *	location: /srv/mosaic             absolute, or relative to the file's directory
 *	default_fs: ext4                  what new volumes get; drivers with block devices only
 *	layout: { metadata: meta }        a directory below location; "metadata" by default
 *	volumeMap: "^web-(.*) web.\\1"    extended regular expression, blank, replacement: how names
 *	                                  are changed before they are looked up, where it matches
 *	options: { size: 10G }            the driver's own
 */
struct mosaic_option {
	char *key, *value;
};

struct mosaic_config {
	char *name;                               /* the file's name without ".mos" */
	char *type, *location;                    /* always */
	char *default_fs, *metadata, *volume_map; /* or NULL */
	struct mosaic_option *options;
	size_t n_options;
};

/* Reads and checks a .mos file: path, or a name that is looked for in the directories of
 * MOSAIC_PATH (separated by ":"; /etc/carob/mosaic.d without it). A word with "/" or ending in
 * ".mos" is a path. Errors say line and column. -ENOENT names every place that was looked at. */
int mosaic_config_read(const char *what, struct mosaic_config *ret,
		       struct error *err) MOSAIC_MUST_CHECK;
void mosaic_config_free(struct mosaic_config *c); /* what is in it; {0} is allowed */

/* ---- opening --------------------------------------------------------------------------------- */

enum mosaic_open_flags { MOSAIC_OPEN_CREATE = 1 };

/* Opens the mosaic at location. With MOSAIC_OPEN_CREATE a missing one is made with the driver named
 * type, or when type is NULL the best that works there (overlay; plain where overlay cannot). */
int mosaic_open(struct mosaic **ret, const char *location, const char *type, unsigned flags,
		struct error *err) MOSAIC_MUST_CHECK;

/* The same for what a description says. */
int mosaic_open_config(struct mosaic **ret, const struct mosaic_config *config, unsigned flags,
		       struct error *err) MOSAIC_MUST_CHECK;

/* what: a description (see mosaic_config_read) or, when it is a directory, a location. */
int mosaic_open_named(struct mosaic **ret, const char *what, unsigned flags,
		      struct error *err) MOSAIC_MUST_CHECK;

/* Lets go of the locks of what this process has mounted and attached with m; mounts that are in use
 * stay. */
void mosaic_close(struct mosaic *m);

/* Makes the pool that a mosaic of type dm-thin lies in, on a block device or a file (made, sparse,
 * when there is none), and the mosaic in it. -EEXIST when the device holds something already,
 * unless MOSAIC_POOL_FORCE. */
enum mosaic_pool_flags { MOSAIC_POOL_FORCE = 1 };
struct mosaic_pool {
	const char *device;  /* block device or file */
	uint64_t size;       /* of a file to be made; 0: it is there */
	uint32_t block_size; /* bytes; 0: 64 KiB */
	/* of the mosaic's own volume, whose blocks are all allocated: so a full pool can be mended;
	 * 0: a 16th of the pool, 64 MiB to 1 GiB */
	uint64_t metadata_size;
	unsigned flags;
};
int mosaic_create_pool(const struct mosaic_config *config, const struct mosaic_pool *pool,
		       struct error *err) MOSAIC_MUST_CHECK;

/* ---- what it is ------------------------------------------------------------------------------ */

/* What a driver can do, as it works at this location. */
enum mosaic_features {
	MOSAIC_CLONE = 1 << 0,    /* clones share data with what they come from */
	MOSAIC_SNAPSHOT = 1 << 1, /* and snapshots too */
	MOSAIC_RAW = 1 << 2,      /* volumes without a file system */
	MOSAIC_DEVICE = 1 << 3,   /* volumes can be had as block devices */
	MOSAIC_RESIZE_UP = 1 << 4,
	MOSAIC_RESIZE_DOWN = 1 << 5,
	MOSAIC_QUOTA = 1 << 6, /* a volume's size limits what it can hold */
	MOSAIC_SEND = 1 << 7,  /* a native stream between two mosaics of this driver */
	/* Snapshots of several volumes in use hold what was written until one instant. */
	MOSAIC_SNAPSHOT_SET = 1 << 8,
	/* A volume in use can be cloned and snapshotted: the copy is what a power cut at that
	 * instant would have left, and with MOSAIC_SNAPSHOT_SET all that was written until then. */
	MOSAIC_SNAPSHOT_LIVE = 1 << 9,
	MOSAIC_EXCLUSIVE = 1 << 10, /* mosaic_usage() tells exclusive from shared bytes */
};

/* The word for one feature bit ("clone", "resize-up"), or NULL: to be called for 1 << 0, 1 << 1 ...
 * */
const char *mosaic_feature_name(uint32_t bit);

const char *mosaic_type(const struct mosaic *m);
const char *mosaic_location(const struct mosaic *m);
const char *mosaic_id(const struct mosaic *m); /* "" for one made before there were any */
uint32_t mosaic_features(const struct mosaic *m);

struct mosaic_limits {
	uint64_t size_min, size_max; /* bytes of a volume; 0, 0: volumes have no size */
	uint64_t max_volumes;        /* 0: what the file system can hold */
	uint64_t max_snapshots;      /* of one volume; 0: as many as volumes */
	uint64_t total, available;   /* bytes of the storage */
	/* what volumes can be made with, the default first, NULL at the end; empty: the file
	 * system that the mosaic is on */
	const char *const *filesystems;
};
int mosaic_limits(struct mosaic *m, struct mosaic_limits *ret, struct error *err) MOSAIC_MUST_CHECK;

/* ---- making ---------------------------------------------------------------------------------- */

/* Begins a tree volume: *ret_fd is its empty root directory (0755 root:root), to be filled. staged
 * names it until commit. The caller closes the fd, before mosaic_commit(). */
struct mosaic_staged {
	char name[40]; /* below LOCATION/staging */
	int lock_fd;   /* -1: nothing staged */
	int tree_fd;   /* the library's own; -1: none */
};
#define MOSAIC_STAGED_NONE                   \
	{                                    \
		.lock_fd = -1, .tree_fd = -1 \
	}
int mosaic_stage(struct mosaic *m, struct mosaic_staged *ret, int *ret_fd,
		 struct error *err) MOSAIC_MUST_CHECK;

/* Makes the staged tree the read-only volume name, durably (syncfs before the rename).
 * MOSAIC_EXISTS (1) when the name is taken already: the staged tree is then discarded. After an
 * error it is still staged, but where only the last sync failed: then lock_fd is -1. -EINVAL when
 * there is no such volume and nothing staged that could become it. */
enum { MOSAIC_EXISTS = 1 };
int mosaic_commit(struct mosaic *m, struct mosaic_staged *s, const char *name,
		  struct error *err) MOSAIC_MUST_CHECK;
void mosaic_discard(struct mosaic *m, struct mosaic_staged *s); /* nothing staged: no-op */

/* An empty writable volume, durable on return. -EEXIST; -EOPNOTSUPP for what the driver has no
 * means for, -EINVAL for flags that there are not: nothing asked for is ignored. */
enum mosaic_create_flags { MOSAIC_CREATE_RAW = 1 };
struct mosaic_create {
	uint64_t size;  /* bytes; 0: the driver's default, or no limit */
	const char *fs; /* NULL: default_fs, or the driver's first */
	unsigned flags;
};
int mosaic_create(struct mosaic *m, const char *name, const struct mosaic_create *how,
		  struct error *err) MOSAIC_MUST_CHECK; /* how: NULL for the defaults */

/* A writable copy of from. Unless the driver has MOSAIC_SNAPSHOT_LIVE, nobody may have from mounted
 * writable: -EBUSY names who has; mounts that are read-only are not in the way. A power cut may
 * take the clone back until mosaic_sync(). -ENOENT, -EEXIST. */
int mosaic_clone(struct mosaic *m, const char *name, const char *from,
		 struct error *err) MOSAIC_MUST_CHECK;

/* A read-only copy of from, durable on return; a copy of the data where the driver has no
 * MOSAIC_SNAPSHOT. Otherwise as mosaic_clone(). */
int mosaic_snapshot(struct mosaic *m, const char *name, const char *from,
		    struct error *err) MOSAIC_MUST_CHECK;

/* Snapshots of several volumes, all or none. With MOSAIC_SNAPSHOT_SET they are of one instant
 * whatever is being written. Other drivers call quiesce (may be NULL: then volumes in use are
 * -EBUSY) before the first and resume after the last: whoever writes has to stand still between. */
struct mosaic_pair {
	const char *name, *from;
};
struct mosaic_quiesce {
	int (*quiesce)(void *arg, struct error *err);
	void (*resume)(void *arg);
	void *arg;
};
int mosaic_snapshot_set(struct mosaic *m, const struct mosaic_pair *pairs, size_t n,
			const struct mosaic_quiesce *q, struct error *err) MOSAIC_MUST_CHECK;

/* The volume has the content of snapshot (or of any other volume that could be cloned) again, at
 * once and durably; the snapshot stays. What the volume had is gone. -EBUSY while the volume is in
 * use; -EROFS for a volume that is read-only itself. */
int mosaic_rollback(struct mosaic *m, const char *name, const char *snapshot,
		    struct error *err) MOSAIC_MUST_CHECK;

/* The volume's size, or its quota (0: none). Growing works while it is mounted. -ENOSPC names how
 * much it holds when it holds more; -EOPNOTSUPP; -EROFS for a volume that is read-only. */
int mosaic_resize(struct mosaic *m, const char *name, uint64_t bytes,
		  struct error *err) MOSAIC_MUST_CHECK;

/* Removes a volume; missing is success; -EBUSY while it is in use, or while others are cloned from
 * it and need it. */
enum mosaic_drop_flags {
	MOSAIC_DROP_UNCHECKED =
		1, /* the caller knows that nobody uses it: saves looking at every mount there is */
};
int mosaic_drop(struct mosaic *m, const char *name, unsigned flags,
		struct error *err) MOSAIC_MUST_CHECK;

/* Everything done before survives a power cut. */
int mosaic_sync(struct mosaic *m, struct error *err) MOSAIC_MUST_CHECK;

/* ---- using ----------------------------------------------------------------------------------- */

enum mosaic_mount_flags {
	MOSAIC_MOUNT_READONLY = 1,
	MOSAIC_MOUNT_VOLATILE = 2, /* contents need not survive a crash of the machine */
};

struct mosaic_mount {
	unsigned flags;
	uint64_t attributes; /* MOUNT_ATTR_* of linux/mount.h, added */
	int userns;          /* a user namespace whose id map the mount gets; 0: none */
};

/* A detached mount of the volume (how: NULL for read-write). As long as m is open and *ret_fd's
 * mount lives, the volume is in use. -ESTALE for a writable mount of a volume that was last mounted
 * MOSAIC_MOUNT_VOLATILE by one that is not. -EOPNOTSUPP for raw volumes. */
int mosaic_mount(struct mosaic *m, const char *name, const struct mosaic_mount *how, int *ret_fd,
		 struct error *err) MOSAIC_MUST_CHECK;

/* The same, at the directory path; and the end of it. name of mosaic_umount may be NULL: whatever
 * volume is there. -EBUSY while something below path is in use; -EINVAL when that volume is not
 * mounted there. */
int mosaic_mount_at(struct mosaic *m, const char *name, const char *path,
		    const struct mosaic_mount *how, struct error *err) MOSAIC_MUST_CHECK;
int mosaic_umount(struct mosaic *m, const char *name, const char *path,
		  struct error *err) MOSAIC_MUST_CHECK;

/* The metadata directory as a detached mount. */
int mosaic_mount_metadata(struct mosaic *m, const struct mosaic_mount *how, int *ret_fd,
			  struct error *err) MOSAIC_MUST_CHECK;

/* The volume as a block device, whose path is put into device. A device lives as long as its users:
 * m, until mosaic_detach() or mosaic_close(); whoever has it open or mounted. With
 * MOSAIC_ATTACH_KEEP it outlives this process and stays until as many mosaic_detach() from
 * anywhere, or the next boot. */
enum mosaic_attach_flags { MOSAIC_ATTACH_READONLY = 1, MOSAIC_ATTACH_KEEP = 2 };
int mosaic_attach(struct mosaic *m, const char *name, unsigned flags,
		  char device[MOSAIC_DEVICE_MAX], struct error *err) MOSAIC_MUST_CHECK;

/* -EINVAL when it is not attached; -EBUSY, and nothing done, while the device is mounted and this
 * was the last. */
int mosaic_detach(struct mosaic *m, const char *name, struct error *err) MOSAIC_MUST_CHECK;

/* The path of the block device that the volume is up as; MOSAIC_NO_DEVICE (1) when it is not.
 * Brings nothing up. */
enum { MOSAIC_NO_DEVICE = 1 };
int mosaic_get_device(struct mosaic *m, const char *name, char device[MOSAIC_DEVICE_MAX],
		      struct error *err) MOSAIC_MUST_CHECK;

/* ---- looking --------------------------------------------------------------------------------- */

struct mosaic_volume {
	char name[MOSAIC_NAME_MAX + 1];
	char parent[MOSAIC_NAME_MAX +
		    1];     /* what it was cloned from, though that may be gone; "" when none */
	int64_t created_ns; /* CLOCK_REALTIME */
	bool read_only;     /* committed trees and snapshots: never written again */
	bool raw;
	char fs[MOSAIC_FS_MAX]; /* "ext4"; "" for raw volumes and for directories */
	uint64_t size;          /* bytes of the device, or quota; 0: no limit */
};

bool mosaic_have(struct mosaic *m, const char *name);
int mosaic_info(struct mosaic *m, const char *name, struct mosaic_volume *ret,
		struct error *err) MOSAIC_MUST_CHECK;

/* Calls fn for every volume, in no order. A return other than 0 ends the walk and is returned. */
typedef int (*mosaic_volume_fn)(const struct mosaic_volume *v, void *arg);
int mosaic_each(struct mosaic *m, mosaic_volume_fn fn, void *arg,
		struct error *err) MOSAIC_MUST_CHECK;

/* The same for the volumes whose parent this is. */
int mosaic_each_child(struct mosaic *m, const char *name, mosaic_volume_fn fn, void *arg,
		      struct error *err) MOSAIC_MUST_CHECK;

/* What a volume takes. May read the whole volume. */
struct mosaic_usage {
	uint64_t used;      /* bytes that it holds */
	uint64_t exclusive; /* free without it; without MOSAIC_EXCLUSIVE the same as used */
	uint64_t shared;    /* used - exclusive */
};
int mosaic_usage(struct mosaic *m, const char *name, struct mosaic_usage *ret,
		 struct error *err) MOSAIC_MUST_CHECK;

/* Every place where the volume is mounted, in every mount namespace that a process is in. */
struct mosaic_mount_point {
	const char *path; /* as the processes of that namespace see it */
	bool here;        /* in the caller's mount namespace */
	pid_t pid;        /* one process of that namespace */
	bool read_only;
};
typedef int (*mosaic_mount_point_fn)(const struct mosaic_mount_point *p, void *arg);
int mosaic_each_mount_point(struct mosaic *m, const char *name, mosaic_mount_point_fn fn, void *arg,
			    struct error *err) MOSAIC_MUST_CHECK;

/* 1 or 0: is it mounted anywhere; is it in use (mounted, attached, or locked by a living user of
 * the library)? */
int mosaic_is_mounted(struct mosaic *m, const char *name, struct error *err) MOSAIC_MUST_CHECK;
int mosaic_is_used(struct mosaic *m, const char *name, struct error *err) MOSAIC_MUST_CHECK;

/* ---- owners: for several users that share one mosaic ----------------------------------------- */

/* What is made with m from now on (by any of the functions) has this owner; NULL, as at first:
 * none. A word by the rule of volume names, which means nothing to the library. It is there from
 * the volume's first moment on, survives rollback, and goes with the volume. */
int mosaic_set_owner(struct mosaic *m, const char *owner, struct error *err) MOSAIC_MUST_CHECK;

/* "" when it has none. */
int mosaic_get_owner(struct mosaic *m, const char *name, char owner[MOSAIC_NAME_MAX + 1],
		     struct error *err) MOSAIC_MUST_CHECK;

/* 1: the volume has an owner, and that is not the one of mosaic_set_owner(); 0: it is, or there is
 * none. */
int mosaic_is_foreign(struct mosaic *m, const char *name, struct error *err) MOSAIC_MUST_CHECK;

/* ---- private data: what the user wants to remember about a volume -----------------------------
 * */

/* Keys follow the rule of volume names. Values are bytes. They go with the volume, survive rollback
 * and resize, and are not copied to clones and snapshots. value NULL removes. Durable on return. */
int mosaic_set_data(struct mosaic *m, const char *name, const char *key, const void *value,
		    size_t len, struct error *err) MOSAIC_MUST_CHECK;

/* *ret: NUL-terminated, the caller frees. -ENODATA when there is no such key. */
int mosaic_get_data(struct mosaic *m, const char *name, const char *key, char **ret,
		    size_t *ret_len, struct error *err) MOSAIC_MUST_CHECK;
int mosaic_each_data(struct mosaic *m, const char *name, int (*fn)(const char *key, void *arg),
		     void *arg, struct error *err) MOSAIC_MUST_CHECK;

/* ---- sending and receiving ------------------------------------------------------------------- */

/* Long work tells how far it is; a total of 0 is unknown. A return other than 0 ends the work with
 * -ECANCELED. */
struct mosaic_progress {
	int (*fn)(uint64_t done, uint64_t total, void *arg);
	void *arg;
};

/*
 * One stream is one volume, or what changed in it since a snapshot that the receiver has too. It
 * has a header, frames with their SHA-256, and an end (docs/formats.md). Portable streams go
 * between any two drivers; between two with the same native stream (btrfs) that is sent instead.
 */
enum mosaic_send_flags { MOSAIC_SEND_PORTABLE = 1 /* though the driver has a stream of its own */ };
struct mosaic_send {
	const char *since;  /* a snapshot from which name descends; NULL: everything */
	const char *resume; /* the token of the other end; NULL: from the beginning */
	unsigned flags;
	struct mosaic_progress progress;
};

/* name is a snapshot or nobody has it mounted writable: -EBUSY; with MOSAIC_SNAPSHOT_LIVE it is
 * sent as it is now, whoever writes. how may be NULL. To resume, the stream is made again as far as
 * the other end has it, and compared: -ESTALE when it would be another one (the volume was written
 * to, or it is a native stream that the driver does not make the same way twice). -EPIPE: the
 * reader has gone; SIGPIPE is not raised. */
int mosaic_send(struct mosaic *m, const char *name, const struct mosaic_send *how, int fd,
		struct error *err) MOSAIC_MUST_CHECK;

/* Makes the volume name of a stream: whole and durable, or not there. What was received of a stream
 * that broke off is kept for a resumed one, until mosaic_receive() of another begins or
 * mosaic_receive_forget(). The receiving volume is writable with MOSAIC_RECEIVE_WRITABLE, else a
 * snapshot. -EBADMSG: damaged, the frame is named; -EPIPE: it broke off; -ENOENT: the snapshot that
 * the stream is based on is not here; -EEXIST; -ESTALE: it goes on somewhere else than what was
 * received ends. It may read past the end of the stream. A native stream is kept in a file until it
 * is whole, and only then given to the driver. */
enum mosaic_receive_flags { MOSAIC_RECEIVE_WRITABLE = 1 };
struct mosaic_receive {
	unsigned flags;
	uint64_t size;  /* of the volume to be made; 0: as the sender's, where sizes are needed */
	const char *fs; /* as in mosaic_create */
	struct mosaic_progress progress;
};
int mosaic_receive(struct mosaic *m, const char *name, const struct mosaic_receive *how, int fd,
		   struct error *err) MOSAIC_MUST_CHECK;

/* How far a broken-off stream for name came: 0 with a token, or MOSAIC_NO_STATE (1). */
enum { MOSAIC_NO_STATE = 1 };
int mosaic_receive_state(struct mosaic *m, const char *name, char token[MOSAIC_TOKEN_MAX],
			 struct error *err) MOSAIC_MUST_CHECK;
int mosaic_receive_forget(struct mosaic *m, const char *name, struct error *err) MOSAIC_MUST_CHECK;

/* ---- events ---------------------------------------------------------------------------------- */

enum mosaic_event_kind {
	MOSAIC_EVENT_CREATE = 1,
	MOSAIC_EVENT_COMMIT,
	MOSAIC_EVENT_CLONE,    /* other: from */
	MOSAIC_EVENT_SNAPSHOT, /* other: from */
	MOSAIC_EVENT_ROLLBACK, /* other: snapshot */
	MOSAIC_EVENT_RESIZE,   /* other: bytes, decimal */
	MOSAIC_EVENT_DROP,
	MOSAIC_EVENT_MOUNT,  /* other: path, "" when detached */
	MOSAIC_EVENT_UMOUNT, /* other: path */
	MOSAIC_EVENT_ATTACH, /* other: device */
	MOSAIC_EVENT_DETACH,
	MOSAIC_EVENT_SEND,
	MOSAIC_EVENT_RECEIVE,
};
const char *mosaic_event_name(enum mosaic_event_kind kind); /* "create" ...; NULL for others */

struct mosaic_event {
	int64_t time_ns; /* CLOCK_REALTIME */
	enum mosaic_event_kind kind;
	pid_t pid; /* who did it */
	char volume[MOSAIC_NAME_MAX + 1];
	char other[512];
};

/* Follows what happens to volumes, whoever does it: one event for each thing that was done. What
 * failed is told to its caller alone; who dies between doing and telling has told nobody. From now
 * on, or with MOSAIC_EVENTS_ALL also what is remembered (since somebody first followed, the last 1
 * to 2 MiB). mosaic_events_fd() is readable when there may be more; mosaic_events_next() gives one:
 * 1, or 0 when there is none now. -EOVERFLOW: some were lost, for they were not read for too long;
 * the next call goes on. */
struct mosaic_events;
enum mosaic_events_flags { MOSAIC_EVENTS_ALL = 1 };
int mosaic_events_open(struct mosaic *m, unsigned flags, struct mosaic_events **ret,
		       struct error *err) MOSAIC_MUST_CHECK;
int mosaic_events_fd(const struct mosaic_events *e);
int mosaic_events_next(struct mosaic_events *e, struct mosaic_event *ret,
		       struct error *err) MOSAIC_MUST_CHECK;
void mosaic_events_close(struct mosaic_events *e);

/* ---- care ------------------------------------------------------------------------------------ */

/* Removes what dead makers left in staging, and in volumes what never became one. *ret_n: how many.
 * Snapshots of a set whose maker died naming them get the rest of their names. */
int mosaic_collect(struct mosaic *m, unsigned *ret_n, struct error *err) MOSAIC_MUST_CHECK;

/* Calls fn for each of these instead: where it is below the location, "staging/NAME". */
int mosaic_each_leftover(struct mosaic *m, int (*fn)(const char *where, void *arg), void *arg,
			 struct error *err) MOSAIC_MUST_CHECK;

/* Looks at everything: leftovers, volumes that are damaged or whose parent is gone, what the driver
 * has outside (devices, thin ids) that belongs to nobody. fn is told of each. With
 * MOSAIC_CHECK_REPAIR it is mended or, if it was never finished, removed; a finished volume is
 * never removed. *ret_n: what is wrong still. */
enum mosaic_check_flags { MOSAIC_CHECK_REPAIR = 1 };
struct mosaic_problem {
	const char *where; /* "staging/...", "volumes/NAME", "device ..." */
	const char *text;  /* what is wrong */
	bool mended;
};
int mosaic_check(struct mosaic *m, unsigned flags,
		 int (*fn)(const struct mosaic_problem *p, void *arg), void *arg, unsigned *ret_n,
		 struct error *err) MOSAIC_MUST_CHECK;

/* What the library does, for whoever wants to see it: MOSAIC_LOG_INFO, every event, and what was
 * removed or mended; MOSAIC_LOG_DEBUG, also what is opened, begun to be made or moved away, and
 * programs that are run; MOSAIC_LOG_WARNING and _ERROR, what went wrong and failed nobody. One
 * function for the process; NULL: none. */
enum mosaic_log_level {
	MOSAIC_LOG_ERROR = 1,
	MOSAIC_LOG_WARNING,
	MOSAIC_LOG_INFO,
	MOSAIC_LOG_DEBUG
};
typedef void (*mosaic_log_fn)(enum mosaic_log_level level, const char *text, void *arg);
void mosaic_set_log(mosaic_log_fn fn, enum mosaic_log_level most, void *arg);

/* How far the copying of data is, within mosaic_clone(), mosaic_snapshot() and all else that copies
 * what it cannot share: the bytes since this call, of a total that is not known (0). One function
 * for the process; NULL: none. */
void mosaic_set_copy_progress(const struct mosaic_progress *progress);

static inline void mosaic_closep(struct mosaic **m)
{
	mosaic_close(*m);
}
#define _mosaic_ __attribute__((cleanup(mosaic_closep)))

#ifdef __cplusplus
}
#endif
