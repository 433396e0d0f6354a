/*
 * Process 1 of a test machine. Its life has two halves. Up to the request everything is the same
 * in every run, so the host saves the machine there, once, and later runs are restored from that
 * moment instead of booting. What may differ between runs (the host's files, the disks, the time,
 * randomness) is only looked at in the second half.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define INIT_WORDS_MAX 64
#define SEED_SIZE_MAX  256

static void print_error(const char *prefix, const char *format, va_list arguments)
{
	int error = errno;

	fputs(prefix, stderr);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, ": %s\n", strerror(error));
}

void guest_warn(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_error("vm: ", format, arguments);
	va_end(arguments);
}

void guest_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	/* The host looks for this: it must not take what follows for a wanted power-off. */
	print_error("vm: failed: ", format, arguments);
	va_end(arguments);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void open_console(void)
{
	/* lint: fd ok: it becomes what every program starts with */
	int console = open("/dev/console", O_RDWR | O_NOCTTY);

	for (int fd = 0; console >= 0 && fd <= 2; fd++)
		dup2(console, fd);
	if (console > 2)
		close(console);
}

/* A restored machine believes that it is still the moment when it was saved. */
static void set_clock(const struct request *request)
{
	const char *microseconds = request_get(request, "clock");
	struct timespec now;
	long long value;

	if (microseconds == NULL)
		return;
	value = strtoll(microseconds, NULL, 10);
	now.tv_sec = value / 1000000;
	now.tv_nsec = value % 1000000 * 1000;
	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		guest_warn("set the clock");
}

/* All machines that are restored from one snapshot would draw the same random numbers. */
static void reseed_random(const struct request *request)
{
	const char *seed = request_get(request, "seed");
	struct {
		struct rand_pool_info info;
		char bytes[SEED_SIZE_MAX];
	} pool = { 0 };
	int fd;

	if (seed == NULL || strlen(seed) > sizeof(pool.bytes))
		return;
	pool.info.buf_size = (int)strlen(seed);
	memcpy(pool.bytes, seed, strlen(seed));
	fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		guest_warn("reseed");
	close(fd);
}

static void bring_up_loopback(void)
{
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) < 0)
		guest_warn("lo");
	close(fd);
}

static void set_up_system(const struct request *request)
{
	enter_root(request);
	make_static_nodes();
	if (request_get(request, "bare") == NULL) {
		mount_system_filesystems();
		bring_up_loopback();
		if (sethostname("vm", strlen("vm")) < 0)
			guest_warn("hostname");
	}
	mount_shares(request);
}

/* The process 1 that a test brings along. It inherits the console and nothing else. */
static _Noreturn void become_init(const struct request *request)
{
	char *words[INIT_WORDS_MAX + 1] = { NULL };
	char *word = NULL;

	for (int i = 0; (word = request_next(request, "init", word)) != NULL; i++) {
		if (i == INIT_WORDS_MAX)
			guest_fail("init: too many words");
		words[i] = word;
	}
	set_environment();
	execv(words[0], words);
	guest_fail("%s", words[0]);
}

/* The agent never ends, the host ends it; without it no exit code would ever come. */
static _Noreturn void reap_children(void)
{
	while (wait(NULL) >= 0 || errno == EINTR)
		;
	guest_fail("the agent is gone");
}

int main(void)
{
	struct request request;
	int port;

	if (getpid() != 1) {
		fputs("vm: this is the first process of a test machine\n", stderr);
		return 1;
	}
	mount_first_filesystems();
	open_console();
	load_modules("/modules/boot");
	port = open_port();
	fputs("vm: ready for a request\n", stderr);
	request_read(&request, port);

	set_clock(&request);
	reseed_random(&request);
	/* The drivers of what differs from run to run, disks above all, first look at it now. */
	load_modules("/modules/late");
	set_up_system(&request);
	start_agent(&request, port);
	if (request_get(&request, "init") != NULL)
		become_init(&request);
	reap_children();
}
