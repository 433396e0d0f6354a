#include "cli/help_text.h"

#include <string.h>

enum {
	WIDTH = 80,
	COLUMN = 32, /* where the explanations begin */
};

/* Words of text behind what stands in the line already, broken at WIDTH and indented. */
static int add_wrapped(struct buf *b, const char *text, size_t at, size_t indent)
{
	size_t column = at;
	int r = 0;

	for (bool first = true; r == 0 && *text; first = false) {
		size_t n = strcspn(text, " ");

		if (!first && column + 1 + n > WIDTH) {
			r = buf_addf(b, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			r = buf_add(b, " ", 1);
			column++;
		}
		if (r == 0)
			r = buf_add(b, text, n);
		column += n;
		text += n + strspn(text + n, " ");
	}
	return r < 0 ? r : buf_add(b, "\n", 1);
}

int help_entry(struct buf *b, const char *left, const char *right)
{
	size_t n = strlen(left) + 2;
	int r = buf_addf(b, "  %s%*s", left, n + 2 <= COLUMN ? (int)(COLUMN - n) : 0, "");

	if (r == 0 && n + 2 > COLUMN)
		r = buf_addf(b, "\n%*s", COLUMN, "");
	return r < 0 ? r : add_wrapped(b, right, COLUMN, COLUMN);
}

static int add_option(struct buf *b, const struct cli_option *o)
{
	char left[256];
	size_t n = 0;

	if (o->letter)
		n = (size_t)snprintf(left, sizeof(left), "-%c, --%s", o->letter, o->name);
	else
		n = (size_t)snprintf(left, sizeof(left), "    --%s", o->name);
	if (o->argument)
		snprintf(left + n, sizeof(left) - n, " %s", o->argument);
	return help_entry(b, left, o->help);
}

int help_options(struct buf *b, const struct cli_option *options)
{
	int r = 0;

	for (; r == 0 && options->name; options++)
		r = add_option(b, options);
	return r;
}

int help_tables(struct buf *b, const struct cli_table *tables)
{
	int r = 0;

	for (; r == 0 && tables->options; tables++) {
		r = buf_addf(b, "\n%s:\n", tables->title ? tables->title : "Options");
		if (r == 0)
			r = help_options(b, tables->options);
	}
	return r;
}
