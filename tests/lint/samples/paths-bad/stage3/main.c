static int f(void)
{
	return open("/x", O_RDONLY); /* EXPECT */
}
