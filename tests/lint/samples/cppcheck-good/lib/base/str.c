#include <dirent.h>
#include <string.h>

#include "base/base.h"

int str_length(const char *text)
{
	_cleanup_(cleanup_free) char *copy = strdup(text);

	if (!copy)
		return -1;
	return (int)strlen(copy);
}

int str_excepted(void)
{
	int values[2] = { 0, 1 };

	/* cppcheck-suppress arrayIndexOutOfBounds ; shows how it is written */
	return values[2];
}
