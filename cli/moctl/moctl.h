#pragma once
/*
 * The command line `moctl`: a mosaic, then one verb, with a file and a table of options of its own.
 *
 * main() finds the verb and calls it. A verb reads its options and operands first, and opens the
 * mosaic only then: so a wrong command line is one whether or not there is such a mosaic. It
 * returns an exit code (exit.h) or a negative errno, which main() turns into one, with an error
 * filled in.
 */
#include <stdbool.h>

#include "base/base.h"
#include "cli/cli.h"
#include "cli/moctl/exit.h"
#include "cli/option.h"
#include "mosaic/mosaic.h"

struct moctl;

/* Another program whose volumes the verbs are called for: they are some of the mosaic's. */
struct moctl_host {
	const char *prefix; /* what their names in the mosaic begin with, and nobody types */

	/* Opens the mosaic so that a name stands for the one with the prefix. */
	int (*open)(const struct moctl *c, struct mosaic **ret, struct error *err);

	/* Who of the program's has the volume, as JSON: an array of words. NULL with *err. */
	struct json_t *(*users)(const struct moctl *c, const char *name, struct error *err);

	/* Snapshots of volumes that its own users have, who stand still meanwhile. -EBUSY when
	 * others have one of them. */
	int (*snapshot)(const struct moctl *c, struct mosaic *m, const struct mosaic_pair *pairs,
			size_t n, struct error *err);
};

/* What was before the verb. */
struct moctl {
	const char *mosaic;            /* as it was typed; NULL: the verb is about none */
	const struct moctl_host *host; /* NULL: moctl itself */
	void *arg;                     /* the host's */
};

enum { MOCTL_OPERANDS = 2 };

struct moctl_verb {
	const char *name;
	const char *operands;       /* "VOLUME PATH"; NULL: none */
	const char *summary;        /* one line, no full stop */
	const char *prose;          /* more for help; or NULL */
	struct cli_table tables[3]; /* the options that it reads */
	/* what its operands are; the last one holds for all that follow if more is set */
	enum cli_complete complete[MOCTL_OPERANDS];
	bool more;
	int (*run)(const struct moctl *c, struct cli_args *args, struct error *err);
	const struct moctl_verb *const
		*verbs; /* in place of run: a second word chooses; NULL behind the last */
};

/* Those behind a mosaic, and those that stand alone, in the order of the help; NULL behind the
 * last. */
extern const struct moctl_verb *const moctl_verbs[];
extern const struct moctl_verb *const moctl_commands[];

/* The options before the mosaic; they fill a struct moctl_globals. */
extern const struct cli_option moctl_global_options[];
struct moctl_globals {
	bool debug, version;
};

/* ---- verb.c ---------------------------------------------------------------------------------- */

/* The verb of that name, or the only one whose name begins with it. Several: err lists them; none:
 * err says which is near. 0 or MOCTL_USAGE. */
int moctl_verb_find(const struct moctl_verb *const *verbs, const char *word,
		    const struct moctl_verb **ret, struct error *err) _must_check_;

/* The one of that whole name, or NULL. */
const struct moctl_verb *moctl_verb_exact(const struct moctl_verb *const *verbs, const char *word);

/* From the words to the verb, two for `data get`; takes them from args. 0 or MOCTL_USAGE. */
int moctl_verb_choose(const struct moctl_verb *const *verbs, struct cli_args *args,
		      const struct moctl_verb **ret, struct error *err) _must_check_;

/* "clone", "data get": the words of a verb. */
void moctl_verb_words(const struct moctl_verb *verb, char *dst, size_t size);

/* ---- help.c ---------------------------------------------------------------------------------- */

/* Help as text. The caller frees *ret. */
int moctl_help_overview(char **ret) _must_check_;
int moctl_help_verb(const struct moctl_verb *verb, char **ret) _must_check_;

/* ---- for the verbs: common.c ----------------------------------------------------------------- */

/* For verbs without options. */
extern const struct cli_option moctl_no_options[];

/* Options wherever they are, then from min to max operands. 0, MOCTL_USAGE, CLI_HELP, -ENOMEM. */
struct moctl_syntax {
	const struct cli_option *options;
	size_t min, max;
};
int moctl_parse(const struct moctl_syntax *syntax, void *target, struct cli_args *args,
		struct error *err) _must_check_;

/* A directory, and not the name or the file of a description? One that is not there yet has a slash
 * in its name. */
bool moctl_is_location(const char *word);

/* Opens the mosaic, to look at it or to change it. What a signal interrupts while it is changed is
 * cleared away (interrupted.h). */
int moctl_open(const struct moctl *c, struct mosaic **ret, struct error *err) _must_check_;
int moctl_open_to_change(const struct moctl *c, struct mosaic **ret, struct error *err)
	_must_check_;

/* Fails with MOCTL_MISSING unless there is such a volume. */
int moctl_need(struct mosaic *m, const char *name, struct error *err) _must_check_;

/* For verbs that do several things and go on after a failure: says at once what failed now, and
 * returns the exit code so far, which is that of the first failure. */
int moctl_next_failure(int before, int now, struct error *err) _must_check_;

/* An error with MOCTL_USAGE. */
#define moctl_usage(err, ...) (error_set(err, -EINVAL, __VA_ARGS__), MOCTL_USAGE)

/* The name of a volume as it is typed; NULL for one that is not the host's. */
const char *moctl_shown(const struct moctl *c, const char *name);

/* -EBUSY, with who it is and what to do, when the host's users have a volume of that name. */
int moctl_need_unused(const struct moctl *c, const char *name, struct error *err) _must_check_;

/* Returns r; when that is -EBUSY and the host knows who has one of the volumes, *err says so. */
int moctl_explain(const struct moctl *c, const struct cli_args *names, int r, struct error *err);

/* A name or a path as JSON: bytes that are no UTF-8, which JSON cannot have, as \xNN. NULL when
 * memory is out. */
struct json_t *moctl_text(const char *text);

/* A volume as JSON; NULL when memory is out. To be added: what it takes (which may need to read all
 * of it), and whether it is in use and as which device. */
struct json_t *moctl_volume_json(const struct moctl *c, const struct mosaic_volume *v);
int moctl_volume_add_usage(struct mosaic *m, const char *name, struct json_t *row,
			   struct error *err) _must_check_;
int moctl_volume_add_use(struct mosaic *m, const char *name, struct json_t *row, struct error *err)
	_must_check_;
