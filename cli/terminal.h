#pragma once
/*
 * This process's terminal, connected with the master of another one: bytes both ways, the size
 * passed on, raw mode taken back however it ends.
 */
#include "base/base.h"

struct terminal_size {
	unsigned rows, columns;
};

/* The size of the terminal on standard input; 24 x 80 when it does not tell. */
struct terminal_size terminal_size(void);

/* done() is called whenever sock can be read: 0 go on; 1 end, after what master still holds was
 * shown; negative: end at once. */
struct terminal_relay {
	int master, sock; /* the caller's */
	int (*done)(void *arg);
	void *arg;
};

/* Relays until done() says so, or until a signal comes that would end this process: *ret_signal is
 * its number then, else 0. */
int terminal_relay(const struct terminal_relay *relay, int *ret_signal, struct error *err)
	_must_check_;
