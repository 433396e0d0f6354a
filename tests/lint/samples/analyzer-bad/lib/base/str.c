#include <stdlib.h>
#include <string.h>

void str_twice(char *text)
{
	free(text);
	free(text); /* EXPECT(analyzer-double-free) */
}

int str_leak(const char *text)
{
	char *copy = strdup(text);

	if (copy && copy[0] == 'a')
		return 1; /* EXPECT(analyzer-malloc-leak) */
	free(copy);
	return 0;
}
