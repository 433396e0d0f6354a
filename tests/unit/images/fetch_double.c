/*
 * Stands in for carob-fetch: says what a script wants it to say, and writes down what it was told.
 * Its directory has script/N for the Nth request, and gets job/N. Lines of a script:
 *
 *	status N | header TEXT | total N | progress | body TEXT | done | fail KIND TEXT
 *	start N		the file is cut to N bytes, and what comes next goes there
 *	write TEXT | fill N CHARACTER
 *	sleep MS | hang | exit N | kill | garbage
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/base.h"
#include "images/fetch/fetch.h"

static uint64_t at; /* in the file */

static void say(uint32_t kind, uint64_t value, const char *text)
{
	struct fetch_record record = { kind, (uint32_t)strlen(text), value };
	char block[sizeof(record) + FETCH_TEXT_BYTES];

	memcpy(block, &record, sizeof(record));
	memcpy(block + sizeof(record), text, record.text_len);
	if (write_all(FETCH_REPORT_FD, block, sizeof(record) + record.text_len) < 0)
		exit(3);
}

static void write_file(const char *data, size_t len)
{
	if (pwrite(FETCH_FILE_FD, data, len, (off_t)at) != (ssize_t)len)
		exit(4);
	at += len;
}

static void fill(const char *arguments)
{
	char *end, block[4096];
	uint64_t left = strtoull(arguments, &end, 10);

	memset(block, end[1], sizeof(block));
	while (left > 0) {
		size_t n = left < sizeof(block) ? left : sizeof(block);

		write_file(block, n);
		left -= n;
	}
}

static void start(const char *arguments)
{
	at = strtoull(arguments, NULL, 10);
	if (ftruncate(FETCH_FILE_FD, (off_t)at) < 0)
		exit(5);
	say(FETCH_START, at, "");
}

static void fail(const char *arguments)
{
	char *end;
	uint64_t kind = strtoull(arguments, &end, 10);

	say(FETCH_FAILURE, kind, end + 1);
	exit(1);
}

static void act(const char *verb, const char *arguments)
{
	uint64_t number = strtoull(arguments, NULL, 10);

	if (str_eq(verb, "status"))
		say(FETCH_STATUS, number, "");
	else if (str_eq(verb, "header"))
		say(FETCH_HEADER, 0, arguments);
	else if (str_eq(verb, "total"))
		say(FETCH_TOTAL, number, "");
	else if (str_eq(verb, "progress"))
		say(FETCH_PROGRESS, at, "");
	else if (str_eq(verb, "body"))
		say(FETCH_BODY, 0, arguments);
	else if (str_eq(verb, "done"))
		say(FETCH_DONE, at, "");
	else if (str_eq(verb, "fail"))
		fail(arguments);
	else if (str_eq(verb, "start"))
		start(arguments);
	else if (str_eq(verb, "write"))
		write_file(arguments, strlen(arguments));
	else if (str_eq(verb, "fill"))
		fill(arguments);
	else if (str_eq(verb, "sleep"))
		usleep((useconds_t)number * 1000);
	else if (str_eq(verb, "hang"))
		pause();
	else if (str_eq(verb, "exit"))
		exit((int)number);
	else if (str_eq(verb, "kill"))
		raise(SIGKILL);
	else if (str_eq(verb, "garbage"))
		say(4711, 0, "");
	else
		exit(6);
}

/* The job with a line for each member, and what came with it. */
static void write_down(int dir, const char *name)
{
	_buf_ struct buf text = BUF_INIT(1 << 20);
	char block[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, block, sizeof(block))) > 0)
		if (buf_add(&text, block, (size_t)n) < 0)
			exit(7);
	for (size_t i = 0; i < text.len; i++)
		if (!text.data[i])
			text.data[i] = '\n';
	for (int fd = FETCH_CA_FD; fd <= FETCH_KEY_FD; fd++) {
		_free_ char *pem = NULL;

		if (file_read_fd(fd, 1 << 16, &pem, NULL) == 0 &&
		    buf_addf(&text, "fd%d=%s\n", fd, pem) < 0)
			exit(7);
	}
	if (file_write(dir, name, text.data, text.len, 0600, 0) < 0)
		exit(8);
}

static int count(_unused_ int dirfd, _unused_ const char *name, void *arg)
{
	(*(unsigned *)arg)++;
	return 0;
}

int main(void)
{
	char directory[256], name[32], *slash;
	ssize_t n = readlink("/proc/self/exe", directory, sizeof(directory) - 1);
	_free_ char *script = NULL;
	_close_ int dir = -1, jobs = -1;
	unsigned number = 1;

	if (n < 0)
		return 9;
	directory[n] = '\0';
	slash = strrchr(directory, '/');
	*slash = '\0';
	dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	jobs = openat(dir, "job", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (jobs < 0 || dir_each(jobs, count, &number) < 0)
		return 9;
	snprintf(name, sizeof(name), "job/%u", number);
	write_down(dir, name);
	snprintf(name, sizeof(name), "script/%u", number);
	if (file_read(dir, name, 1 << 20, &script, NULL) < 0)
		return 10;
	for (char *rest = script, *line; (line = strsep(&rest, "\n")) != NULL;) {
		char *arguments = strchr(line, ' ');

		if (arguments)
			*arguments++ = '\0';
		if (*line)
			act(line, arguments ? arguments : "");
	}
	return 0;
}
