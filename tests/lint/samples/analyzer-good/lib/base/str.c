#include <assert.h>
#include <string.h>

#include "base/base.h"

size_t str_length(const char *text)
{
	_cleanup_(cleanup_free) char *copy = strdup(text);

	assert(copy);
	return strlen(copy);
}
