#include "cli/progress.h"

#include <unistd.h>

static void size_text(char *dst, size_t size, uint64_t bytes)
{
	static const char units[] = "BKMGT";
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1024 && unit < sizeof(units) - 2; unit++)
		value /= 1024;
	snprintf(dst, size, unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

static void report(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct progress *bar = arg;
	char line[160], words[80], now[16], all[16];
	int n;

	if (bar->terminal < 0)
		bar->terminal = isatty(STDERR_FILENO);
	if (!bar->terminal)
		return;
	str_escape(words, sizeof(words), what);
	size_text(now, sizeof(now), done);
	size_text(all, sizeof(all), total);
	if (total)
		n = snprintf(line, sizeof(line), "\r%s: %s of %s (%u %%)\033[K", words, now, all,
			     (unsigned)(100.0 * (double)done / (double)total));
	else
		n = snprintf(line, sizeof(line), "\r%s: %s\033[K", words, now);
	(void)!write(STDERR_FILENO, line, (size_t)n);
	bar->shown = true;
}

struct images_progress progress_begin(struct progress *bar)
{
	*bar = (struct progress){ .terminal = -1 };
	return (struct images_progress){ report, bar };
}

void progress_end(struct progress *bar)
{
	if (bar->shown)
		(void)!write(STDERR_FILENO, "\r\033[K", 4);
	bar->shown = false;
}
