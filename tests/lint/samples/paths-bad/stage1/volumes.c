static int volumes(void)
{
	open("/x", O_RDONLY); /* EXPECT(base/path.h) */
	openat(root, "etc/passwd", O_RDONLY); /* EXPECT(base/path.h) */
	mkdirat(root, "a/b", 0755); /* EXPECT(base/path.h) */
	mount("a", "b", NULL, MS_BIND, NULL); /* EXPECT(mount) */
	chroot("/x"); /* EXPECT(pivot_root) */
	umount("/x"); /* EXPECT(umount2) */
	stat("/x", &st); /* EXPECT(ends in `at`) */
	lstat("/x", &st); /* EXPECT */
	access("/x", R_OK); /* EXPECT */
	readlink("/x", buffer, size); /* EXPECT */
	syscall(SYS_openat2, 0, "x", &how, sizeof(how)); /* EXPECT(one place) */
	open("/x", O_RDONLY); /* lint: path ok: */ /* EXPECT(without a reason) */
	openat(root, /* EXPECT */
	       "x",
	       O_RDONLY); /* lint: fd ok: another rule's */
}
