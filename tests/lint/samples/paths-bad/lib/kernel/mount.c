static int f(void)
{
	const char *argv[] = { "/bin/mount", "-a", NULL }; /* EXPECT(mount(8) */
	int r = mount("a", "b", NULL, MS_BIND, NULL); /* EXPECT(mount(2) */

	execlp("mount", "mount", "-a", NULL); /* EXPECT(mount(8) */
	openat2(0, "x", &how, sizeof(how)); /* EXPECT(one place) */
	return 0; /* lint: path ok: nothing is here */ /* EXPECT(excepts nothing) */
}
