#pragma once
/*
 * How a running server (ploop/) is spoken to: a message on a unix socket of packets, one a
 * connection, and the answer, a negative errno or 0 as an int32_t.
 *
 * The server is started with  mosaic-ploop r|w N  and these descriptors: 2 is for its last words
 * before it says by exiting with 0 that it serves, in a process of its own.
 */
#include <stdint.h>

enum {
	PLOOP_FUSE_FD = 3,     /* /dev/fuse, mounted already: the root is a regular file */
	PLOOP_SOCKET_FD = 4,   /* listening */
	PLOOP_LOCK_FD = 5,     /* is only held: as long as it is locked, somebody serves */
	PLOOP_IMAGE_FD = 6,    /* the N images, the base first */
	PLOOP_IMAGES_MAX = 14, /* so many can be given */
};

enum ploop_command {
	PLOOP_RESIZE = 1, /* bytes */
	PLOOP_SWITCH, /* with the images of the new chain, the base first: ploop_chain_switch() */
	PLOOP_SYNC,
};

struct ploop_message {
	uint32_t command;
	uint32_t unused;
	uint64_t bytes;
};
