#pragma once
/* The records of unpack.h, collected in memory and sent at the end. */
#include "base/base.h"
#include "images/unpack/unpack.h"

struct report {
	struct buf records;
	unsigned faults;
};

#define REPORT_INIT                                      \
	{                                                \
		.records = BUF_INIT(UNPACK_REPORT_BYTES) \
	}

void report_deinit(struct report *r);

/* Makes room for a few records that cannot fail. */
int report_reserve(struct report *r) _must_check_;

/* A fault that the reading survives: 0, -EBADMSG when there were so many that it is time to
 * stop, or -E2BIG. report_stop(): one that it does not, always negative. */
int report_fault(struct report *r, const char *path, const char *fmt, ...) _printf_(3, 4)
	_must_check_;
int report_stop(struct report *r, const char *path, const char *fmt, ...) _printf_(3, 4)
	_must_check_;
int report_warning(struct report *r, const char *path, const char *fmt, ...) _printf_(3, 4)
	_must_check_;
int report_add(struct report *r, enum unpack_kind kind, const char *path, const void *text,
	       size_t len, uint64_t value) _must_check_;

int report_send(const struct report *r, int fd) _must_check_;
#define _report_ _cleanup_(report_deinit)
