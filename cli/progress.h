#pragma once
/*
 * How far long work is, on standard error: bars that are drawn over on a terminal, a line now and
 * then otherwise, or JSON for programs. Several pieces of work may go on at once; each is known by
 * its words.
 */
#include "images/images.h"

enum progress_style {
	PROGRESS_AUTO,  /* bars on a terminal, else nothing */
	PROGRESS_BAR,   /* bars in any case */
	PROGRESS_PLAIN, /* a line for each at its begin and end and every few seconds */
	PROGRESS_JSON, /* {"event":"progress","what":...,"done":N,"total":N|null,"rate":N} a line */
	PROGRESS_NONE,
};

enum { PROGRESS_ITEMS = 16, PROGRESS_WORDS = 96 };

struct progress_item {
	char what[PROGRESS_WORDS];
	uint64_t done, total; /* bytes; total 0: not known */
	uint64_t first;       /* done at the beginning: what a resumed download had already */
	int64_t began_ns, said_ns;
};

struct progress {
	enum progress_style style; /* AUTO until the first report */
	struct progress_item items[PROGRESS_ITEMS];
	size_t n;
	unsigned lines; /* that are to be wiped away */
	unsigned columns;
};

/* "auto", "bar", "plain", "json", "none" (NULL: auto). */
enum progress_style progress_style_of(const char *word);

/* The callbacks for images/. The bar is the caller's and lives until progress_end(). Costs
 * nothing before the first report. */
struct images_progress progress_begin(struct progress *bar, enum progress_style style);
void progress_end(struct progress *bar);

/* One line of one piece of work, at most so many columns (0: as long as it takes, no bar): "NAME: [####....] 12.5M of 40.0M 31 %
 * 3.1M/s 0:09". Pure; now_ns as in the item. */
void progress_line(char *dst, size_t size, const struct progress_item *item, unsigned columns,
		   int64_t now_ns);
