#pragma once
/*
 * The App Container specification's documents: bytes in, structs out.
 *
 * Source: appc/spec 0.8.11 (spec/aci.md, spec/pods.md, spec/types.md, spec/ace.md). Where the text
 * and its Go reference differ, docs/appc-rulings.md says which one is followed here and why.
 *
 * Reading is by tables over jansson (base/json.h). Every fault is reported with its JSON path and
 * what was expected; reading goes on after a fault, so that `carob validate` lists all of them.
 * Unknown keys are ignored, keys match without regard to case, unknown isolators are kept and
 * marked. No function here opens a file.
 *
 * Ownership: everything a struct points to belongs to it and is freed by its _free(); strings are
 * never NULL unless the comment says "or NULL". Arrays are a pointer and a count, count 0 allows
 * NULL.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

#define APPC_VERSION "0.8.11"

enum { APPC_ID_TEXT = 7 + 128 + 1 }; /* "sha512-", 128 hexadecimal digits, NUL */

/* ---- faults ---------------------------------------------------------------------------------- */

/* One thing wrong with a document. path: "apps[1].app.user", or an archive member. */
struct appc_fault {
	char *path;
	char *text;   /* what was expected and what came */
	bool warning; /* legal, but worth saying (a newer acVersion, a key of an older version) */
};

/* Past LIMIT_FAULTS they are counted, not listed; the last entry then says so. */
struct appc_faults {
	struct appc_fault *list;
	size_t n;
	size_t n_errors;
};

#define APPC_FAULTS_INIT ((struct appc_faults){ 0 })

void appc_faults_deinit(struct appc_faults *f);

/* 0 or -ENOMEM. f may be NULL, here and wherever faults are asked for: only the result counts. */
int appc_fault(struct appc_faults *f, const char *path, const char *fmt, ...) _printf_(3, 4);
int appc_warning(struct appc_faults *f, const char *path, const char *fmt, ...) _printf_(3, 4);

/* ---- types (spec/types.md) -------------------------------------------------------------------
 * Each returns true when s is one. Lengths are limited by LIMIT_NAME_BYTES. */

bool appc_is_name(const char *s);       /* AC Name */
bool appc_is_identifier(const char *s); /* AC Identifier */
bool appc_is_version(const char *s);    /* SemVer 2.0.0 */
bool appc_is_image_id(const char *s);   /* sha512- and 128 lower-case hexadecimal digits */
bool appc_is_env_name(const char *s);

/* Documents may write an image ID in upper case; what was read from them is in lower case. */

/* A quantity: digits with an optional fraction and suffix (E P T G M k K, Ei .. Ki, m u n, e±N).
 * In 1/1000, rounded up: what a CPU isolator wants; bytes are that divided by 1000, rounded up.
 * 0, -EINVAL, -ERANGE (over INT64_MAX / 1000). Negative quantities are parsed: *ret < 0. */
int appc_quantity(const char *s, int64_t *ret_milli) _must_check_;

/* The host's os and arch in the words of the specification (linux/amd64, aarch64, ...). */
const char *appc_host_os(void);
const char *appc_host_arch(void);

/* ---- shared parts ---------------------------------------------------------------------------- */

struct appc_pair { /* a label, annotation, environment entry, userLabel */
	char *name;
	char *value;
};

struct appc_pairs {
	struct appc_pair *list;
	size_t n;
};

/* The value of that name, or NULL. */
const char *appc_pairs_get(const struct appc_pairs *p, const char *name);

struct appc_strings {
	char **list; /* n strings and a NULL behind them, so that it can be an argv */
	size_t n;
};

