#pragma once
/*
 * mosaic-ploop serves a chain of images as one file by FUSE; a loop device makes a disk of it. It
 * is given everything it works on as open descriptors (lib/ploop/control.h) and can open nothing by
 * itself. It ends with its file system, which goes when the loop device lets go of the file.
 */
#include "ploop/ploop.h"

/* Gives up what is not needed: files, networks, capabilities; and in the second step all system
 * calls but those of serving. All or nothing. */
int server_confine(struct error *err) _must_check_;
int server_confine_calls(struct error *err) _must_check_;

struct server;
int server_new(struct ploop_chain *chain, bool writable, struct server **ret, struct error *err)
	_must_check_;

/* Until the file system is gone. The chain is the server's and is closed. */
void server_run(struct server *s);

/* Carries out one request on the socket. resized is called when there is a new size, before the
 * answer: who asked goes on to use it. */
void control_answer(int listening, struct ploop_chain *chain, void (*resized)(void *arg),
		    void *arg);
