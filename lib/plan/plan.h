#pragma once
/*
 * The launch plan: all that carob-stage3 does for one process, decided beforehand.
 *
 * stage1 compiles an app's manifest into a struct plan, encodes it into one flat block of bytes
 * (plan_encode) in a sealed memfd and sends it, with the file descriptors that it refers to by
 * index, over the socket that is stage3's only inheritance. stage3 decodes in place (plan_decode):
 * every offset, count and string is checked once, then the tables are used where they lie. stage3
 * parses no JSON and decides nothing.
 *
 * The order of the work in stage3 is the order of enum plan_step. A step that fails puts its
 * number, an index into the step's table and errno into the report page (struct plan_report, one
 * shared page that stage1 reads after the socket closed) and exits.
 *
 * Nothing here allocates on the decoding side; the encoder allocates its result.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

enum {
	PLAN_MAGIC = 0x62726163, /* "carb" */
	PLAN_VERSION = 1,
	PLAN_SOCKET_FD = 3, /* all that pod-init and stage3 inherit besides 0, 1, 2 */
	PLAN_MAX_BYTES = 4 << 20,
	PLAN_MAX_FDS = 248,    /* SOCKET_MAX_FDS less the two that stage3 itself needs */
	PLAN_MAX_OPTIONS = 16, /* of one mount */
	PLAN_MAX_GIDS = 1024,
};

/* The steps of stage3, in order. Names for people: plan_step_name(). */
enum plan_step {
	PLAN_STEP_NONE,
	PLAN_STEP_RECEIVE, /* the plan and its descriptors */
	PLAN_STEP_DECODE,
	PLAN_STEP_CGROUP,     /* "0" into each cgroup descriptor */
	PLAN_STEP_NAMESPACES, /* setns to each of joins[], then unshare */
	PLAN_STEP_ROOT,       /* attach the root file system */
	PLAN_STEP_MOUNT,      /* mounts[index] */
	PLAN_STEP_DEVICE,     /* devices[index] */
	PLAN_STEP_LINK,       /* links[index] */
	PLAN_STEP_MASK,       /* masks[index] */
	PLAN_STEP_READONLY,   /* readonly[index]; index n_readonly is the root itself */
	PLAN_STEP_PIVOT,
	PLAN_STEP_TERMINAL,
	PLAN_STEP_OOM_SCORE,
	PLAN_STEP_RLIMIT, /* rlimits[index] */
	PLAN_STEP_KEYRING,
	PLAN_STEP_USER,      /* index: 0 user, 1 group */
	PLAN_STEP_DIRECTORY, /* workingDirectory */
	PLAN_STEP_CAPABILITIES,
	PLAN_STEP_IDS, /* setgroups, setresgid, setresuid */
	PLAN_STEP_STDIO,
	PLAN_STEP_SECCOMP,
	PLAN_STEP_EXEC, /* the execve itself: only this step may find that the app is at fault */
	PLAN_STEPS
};

const char *plan_step_name(unsigned step);

/* One shared page a launch. stage3 sets step before it begins it; error stays 0 when all went
 * well. stage1 trusts none of it beyond its range. */
struct plan_report {
	uint32_t step;
	uint32_t index;
	int32_t error;     /* positive errno */
	uint32_t uid, gid; /* what user and group came to: for status */
};

enum plan_flags {
	PLAN_BUILD_ROOT =
		1 << 0, /* new mount namespace, root and mounts; else join an existing one */
	PLAN_NO_NEW_PRIVS = 1 << 1,
	PLAN_TERMINAL = 1 << 2, /* open a pty in the app's devpts; its master is sent to stage1 */
	PLAN_SEND_NAMESPACE =
		1 << 3, /* send an fd of the new mount namespace to stage1 (event handlers) */
	PLAN_READONLY_ROOT = 1 << 4,
	PLAN_UNSHARE_CGROUP = 1 << 5,
	PLAN_STDIO_FDS = 1 << 6, /* stdio_fds[] are to become 0, 1, 2 */
	PLAN_SESSION = 1 << 7,   /* setsid() (always with PLAN_TERMINAL) */
};

/* Where a mount comes from. */
enum plan_source {
	PLAN_SOURCE_FD,  /* fds[fd]: a detached mount made by stage1 */
	PLAN_SOURCE_NEW, /* a new file system of type fstype with options[first..first+n) */
	PLAN_SOURCE_POD, /* a clone of the directory fstype (e.g. "/shm") of the pod's own tmpfs */
};

