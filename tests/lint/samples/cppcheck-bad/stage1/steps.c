int steps_last(void)
{
	int list[3] = { 1, 2, 3 };

	return list[3]; /* EXPECT([arrayIndexOutOfBounds]) */
}
