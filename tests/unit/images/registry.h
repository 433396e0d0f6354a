#pragma once
/*
 * A double of transfer.c: one registry, https://registry.example.com, and its token server, which
 * serve what is in a directory as an OCI layout has it. Workers see it too, and it sees them.
 */
#include "bench.h"
#include "images/oci_source.h"

#define REGISTRY "registry.example.com"
#define MIRROR   "mirror.example.com:5000"

struct registry_double {
	int dir;                   /* the layout */
	char tag[OCI_DIGEST_TEXT]; /* which manifest: a digest */
	char media_type[128];
	bool wants_token;
	const char *challenge; /* in place of the usual one */
	const char *sent_digest;
	char broken[OCI_DIGEST_TEXT]; /* its last byte is another one */
	bool only_http;
	bool cut; /* blobs end in the middle, once */
	/* of the mirror, which has all the same otherwise */
	bool mirror_is_empty, mirror_has_no_layers, mirror_lies, mirror_lies_about_layers;
	/* what was asked */
	unsigned manifests, blobs, tokens, unauthorized, at_mirror;
	char credentials_of[64];
	bool all_immutable;
};

/* Shared by all processes of the test. */
extern struct registry_double *registry_double;

/* Linked with --wrap for each of these. */
int __wrap_transfer_get(const struct net *n, const struct transfer *t, struct transfer_result *ret,
			struct error *err);
int __wrap_transfer_file(const struct net *n, const struct transfer *t,
			 struct store_partial *partial, struct transfer_result *ret,
			 const struct images_progress *progress, struct error *err);
void __wrap_transfer_result_deinit(struct transfer_result *r);

int registry_setup(void **state); /* a bench and an empty layout */
int registry_teardown(void **state);

/* Puts a blob there; its digest and size. */
void registry_blob(struct oci_descriptor *ret, const void *data, size_t len);
