#pragma once
/*
 * Volumes that are made in two steps: a clone first, then its size. A plugin that is killed between
 * both would leave a volume of the wrong size, which a second Create would find there already. So
 * what is begun is noted before, in the mosaic's metadata (it has to survive a power cut as the
 * clone does): volume-plugin/NAME is a symbolic link, "SIZE FROM". What a start finds noted is
 * finished: that loses nothing, whoever has used the volume since.
 *
 * Who makes a volume holds the directory's lock shared, who finishes others' holds it exclusively.
 */
#include <stdint.h>

#include "base/base.h"
#include "mosaic/mosaic.h"

struct begun {
	int mount_fd; /* the metadata */
	int dirfd;    /* in it, locked */
};
#define BEGUN_CLOSED                        \
	{                                   \
		.mount_fd = -1, .dirfd = -1 \
	}

/* Names are the mosaic's. Durable on return. */
int begun_note(struct begun *b, struct mosaic *m, const char *volume, const char *from,
	       uint64_t size, struct error *err) _must_check_;

/* It is made, or gone. */
void begun_forget(struct begun *b, const char *volume);
void begun_close(struct begun *b);
#define _begun_ _cleanup_(begun_close)

/* Finishes all that nobody is making. Calls complain for each that cannot be: it stays as it is,
 * and is not noted any more. */
int begun_finish(struct mosaic *m, void (*complain)(const char *volume, const struct error *why),
		 struct error *err) _must_check_;
