#pragma once
/*
 * The pod directory: where the command line, the images and stage1 meet.
 *
 *	ROOT/pods/UUID/pod	     the reified pod manifest, plus a member "carob" (struct pod_launch)
 *	ROOT/pods/UUID/status	     state as it was last written, replaced by rename
 *	ROOT/pods/UUID/apps/NAME/log what the app wrote (docs/formats.md, "Logs")
 *	ROOT/pods/UUID/volumes/NAME/ empty volumes
 *	RUN/pods/UUID/api.sock	     the pod's API (docs/api/pod.json), mode 0600
 *	RUN/names/NAME		     symbolic link to UUID
 *
 * Whoever holds the flock on the directory UUID is alive: `carob run` takes it when it makes the
 * directory and hands it to stage1, which keeps it to the end. There are no pid files and no
 * journal: everything that a pod has outside its directory (cgroups, volumes, runtime directory,
 * name) is named after its UUID, so what a dead pod left can be found from the UUID alone and
 * taken down by the same steps.
 *
 * Lock order: pod directory, then the store's lock, then a mosaic's staging locks. Never two pods.
 *
 * States:  preparing  lock held, no "pod" file yet          running   lock held, "pod" there
 *          prepared   free, status says prepared            exited    free, status says exited
 *          aborted    free, anything else: somebody died without a word; only rm and gc take it
 */
#include <stdbool.h>
#include <stdint.h>

#include "appc/appc.h"
#include "base/base.h"

/* Where everything is: --root, --runroot or CAROB_ROOT, CAROB_RUNROOT. */
struct pod_dirs {
	char root[256]; /* /var/lib/carob */
	char run[256];  /* /run/carob */
};

/* How one app of the pod is launched: what the manifest has no field for. */
enum pod_stdin { POD_STDIN_NULL, POD_STDIN_INHERIT, POD_STDIN_TTY };

struct pod_launch_app {
	char *name;
	char *volume; /* the mosaic volume that is its root file system */
	enum pod_stdin input;
};

/* A volume of the manifest, of kind "empty", that is a volume of the mosaic and outlives the pod. */
struct pod_launch_volume {
	char *name;
	char *volume;
};

struct pod_launch {
	char *name;     /* --name, or NULL */
	char *hostname; /* of the pod; default the UUID's first 8 digits with "carob-" before */
	char *mosaic;   /* location of the mosaic */
	int64_t created_ns;
	bool detached;
	bool keep;                /* false: remove the pod directory at the end (--rm) */
	unsigned stop_grace_s;    /* between SIGTERM and SIGKILL */
	char **ignored_isolators; /* --ignore-isolator: accepted though not enforceable */
	size_t n_ignored_isolators;
	struct pod_launch_app *apps; /* in the order of the manifest's apps */
	size_t n_apps;
	struct pod_launch_volume *volumes;
	size_t n_volumes;
};

/* A whole pod file. */
struct pod {
	char uuid[UUID_TEXT];
	struct appc_pod *manifest; /* every app has ->app filled in */
	struct pod_launch launch;
};

void pod_deinit(struct pod *p);
int pod_read(struct pod *ret, int dirfd, const char *uuid, struct error *err) _must_check_;
/* Writes UUID/pod; sync for prepared and detached pods. */
int pod_write(const struct pod *p, int dirfd, bool sync, struct error *err) _must_check_;

/* Makes ROOT/pods/UUID with a new UUID, locked. Returns its fd; close-on-exec is set. */
int pod_create(const struct pod_dirs *dirs, char ret_uuid[UUID_TEXT], struct error *err)
	_must_check_;

/* Opens the directory of an existing pod without locking. */
int pod_open(const struct pod_dirs *dirs, const char *uuid, struct error *err) _must_check_;

/* Takes the lock: 0, POD_BUSY when somebody alive has it. wait: blocks until it is free. */
enum { POD_BUSY = 1, POD_MISSING = 2, POD_AMBIGUOUS = 3 };
int pod_lock(int dirfd, bool wait, struct error *err) _must_check_;

/* Is the pod alive? 1, 0 or a negative errno. The lock is not kept, nor is one that dirfd holds. */
int pod_is_held(int dirfd) _must_check_;

/* Blocks until whoever is alive in it has gone. */
int pod_wait_free(int dirfd, struct error *err) _must_check_;

/* A name, a whole UUID or an unambiguous beginning of one (4 digits or more) -> UUID.
 * 0, POD_MISSING, POD_AMBIGUOUS (err lists them). */
