#pragma once
/*
 * Cleanup attributes: the one way to release things at the end of a scope.
 *
 * A variable that owns something carries the attribute that releases it; take_ptr() and take_fd()
 * hand ownership over. Every destructor accepts NULL, -1 and half-built objects, so a function
 * builds locally, returns early on any failure and publishes in its last line:
 *
 *	_free_ char *name = strdup(s);
 *	if (!name)
 *		return error_set(err, -ENOMEM, "out of memory");
 *	*ret = take_ptr(&name);
 *	return 0;
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _must_check_   __attribute__((warn_unused_result))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _noreturn_     __attribute__((noreturn))
#define _unused_       __attribute__((unused))

/* The number of elements of a real array. */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void cleanup_free(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

static inline void cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
	*f = NULL;
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
	*d = NULL;
}

#define _free_     _cleanup_(cleanup_free)
#define _close_    _cleanup_(cleanup_close)
#define _fclose_   _cleanup_(cleanup_fclose)
#define _closedir_ _cleanup_(cleanup_closedir)

static inline int take_fd(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

static inline void *take_ptr_impl(void **p)
{
	void *value = *p;

	*p = NULL;
	return value;
}

/* Gives the pointer away: the cleanup attribute then finds NULL. */
#define take_ptr(p) ((__typeof__(*(p)))take_ptr_impl((void **)(p)))
