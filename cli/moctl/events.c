#include <jansson.h>
#include <poll.h>

#include "cli/moctl/verbs.h"

struct events_options {
	bool all, follow, json;
};

static const struct cli_option events_options[] = {
	{ "all", 'a', NULL, "with --follow: begin with those that are remembered", CLI_FLAG,
	  offsetof(struct events_options, all) },
	{ "follow", 'f', NULL, "wait for what happens, and go on until interrupted", CLI_FLAG,
	  offsetof(struct events_options, follow) },
	{ "json", 0, NULL, "as JSON, an object a line", CLI_FLAG,
	  offsetof(struct events_options, json) },
	{ NULL },
};

/* What the second name of an event is. */
static const char *const others[] = {
	[MOSAIC_EVENT_CLONE] = "from",        [MOSAIC_EVENT_SNAPSHOT] = "from",
	[MOSAIC_EVENT_ROLLBACK] = "snapshot", [MOSAIC_EVENT_RESIZE] = "size",
	[MOSAIC_EVENT_MOUNT] = "path",        [MOSAIC_EVENT_UMOUNT] = "path",
	[MOSAIC_EVENT_ATTACH] = "device",
};

static const char *other_name(const struct mosaic_event *e)
{
	const char *name = (size_t)e->kind < ARRAY_SIZE(others) ? others[e->kind] : NULL;

	return name ? name : "other";
}

static int put_json(const struct mosaic_event *e, const char *kind, const char *time,
		    struct error *err)
{
	_json_ json_t *row = json_pack("{s:s, s:s, s:o, s:i}", "time", time, "event", kind,
				       "volume", moctl_text(e->volume), "pid", (int)e->pid);
	json_t *other = moctl_text(e->other);
	_free_ char *text = NULL;
	uint64_t size;

	if (e->kind == MOSAIC_EVENT_RESIZE && str_to_u64(e->other, INT64_MAX, &size) == 0) {
		json_decref(other);
		other = json_integer((json_int_t)size);
	}
	if (e->other[0])
		(void)json_object_set(row, other_name(e), other);
	json_decref(other);
	text = row ? json_dumps(row, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	return text ? cli_print(err, "%s\n", text) : error_set(err, -ENOMEM, "cannot write JSON");
}

static int put_event(const struct mosaic_event *e, bool json, struct error *err)
{
	const char *kind = mosaic_event_name(e->kind);
	char time[TIME_TEXT], volume[4 * sizeof(e->volume)], other[4 * sizeof(e->other)];

	time_format(time, e->time_ns);
	if (!kind)
		kind = "unknown"; /* of a newer library */
	if (json)
		return put_json(e, kind, time, err);
	str_escape(volume, sizeof(volume), e->volume);
	str_escape(other, sizeof(other), e->other);
	return cli_print(err, "%s  %-8s  %s%s%s%s%s\n", time, kind, volume, *other ? "  " : "",
			 *other ? other_name(e) : "", *other ? " " : "", other);
}

static int put_all(struct mosaic_events *events, bool json, struct error *err)
{
	struct mosaic_event e;
	int r;

	while ((r = mosaic_events_next(events, &e, err)) == 1) {
		r = put_event(&e, json, err);
		if (r < 0)
			break;
	}
	return r;
}

static int follow(struct mosaic_events *events, bool json, struct error *err)
{
	struct pollfd waiting[] = {
		{ .fd = mosaic_events_fd(events), .events = POLLIN },
		{ .fd = STDOUT_FILENO }, /* only whether the reader has gone */
	};
	int r;

	while ((r = put_all(events, json, err)) == 0) {
		if (poll(waiting, ARRAY_SIZE(waiting), -1) < 0 && errno != EINTR)
			return error_set(err, -errno, "cannot wait for events");
		if (waiting[1].revents & (POLLERR | POLLNVAL))
			return 0;
	}
	return r;
}

static int events_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct events_options o = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	struct mosaic_events *events = NULL;
	int r = moctl_parse(&(struct moctl_syntax){ events_options, 0, 0 }, &o, args, err);

	if (r == 0)
		r = moctl_open(c, &m, err);
	if (r == 0)
		r = mosaic_events_open(m, o.all || !o.follow ? MOSAIC_EVENTS_ALL : 0, &events, err);
	if (r != 0)
		return r;
	r = o.follow ? follow(events, o.json, err) : put_all(events, o.json, err);
	mosaic_events_close(events);
	return r;
}

const struct moctl_verb moctl_verb_events = {
	.name = "events",
	.summary = "Print what happened to the volumes, or what happens",
	.prose = "Events are remembered from the first time on that somebody asks for them.",
	.tables = { { events_options } },
	.run = events_run,
};
