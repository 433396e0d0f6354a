#include "cli/moctl/transfer.h"

#include <unistd.h>

enum { EVERY_NS = 100000000 }; /* no eye follows more than ten numbers a second */

static int tell(uint64_t done, uint64_t total, void *arg)
{
	struct transfer *t = arg;
	int64_t now = time_boot_ns();

	if (t->said_ns && now - t->said_ns < EVERY_NS && (!total || done < total))
		return 0;
	t->said_ns = now;
	t->report.report(t->report.arg, t->what, done, total);
	return 0;
}

struct mosaic_progress transfer_begin(struct transfer *t, const struct transfer_options *o,
				      const char *what)
{
	enum progress_style style = o->quiet ? PROGRESS_NONE : progress_style_of(o->progress);

	if (style == PROGRESS_AUTO && !isatty(STDERR_FILENO))
		style = PROGRESS_PLAIN;
	t->what = what;
	t->said_ns = 0;
	t->report = progress_begin(&t->bar, style);
	return (struct mosaic_progress){ tell, t };
}

void transfer_end(struct transfer *t)
{
	progress_end(&t->bar);
}
