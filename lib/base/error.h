#pragma once
/*
 * Errors are values. A function that can fail returns 0 or a negative errno and fills a struct
 * error that its caller owns, usually on the stack of main(). Nothing here allocates, so an error
 * can be reported when memory is the problem.
 *
 * The function that notices writes the sentence (error_set). Each layer above adds what it knows,
 * once: the step it was in and the object it worked on (error_context). Outcomes that are expected
 * of a function ("not there") are positive values of that function and are no errors.
 *
 *	r = error_set(err, -errno, "cannot open %s", path);
 *	...
 *	return error_context(err, r, "unpack", image_name);
 *
 * prints as:  carob: unpack example.com/app: cannot open manifest: No such file or directory
 */
#include <stdarg.h>

#include "base/cleanup.h"
#include "base/error_value.h"

/* Fills *err and returns code. The system's word for code is appended unless the sentence says it:
 * a format that ends in a full stop is taken as complete. err may be NULL. */
int error_set(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);

/* Adds step and object where none is set yet and returns code. Either may be NULL. */
int error_context(struct error *err, int code, const char *step, const char *object);

/* Puts words before the sentence: "words: sentence". Returns code. */
int error_prefix(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);

/* The whole error as one line without a newline, e.g. for standard error or a JSON reply.
 * Bytes that a terminal would act upon are shown as \xNN. */
void error_format(const struct error *err, char *buf, size_t size);
