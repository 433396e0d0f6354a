#pragma once
/*
 * Images as a disk: the server (ploop/) gives one file, of which a loop device is made.
 *
 * In the volume directory:  server    the server's socket
 *                           serving   locked as long as it lives
 */
#include "kernel/kernel.h"
#include "mosaic/ploop_images.h"

/* Brings the disk up. -EBUSY: a server that is ending still writes. */
int ploop_disk_up(struct mosaic *m, int dirfd, struct ploop_images *images, bool writable,
		  struct loopdev *ret, struct error *err) _must_check_;

/* Waits until no server lives. -EBUSY after a while. */
int ploop_disk_settled(int dirfd, struct error *err) _must_check_;

/* Asks the server. images: of the new chain, or NULL. */
int ploop_disk_ask(int dirfd, const struct ploop_message *message,
		   const struct ploop_images *images, struct error *err) _must_check_;
