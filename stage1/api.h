#pragma once
/* api.sock: the server's side that methods.c needs. Protocol: docs/api/pod.json. */
#include <jansson.h>

#include "stage1/stage1.h"

enum { API_REQUEST_FDS = 3 };

struct client {
	struct api *api;
	struct loop_source source;
	struct buf in;
	int fds[API_REQUEST_FDS]; /* came with the request that is being read */
	size_t n_fds;
	json_t *waiting_id;         /* a `wait` that is not answered yet, or NULL */
	const struct app *wait_app; /* NULL: the pod */
	struct client *next;
};

struct api {
	struct supervisor *s;
	struct loop_source listener;
	struct client *clients;
	unsigned n_clients;
};

/* A method answers with *result (and a descriptor), or defers (1), or fails with err filled
 * (and *result for the error's data, or NULL). */
typedef int (*api_method_fn)(struct client *c, json_t *params, json_t *id, json_t **result,
			     int *ret_fd, struct error *err);

enum { API_DEFERRED = 1 };

struct api_method {
	const char *name;
	api_method_fn fn;
	unsigned phases; /* bits 1 << enum phase in which it is possible */
};

const struct api_method *api_method_find(const char *name);

/* JSON-RPC error codes (docs/api/pod.json). */
enum {
	API_PARSE = -32700,
	API_REQUEST = -32600,
	API_METHOD = -32601,
	API_PARAMS = -32602,
	API_PHASE = -32000,
	API_FAILED = -32001
};

/* Sends one line; takes the reference. A client that does not read is dropped, by its event. */
void api_send(struct client *c, json_t *line, int fd);
