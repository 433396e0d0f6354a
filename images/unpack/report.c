#include "images/unpack/report.h"

void report_deinit(struct report *r)
{
	buf_deinit(&r->records);
}

int report_reserve(struct report *r)
{
	static const char room[8 << 10];
	int e = buf_add(&r->records, room, sizeof(room));

	r->records.len = 0;
	return e;
}

int report_add(struct report *r, enum unpack_kind kind, const char *path, const void *text,
	       size_t len, uint64_t value)
{
	struct unpack_record record = {
		.kind = kind,
		.path_len = (uint32_t)strlen(path),
		.text_len = (uint32_t)len,
		.value = value,
	};
	size_t before = r->records.len;
	int e = buf_add(&r->records, &record, sizeof(record));

	if (e == 0)
		e = buf_add(&r->records, path, record.path_len);
	if (e == 0)
		e = buf_add(&r->records, text, len);
	if (e < 0)
		r->records.len = before;
	return e;
}

static int _printf_(4, 0) add_text(struct report *r, enum unpack_kind kind, const char *path,
				   const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	return report_add(r, kind, path, text, strlen(text), 0);
}

int report_fault(struct report *r, const char *path, const char *fmt, ...)
{
	va_list ap;
	int e;

	va_start(ap, fmt);
	e = add_text(r, UNPACK_FAULT, path, fmt, ap);
	va_end(ap);
	if (e == 0 && ++r->faults >= UNPACK_FAULTS_MAX)
		return -EBADMSG;
	return e;
}

int report_stop(struct report *r, const char *path, const char *fmt, ...)
{
	va_list ap;
	int e;

	va_start(ap, fmt);
	e = add_text(r, UNPACK_FAULT, path, fmt, ap);
	va_end(ap);
	return e < 0 ? e : -EBADMSG;
}

int report_warning(struct report *r, const char *path, const char *fmt, ...)
{
	va_list ap;
	int e;

	va_start(ap, fmt);
	e = add_text(r, UNPACK_WARNING, path, fmt, ap);
	va_end(ap);
	return e;
}

int report_send(const struct report *r, int fd)
{
	return r->records.len ? write_all(fd, r->records.data, r->records.len) : 0;
}
