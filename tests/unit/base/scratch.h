#pragma once
/*
 * A directory of its own for each test: scratch_setup() makes it, scratch_teardown() removes it
 * with rm(1), because the removal of lib/base is among the things tested. The test's state is
 * struct scratch.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

struct scratch {
	char path[64];
	int fd; /* of path */
};

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

static inline int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	snprintf(s->path, sizeof(s->path), "/tmp/carob-unit.XXXXXX");
	if (!mkdtemp(s->path))
		return -1;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = s;
	return s->fd < 0 ? -1 : 0;
}

static inline int scratch_teardown(void **state)
{
	static char rm[] = "rm", recursive[] = "-rf", end[] = "--",
		    path_variable[] = "PATH=/usr/bin:/bin";
	char *environment[] = { path_variable, NULL };
	struct scratch *s = *state;
	char *argv[] = { rm, recursive, end, s->path, NULL };
	int status = -1;
	pid_t pid;

	close(s->fd);
	if (posix_spawnp(&pid, rm, NULL, NULL, argv, environment) == 0)
		waitpid(pid, &status, 0);
	free(s);
	return status;
}

/* Makes the file name with this text. */
static inline void scratch_put(int dirfd, const char *name, const char *text)
{
	_close_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* The file name has just this text. */
static inline void scratch_expect(int dirfd, const char *name, const char *text)
{
	_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	char got[256];
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, got, sizeof(got) - 1);
	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, text);
}

static inline int scratch_has(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
