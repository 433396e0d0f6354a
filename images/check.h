#pragma once
/* What the files of images_check() share: check.c goes through the store, check_image.c looks at
 * one image, check_oci.c at the blobs and documents of one that has no archive. */
#include "images/internal.h"

struct checking {
	const struct images *im;
	const struct images_check *check;
	const struct images_progress *progress;
	unsigned left; /* findings that were not repaired */
	struct error *err;
};

/* Tells of one finding. 0, or a negative errno with k->err. */
int checking_found(struct checking *k, const struct images_finding *f) _must_check_;

/* 0, or what check->interrupted() says, with k->err. */
int checking_go_on(const struct checking *k);

/* Looks at one image; the caller has the lock. */
int check_image(struct checking *k, const char *id) _must_check_;

/* What is wrong with an OCI image: the name of the file, and the words. */
struct oci_fault {
	char *object, *what;
};
void oci_fault_deinit(struct oci_fault *f);

/* The first thing that is wrong with the blobs or documents of an OCI image, whose appc manifest
 * may be NULL. 1 when nothing is, 0, or a negative errno. quick: only that all is there. */
int check_oci(const struct images *im, const char *id, const char *manifest, size_t manifest_len,
	      bool quick, struct oci_fault *ret) _must_check_;
