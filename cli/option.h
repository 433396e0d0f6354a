#pragma once
/*
 * Command lines by tables. A verb's table of options is the one place that knows them: parsing,
 * --help, the completions of three shells and the check of the man pages all read it.
 *
 *	static const struct cli_option options[] = {
 *		{ "force", 'f', NULL, "also what is running", CLI_FLAG, offsetof(struct rm_options, force) },
 *		{ "grace", 0, "SECONDS", "time to end", CLI_NUMBER, offsetof(struct rm_options, grace), .max = 3600 },
 *		{ NULL },
 *	};
 *
 * Parsing fills a struct that the caller zeroed and touches nothing else. Values point into argv.
 * --help (-h) is everywhere and in no table.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

enum cli_kind {
	CLI_FLAG,     /* bool */
	CLI_STRING,   /* const char *; the last one wins, like for all but lists */
	CLI_CHOICE,   /* const char *: one of the words of argument, which are divided by "|" */
	CLI_LIST,     /* struct cli_list: every one, in order */
	CLI_NUMBER,   /* struct cli_number, at most max */
	CLI_SIZE,     /* struct cli_number: bytes, as str_to_size() reads them */
	CLI_DURATION, /* struct cli_number: seconds, as "90", "30m", "1h30m", "2d" */
};

struct cli_list {
	const char **items;
	size_t n;
};

struct cli_number {
	uint64_t value;
	bool given;
};

/* What completion offers for a value or an operand. */
enum cli_complete {
	CLI_COMPLETE_NONE,
	CLI_COMPLETE_FILE,
	CLI_COMPLETE_DIRECTORY,
	CLI_COMPLETE_POD,
	CLI_COMPLETE_IMAGE,
	CLI_COMPLETE_VERB,
	CLI_COMPLETE_SIGNAL,
	CLI_COMPLETE_SHELL,
	CLI_COMPLETE_VOLUME,
};

struct cli_option {
	const char *name; /* long; NULL ends the table */
	char letter;      /* or 0 */
	const char *argument;
	const char *help; /* one line, no full stop */
	enum cli_kind kind;
	size_t offset; /* in the struct that is filled */
	uint64_t max;  /* CLI_NUMBER */
	enum cli_complete complete;
};

/* A table of options as a verb shows it. */
struct cli_table {
	const struct cli_option *options; /* NULL behind the last one */
	const char *title;                /* NULL: "Options" */
};

/* A table and the struct that it fills. A command line may have several. */
struct cli_set {
	const struct cli_option *options;
	void *target;
};

/* Exit codes (docs/exit-codes.md), and what the parser says in place of one. */
enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_MISSING = 3,
	CLI_AMBIGUOUS = 4,
	CLI_STATE = 5,
	CLI_NOT_STARTED = 125,
	CLI_NOT_EXECUTABLE = 126,
	CLI_NOT_FOUND = 127,
	CLI_HELP = 256, /* --help was there: main() prints it */
};

/* What is left of a command line. */
struct cli_args {
	char **argv;
	size_t n;
};

/* Reads options from the front of args up to the first operand; both are taken from args, "--" too.
 * 0, CLI_USAGE with err, CLI_HELP, or -ENOMEM. */
int cli_parse_leading(const struct cli_set *sets, size_t n_sets, struct cli_args *args,
		      struct error *err) _must_check_;

/* Reads options wherever they are, up to "--". args keeps the operands; argv is reordered. */
int cli_parse(const struct cli_set *sets, size_t n_sets, struct cli_args *args, struct error *err)
	_must_check_;

/* Frees the lists of a filled struct. */
void cli_options_deinit(const struct cli_option *options, void *target);

/* The number of words that fit: at least min, at most max (SIZE_MAX: any). 0 or CLI_USAGE. */
int cli_want_operands(const struct cli_args *args, size_t min, size_t max, struct error *err)
	_must_check_;

/* Seconds from "90", "90s", "30m", "1h30m", "2d". -EINVAL, -ERANGE. */
int cli_duration(const char *s, uint64_t *ret) _must_check_;

/* The word of the list (next() returns NULL at its end) that is near to what was typed, or NULL. */
const char *cli_nearest(const char *typed, const char *(*next)(void *arg), void *arg);
