#pragma once
/* HTTP/1.1 on a unix socket, for one plugin; one thread. */
#include "base/base.h"

struct plugin;

enum {
	SERVER_CONNECTIONS = 64,        /* at once; the next ones wait */
	SERVER_IDLE_SECONDS = 120,      /* a connection that says nothing ends */
	SERVER_HEADER_BYTES = 32 << 10, /* memory of one connection: its headers have to fit */
};

/* Serves until a signal of the signalfd comes; 0 then. The socket is at path (0600) while it does;
 * a socket that nobody listens at any more is replaced. -EADDRINUSE: somebody does. */
int server_run(struct plugin *p, const char *path, int signalfd, struct error *err) _must_check_;