enum appc_isolator_kind {
	APPC_ISOLATOR_UNKNOWN,
	APPC_ISOLATOR_CPU,               /* resource */
	APPC_ISOLATOR_MEMORY,            /* resource */
	APPC_ISOLATOR_BLOCK_BANDWIDTH,   /* resource */
	APPC_ISOLATOR_BLOCK_IOPS,        /* resource */
	APPC_ISOLATOR_NETWORK_BANDWIDTH, /* resource */
	APPC_ISOLATOR_CAPS_RETAIN,       /* set */
	APPC_ISOLATOR_CAPS_REMOVE,       /* set */
	APPC_ISOLATOR_NO_NEW_PRIVS,      /* flag */
	APPC_ISOLATOR_SECCOMP_RETAIN,    /* set, error */
	APPC_ISOLATOR_SECCOMP_REMOVE,    /* set, error */
	APPC_ISOLATOR_SELINUX,           /* selinux */
	APPC_ISOLATOR_APPARMOR,          /* text */
	APPC_ISOLATOR_SYSCTL,            /* sysctl */
	APPC_ISOLATOR_OOM_SCORE_ADJ,     /* number */
	APPC_ISOLATOR_CPU_SHARES,        /* number */
	APPC_ISOLATOR_PIDS,              /* number; ours: "carob/pids", {"limit": N} */
	APPC_ISOLATOR_RLIMITS, /* rlimits; ours: "carob/rlimits", {"nofile": [soft, hard], ...} */
};

