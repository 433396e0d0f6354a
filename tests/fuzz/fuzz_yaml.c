/*
 * Any bytes as a YAML document. What is accepted has a value that JSON can say, is within the
 * limits, and knows a place inside the text for each member; what is not is one fault.
 */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/base.h"
#include "fuzz.h"

enum { MAX_BYTES = 64 << 10 };

static size_t lines;

static int count_fault(void *arg, bool warning, const char *path, const char *text)
{
	size_t *n = arg;

	assert(!warning && str_eq(path, "") && *text);
	(*n)++;
	return 0;
}

static void check(const struct yaml_places *places, const json_t *value, const char *path,
		  unsigned depth)
{
	size_t line, column, i;
	const char *key;
	json_t *member;

	assert(depth <= LIMIT_JSON_DEPTH);
	yaml_place(places, path, &line, &column);
	assert(line >= 1 && line <= lines + 1 && column >= 1);
	if (strlen(path) > 256)
		return;
	json_object_foreach((json_t *)value, key, member) {
		_free_ char *inner = str_printf("%s[\"%s\"]", path, key);

		assert(inner);
		check(places, member, inner, depth + 1);
	}
	json_array_foreach(value, i, member) {
		_free_ char *inner = str_printf("%s[%zu]", path, i);

		assert(inner);
		check(places, member, inner, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t faults = 0;
	struct json_reader r = { .report = count_fault, .arg = &faults };
	struct yaml_places *places = NULL;
	_json_ json_t *root = NULL;
	_free_ char *text = NULL;
	int result = yaml_read_text(&r, (const char *)data, size, MAX_BYTES, &root, &places);

	lines = 1;
	for (size_t i = 0; i < size; i++) /* two of the breaks have three bytes, one has two */
		lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0xc2 || data[i] == 0xe2;
	assert((result == 0) == (root != NULL) && faults == (result == -EBADMSG));
	if (result == 0) {
		check(places, root, "", 0);
		assert(json_is_null(root) || json_write_text(root, &text) == 0);
	}
	yaml_places_free(places);
	return 0;
}
