#include "cli/progress.h"

#include <jansson.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

#define NS_PER_S INT64_C(1000000000)
#define PLAIN_NS (5 * NS_PER_S) /* between two plain lines of one piece of work */

enum { COLUMNS_DEFAULT = 80, BAR_MAX = 30, BAR_MIN = 8, LINE_BYTES = 512 };

enum progress_style progress_style_of(const char *word)
{
	static const struct {
		const char *word;
		enum progress_style style;
	} words[] = {
		{ "bar", PROGRESS_BAR },
		{ "plain", PROGRESS_PLAIN },
		{ "json", PROGRESS_JSON },
		{ "none", PROGRESS_NONE },
	};

	for (size_t i = 0; word && i < ARRAY_SIZE(words); i++)
		if (str_eq(word, words[i].word))
			return words[i].style;
	return PROGRESS_AUTO;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void size_text(char *dst, size_t size, uint64_t bytes)
{
	static const char units[] = "BKMGT";
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1024 && unit < sizeof(units) - 2; unit++)
		value /= 1024;
	snprintf(dst, size, unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

/* Bytes a second since the beginning; 0 while nothing can be said. */
static uint64_t rate_of(const struct progress_item *item, int64_t now_ns)
{
	int64_t elapsed = now_ns - item->began_ns;

	if (elapsed < NS_PER_S / 10 || item->done <= item->first)
		return 0;
	return (uint64_t)((double)(item->done - item->first) * (double)NS_PER_S / (double)elapsed);
}

static unsigned percent_of(const struct progress_item *item)
{
	if (!item->total || item->done >= item->total)
		return item->total ? 100 : 0;
	return (unsigned)(100.0 * (double)item->done / (double)item->total);
}

/* " 3.1M/s 0:09", or less of it when less is known. */
static void speed_text(char *dst, size_t size, const struct progress_item *item, int64_t now_ns)
{
	uint64_t rate = rate_of(item, now_ns), left;
	char text[16];

	dst[0] = '\0';
	if (!rate)
		return;
	size_text(text, sizeof(text), rate);
	if (item->total <= item->done) {
		snprintf(dst, size, " %s/s", text);
		return;
	}
	left = (item->total - item->done) / rate;
	if (left < 3600)
		snprintf(dst, size, " %s/s %u:%02u", text, (unsigned)(left / 60),
			 (unsigned)(left % 60));
	else
		snprintf(dst, size, " %s/s %uh%02um", text,
			 (unsigned)(left / 3600 > 999 ? 999 : left / 3600),
			 (unsigned)(left / 60 % 60));
}

static void bar_text(char *dst, unsigned width, unsigned percent)
{
	unsigned full = width * percent / 100;

	memset(dst, '#', full);
	memset(dst + full, '.', width - full);
	dst[width] = '\0';
}

void progress_line(char *dst, size_t size, const struct progress_item *item, unsigned columns,
		   int64_t now_ns)
{
	char now[16], all[16], speed[40], numbers[96], bar[BAR_MAX + 1], words[PROGRESS_WORDS * 4];
	size_t room, used;

	size_text(now, sizeof(now), item->done);
	size_text(all, sizeof(all), item->total);
	speed_text(speed, sizeof(speed), item, now_ns);
	if (item->total)
		snprintf(numbers, sizeof(numbers), " %s of %s %u %%%s", now, all, percent_of(item),
			 speed);
	else
		snprintf(numbers, sizeof(numbers), " %s%s", now, speed);
	str_escape(words, sizeof(words), item->what);
	if (!columns) {
		snprintf(dst, size, "%s:%s", words, numbers);
		return;
	}
	room = columns > strlen(numbers) + 1 ? columns - strlen(numbers) - 1 : 0;
	used = strlen(words);
	if (item->total && room > used + BAR_MIN + 4) {
		size_t width = room - used - 4;

		bar_text(bar, width > BAR_MAX ? BAR_MAX : (unsigned)width, percent_of(item));
		snprintf(dst, size, "%s: [%s]%s", words, bar, numbers);
	} else {
		snprintf(dst, size, "%.*s:%s", (int)(room > used ? used : room), words, numbers);
	}
}

/* ---- styles ---------------------------------------------------------------------------------- */

static void put(const char *text)
{
	/* progress that cannot be shown is no reason to stop */
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static void wipe(struct progress *bar)
{
	char up[32];

	if (!bar->lines)
		return;
	put("\r\033[K");
	for (; bar->lines > 1; bar->lines--) {
		snprintf(up, sizeof(up), "\033[A\033[K");
		put(up);
	}
	bar->lines = 0;
}

/* All in one write: what is half drawn flickers. */
static void draw(struct progress *bar, int64_t now_ns)
{
	char all[PROGRESS_ITEMS * LINE_BYTES], line[LINE_BYTES - 8];
	size_t used = 0;

	used += (size_t)snprintf(all, sizeof(all), "\r\033[K");
	for (; bar->lines > 1; bar->lines--)
		used += (size_t)snprintf(all + used, sizeof(all) - used, "\033[A\033[K");
	for (size_t i = 0; i < bar->n; i++) {
		progress_line(line, sizeof(line), &bar->items[i], bar->columns, now_ns);
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? "\n" : "",
					 line);
	}
	bar->lines = (unsigned)bar->n;
	put(all);
}

static void say_plain(struct progress_item *item, int64_t now_ns)
{
	char line[LINE_BYTES - 8], text[LINE_BYTES];
	bool complete = item->total && item->done >= item->total;

	if (item->said_ns && !complete && now_ns - item->said_ns < PLAIN_NS)
		return;
	item->said_ns = now_ns;
	progress_line(line, sizeof(line), item, 0, now_ns);
	snprintf(text, sizeof(text), "%s\n", line);
	put(text);
}

static void say_json(const struct progress_item *item, int64_t now_ns)
{
	json_t *total = item->total ? json_integer((json_int_t)item->total) : json_null();
	json_t *event = json_pack("{s:s, s:s, s:I, s:o, s:I}", "event", "progress", "what",
				  item->what, "done", (json_int_t)item->done, "total", total,
				  "rate", (json_int_t)rate_of(item, now_ns));
	_free_ char *text = event ? json_dumps(event, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	_free_ char *line = text ? str_printf("%s\n", text) : NULL;

	if (line)
		put(line);
	json_decref(event);
}

/* ---- reports --------------------------------------------------------------------------------- */

static void decide(struct progress *bar)
{
	struct winsize size;

	if (bar->style == PROGRESS_AUTO)
		bar->style = isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_NONE;
	bar->columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col
			       ? size.ws_col
			       : COLUMNS_DEFAULT;
}

/* The one of that name; the oldest that is done makes room for a new one. */
static struct progress_item *item_of(struct progress *bar, const char *what)
{
	size_t place;

	for (size_t i = 0; i < bar->n; i++)
		if (strncmp(bar->items[i].what, what, PROGRESS_WORDS - 1) == 0)
			return &bar->items[i];
	for (place = 0; place < bar->n; place++)
		if (bar->items[place].total && bar->items[place].done >= bar->items[place].total)
			break;
	if (place == bar->n && bar->n == PROGRESS_ITEMS)
		place = 0;
	if (place == bar->n)
		bar->n++;
	bar->items[place] = (struct progress_item){ 0 };
	snprintf(bar->items[place].what, PROGRESS_WORDS, "%s", what);
	return &bar->items[place];
}

static void report(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct progress *bar = arg;
	struct progress_item *item;
	int64_t now = time_boot_ns();

	if (!bar->columns)
		decide(bar);
	if (bar->style == PROGRESS_NONE)
		return;
	item = item_of(bar, what);
	if (!item->began_ns) {
		item->began_ns = now;
		item->first = done;
	}
	item->done = done;
	item->total = total;
	if (bar->style == PROGRESS_BAR)
		draw(bar, now);
	else if (bar->style == PROGRESS_PLAIN)
		say_plain(item, now);
	else
		say_json(item, now);
}

struct images_progress progress_begin(struct progress *bar, enum progress_style style)
{
	*bar = (struct progress){ .style = style };
	return (struct images_progress){ report, bar };
}

void progress_end(struct progress *bar)
{
	wipe(bar);
	bar->n = 0;
}
