#pragma once
/*
 * How a mosaic changes the names that its user gives: "EXPRESSION REPLACEMENT", an extended regular
 * expression (regex(7)), blanks, and what takes the place of what it matched, once, from the left.
 * In the replacement \0 is the whole match, \1 to \9 are its groups, \\ is a backslash. A name that
 * the expression does not match stays as it is.
 */
#include "base/base.h"
#include "mosaic/mosaic.h"

/* -EINVAL with a sentence: no expression, none that can be compiled, a group that it has not. */
int name_map_check(const char *map, struct error *err) _must_check_;

/* dst: room for MOSAIC_NAME_MAX bytes and the end. -ENAMETOOLONG with a sentence. */
int name_map_apply(const char *map, const char *name, char *dst, struct error *err) _must_check_;
