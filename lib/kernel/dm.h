#pragma once
/*
 * Device mapper, by the ioctls of /dev/mapper/control. libdevmapper is not used: it has no static
 * form, and waits for a udev that need not be there.
 *
 * A device is known by its name. It comes into being without a table, gets one (dm_load), and is
 * usable after dm_resume(). Where udev runs, it makes its links in /dev/mapper and is told to look
 * no further: it opens none of these devices.
 *
 * A device that shall end with its last user is made, opened, and then removed with
 * DM_REMOVE_DEFERRED: the kernel takes it down when nobody has it open any more. This works for a
 * stack too, for a device holds those below it open.
 *
 * All functions return 0 or what they say, or a negative errno: -ENXIO when there is no device of
 * that name, -ENODEV or -ENOENT from dm_open_control() when the kernel has no device mapper.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

enum {
	DM_NAME_MAX = 127,
	DM_PATH_MAX = 160, /* "/dev/mapper/NAME", with its end */
	DM_TEXT_MAX = 512, /* a target's status or table line, with its end */
};

/* One line of a table. */
struct dm_target {
	uint64_t start, length; /* sectors of 512 bytes */
	const char *type;       /* "linear" */
	const char *params;
};

struct dm_state {
	dev_t device;
	unsigned open_count;
	bool active; /* it has a table, and is not suspended */
	bool has_table;
	bool suspended;
	bool read_only;
	bool deferred; /* ends with its last user */
};

/* /dev/mapper/control, made if need be; loads the module where the kernel does that. */
int dm_open_control(void) _must_check_;

/* -EBUSY when the name or the uuid is taken. */
int dm_create(int control, const char *name, const char *uuid) _must_check_;

/* The table that it gets with the next dm_resume(). */
int dm_load(int control, const char *name, const struct dm_target *targets, size_t n,
	    bool read_only) _must_check_;

/* Flags of dm_suspend, and of dm_resume for the suspension that a new table takes. Without them the
 * file system on the device is frozen, and what was written before is on disk afterwards. */
enum dm_suspend_flags { DM_SUSPEND_NO_FREEZE = 1, DM_SUSPEND_NO_FLUSH = 2 };
int dm_suspend(int control, const char *name, unsigned flags) _must_check_;
int dm_resume(int control, const char *name, unsigned flags) _must_check_;

/* -EBUSY while it is open, but with DM_REMOVE_DEFERRED it goes when it is closed. Missing is
 * -ENXIO. */
enum dm_remove_flags { DM_REMOVE_DEFERRED = 1 };
int dm_remove(int control, const char *name, unsigned flags) _must_check_;

/* Takes DM_REMOVE_DEFERRED back: the device stays without users. */
int dm_keep(int control, const char *name) _must_check_;

/* A message to the target at the device's first sector. */
int dm_message(int control, const char *name, const char *text) _must_check_;

int dm_get_state(int control, const char *name, struct dm_state *ret) _must_check_;

/* The status or the parameters of the first line of its table. Status of a thin target: with
 * flush, what is not committed yet is. -ENODATA without a table. */
enum dm_text_kind { DM_TEXT_STATUS, DM_TEXT_STATUS_FLUSH, DM_TEXT_TABLE };
int dm_get_text(int control, const char *name, enum dm_text_kind kind, char dst[DM_TEXT_MAX])
	_must_check_;

/* Calls fn for every device there is; a return other than 0 ends the walk and is returned. */
typedef int (*dm_name_fn)(const char *name, dev_t device, void *arg);
int dm_each(int control, dm_name_fn fn, void *arg) _must_check_;

/* The path of its block device: the kernel's own in devtmpfs, else one that is made in /dev/mapper
 * (and stays there when the device goes: dm_forget_path()). */
int dm_get_path(const char *name, dev_t device, char dst[DM_PATH_MAX]) _must_check_;
void dm_forget_path(const char *name);

/* Opens the device, O_CLOEXEC added; dst (may be NULL) is its path. -ENXIO when it went away. */
int dm_open_device(int control, const char *name, int flags, char dst[DM_PATH_MAX]) _must_check_;

/* ---- dm_request.c: the kernel's buffers, pure ------------------------------------------------ */

/* Writes the table as DM_TABLE_LOAD wants it behind its header; the bytes written, or -E2BIG. */
int dm_request_put_table(void *dst, size_t size, const struct dm_target *targets, size_t n)
	_must_check_;

/* The text of the first line of what DM_TABLE_STATUS has answered. -ENODATA, -EBADMSG. */
int dm_request_get_text(const void *data, size_t size, unsigned n, char dst[DM_TEXT_MAX])
	_must_check_;

/* Calls fn for each name of what DM_LIST_DEVICES has answered. -EBADMSG. */
int dm_request_each_name(const void *data, size_t size, dm_name_fn fn, void *arg) _must_check_;

/* ---- dm_thin.c: the words of the thin targets, pure ------------------------------------------ */

enum dm_pool_mode { DM_POOL_WRITABLE, DM_POOL_FULL, DM_POOL_READ_ONLY, DM_POOL_FAILED };

struct dm_pool_status {
	enum dm_pool_mode mode;
	bool needs_check; /* its metadata has to be repaired */
	uint64_t transaction;
	uint64_t metadata_used, metadata_total; /* blocks of 4 KiB */
	uint64_t data_used, data_total;         /* blocks of the pool */
	uint64_t held_root; /* block of the reserved metadata snapshot; 0: none */
};

/* -EBADMSG for what is no status of a thin-pool. */
int dm_pool_status_parse(const char *text, struct dm_pool_status *ret) _must_check_;

/* Sectors that a thin volume has mapped. -EIO when the volume says "Fail" or "Error". */
int dm_thin_status_parse(const char *text, uint64_t *ret_mapped) _must_check_;
