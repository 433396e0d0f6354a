/* The first line is a name, the rest a passwd file. The byte-wise reader has to find what the plain
 * way finds: lines cut apart, fields cut apart, whole fields compared. */
#include <assert.h>
#include <string.h>

#include "base/base.h"
#include "fuzz.h"
#include "kernel/kernel.h"

/* The field at *p up to end or a colon; *p moves behind it, to NULL after the last. */
static char *cut_field(const char **p, const char *end, size_t *len)
{
	const char *start = *p, *colon = start ? memchr(start, ':', (size_t)(end - start)) : NULL;
	char *field;

	if (!start)
		return NULL;
	*len = (size_t)((colon ? colon : end) - start);
	*p = colon ? colon + 1 : NULL;
	field = calloc(1, *len + 1);
	assert(field);
	memcpy(field, start, *len);
	return field;
}

static bool match_line(const char *line, const char *end, const char *name, uint32_t *ret)
{
	size_t name_len, password_len, number_len = 0;
	_free_ char *first = cut_field(&line, end, &name_len);
	_free_ _unused_ char *second = cut_field(&line, end, &password_len);
	_free_ char *third = cut_field(&line, end, &number_len);
	uint64_t value;

	if (!third || !*name || name_len != strlen(name) || memcmp(first, name, name_len) != 0 ||
	    strlen(third) != number_len || str_to_u64(third, UINT32_MAX - 1, &value) < 0)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static int find_plainly(const char *text, size_t len, const char *name, uint32_t *ret)
{
	const char *end = text + len;

	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));

		if (!line_end)
			line_end = end;
		if (match_line(text, line_end, name, ret))
			return 0;
		text = line_end + 1;
	}
	return -ENOENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *newline = memchr(data, '\n', size);
	_free_ char *name = strndup(text, newline ? (size_t)(newline - text) : size);
	uint32_t found = 1, expected = 1;
	int r, plain;

	assert(name);
	if (!newline)
		return 0;
	newline++;
	size -= (size_t)(newline - text);
	r = users_find(newline, size, name, &found);
	plain = find_plainly(newline, size, name, &expected);
	assert(r == plain && found == expected);
	return 0;
}
