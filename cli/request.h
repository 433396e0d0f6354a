#pragma once
/*
 * What `carob run` and `carob prepare` were asked for, and the pod that comes of it. All of this is
 * pure: no file is opened, nothing is looked up.
 *
 *	carob run [POD OPTION | APP OPTION]... IMAGE [ARG]...
 *		[--- [APP OPTION]... IMAGE [ARG]...]...
 *
 * Options of an app stand before its image, so that everything behind the image belongs to the app.
 * "---" begins the next app. A "--" right behind the image is skipped.
 */
#include "appc/appc.h"
#include "cli/cli.h"
#include "cli/network.h"

/* How the app's standard input is meant, before the terminal is asked. */
struct input_options {
	bool interactive, tty, no_tty;
};

/* Options of one app, and the rest of its part of the command line. */
struct app_request {
	const char *name, *exec, *user, *group, *gids, *directory;
	const char *cpus, *cap_retain, *cap_remove, *seccomp;
	struct cli_list environment, mounts, binds, rlimits, isolators;
	struct cli_number memory, pids;
	bool read_only, no_new_privileges;
	struct input_options input;
	/* not from the table: */
	const char *image; /* NULL: the pod manifest says it */
	char **args;
	size_t n_args;
};

struct pod_request {
	const char *name, *hostname, *manifest, *mosaic, *uuid_file;
	struct cli_list volumes, ignored_isolators;
	struct cli_number grace;
	struct network_options network;
	bool remove, dry_run;
};

struct start_request {
	bool detach;
};

struct run_request {
	struct pod_request pod;
	struct start_request start;
	struct app_request *apps;
	size_t n_apps;
};

extern const struct cli_option pod_request_options[], start_request_options[];
extern const struct cli_option app_request_options[],
	input_request_options[]; /* both fill a struct app_request */

/* Reads the whole command line. starts: `run`, which also has the options of start and input. 0 or
 * an exit code. ret is to be deinitialised in any case. */
int run_request_parse(struct run_request *ret, struct cli_args *args, bool starts,
		      struct error *err) _must_check_;
void run_request_deinit(struct run_request *r);

/* ---- values of options ----------------------------------------------------------------------- */

/* NAME,kind=empty|host|named[,KEY=VALUE]... The strings of *ret are the caller's. */
int volume_parse(const char *text, struct appc_volume *ret, struct error *err) _must_check_;
void volume_deinit(struct appc_volume *v);

/* volume=NAME,target=PATH */
int mount_parse(const char *text, struct appc_mount *ret, struct error *err) _must_check_;
void mount_deinit(struct appc_mount *m);

/* SOURCE:TARGET[:ro|:rw]. The caller frees both. SOURCE is as it was typed. */
struct bind_words {
	char *source, *target;
	bool read_only;
};
int bind_parse(const char *text, struct bind_words *ret, struct error *err) _must_check_;
void bind_deinit(struct bind_words *b);

/* Puts the options in place of what the app says. 0 or an exit code. */
int app_options_apply(struct appc_app *app, const struct app_request *o, struct error *err)
	_must_check_;

/* Changes the app's isolators as the options say: an option takes the place of what the image has
 * of its kind. */
int isolators_apply(const struct app_request *o, struct appc_isolators *isolators,
		    struct error *err) _must_check_;

/* ---- the pod --------------------------------------------------------------------------------- */

/* One image of the pod, resolved. What reify() needs of the manifest is taken out of it. */
struct run_image {
	char id[STORE_ID_TEXT];
	char volume[MOSAIC_NAME_MAX + 1]; /* rendered */
	struct appc_image *manifest;
};

/* Makes the pod: every app filled in, every mount point satisfied. base is a pod manifest that was
 * given (its apps go with images[] by index), or NULL. Takes base in any case. *warnings gets
 * what a person should know. */
int reify(const struct run_request *request, struct appc_pod *base, struct run_image *images,
	  struct appc_pod **ret, struct appc_faults *warnings, struct error *err) _must_check_;
