#pragma once
/* How help looks, whatever program it is of. All append to a buffer: 0, -ENOMEM, -E2BIG. */
#include "cli/option.h"

/* "  LEFT        right", on two lines when left is long; right is broken at the width of a terminal. */
int help_entry(struct buf *b, const char *left, const char *right) _must_check_;

/* An entry for each option. */
int help_options(struct buf *b, const struct cli_option *options) _must_check_;

/* The tables of a verb, each under its title. */
int help_tables(struct buf *b, const struct cli_table *tables) _must_check_;
