#pragma once
/*
 * Programs that do what no library does (btrfs receive, mkfs): found in the directories of a fixed
 * path, started without a shell and with an environment of their own, waited for.
 */
#include "base/base.h"
#include "kernel/kernel.h"

struct program {
	const char *name;        /* "btrfs" */
	const char *const *argv; /* NULL-terminated, argv[0] included */
	int input, output; /* become 0 and 1; -1: /dev/null; output -1: read with the errors */
	int keep_fd;       /* becomes descriptor 3; -1: none */
	int ok_status;     /* exit codes up to this one are successes */
};

/* Runs it to its end, or to that of the calling thread. -ENOENT names the program that is missing
 * and where it was looked for; -EIO has the last lines that it wrote to its standard error, in one.
 */
int program_run(const struct program *p, struct error *err) _must_check_;
