int process_spawn(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(127);
	return 0;
}

static void run_child(const struct spawn *spawn)
{
	_exit(127);
}
