#pragma once
/* One image from the network into the store, without what it depends on. */
#include "images/internal.h"
#include "images/net.h"

/* What is wanted: what a person wrote, or what an image depends on. */
struct want {
	char *text; /* as written; for a dependency NAME,LABEL=VALUE,... */
	enum reference_kind kind;
	struct reference ref; /* of a name */
	char *id;             /* the image ID that it must have; NULL: any */
	int64_t size;         /* of its archive; -1: any */
	char *dependent;      /* the image that depends on it; NULL */
};
void want_deinit(struct want *w);

/* From a reference, or from a dependency (os and arch: those of the image, for labels that it
 * leaves open). */
int want_parse(struct want *ret, const char *text, struct error *err) _must_check_;
int want_from_dependency(struct want *ret, const struct chain_missing *missing, struct error *err)
	_must_check_;

/* Is it in the store? 0, STORE_MISSING, STORE_AMBIGUOUS or a negative errno. */
int want_find(const struct images *im, const struct want *w, char ret_id[STORE_ID_TEXT],
	      struct error *err) _must_check_;

/* Fetches it: discovery for a name, then signature, archive, verification, import. */
int fetch_image(const struct net *n, const struct want *w, char ret_id[STORE_ID_TEXT],
		const struct images_progress *progress, struct error *err) _must_check_;
