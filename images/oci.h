#pragma once
/*
 * OCI images into the store.
 *
 *	oci_source.c    docker://, oci:, docker-archive:, oci-archive: -> documents and blobs
 *	oci_registry.c  the distribution protocol: tokens, manifests, blobs
 *	oci_layout.c    a directory with oci-layout and index.json; archives are unpacked into one
 *	oci_layers.c    blobs -> tree
 *	oci_adopt.c     documents + blobs + tree -> an image in the store; oci_restore()
 *
 * In the store such an image has "oci-manifest" and "oci-config", byte for byte, and one
 * "blob.sha256-HEX" a layer in place of "aci". Its ID is the SHA-512 of the text
 *
 *	carob oci 1\n MANIFEST-JSON(appc) \n DIFF-ID\n DIFF-ID\n ...
 *
 * (without the blanks): what the app sees and is told, however the layers were compressed.
 */
#include "images/internal.h"
#include "images/net.h"
#include "oci/oci.h"

/* An image on its way from its source, with every document checked against its digest. */
struct oci_image {
	char name[LIMIT_NAME_BYTES + 1]; /* for the store */
	char version[129];               /* the tag; "" */
	char source[512];                /* as a person would write it, with the tag */
	char digest[OCI_DIGEST_TEXT];    /* of the manifest */
	char *manifest_text, *config_text;
	size_t manifest_len, config_len;
	struct oci_manifest manifest;
	struct oci_config config;
	bool over_http;
	char registry[320]; /* HOST[:PORT] that the manifest came from: may be a mirror; "" */
};
void oci_image_deinit(struct oci_image *i);
#define _oci_image_ _cleanup_(oci_image_deinit)

/* oci_source.c. Is the reference one of these ("docker://", "oci:", ...)? */
bool oci_is_reference(const char *reference);

/* The name and version that the store would know it by, asking nobody: for a look-up. *ret_version
 * "" when it goes by digest or is not known without looking. */
int oci_store_name(const char *reference, char ret_name[LIMIT_NAME_BYTES + 1],
		   char ret_version[129], struct error *err) _must_check_;

/* Finds manifest and configuration (tag -> digest once, all else by digest), then brings every
 * layer into the staging directory as "blob.ALG-HEX": from an image that has it, or from the
 * source, several at once, resumed, checked against digest and size while it comes. n may have
 * policy NULL for what is not on the network. */
int oci_obtain(const struct net *n, const char *reference, struct store_staged *staged,
	       struct oci_image *ret, const struct images_progress *progress, struct error *err)
	_must_check_;

/* oci_source.c. Once the image is in the store: what was kept of its transfer, for others who
 * wanted the same, goes. */
void oci_obtained(const struct net *n, const struct oci_image *image);

/* The file of a layer, "blob.ALG-HEX", of its digest. */
enum { OCI_BLOB_NAME = 5 + OCI_DIGEST_TEXT };
void oci_blob_name(char dst[OCI_BLOB_NAME], const char *digest);

/* Layers to be laid: from the staging directory dir, or from those of the image id in the store. */
struct oci_laying {
	const struct images *im;
	int dir;
	const char *id; /* NULL: dir */
	const struct oci_image *image;
	struct appc_faults *faults; /* as in images_unpack() */
	const struct images_progress *progress;
};

/* oci_layers.c. Builds the tree (an empty directory): each layer decompressed, checked against its
 * diff ID and laid over those before it, decompression and writing at the same time, several layers
 * decompressed ahead. What limits.h says of one archive holds for all layers together. *ret_size:
 * bytes of all regular files of all layers, those that a later layer replaces or removes included
 * (what they take on the way; others show it as the size of an image, too). */
int oci_lay_layers(const struct oci_laying *job, int tree, uint64_t *ret_size, struct error *err)
	_must_check_;

/* oci_adopt.c. All of it: obtain, lay, adopt. STORE_EXISTS when it was there. */
int oci_fetch(const struct net *n, const char *reference, char ret_id[STORE_ID_TEXT],
	      const struct images_progress *progress, struct error *err) _must_check_;

/* Does the store have it as layers? */
bool oci_is_image(const struct images *im, const char *id);
