/*
 * probe CALL [ARG]...: one system call from inside a pod, and what came of it: "ok", a number above
 * 0 or the name of its errno. An ARG is a number or "@TEXT", which becomes a pointer to the text;
 * CALL may be a number too, to try what no header knows.
 *
 * probe i386 NUMBER [ARG]...: the same through the 32-bit table of calls, where there is one.
 *
 * probe sti TTY UPPER: types an x into the terminal with ioctl(TIOCSTI), UPPER in the high half of
 * the request, which the kernel does not look at but a careless filter does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* clang-format off */
#define CALL(name) { #name, SYS_##name }
/* clang-format on */

static const struct {
	const char *name;
	long number;
} calls[] = {
	CALL(acct),
	CALL(add_key),
	CALL(bpf),
	CALL(chroot),
	CALL(clock_settime),
	CALL(clone),
	CALL(clone3),
	CALL(delete_module),
	CALL(finit_module),
	CALL(fsopen),
	CALL(geteuid),
	CALL(getpid),
	CALL(init_module),
	CALL(io_uring_setup),
	CALL(kcmp),
	CALL(kexec_load),
	CALL(keyctl),
	CALL(mount),
	CALL(mount_setattr),
	CALL(move_mount),
	CALL(move_pages),
	CALL(name_to_handle_at),
	CALL(open_by_handle_at),
	CALL(open_tree),
	CALL(perf_event_open),
	CALL(personality),
	CALL(pivot_root),
	CALL(process_vm_readv),
	CALL(ptrace),
	CALL(quotactl),
	CALL(reboot),
	CALL(request_key),
	CALL(setdomainname),
	CALL(sethostname),
	CALL(setns),
	CALL(settimeofday),
	CALL(socket),
	CALL(swapoff),
	CALL(swapon),
	CALL(syslog),
	CALL(umount2),
	CALL(unshare),
	CALL(userfaultfd),
	CALL(vhangup),
};

/* probe-x86_64.c; elsewhere there is none */
__attribute__((weak)) long i386_call(long number, long arg);

static int number_of(const char *name, long *ret)
{
	char *end;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(calls[i].name, name) != 0)
			continue;
		*ret = calls[i].number;
		return 0;
	}
	*ret = strtol(name, &end, 0);
	return *name && !*end ? 0 : -1;
}

static int tell(long result)
{
	if (result > 0)
		printf("%ld\n", result);
	else
		puts(result < 0 ? strerrorname_np(errno) : "ok");
	return 0;
}

static int type_into(const char *path, unsigned long upper)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return tell(fd < 0 ? fd : syscall(SYS_ioctl, fd, upper << 32 | TIOCSTI, "x"));
}

int main(int argc, char **argv)
{
	long args[6] = { 0 }, number;

	if (argc == 4 && strcmp(argv[1], "sti") == 0)
		return type_into(argv[2], strtoul(argv[3], NULL, 0));
	if (argc > 2 && strcmp(argv[1], "i386") == 0 && i386_call)
		return tell(i386_call(strtol(argv[2], NULL, 0),
				      argc > 3 ? strtol(argv[3], NULL, 0) : 0));
	if (argc < 2 || argc > 8 || number_of(argv[1], &number) < 0) {
		fprintf(stderr, "probe CALL [ARG]...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
		args[i - 2] = argv[i][0] == '@' ? (long)(argv[i] + 1) : strtol(argv[i], NULL, 0);
	return tell(syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]));
}
