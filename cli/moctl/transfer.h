#pragma once
/* What send and receive share: how far it is, on standard error. */
#include "cli/option.h"
#include "cli/progress.h"
#include "mosaic/mosaic.h"

struct transfer {
	struct progress bar;
	struct images_progress report;
	const char *what;
	int64_t said_ns;
};

struct transfer_options {
	const char *progress;
	bool quiet;
};

/* clang-format off */
#define TRANSFER_OPTIONS(type, member) \
	{ "progress", 0, "auto|bar|plain|json|none", \
	  "how progress is shown on standard error; default: bars on a terminal, else plain lines", \
	  CLI_CHOICE, offsetof(type, member.progress) }, \
	{ "quiet", 'q', NULL, "show no progress", CLI_FLAG, offsetof(type, member.quiet) }
/* clang-format on */

/* The callback for the library; t is the caller's until transfer_end(). */
struct mosaic_progress transfer_begin(struct transfer *t, const struct transfer_options *o,
				      const char *what);
void transfer_end(struct transfer *t);
