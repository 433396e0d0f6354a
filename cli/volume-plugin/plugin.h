#pragma once
/*
 * Docker's volume plugin protocol, without the HTTP: a path and a body go in, a status and a body
 * come out. A plugin's volume NAME is the mosaic's volume "volume.NAME", mounted at RUNDIR/NAME
 * while somebody has it.
 *
 * Order of a change: first the file says who has it (users.h), then it is mounted; first the file
 * says that nobody has it any more, then it is unmounted. An answer is sent after both. So after a
 * crash a user whose volume is not mounted was never answered and is none, and a mount without a
 * user is one that was to end: plugin_open() sets both right.
 */
#include "base/base.h"
#include "cli/volume-plugin/users.h"

struct mosaic;

struct plugin {
	struct mosaic *mosaic;
	char dir[256]; /* RUNDIR, as /proc/self/mountinfo writes it */
	int dirfd;
	int lock_fd; /* one plugin for a RUNDIR */
	struct users users;
};

#define PLUGIN_CLOSED                      \
	{                                  \
		.dirfd = -1, .lock_fd = -1 \
	}

/* mosaic: as for mosaic_open_named(); NULL: Carob's own, made if missing. */
int plugin_open(struct plugin *p, const char *mosaic, const char *dir, struct error *err)
	_must_check_;
void plugin_close(struct plugin *p); /* what is mounted stays */
#define _plugin_ _cleanup_(plugin_close)

/* Answers one call. Returns the status of HTTP; *ret is the body, which the caller frees, or NULL
 * when memory is out. What failed is in *err too, for the log. */
unsigned plugin_call(struct plugin *p, const char *path, const char *body, size_t len, char **ret,
		     struct error *err) _must_check_;
