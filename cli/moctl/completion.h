#pragma once
/*
 * Completion. The scripts for the shells are a few lines: they ask `moctl completion words`, which
 * knows the tables and can look into the mosaic.
 */
#include "cli/moctl/moctl.h"

enum completing {
	COMPLETING_NOTHING,
	COMPLETING_MOSAIC, /* or one of moctl_commands */
	COMPLETING_VERB,   /* of verbs */
	COMPLETING_OPTION, /* of verb; of those before the mosaic when that is NULL */
	COMPLETING_VALUE,  /* of option */
	COMPLETING_OPERAND,
};

struct completion {
	enum completing what;
	const char *mosaic; /* NULL: none, or not yet */
	const struct moctl_verb *verb;
	const struct moctl_verb *const *verbs;
	const struct cli_option *option;
	enum cli_complete kind; /* of a value or an operand */
};

/* What the last word of a command line is to be; words are those behind the program's name, the
 * last one as far as it was typed. Pure. */
struct completion completion_of(const char *const *words, size_t n);
