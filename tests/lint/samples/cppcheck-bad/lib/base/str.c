#include <stdlib.h>

int str_past(void)
{
	int values[2] = { 0, 1 };

	return values[2]; /* EXPECT([arrayIndexOutOfBounds]) */
}

int str_null(const int *value)
{
	int copy = *value; /* EXPECT([nullPointerRedundantCheck]) */

	if (!value)
		return 0;
	return copy;
}
