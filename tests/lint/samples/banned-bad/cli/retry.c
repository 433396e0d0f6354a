static void retry(void)
{
again:
	goto again; /* EXPECT */ /* lint: goto retry */
}
