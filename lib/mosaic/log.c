/* Words: what is logged, names of features, errors as one line. */
#include <stdarg.h>

#include "base/base.h"
#include "mosaic/driver.h"

enum { LOG_LINE = 1024 };

/* One for the process: it is set before there is work, as a signal handler would be. */
static struct {
	mosaic_log_fn fn;
	enum mosaic_log_level most;
	void *arg;
} sink;

void mosaic_set_log(mosaic_log_fn fn, enum mosaic_log_level most, void *arg)
{
	sink.fn = fn;
	sink.most = most;
	sink.arg = arg;
}

void mosaic_log(enum mosaic_log_level level, const char *fmt, ...)
{
	char text[LOG_LINE], line[LOG_LINE];
	int saved = errno;
	va_list ap;

	if (!sink.fn || level > sink.most)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_escape(line, sizeof(line), text);
	sink.fn(level, line, sink.arg);
	errno = saved;
}

void mosaic_error_format(const struct error *err, char *buf, size_t size)
{
	error_format(err, buf, size);
}

const char *mosaic_feature_name(uint32_t bit)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ MOSAIC_CLONE, "clone" },
		{ MOSAIC_SNAPSHOT, "snapshot" },
		{ MOSAIC_RAW, "raw" },
		{ MOSAIC_DEVICE, "device" },
		{ MOSAIC_RESIZE_UP, "resize-up" },
		{ MOSAIC_RESIZE_DOWN, "resize-down" },
		{ MOSAIC_QUOTA, "quota" },
		{ MOSAIC_SEND, "send" },
		{ MOSAIC_SNAPSHOT_SET, "snapshot-set" },
		{ MOSAIC_SNAPSHOT_LIVE, "snapshot-live" },
		{ MOSAIC_EXCLUSIVE, "exclusive" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].bit == bit)
			return names[i].name;
	return NULL;
}