struct appc_rlimit {
	int resource;        /* RLIMIT_NOFILE, ... */
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

struct appc_isolator {
	char *name; /* as written */
	enum appc_isolator_kind kind;
	/* resource: in 1/1000 units; -1 when absent; INT64_MAX when more than fits */
	int64_t request_milli, limit_milli;
	struct appc_strings set;
	char *error;   /* seccomp errno name, "" when absent; or NULL for other kinds */
	char *text;    /* apparmor profile; or NULL */
	char *selinux; /* "user:role:type:level"; or NULL */
	struct appc_pairs sysctl;
	struct appc_rlimit *rlimits;
	size_t n_rlimits;
	int64_t number;
	bool flag;
	char *value; /* of an unknown isolator, as compact JSON; or NULL */
};

struct appc_isolators {
	struct appc_isolator *list;
	size_t n;
};

/* The last isolator of that kind, or NULL. */
const struct appc_isolator *appc_isolator_find(const struct appc_isolators *set,
					       enum appc_isolator_kind kind);

/* Capability names as isolators write them ("CAP_NET_RAW"); -1 when unknown. */
int appc_capability(const char *name);

/* RLIMIT_ by its lower-case word ("nofile"); -1 when unknown. */
int appc_rlimit_resource(const char *word);

/* ---- app (spec/aci.md) ----------------------------------------------------------------------- */

struct appc_mount_point {
	char *name; /* AC Name */
	char *path;
	bool read_only;
};

struct appc_port {
	char *name;
	char *protocol;
	uint16_t port;
	uint16_t count; /* at least 1 */
	bool socket_activated;
};

struct appc_app {
	struct appc_strings exec; /* may be empty: legal in a manifest, an error at run time */
	char *user, *group;
	gid_t *gids; /* supplementaryGIDs */
	size_t n_gids;
	char *working_directory; /* "/" when absent */
	struct appc_pairs environment;
	struct appc_strings pre_start, post_stop; /* event handlers, empty when absent */
	struct appc_mount_point *mount_points;
	size_t n_mount_points;
	struct appc_port *ports;
	size_t n_ports;
	struct appc_isolators isolators;
	struct appc_pairs user_annotations, user_labels;
};

/* ---- image manifest (spec/aci.md) ------------------------------------------------------------ */

struct appc_dependency {
	char *image_name;
	char *image_id; /* or NULL; never the placeholder "sha512-..." */
	struct appc_pairs labels;
	int64_t size; /* of the file as fetched; -1 when absent */
};

struct appc_image {
	char *ac_version;
	char *name;
	struct appc_pairs labels;
	struct appc_app *app; /* or NULL: a dependency only */
	struct appc_dependency *dependencies;
	size_t n_dependencies;
	struct appc_strings path_whitelist; /* cleaned absolute paths; empty: no white list */
	struct appc_pairs annotations;
};

/* Reads an image manifest. Faults are added to faults; *ret is set only when there is no error.
 * 0, or -EBADMSG when there was at least one fault, or -ENOMEM. */
int appc_image_read(struct appc_image **ret, const char *json, size_t len,
		    struct appc_faults *faults) _must_check_;
void appc_image_free(struct appc_image *image);

/* Does the image carry every one of these labels with that value? */
bool appc_image_has_labels(const struct appc_image *image, const struct appc_pairs *labels);

/* ---- pod manifest (spec/pods.md) ------------------------------------------------------------- */

enum appc_volume_kind { APPC_VOLUME_EMPTY, APPC_VOLUME_HOST };

struct appc_volume {
	char *name;
	enum appc_volume_kind kind;
	char *source; /* host: absolute path; empty: NULL */
	mode_t mode;  /* empty: default 0755 */
	uid_t uid;
	gid_t gid;
	bool read_only;
	int recursive; /* -1 absent (means yes), 0, 1 */
	char *named; /* no field of the document: the mosaic volume that an empty one is; or NULL */
};

struct appc_mount {
	char *volume; /* the name of a volume of the pod, or of app_volume */
	char *path;
	struct appc_volume *app_volume; /* or NULL: looked up by name */
};

struct appc_pod_app {
	char *name;       /* AC Name */
	char *image_id;   /* "" when absent: legal in a template */
	char *image_name; /* or NULL */
	struct appc_pairs image_labels;
	struct appc_app *app; /* or NULL: the image's */
	bool read_only_rootfs;
	struct appc_mount *mounts;
	size_t n_mounts;
	struct appc_pairs annotations;
};

struct appc_pod_port {
	char *name;
	uint16_t host_port;
	char *host_ip;              /* or NULL */
	struct appc_port *pod_port; /* or NULL */
};

struct appc_pod {
	char *ac_version;
	struct appc_pod_app *apps;
	size_t n_apps;
	struct appc_volume *volumes;
	size_t n_volumes;
	struct appc_isolators isolators;
	struct appc_pairs annotations;
	struct appc_pod_port *ports;
	size_t n_ports;
	struct appc_pairs user_annotations, user_labels;
};

int appc_pod_read(struct appc_pod **ret, const char *json, size_t len, struct appc_faults *faults)
	_must_check_;
void appc_pod_free(struct appc_pod *pod);

/* Writes documents back (compact JSON, stable key order); the caller frees *ret. Every field that
 * has a value; a pod's "annotations" always, because the specification's validator tells a missing
 * list from an empty one. 0; -EILSEQ when a string is not UTF-8, or memory is out. */
int appc_image_write(const struct appc_image *image, char **ret) _must_check_;
int appc_pod_write(const struct appc_pod *pod, char **ret) _must_check_;

/* What must hold to run, beyond being a valid document: at least one app, every image ID there, an
 * exec, mounts that name volumes, every mount point satisfied, mount targets that do not overlap,
 * no two ports alike, known capabilities, no limit of zero. An app that is left to the image
 * (app NULL) is not looked into: fill it in first. Adds faults; 0, -EBADMSG or -ENOMEM. */
int appc_pod_check_runnable(const struct appc_pod *pod, struct appc_faults *faults) _must_check_;

/* ---- `carob validate` for a manifest of either kind ------------------------------------------ */

enum appc_document { APPC_DOCUMENT_IMAGE, APPC_DOCUMENT_POD };

/* Reads acKind, then the document. 0 or -EBADMSG with faults. */
int appc_validate(const char *json, size_t len, enum appc_document *ret_kind,
		  struct appc_faults *faults) _must_check_;

static inline void appc_image_freep(struct appc_image **p)
{
	appc_image_free(*p);
}

static inline void appc_pod_freep(struct appc_pod **p)
{
	appc_pod_free(*p);
}

#define _appc_image_  _cleanup_(appc_image_freep)
#define _appc_pod_    _cleanup_(appc_pod_freep)
#define _appc_faults_ _cleanup_(appc_faults_deinit)
