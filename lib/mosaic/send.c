/*
 * Sending a volume. What is sent stands still: a read-only volume; one that nobody uses and that is
 * locked meanwhile; or, where a copy of a volume in use is of one instant, such a copy, in staging,
 * which goes afterwards. A native stream is written by a child into a pipe and cut into frames
 * here.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "mosaic/stream_volume.h"

struct source {
	struct volume volume;          /* as it was asked for */
	struct mosaic_staged snapshot; /* MOSAIC_STAGED_NONE: none was needed */
	struct volume shown;           /* what is sent; dirfd belongs to one of those */
	struct stream_content content;
};
#define SOURCE_CLOSED                                                                            \
	{                                                                                        \
		.volume = VOLUME_CLOSED, .shown = VOLUME_CLOSED, .snapshot = MOSAIC_STAGED_NONE, \
		.content = STREAM_CONTENT_CLOSED,                                                \
	}

struct sending {
	struct mosaic *m;
	const struct mosaic_send *how;
	int fd;
	bool native;
	struct source source, since;
	struct source_index index, since_index;
	struct stream_progress progress;
	struct stream_writer writer;
};

static void source_close(struct mosaic *m, struct source *s)
{
	stream_content_close(&s->content);
	mosaic_discard(m, &s->snapshot);
	volume_close(&s->volume);
}

static void sending_end(struct sending *s)
{
	source_close(s->m, &s->source);
	source_close(s->m, &s->since);
	source_index_deinit(&s->index);
	source_index_deinit(&s->since_index);
	stream_writer_deinit(&s->writer);
}

/* ---- what is sent ---------------------------------------------------------------------------- */

static bool is_read_only(const struct volume *v)
{
	return v->kind == VOLUME_TREE || v->kind == VOLUME_LAYER;
}

static int take_snapshot(struct mosaic *m, struct source *s, struct error *err)
{
	int r = stream_copy(m, &s->volume, true, &s->snapshot, err);

	if (r < 0)
		return r;
	r = stream_look(s->snapshot.lock_fd, s->volume.name, &s->shown);
	return r < 0 ? error_set(err, r, "cannot look at a snapshot of %s", s->volume.name) : 0;
}

/* name is looked at as long as *s is. */
static int open_source(struct mosaic *m, const char *name, struct source *s, struct error *err)
{
	bool read;
	int r = volume_open(m, name, &s->volume, err);

	if (r < 0)
		return r;
	if (is_read_only(&s->volume)) {
		volume_close(&s->volume);
		r = volume_open_shared(m, name, &s->volume, err);
	} else if (m->features & MOSAIC_SNAPSHOT_LIVE) {
		return take_snapshot(m, s, err);
	} else {
		volume_close(&s->volume);
		r = volume_open_unwritten(m, name, "send", &s->volume, &read, err);
	}
	s->shown = s->volume;
	return r;
}

static int open_since(struct sending *s, const char *name, struct error *err)
{
	int r = volume_open_shared(s->m, name, &s->since.volume, err);

	if (r < 0)
		return r;
	s->since.shown = s->since.volume;
	if (!is_read_only(&s->since.volume))
		return error_set(err, -EINVAL,
				 "volume %s can be written to: only what changed since a snapshot "
				 "can be sent.",
				 name);
	if (s->since.volume.raw != s->source.volume.raw)
		return error_set(err, -EINVAL, "volume %s is raw and %s is not.",
				 s->since.volume.raw ? name : s->source.volume.name,
				 s->since.volume.raw ? s->source.volume.name : name);
	return 0;
}

/* ---- the header ------------------------------------------------------------------------------ */

/* Brings up what is sent and looks how much it is. */
static int measure(struct sending *s, struct error *err)
{
	struct source *both[] = { &s->source, &s->since };
	struct source_index *indexes[] = { &s->index, &s->since_index };

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		struct source *side = both[i];
		int r;

		if (side->shown.dirfd < 0)
			continue;
		r = stream_open_content(s->m, &side->shown, false, &side->content, err);
		if (r == 0 && side->shown.raw) {
			r = content_size(side->content.fd, &indexes[i]->content);
			if (r < 0)
				error_set(err, r, "cannot see how large volume %s is",
					  side->volume.name);
		} else if (r == 0) {
			r = source_scan(side->content.fd, indexes[i], err);
		}
		if (r < 0)
			return r;
	}
	s->progress.total = s->index.content;
	return 0;
}

static int write_header(struct sending *s, struct error *err)
{
	struct mosaic_volume info = { 0 };
	char name[4 * MOSAIC_NAME_MAX + 1], since_name[4 * MOSAIC_NAME_MAX + 1];
	char id[STREAM_ID_TEXT], since[STREAM_ID_TEXT];
	bool part = s->since.shown.dirfd >= 0;
	struct stream_header h = {
		.volume = name,
		.since_name = part ? since_name : NULL,
		.id = id,
		.since = part ? since : NULL,
		.stream = s->native ? (char *)s->m->driver->stream : (char *)"portable",
		.fs = info.fs,
		.raw = s->source.shown.raw,
		.content = (int64_t)s->index.content,
		.entries = (int64_t)s->index.entries,
	};
	int r = stream_identity(&s->source.volume, s->how->resume != NULL, id, err);

	if (r == 0 && part)
		r = stream_identity(&s->since.volume, true, since, err);
	if (r == 0 && s->m->driver->info)
		r = s->m->driver->info(s->m, &s->source.shown, &info, err);
	if (r < 0)
		return r;
	str_escape(name, sizeof(name), s->source.volume.name);
	if (part)
		str_escape(since_name, sizeof(since_name), s->since.volume.name);
	h.size = h.raw ? h.content : (int64_t)info.size;
	return stream_writer_begin(&s->writer, s->fd, &h, s->how->resume, &s->progress, err);
}

