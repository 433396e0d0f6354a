static int volumes(int root)
{
	int fd = path_open(root, "etc");
	struct stat st;

	fstat(fd, &st);
	fstatat(fd, "name", &st, AT_SYMLINK_NOFOLLOW);
	unlinkat(fd, "name", 0);
	driver->mount(fd);
	move_mount(tree, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	fd = openat(dir, name, flags); /* lint: path ok: our own directory below /run */
	/* lint: path ok: the host's own file, before the root is entered */
	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	log_debug("mount(%s)", "mount");
	return SCMP_SYS(openat2);
}