int pod_find(const struct pod_dirs *dirs, const char *word, char ret_uuid[UUID_TEXT],
	     struct error *err) _must_check_;

/* Calls fn with every UUID. */
int pod_each(const struct pod_dirs *dirs, int (*fn)(const char *uuid, void *arg), void *arg,
	     struct error *err) _must_check_;

/* Names: POD_BUSY when another pod that still exists has it. Claiming one's own again is fine. */
int pod_name_claim(const struct pod_dirs *dirs, const char *name, const char *uuid,
		   struct error *err) _must_check_;
void pod_name_release(const struct pod_dirs *dirs, const char *name, const char *uuid);

/* Removes the names of pods that are gone; only_count: says how many there are. */
int pod_names_collect(const struct pod_dirs *dirs, bool only_count, unsigned *ret_n,
		      struct error *err) _must_check_;

/* ---- status ---------------------------------------------------------------------------------- */

enum pod_state { POD_PREPARING, POD_PREPARED, POD_RUNNING, POD_EXITED, POD_ABORTED };
const char *pod_state_name(enum pod_state s);

enum pod_app_state {
	POD_APP_WAITING,
	POD_APP_STARTING,
	POD_APP_RUNNING,
	POD_APP_EXITED,
	POD_APP_FAILED
};
const char *pod_app_state_name(enum pod_app_state s);

struct pod_app_status {
	char *name;
	enum pod_app_state state;
	int exit;           /* 0-255, 128 + n for a signal; -1 not yet */
	int signal;         /* that ended it; 0: none */
	int64_t started_ns; /* 0: not */
	int64_t ended_ns;
	pid_t pid;   /* on the host; 0: none */
	char *error; /* why it could not start; or NULL */
	bool oom;    /* the kernel ended something in it for want of memory */
};

struct pod_status {
	enum pod_state state;
	int exit; /* of the pod; -1 not yet */
	struct pod_app_status *apps;
	size_t n_apps;
	char **notes; /* isolators ignored or changed, in words */
	size_t n_notes;
};
void pod_status_deinit(struct pod_status *s);

/* What was last written, without a look at the lock: for whoever holds it. 0, -ENOENT when nothing
 * was written yet, -EBADMSG. */
int pod_status_load(struct pod_status *ret, int dirfd) _must_check_;

/* From the lock and the status file; what only the living know comes from their API. dirfd must not
 * be the descriptor that holds the lock: looking would let go of it. -ENOENT: removed meanwhile. */
int pod_status_read(struct pod_status *ret, int dirfd, struct error *err) _must_check_;
int pod_status_write(const struct pod_status *s, int dirfd, bool sync, struct error *err)
	_must_check_;

/* JSON for the API and for --json; the caller decrefs. */
struct json_t;
struct json_t *pod_status_json(const struct pod_status *s);
int pod_status_from_json(struct pod_status *ret, struct json_t *json, struct error *err)
	_must_check_;

/* ---- client of the pod's API ----------------------------------------------------------------- */

/* Connects to api.sock. fd, or POD_MISSING as -ENOENT/-ECONNREFUSED. */
int pod_api_connect(const struct pod_dirs *dirs, const char *uuid, struct error *err) _must_check_;

/* What came on the socket: the caller decrefs json and closes fd. */
struct pod_api_message {
	struct json_t *json; /* the result of a call; a whole notification */
	int fd;              /* a descriptor that came with it, or -1 */
};
void pod_api_message_deinit(struct pod_api_message *m);

/* One request, one reply. The reference to params (may be NULL) is taken. stdio: three descriptors
 * that go with the request, or NULL. An error reply becomes a negative return with the server's
 * sentence: -EBUSY not possible now, -EINVAL a wrong parameter, -ENOENT and -EACCES a program that
 * was not found or cannot be executed, -EIO failed otherwise, -ENOSYS and -EPROTO. */
int pod_api_call(int sock, const char *method, struct json_t *params, const int stdio[3],
		 struct pod_api_message *ret, struct error *err) _must_check_;

/* A request whose reply nobody waits for: pod_api_receive() brings it like a notification. */
int pod_api_send(int sock, const char *method, struct json_t *params, struct error *err)
	_must_check_;

/* Waits for the next line that the server sends by itself (a notification). -ECONNRESET: end. */
int pod_api_receive(int sock, struct pod_api_message *ret, struct error *err) _must_check_;
