#pragma once
/*
 * The bodies of Docker's volume plugin protocol: what a request says. All pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

enum {
	PLUGIN_BODY_MAX = 64 << 10, /* bytes of one request */
	PLUGIN_ID_MAX = 256,        /* bytes of a mount's ID */
	PLUGIN_NAME_MAX = 193,      /* bytes of a name: "volume.NAME" has to be a mosaic's */
};

/* The volumes of a mosaic that are a user's, and not a pod's or an image's, begin with this. */
#define PLUGIN_PREFIX "volume."

/* What a call cannot do without; PLUGIN_OPTIONS: it may have some. */
enum plugin_needs { PLUGIN_NAME = 1, PLUGIN_ID = 2, PLUGIN_OPTIONS = 4 };

struct plugin_request {
	char *name;
	char *id;        /* who mounts */
	uint64_t size;   /* option "size"; 0: not given */
	char *fs, *from; /* options "fs", "from"; NULL: not given */
};

/* Reads a body. -EBADMSG with the place of the fault. What *ret has is the caller's to free also
 * then. */
int plugin_request_read(const char *body, size_t len, unsigned needs, struct plugin_request *ret,
			struct error *err) _must_check_;
void plugin_request_deinit(struct plugin_request *q);
#define _plugin_request_ _cleanup_(plugin_request_deinit)

/* A name is a directory's too: one component, not starting with ".", no control character. */
bool plugin_is_name(const char *name);
