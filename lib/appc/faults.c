#include <stdarg.h>

#include "appc/document.h"

static int add_fault(struct appc_faults *f, bool warning, const char *path, const char *text)
{
	struct appc_fault fault = { .warning = warning }, *list;

	if (!f)
		return 0;
	if (!warning)
		f->n_errors++;
	if (f->n > LIMIT_FAULTS)
		return 0;
	list = reallocarray(f->list, f->n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	f->list = list;
	if (f->n == LIMIT_FAULTS) {
		path = "";
		text = "there is more; it is not listed";
	}
	fault.path = strdup(path);
	fault.text = strdup(text);
	if (!fault.path || !fault.text) {
		free(fault.path);
		free(fault.text);
		return -ENOMEM;
	}
	f->list[f->n++] = fault;
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
