#include "cli/edit.h"

#include <string.h>

int edit_replace(char **dst, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*dst);
	*dst = copy;
	return 0;
}

void *edit_grow(void *list, size_t *n, size_t size)
{
	char *before, *items;

	memcpy(&before, list, sizeof(before));
	/* cppcheck-suppress memleakOnRealloc ; what was before is still in *list */
	items = realloc(before, (*n + 2) * size);
	if (!items)
		return NULL;
	memcpy(list, &items, sizeof(items));
	memset(items + *n * size, 0, 2 * size);
	return items + (*n)++ * size;
}
