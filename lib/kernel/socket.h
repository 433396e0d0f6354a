#pragma once
/* Messages with descriptors over unix sockets. */
#include <stddef.h>
#include <sys/types.h>

#include "base/base.h"

enum { SOCKET_MAX_FDS = 250 };

/* Sends len bytes and n descriptors as one message. */
int socket_send_fds(int sock, const void *data, size_t len, const int *fds, size_t n) _must_check_;

/* Receives one message; descriptors come close-on-exec. *n holds the room for fds and gets their
 * number; more than that is an error (-E2BIG), as is a longer message (-EMSGSIZE) or a descriptor
 * table without room (-EMFILE), and all are closed. Returns the byte count, 0 at the end. */
ssize_t socket_receive_fds(int sock, void *data, size_t len, int *fds, size_t *n) _must_check_;
