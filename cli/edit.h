#pragma once
/* Changing documents in memory: strings and lists that belong to them. */
#include <stddef.h>

#include "base/base.h"

/* Puts a copy of value in place of what is at dst. 0 or -ENOMEM. */
int edit_replace(char **dst, const char *value) _must_check_;

/* Makes room for one more, zeroed, at the end of a list: list points to the pointer to its first
 * element, *n is its count, size that of an element. Another zeroed one lies behind. Returns the
 * new element, NULL when memory is out. */
void *edit_grow(void *list, size_t *n, size_t size);
