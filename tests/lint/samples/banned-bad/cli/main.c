static void everywhere(void)
{
	system("ls"); /* EXPECT(no shell) */
	popen("ls", "r"); /* EXPECT(no shell) */
	sprintf(a, "x"); /* EXPECT(snprintf) */
	strcpy(a, b); /* EXPECT */
	strcat(a, b); /* EXPECT */
	strtok(a, b); /* EXPECT */
	return atoi(a) + /* EXPECT */
	       atol(a) + /* EXPECT */
	       atof (a); /* EXPECT */
	gets(a); /* EXPECT */
	alloca(3); /* EXPECT */
	signal(SIGCHLD, handler); /* EXPECT(signalfd) */
	getpwnam("root"); /* EXPECT(nsswitch) */
	getgrgid(0); /* EXPECT(nsswitch) */
	dup(0); /* EXPECT(F_DUPFD_CLOEXEC) */
	fcntl(0, F_DUPFD, 3); /* EXPECT(F_DUPFD_CLOEXEC) */
	gethostbyname("x"); /* EXPECT */
	tmpnam(a); /* EXPECT */
	mktemp(a); /* EXPECT */
	if (x)
		goto out; /* EXPECT */
out:
	pthread_create(&t, NULL, f, NULL); /* EXPECT */
}

static void descriptors(void)
{
	open("/etc/x", O_RDONLY); /* EXPECT(without O_CLOEXEC) */
	openat(dir, "O_CLOEXEC", O_RDONLY); /* EXPECT(without O_CLOEXEC) */
	socket(AF_UNIX, SOCK_STREAM, 0); /* EXPECT(without SOCK_CLOEXEC) */
	pipe(fds); /* EXPECT(pipe2) */
	memfd_create("x", 0); /* EXPECT(without MFD_CLOEXEC) */
	epoll_create(1); /* EXPECT(epoll_create1) */
	epoll_create1(0); /* EXPECT(without EPOLL_CLOEXEC) */
	accept(fd, NULL, NULL); /* EXPECT(accept4) */
	recvmsg(fd, &message, 0); /* EXPECT(without MSG_CMSG_CLOEXEC) */
	fopen("/etc/x", "r"); /* EXPECT(fopen) */
	openat(dir, /* EXPECT(without O_CLOEXEC) */
	       name,
	       O_RDONLY);
	open("/etc/x", O_RDONLY); /* lint: fd ok: */ /* EXPECT(without a reason) */
	close(fd); /* lint: fd ok: not needed */ /* EXPECT(excepts nothing) */
	open("/etc/x", O_RDONLY); /* lint: path ok: another rule's */ /* EXPECT(without O_CLOEXEC) */
}
