#pragma once
/*
 * Strings and numbers: small helpers that the C library lacks. All pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

static inline bool str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static inline bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix);

/* Copies s into buf with every byte that a terminal would act upon (control characters, DEL,
 * invalid UTF-8) written as \xNN. Always terminates; cuts where the room ends. */
void str_escape(char *buf, size_t size, const char *s);

/* The whole string as a decimal number: digits only, no sign, no blank, no leading zero except "0"
 * itself, value <= max. 0, or -EINVAL (not a number), -ERANGE (too large). */
int str_to_u64(const char *s, uint64_t max, uint64_t *ret) _must_check_;

/* Sizes as people write them: 512, 10K, 1.5M, 2G, 1T, also KiB and KB (both 1024). */
int str_to_size(const char *s, uint64_t *ret) _must_check_;

/* Lower-case hexadecimal; dst needs 2 * n + 1 bytes. */
void hex_encode(char *dst, const void *src, size_t n);

/* True when s is exactly n lower-case hexadecimal digits. */
bool hex_is(const char *s, size_t n);

/* asprintf() that returns NULL when memory is out. The caller frees. */
char *str_printf(const char *fmt, ...) _printf_(1, 2) _must_check_;

/*
 * A growing buffer. It cannot be made without its maximum: past that, buf_add() fails with -E2BIG
 * and the buffer stays as it was. data is always NUL-terminated once something was added.
 */
struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max;
};

#define BUF_INIT(max_bytes)        \
	{                          \
		.max = (max_bytes) \
	}

void buf_deinit(struct buf *b);
int buf_add(struct buf *b, const void *data, size_t len) _must_check_;
int buf_addf(struct buf *b, const char *fmt, ...) _printf_(2, 3) _must_check_;
void buf_drop_front(struct buf *b, size_t len); /* removes the first len bytes */
/* The bytes as a string that the caller frees; NULL only when memory is out. */
char *buf_take(struct buf *b);

#define _buf_ _cleanup_(buf_deinit)
