int path_open(int root, const char *path)
{
	return syscall(SYS_openat2, root, path, &how, sizeof(how));
}