/* ---- portable -------------------------------------------------------------------------------- */

static int send_raw(struct sending *s, struct error *err)
{
	struct content c = {
		.w = &s->writer,
		.fd = s->source.content.fd,
		.old = s->since.content.fd,
		.size = s->index.content,
		.old_size = s->since_index.content,
		.err = err,
	};

	return content_write(&c);
}

static int send_portable(struct sending *s, struct error *err)
{
	const struct tree_send t = {
		.w = &s->writer,
		.root = s->source.content.fd,
		.old = s->since.content.fd,
		.index = &s->index,
		.old_index = &s->since_index,
	};

	return s->source.shown.raw ? send_raw(s, err) : stream_send_tree(&t, err);
}

/* ---- native ---------------------------------------------------------------------------------- */

/* What the child says at its end. */
struct outcome {
	int result;
	struct error err;
};

static _noreturn_ void run_driver(struct sending *s, int out, int result)
{
	const struct volume *since = s->since.shown.dirfd >= 0 ? &s->since.shown : NULL;
	struct outcome o = { 0 };

	o.result = s->m->driver->send(s->m, &s->source.shown, since, out, &o.err);
	close(out);
	(void)!write_all(result, &o, sizeof(o));
	_exit(0); /* lint: banned ok: the child has nowhere to return to */
}

struct child {
	pid_t pid;
	int stream, result; /* to be read */
};

static int start_driver(struct sending *s, struct child *ret, struct error *err)
{
	_close_ int in = -1, out = -1, result = -1, told = -1;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe");
	in = ends[0];
	out = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe");
	told = ends[0];
	result = ends[1];
	pid = fork();
	if (pid < 0)
		return error_set(err, -errno, "cannot start a process");
	if (pid == 0) {
		close(in);
		close(told);
		run_driver(s, out, result);
	}
	*ret = (struct child){ .pid = pid, .stream = take_fd(&in), .result = take_fd(&told) };
	return 0;
}

/* Frames of one size, so that a second time they are the same. */
static int pass_on(struct sending *s, int in, struct error *err)
{
	const struct buf nothing = { 0 };
	_free_ uint8_t *data = malloc(LIMIT_STREAM_CHUNK);

	if (!data)
		return error_set(err, -ENOMEM, "cannot send");
	for (;;) {
		ssize_t n = read_all(in, data, LIMIT_STREAM_CHUNK);
		int r;

		if (n < 0)
			return error_set(err, (int)n, "cannot read the driver's stream");
		if (n == 0)
			return 0;
		r = stream_write(&s->writer, STREAM_NATIVE, &nothing, data, (size_t)n, err);
		if (r == 0 && stream_progress(&s->progress, (uint64_t)n, false) < 0)
			r = error_set(err, -ECANCELED, "the sending was stopped.");
		if (r < 0)
			return r;
	}
}

static int end_driver(struct child *c, int r, struct error *err)
{
	struct outcome o = { .result = -EPIPE };

	cleanup_close(&c->stream);
	if (r < 0)
		kill(c->pid, SIGKILL);
	else if (read_all(c->result, &o, sizeof(o)) != (ssize_t)sizeof(o))
		r = error_set(err, -EIO, "the process that sends the volume has died.");
	cleanup_close(&c->result);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r < 0 || o.result == 0)
		return r;
	if (err)
		*err = o.err;
	return o.result;
}

static int send_native(struct sending *s, struct error *err)
{
	struct child c = { .stream = -1, .result = -1 };
	int r = start_driver(s, &c, err);

	return r < 0 ? r : end_driver(&c, pass_on(s, c.stream, err), err);
}

/* ---- all ------------------------------------------------------------------------------------- */

static int send_all(struct sending *s, const char *name, const char *since, struct error *err)
{
	int r = open_source(s->m, name, &s->source, err);

	if (r == 0 && since)
		r = open_since(s, since, err);
	if (r == 0 && !s->native)
		r = measure(s, err);
	if (r == 0)
		r = write_header(s, err);
	if (r == 0)
		r = s->native ? send_native(s, err) : send_portable(s, err);
	if (r == 0)
		r = stream_writer_end(&s->writer, err);
	if (r == 0 && s->progress.total)
		s->progress.done = s->progress.total;
	if (r == 0 && stream_progress(&s->progress, 0, true) < 0)
		r = error_set(err, -ECANCELED, "the sending was stopped.");
	return r;
}

int mosaic_send(struct mosaic *m, const char *name, const struct mosaic_send *how, int fd,
		struct error *err)
{
	static const struct mosaic_send defaults = { 0 };
	char room[MOSAIC_NAME_MAX + 1], since_room[MOSAIC_NAME_MAX + 1];
	struct sending s = {
		.m = m,
		.how = how ? how : &defaults,
		.fd = fd,
		.source = SOURCE_CLOSED,
		.since = SOURCE_CLOSED,
	};
	const char *since = s.how->since;
	int r = volume_name(m, &name, room, err);

	if (r == 0 && since)
		r = volume_name(m, &since, since_room, err);
	if (r < 0)
		return r;
	s.native = m->driver->stream && m->driver->send && !(s.how->flags & MOSAIC_SEND_PORTABLE);
	s.progress.user = &s.how->progress;
	r = send_all(&s, name, since, err);
	sending_end(&s);
	if (r < 0)
		return error_context(err, r, "send", name);
	volume_event(m, MOSAIC_EVENT_SEND, name, "");
	return 0;
}
