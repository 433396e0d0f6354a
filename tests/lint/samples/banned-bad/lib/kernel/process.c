int process_wait(void)
{
	_exit(1); /* EXPECT(only main) */
}

int process_spawn(void)
{
	if (fork() == 0)
		exit(1); /* EXPECT(only main) */
}
