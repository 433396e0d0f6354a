/* Writing: no buffers of stdio, so that nothing is lost or written twice when the process becomes
 * another program. */
#include "cli/cli.h"

#include <jansson.h>
#include <stdarg.h>
#include <string.h>

int cli_put(const void *data, size_t len, struct error *err)
{
	int r = write_all(STDOUT_FILENO, data, len);

	return r < 0 ? error_set(err, r, "cannot write to standard output") : 0;
}

int cli_puts(const char *text, struct error *err)
{
	return cli_put(text, strlen(text), err);
}

int cli_print(struct error *err, const char *fmt, ...)
{
	_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return error_set(err, -ENOMEM, "cannot write to standard output");
	}
	return cli_put(text, (size_t)n, err);
}

char *cli_json_text(const struct json_t *json)
{
	/* JSON has escapes of its own for all that a terminal would act upon */
	size_t flags = isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0;

	return json ? json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY | flags) : NULL;
}

int cli_put_json(struct json_t *json, struct error *err)
{
	_free_ char *text = cli_json_text(json);

	json_decref(json);
	return text ? cli_print(err, "%s\n", text) : error_set(err, -ENOMEM, "cannot write JSON");
}

void cli_complain(const char *fmt, ...)
{
	char text[2048], line[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = snprintf(line, sizeof(line), "%s: ", cli_program);
	str_escape(line + n, sizeof(line) - (size_t)n - 1, text);
	n = (int)strlen(line);
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)n); /* nobody is left to tell */
}
