static int f(void)
{
	return symlink("/x", "/y"); /* EXPECT */
}
