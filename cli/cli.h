#pragma once
/*
 * The command line `carob`: one verb, one file, one table of options.
 *
 * main() sets the process up, reads the options before the verb, finds the verb and calls it. A
 * verb returns an exit code (docs/exit-codes.md), with an error filled in when there is something
 * to say, or a negative errno, which main() turns into 1, or 125 for verbs that start apps.
 */
#include <stdbool.h>

#include "base/base.h"
#include "cli/option.h"
#include "images/images.h"
#include "pod/pod.h"

/* Where everything is, from the options before the verb and the environment. */
struct cli {
	struct pod_dirs dirs;
	char mosaic[256];  /* where it is, or its name or .mos file */
	bool mosaic_given; /* by the user; else it is ROOT/mosaic/default */
	char libexec[256]; /* directory of carob-stage1 and its like */
	char config[256];  /* carob.yaml; read by what reaches the network */
	bool config_given; /* by the user: it must be there */
	bool debug;
};

struct cli_verb {
	const char *name;
	const char *operands;       /* "POD..."; NULL: none */
	const char *summary;        /* one line, no full stop */
	const char *prose;          /* more for --help; or NULL */
	struct cli_table tables[5]; /* the options that it reads */
	enum cli_complete complete; /* what its operands are */
	bool starts;                /* own failures are 125: all other codes are the app's */
	int (*run)(const struct cli *cli, struct cli_args *args, struct error *err);
	const struct cli_verb *const
		*verbs; /* in place of run: a second word chooses; NULL behind the last */
};

/* All verbs, in the order of the help; NULL behind the last. */
extern const struct cli_verb *const cli_verbs[];

/* The options before the verb; they fill a struct cli_globals. */
extern const struct cli_option cli_global_options[];
struct cli_globals {
	const char *root, *runroot, *mosaic, *config;
	bool debug, version;
};

/* The verb of that name in a NULL-terminated list, or NULL. */
const struct cli_verb *cli_verb_find(const struct cli_verb *const *verbs, const char *name);

/* From the name to the verb, two words for `image import`. Takes the words from args. */
int cli_verb_choose(struct cli_args *args, const struct cli_verb **ret, struct error *err)
	_must_check_;

/* Help as text. The caller frees *ret. */
int cli_help_overview(char **ret) _must_check_;
int cli_help_verb(const struct cli_verb *verb, char **ret) _must_check_;

/* "run", "image import": the words of a verb. */
void cli_verb_words(const struct cli_verb *verb, char *dst, size_t size);

/* ---- for the verbs --------------------------------------------------------------------------- */

/* pod_find() with its outcomes as exit codes: 0, CLI_MISSING, CLI_AMBIGUOUS, or negative. */
int cli_pod_find(const struct cli *cli, const char *word, char ret_uuid[UUID_TEXT],
		 struct error *err) _must_check_;

/* Finds and opens. Returns 0 and the directory, or an exit code. */
int cli_pod_open(const struct cli *cli, const char *word, char ret_uuid[UUID_TEXT], int *ret_fd,
		 struct error *err) _must_check_;

/* For verbs that do several things and go on after a failure: says at once what failed now, and
 * returns the exit code so far, which is that of the first failure. */
int cli_next_failure(int before, int now, struct error *err) _must_check_;

/* An exit code of ours that could be taken for the app's becomes 125. */
int cli_not_started(int code);

/* The first fault of a document that is no warning, as an error. Returns code. */
int cli_fault_error(const struct appc_faults *faults, int code, const char *what,
		    struct error *err);

/* What --mosaic says: a word without a slash is the name of a description, unless it ends in
 * ".mos"; all else is a path, made absolute. */
int cli_mosaic_set(struct cli *cli, const char *word, struct error *err) _must_check_;

/* Makes path absolute, without a slash at its end. */
int cli_path_set(char *dst, size_t size, const char *path, struct error *err) _must_check_;

/* Opens the mosaic. The usual one is ROOT/mosaic/default or, as long as that is not there, what the
 * description named "default" says. volume_map: NULL, or how names are changed; what a description
 * says of that is not for us, for we name what we make. With MOSAIC_OPEN_CREATE it is made if
 * missing, and the root too. -EINVAL, with -ENOENT in *err: there is no such description, so that
 * nothing could be made. */
int cli_mosaic_open(const struct cli *cli, const char *volume_map, unsigned flags,
		    struct mosaic **ret, struct error *err) _must_check_;

/* Store and mosaic, opened and made if missing. */
int cli_images_open(const struct cli *cli, struct images *ret, struct error *err) _must_check_;
void cli_images_close(struct images *im);
#define _images_ _cleanup_(cli_images_close)

/* Writes bytes, or text as it is, to standard output; what cannot be written is an error (a closed
 * pipe, a full disk). */
int cli_put(const void *data, size_t len, struct error *err) _must_check_;
int cli_puts(const char *text, struct error *err) _must_check_;
int cli_print(struct error *err, const char *fmt, ...) _printf_(2, 3) _must_check_;

/* JSON as people read it, safe for the terminal when standard output is one. The caller frees. */
char *cli_json_text(const struct json_t *json);

/* A JSON document, indented, and a newline. Takes the reference; NULL: memory was out. */
int cli_put_json(struct json_t *json, struct error *err) _must_check_;

/* Standard input, output and error are open, the umask and the signals are sane, there are enough
 * descriptors: what main() begins with. 0 or a negative errno. */
int cli_set_up(void) _must_check_;

/* The program's name: each that links this library defines it. */
extern const char cli_program[];

/* One line to standard error, escaped: "carob: ...". */
void cli_complain(const char *fmt, ...) _printf_(1, 2);
