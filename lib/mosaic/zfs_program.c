#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include "mosaic/program.h"
#include "mosaic/zfs.h"

enum { ARGS_MAX = 16, OUTPUT_MAX = 16 << 20 };

int zfs_code(const char *words)
{
	static const struct {
		const char *words;
		int code;
	} known[] = {
		{ "does not exist", -ENOENT },
		{ "could not find any snapshots", -ENOENT },
		{ "already exists", -EEXIST },
		{ "busy", -EBUSY },
		{ "already mounted", -EBUSY },
		/* zfs-fuse: also while it takes down a mount that was at that place before */
		{ "Make sure the FUSE module is loaded", -EAGAIN },
		{ "out of space", -ENOSPC },
		{ "quota exceeded", -EDQUOT },
		{ "size is less than current used", -ENOSPC },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strstr(words, known[i].words))
			return known[i].code;
	return -EIO;
}

static int run(va_list args, int output, struct error *err)
{
	const char *argv[ARGS_MAX] = { "zfs" };
	struct error why = { 0 };
	size_t n = 1;
	int r;

	while (n < ARGS_MAX - 1 && (argv[n] = va_arg(args, const char *)) != NULL)
		n++;
	argv[n] = NULL;
	r = program_run(
		&(struct program){
			.name = "zfs", .argv = argv, .input = -1, .output = output, .keep_fd = -1 },
		&why);
	if (r == -EIO)
		r = why.code = zfs_code(why.text);
	if (r < 0 && err)
		*err = why;
	return r;
}

int zfs_run(struct error *err, ...)
{
	va_list args;
	int r;

	va_start(args, err);
	r = run(args, -1, err);
	va_end(args);
	return r;
}

int zfs_read(char **ret, struct error *err, ...)
{
	_close_ int output = memfd_create("output", MFD_CLOEXEC);
	va_list args;
	int r;

	if (output < 0)
		return error_set(err, -errno, "cannot make room for what zfs says");
	va_start(args, err);
	r = run(args, output, err);
	va_end(args);
	if (r < 0)
		return r;
	r = file_read_fd(output, OUTPUT_MAX, ret, NULL);
	return r < 0 ? error_set(err, r, "cannot read what zfs said") : 0;
}
