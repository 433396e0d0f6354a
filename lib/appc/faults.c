#include <stdarg.h>

#include "appc/document.h"

/* A list past its limit ends with an entry that says so. */
static int add_fault(struct appc_faults *f, bool warning, const char *path, const char *text)
{
	_free_ char *own_path = NULL, *own_text = NULL;
	struct appc_fault *list;

	if (!f)
		return 0;
	if (!warning)
		f->n_errors++;
	if (f->n > LIMIT_FAULTS)
		return 0;
	own_path = str_printf("%s", f->n < LIMIT_FAULTS ? path : "");
	own_text = str_printf("%s", f->n < LIMIT_FAULTS ? text : "there is more; it is not listed");
	list = reallocarray(f->list, f->n + 1, sizeof(*list));
	if (list)
		f->list = list;
	if (!list || !own_path || !own_text)
		return -ENOMEM;
	list[f->n++] = (struct appc_fault){ take_ptr(&own_path), take_ptr(&own_text), warning };
	return 0;
}

static int add_formatted(struct appc_faults *f, bool warning, const char *path, const char *fmt,
			 va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	return add_fault(f, warning, path, text);
}

int appc_fault(struct appc_faults *f, const char *path, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = add_formatted(f, false, path, fmt, ap);
	va_end(ap);
	return r;
}

int appc_warning(struct appc_faults *f, const char *path, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = add_formatted(f, true, path, fmt, ap);
	va_end(ap);
	return r;
}

void appc_faults_deinit(struct appc_faults *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->list[i].path);
		free(f->list[i].text);
	}
	free(f->list);
	*f = APPC_FAULTS_INIT;
}

static int report(void *arg, bool warning, const char *path, const char *text)
{
	return add_fault(arg, warning, path, text);
}

struct json_reader appc_reader(struct appc_faults *faults)
{
	return (struct json_reader){ .report = report, .arg = faults, .fold_case = true };
}
