#pragma once
/* How far a stream or a copy is, on standard error. */
#include "cli/option.h"
#include "cli/progress.h"
#include "mosaic/mosaic.h"

struct transfer {
	struct progress bar;
	struct images_progress report;
	const char *what;
	uint64_t done, total;
	bool told;                 /* of these */
	int64_t begin_ns, said_ns; /* nothing is said before begin_ns */
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

/* The same for all that the library copies meanwhile. What takes no time is not worth a word. */
void transfer_begin_copy(struct transfer *t, const struct transfer_options *o, const char *what);
void transfer_end_copy(struct transfer *t);
