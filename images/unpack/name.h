#pragma once
/* Names of members, as archives write them. */
#include "base/base.h"

struct name {
	char clean[LIMIT_PATH_BYTES]; /* "rootfs/etc/passwd"; "" for "." */
	size_t depth;
	bool trailing_slash;
};

enum name_form { NAME_RELATIVE, NAME_ROOTED /* "/a" means "a" */ };

/* "./rootfs//a/" -> "rootfs/a". What is wrong with it, to follow "the name", or NULL. */
const char *name_clean(struct name *n, const char *raw, enum name_form form);

/* The part behind the last slash of a clean name. */
const char *name_last(const char *clean);
