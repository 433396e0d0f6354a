#include "cli/moctl/transfer.h"

#include <unistd.h>

enum {
	EVERY_NS = 100000000, /* no eye follows more than ten numbers a second */
	COPY_NS = 500000000,  /* a copy that is made sooner goes without */
};

static void put(struct transfer *t)
{
	t->report.report(t->report.arg, t->what, t->done, t->total);
	t->told = true;
}

static int tell(uint64_t done, uint64_t total, void *arg)
{
	struct transfer *t = arg;
	int64_t now = time_boot_ns();

	t->done = done;
	t->total = total;
	t->told = false;
	if (now < t->begin_ns || (t->said_ns && now - t->said_ns < EVERY_NS))
		return 0;
	t->said_ns = now;
	put(t);
	return 0;
}

/* How it ended, if it was worth a word at all. */
static void end(struct transfer *t)
{
	if (t->said_ns && !t->told)
		put(t);
	progress_end(&t->bar);
}

struct mosaic_progress transfer_begin(struct transfer *t, const struct transfer_options *o,
				      const char *what)
{
	enum progress_style style = o->quiet ? PROGRESS_NONE : progress_style_of(o->progress);

	if (style == PROGRESS_AUTO && !isatty(STDERR_FILENO))
		style = PROGRESS_PLAIN;
	*t = (struct transfer){ .what = what };
	t->report = progress_begin(&t->bar, style);
	return (struct mosaic_progress){ tell, t };
}

void transfer_end(struct transfer *t)
{
	end(t);
}

void transfer_begin_copy(struct transfer *t, const struct transfer_options *o, const char *what)
{
	struct mosaic_progress progress = { .fn = tell };

	*t = (struct transfer){ .what = what };
	progress.arg = t;
	t->begin_ns = o->progress ? 0 : time_boot_ns() + COPY_NS; /* who asks gets all */
	t->report = progress_begin(&t->bar,
				   o->quiet ? PROGRESS_NONE : progress_style_of(o->progress));
	mosaic_set_copy_progress(&progress);
}

void transfer_end_copy(struct transfer *t)
{
	mosaic_set_copy_progress(NULL);
	end(t);
}
