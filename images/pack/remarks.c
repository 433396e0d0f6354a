#include "images/pack/remarks.h"

enum { WARNINGS_MAX = 64 };

static int add(struct remarks *r, char kind, const char *path, const char *text)
{
	int e = buf_add(&r->text, &kind, 1);

	if (e == 0)
		e = buf_add(&r->text, path, strlen(path) + 1);
	return e == 0 ? buf_add(&r->text, text, strlen(text) + 1) : e;
}

int remarks_warn(struct remarks *r, const char *path, const char *text)
{
	if (++r->n > WARNINGS_MAX + 1)
		return 0;
	return r->n <= WARNINGS_MAX ? add(r, 'w', path, text)
				    : add(r, 'w', "", "there is more that is left out");
}

int remarks_fail(struct remarks *r, const struct error *err)
{
	char text[1024], code[16];

	error_format(err, text, sizeof(text));
	snprintf(code, sizeof(code), "%d", -err->code);
	return add(r, 'e', code, text);
}
