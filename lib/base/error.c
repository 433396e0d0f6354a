#include "base/error.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (!err)
		return code;
	err->code = code;
	err->step[0] = err->object[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	n = strlen(err->text);
	if (n > 0 && err->text[n - 1] == '.')
		err->text[n - 1] = '\0';
	else if (code)
		snprintf(err->text + n, sizeof(err->text) - n, ": %s", strerror(-code));
	return code;
}

int error_context(struct error *err, int code, const char *step, const char *object)
{
	if (!err)
		return code;
	if (step && !err->step[0])
		snprintf(err->step, sizeof(err->step), "%s", step);
	if (object && !err->object[0])
		snprintf(err->object, sizeof(err->object), "%s", object);
	return code;
}

int error_prefix(struct error *err, int code, const char *fmt, ...)
{
	char words[256], old[sizeof(err->text)];
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	memcpy(old, err->text, sizeof(old));
	if (snprintf(err->text, sizeof(err->text), "%s: %s", words, old) < 0)
		memcpy(err->text, old, sizeof(old));
	return code;
}

void error_format(const struct error *err, char *buf, size_t size)
{
	char line[sizeof(err->step) + sizeof(err->object) + sizeof(err->text) + 8];

	snprintf(line, sizeof(line), "%s%s%s%s%s", err->step,
		 err->step[0] && err->object[0] ? " " : "", err->object,
		 err->step[0] || err->object[0] ? ": " : "", err->text);
	str_escape(buf, size, line);
}
