#include <stdlib.h>

int steps_leak(void)
{
	char *copy = malloc(3);

	if (!copy)
		return 1;
	return 0; /* EXPECT([memleak]) */
}
