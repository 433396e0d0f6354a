#pragma once
/* What the tags of a discovery page mean for a name. Pure. */
#include "images/internal.h"

/* The content of a tag is PREFIX, one space, and a template or URL. Returns the latter when the
 * name begins with the prefix, character by character; else NULL. */
const char *tag_match(const char *content, const char *name);

/*
 * The URL that a template stands for, with {ext} as ext: {name} first, then the labels, so that a
 * label "ext" has its way, {ext} last. Nothing is percent-encoded. The caller frees *ret.
 *
 * 0; TEMPLATE_OPEN with what there is of the URL in *ret, when some {...} is left; -E2BIG past
 * LIMIT_URL_BYTES; -ENOMEM.
 */
enum { TEMPLATE_OPEN = 1 };
int template_fill(const char *template, const struct reference *ref, const char *ext, char **ret)
	_must_check_;
