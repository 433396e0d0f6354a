#pragma once
/*
 * Logs of apps (docs/formats.md, "Logs"): one line of the file for each line that was written,
 *
 *	2026-11-22T12:00:00.123456789Z stdout F text
 *
 * F ends a line; P is a part of a longer one. The logs of several apps are merged by time. Lines of
 * standard output go to standard output, those of standard error to standard error.
 */
#include "base/base.h"

struct log_line {
	int64_t time_ns;
	bool is_error; /* written to standard error */
	bool is_part;  /* more of the line follows */
	const char *text;
	size_t len;
};

/* Takes a line of the file apart; text points into it. -EBADMSG. Pure. */
int log_line_parse(struct log_line *ret, const char *line, size_t len) _must_check_;

struct log {
	char *app;
	int fd;               /* -1: not there yet */
	struct buf in;        /* read, not yet printed */
	size_t used;          /* bytes of in that line takes */
	struct log_line line; /* the next one, valid when has_line */
	bool has_line;
};

struct log_set {
	struct log *logs;
	size_t n;
	int64_t since_ns; /* older lines are passed over; 0: none are */
	uint64_t skip;    /* so many lines are passed over first */
	bool timestamps, prefix, escape;
	const struct log *open[2]; /* whose line is not ended, on standard output and error */
};

int log_set_add(struct log_set *set, const char *app) _must_check_;
void log_set_deinit(struct log_set *set);

/* Opens those that are not open and exist now. */
int log_set_open(struct log_set *set, int dirfd, struct error *err) _must_check_;

/* Leaves out all but the last n lines of all logs together. */
int log_set_skip_to_tail(struct log_set *set, uint64_t n, struct error *err) _must_check_;

/* Prints what is there now and was not printed yet. */
int log_set_print(struct log_set *set, struct error *err) _must_check_;
