#pragma once
/*
 * Users and groups of an image, by our own parser: the C library's would read the host's files,
 * and load modules from whatever root it runs in.
 *
 * appc spec, "aci", user and group, in this order: "/path": owner of that file inside the root;
 * a name found in etc/passwd (etc/group), even if it is all digits; a decimal number below 2^32-1.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

enum users_table { USERS_PASSWD, USERS_GROUP };

/* Finds name in the text of a passwd or group file (field 1), returns field 3. First match wins;
 * malformed lines are passed over. 0, or -ENOENT. */
int users_find(const char *text, size_t len, const char *name, uint32_t *ret) _must_check_;

/* By the order above, inside rootfd. -ENOENT when nothing matches, -ERANGE for numbers out of
 * range, -EFBIG for a file over LIMIT_PASSWD_BYTES. A missing or odd file (no regular one) counts
 * as empty. */
int users_resolve(int rootfd, enum users_table table, const char *name, uint32_t *ret) _must_check_;
