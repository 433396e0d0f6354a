#pragma once
/* Exit codes of moctl, for scripts; moctl(1) says the same. */
#include "cli/option.h"

enum moctl_exit {
	MOCTL_DONE = CLI_OK,
	MOCTL_FAILED = CLI_FAILED,
	MOCTL_USAGE = CLI_USAGE,
	MOCTL_MISSING = CLI_MISSING, /* mosaic, volume, key, directory, state of a stream */
	MOCTL_BUSY = 4,              /* in use: mounted, attached, needed by others */
	MOCTL_EXISTS = 5,
	MOCTL_UNSUPPORTED = 6, /* by the mosaic's driver, or by this host */
	MOCTL_NO_SPACE = 7,    /* the storage is full, or the quota spent */
	MOCTL_DAMAGED = 8,     /* a stream, or what check found and did not mend */
};

/* What a negative errno comes to; all else stays as it is. */
int moctl_exit_code(int r);
