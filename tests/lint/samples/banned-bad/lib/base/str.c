static void in_a_library(void)
{
	exit(1); /* EXPECT(only main) */
	_exit(1); /* EXPECT(only main) */
	abort(); /* EXPECT(assert) */
	err(1, "x"); /* EXPECT(only main) */
	errx(1, "x"); /* EXPECT(only main) */
	printf("x"); /* EXPECT(does not print) */
	puts("x"); /* EXPECT(does not print) */
	fprintf(stdout, "x"); /* EXPECT(stdout) */
	fprintf(stderr, "x"); /* EXPECT(base/log.h) */
	goto out; /* EXPECT */
	goto again; /* because */ /* EXPECT */
}