enum plan_mount_flags {
	PLAN_MOUNT_NO_LINKS = 1 << 0,  /* target is a real directory, no link leads there */
	PLAN_MOUNT_MAKE_FILE = 1 << 1, /* the target is a file (default: a directory) */
	PLAN_MOUNT_RECURSIVE = 1 << 2, /* attributes apply to the whole tree */
};

struct plan_mount {
	uint32_t source; /* enum plan_source */
	uint32_t fd;
	const char *fstype;    /* "" for PLAN_SOURCE_FD */
	uint32_t option_first; /* options[option_first] is the first key, its value follows it */
	uint32_t option_n;     /* pairs of key and value; value "": a flag */
	const char *target;    /* absolute, cleaned */
	uint64_t attributes;   /* MOUNT_ATTR_* to set */
	uint32_t flags;
};

struct plan_device {      /* a character device below /dev */
	const char *path; /* relative to /dev: "null" */
	uint32_t mode, major, minor, uid, gid;
};

struct plan_link {        /* a symbolic link, in /dev */
	const char *path; /* relative to /dev */
	const char *target;
};

struct plan_rlimit {
	uint32_t resource;
	uint64_t soft, hard;
};

struct plan_join {
	uint32_t fd;    /* a pidfd or a namespace fd */
	uint32_t flags; /* CLONE_NEW* for setns() */
};

/* The decoded form: pointers into the block. Tables may be empty. */
struct plan {
	uint32_t flags;
	const char *app;          /* for messages only */
	const char *user, *group; /* appc.md section 4: path, name or number */
	const char *directory;    /* workingDirectory */
	const char *root;         /* where the root is attached inside the pod's tmpfs: "/root" */
	uint32_t root_fd;         /* index of the root file system's detached mount */
	uint64_t capabilities;    /* the bounding set, and for root the permitted set */
	int32_t oom_score_adj;    /* INT32_MIN: leave as it is */
	uint32_t umask;
	uint32_t stdio_fds[3];   /* with PLAN_STDIO_FDS */
	uint16_t rows, columns;  /* of the terminal, 0 unknown */
	uint32_t unshare;        /* CLONE_NEW* for unshare(), after the joins */
	const char *const *argv; /* NULL-terminated; after decode: see plan_strings() */
	const char *const *envp;
	uint32_t n_argv, n_envp;
	const struct plan_join *joins;
	uint32_t n_joins;
	const uint32_t *cgroup_fds; /* indices */
	uint32_t n_cgroup_fds;
	const uint32_t *gids; /* supplementary groups, the primary one not included */
	uint32_t n_gids;
	const struct plan_mount *mounts;
	uint32_t n_mounts;
	const char *const *options; /* key, value, key, value ... */
	uint32_t n_options;         /* strings, so twice the pairs */
	const struct plan_device *devices;
	uint32_t n_devices;
	const struct plan_link *links;
	uint32_t n_links;
	const char *const *masks; /* absolute paths hidden by /dev/null or an empty directory */
	uint32_t n_masks;
	const char *const *readonly; /* absolute paths made read-only */
	uint32_t n_readonly;
	const struct plan_rlimit *rlimits;
	uint32_t n_rlimits;
	const void *seccomp; /* struct sock_filter[], n_seccomp of them; 0: no filter */
	uint32_t n_seccomp;
	uint32_t n_fds; /* descriptors that come with the plan */
};

/* Encodes into *ret (malloc, caller frees). -E2BIG past a limit, -EINVAL for what decode would
 * refuse. The encoded form holds offsets; strings are NUL-terminated and written once. */
int plan_encode(const struct plan *p, void **ret, size_t *ret_len) _must_check_;

/*
 * Checks and decodes a block. block must be writable private memory (a MAP_PRIVATE mapping or
 * a heap copy), 8-byte aligned: offsets in it are turned into pointers in place, so that nothing
 * is allocated. After it returned 0 every pointer in *ret points into the block, every string is
 * terminated, every index is below its count and every fd index below n_fds. -EBADMSG otherwise.
 */
int plan_decode(struct plan *ret, void *block, size_t len) _must_check_;
