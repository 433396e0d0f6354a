/* system("x"), strcpy(), printf(): words in a comment */
static const char words[] = "exit(1); goto out; stdout";

static int file_read(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fopen("/proc/stat", "re");

	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	fd = memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	fd = openat(dir,
		    name, O_RDONLY); /* lint: fd ok: the child is to inherit it */
	/* lint: fd ok: the child is to inherit it */
	fd = openat(dir, name, O_RDONLY);
	ops->open(name);
	ops.system(name);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	snprintf(buf, sizeof(buf), "%d", fd);
	/* lint: banned ok: shows how an exception is written */
	return atoi(name);
}

static int retry(void)
{
again:
	if (errno == EINTR)
		goto again; /* lint: goto retry */
	return 0;
}
