#pragma once
/* Obtains OCI images, from end to end but for the network: from the double of a registry, or from
 * files. */
#include "registry.h"

#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define TAGGED        "docker://" REGISTRY "/team/app:1.2"

#define TEST(f) cmocka_unit_test_setup_teardown(f, registry_setup, registry_teardown)

/* What one test obtains. */
struct session {
	struct bench *b;
	struct net net;
	struct images_policy policy;
	struct net_config config;
	struct net_host host;
	struct store_staged staged;
	struct oci_image image;
};

void begin(struct session *s, struct bench *b);
void session_end(struct session *s);
#define _session_ _cleanup_(session_end)

int obtain(struct session *s, const char *reference);

/* It fails with that code, and a sentence that has this in it. */
void refused(struct session *s, const char *reference, int code, const char *sentence);

extern const char *const layers[3]; /* the third is the first */

/* A manifest with these layers and its configuration. */
void add_manifest(struct oci_descriptor *ret, const char *architecture);

/* The same for this machine, as what the registry's tag names. */
void serve_manifest(struct oci_descriptor *ret);

/* What was obtained: what a layer's file is called, and that all are there. */
void staged_name(char dst[160], const char *text);
void assert_layers(struct session *s);
