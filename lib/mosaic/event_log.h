#pragma once
/*
 * The file "events" of a mosaic: one line a happening, JSON, made by the first who follows.
 *
 * A line is one write(2) to a descriptor with O_APPEND, so lines of several processes do not mix. A
 * line that was cut off (the disk was full) is ended by whoever writes next, and passed over by who
 * reads.
 *
 * Past EVENT_LOG_MAX the file is replaced: its content gets the name events.old too, and a new file
 * takes the name events, by renames, so that at any moment there is one to write to. Who writes
 * holds a shared lock (flock) on the file, checked to be the one with the name; who replaces it
 * holds the exclusive one. So nothing is written to a file that lost its name, and who follows may
 * leave it behind at its end. The first line of each file counts them: {"file":N}; who follows
 * goes from N to N + 1, and is told when that is gone already.
 */
#include "base/base.h"
#include "mosaic/mosaic.h"

enum {
	EVENT_LOG_MAX = 1 << 20,
	EVENT_LINE_MAX = 8 << 10, /* a longer one is none of ours */
};

#define EVENT_LOG     "events"
#define EVENT_LOG_OLD "events.old"

/* Makes the first file, where there is none yet. */
int event_log_create(int dirfd) _must_check_;

/* Appends one event. -ENOENT: nobody ever followed. */
int event_log_append(int dirfd, const struct mosaic_event *event) _must_check_;

/* The number in the first line of fd; 0 when there is none. */
uint64_t event_log_number(int fd);

/* One line without its end. -EBADMSG: damaged, or no event. */
int event_parse(const char *line, size_t len, struct mosaic_event *ret) _must_check_;
