#pragma once
/* Completion scripts, written from the tables of verbs and options. */
#include "cli/cli.h"

/* Appends the whole script. 0, -ENOMEM, -E2BIG. */
int completion_bash(struct buf *b) _must_check_;
int completion_zsh(struct buf *b) _must_check_;
int completion_fish(struct buf *b) _must_check_;

/* Calls fn for every verb that can be run, those of groups too, and for every group. words is
 * "image import", label the same as one word, "image_import". Ends at the first return that is not 0. */
int completion_each(int (*fn)(struct buf *b, const struct cli_verb *verb, const char *words,
			      const char *label),
		    struct buf *b) _must_check_;

/* Text inside single quotes of a shell; what is in also[] gets a backslash before it. */
int completion_quote(struct buf *b, const char *text, const char *also) _must_check_;

/* The words of a choice ("a|b") as "a b". */
int completion_choices(struct buf *b, const char *argument) _must_check_;
