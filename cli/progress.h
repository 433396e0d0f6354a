#pragma once
/* One line on standard error that says how far a long piece of work is, when somebody watches. */
#include "images/images.h"

struct progress {
	bool shown;   /* there is a line to be wiped away */
	int terminal; /* -1: not asked yet */
};

/* The callbacks for lib/images. The bar is the caller's and lives until progress_end(). Costs
 * nothing before the first report. */
struct images_progress progress_begin(struct progress *bar);
void progress_end(struct progress *bar);
