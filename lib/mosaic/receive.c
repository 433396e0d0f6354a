/*
 * Receiving a volume. It is made in staging as a writable one (a new one, or a copy of the one that
 * the stream is based on), filled, and made read-only at the end. How far it came is written down
 * now and then, after it is on disk, and when the stream breaks off.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "mosaic/stream_volume.h"

#define CHECKPOINT_BYTES (64ULL << 20)
#define CHECKPOINT_NS    (10 * 1000000000LL)
#define ROOM_BYTES       (1ULL << 30) /* a volume has at least, when nobody says */

struct receiving {
	struct mosaic *m;
	const struct mosaic_receive *how;
	const char *name;
	struct error *err;
	struct stream_reader reader;
	struct stream_header header;
	bool native;
	struct volume base; /* locked; VOLUME_CLOSED without one */
	char base_name[MOSAIC_NAME_MAX + 1];
	struct mosaic_staged staged;
	struct mosaic_staged source;   /* what was staged, when the volume is made of that */
	struct stream_content content; /* of what is being filled */
	int spool;
	bool sealed; /* it was whole already when it broke off, and at least half read-only */
	struct apply apply;
	struct stream_record record;
	struct receive_state state; /* what was done so far */
	uint64_t written_bytes;     /* when it was written down last */
	int64_t written_ns;
	struct stream_progress progress;
};

static void receiving_end(struct receiving *r)
{
	apply_deinit(&r->apply);
	stream_content_close(&r->content);
	cleanup_close(&r->spool);
	cleanup_close(&r->staged.lock_fd);
	volume_close(&r->base);
	stream_reader_deinit(&r->reader);
	stream_header_deinit(&r->header);
	free(r);
}

/* ---- how far it is --------------------------------------------------------------------------- */

static int sync_content(const struct receiving *r)
{
	if (r->spool >= 0)
		return fsync(r->spool) < 0 ? -errno : 0;
	if (r->content.fd < 0)
		return 0;
	if (r->header.raw)
		return fsync(r->content.fd) < 0 ? -errno : 0;
	return syncfs(r->content.fd) < 0 ? -errno : 0;
}

static int checkpoint(struct receiving *r, struct error *err)
{
	int n = sync_content(r);

	if (n == 0)
		n = receive_state_write(r->staged.lock_fd, &r->state);
	if (n < 0)
		return error_set(err, n, "cannot write down how far the stream came");
	r->written_bytes = r->state.at.bytes;
	r->written_ns = time_boot_ns();
	return 0;
}

static int tell(struct receiving *r, bool now, struct error *err)
{
	uint64_t more = r->state.content - r->progress.done;

	if (stream_progress(&r->progress, more, now) < 0)
		return error_set(err, -ECANCELED, "the receiving was stopped.");
	return 0;
}

/* Called while nothing comes. */
static int idle(void *arg, struct error *err)
{
	struct receiving *r = arg;
	int n = r->state.at.bytes > r->written_bytes ? checkpoint(r, err) : 0;

	return n < 0 ? n : tell(r, true, err);
}

static int after_frame(struct receiving *r)
{
	uint64_t bytes = r->reader.at.bytes - r->written_bytes;

	r->state.at = r->reader.at;
	r->state.cursor = r->apply.at;
	if (bytes > CHECKPOINT_BYTES || time_boot_ns() - r->written_ns > CHECKPOINT_NS) {
		int n = checkpoint(r, r->err);

		if (n < 0)
			return n;
	}
	return tell(r, false, r->err);
}

/* ---- beginning ------------------------------------------------------------------------------- */

static int check_stream(struct receiving *r)
{
	const char *own = r->m->driver->stream, *stream = r->header.stream;
	char shown[64];

	r->native = !str_eq(stream, "portable");
	if (!r->native || (own && r->m->driver->receive && str_eq(own, stream)))
		return 0;
	str_escape(shown, sizeof(shown), stream);
	return error_set(
		r->err, -EOPNOTSUPP,
		"the stream is %s's own, which the driver %s of %s cannot read: send it with --portable.",
		shown, r->m->driver->name, r->m->location);
}

static int open_base(struct receiving *r)
{
	const char *sought = r->header.since_name ? r->header.since_name : r->header.since;
	int n;

	if (!r->header.since)
		return 0;
	n = stream_find_volume(r->m, r->header.since, sought, r->base_name, r->err);
	if (n == 0)
		n = volume_open_shared(r->m, r->base_name, &r->base, r->err);
	if (n == 0 && r->base.raw != r->header.raw)
		n = error_set(r->err, -EINVAL,
			      "the stream is based on volume %s, of which one is raw and the other "
			      "is not.",
			      r->base_name);
	return n;
}

/* What a volume on a block device has to have, when nobody says. */
static uint64_t guess_size(const struct receiving *r)
{
	const struct stream_header *h = &r->header;
	const char *fs = r->how->fs ? r->how->fs : r->m->default_fs;
	uint64_t content = (uint64_t)h->content, entries = (uint64_t)h->entries, size;

	if (!fs)
		fs = r->m->driver->filesystems[0];
	if (h->size && str_eq(fs, h->fs))
		return (uint64_t)h->size;
	if (entries > UINT64_MAX >> 16 || content > UINT64_MAX >> 2)
		return UINT64_MAX; /* nobody has them: the driver refuses that by its own words */
	size = content + content / 4 + entries * 8192 + (64 << 20);
	size = (size + (1 << 20) - 1) >> 20 << 20;
	if (size < (uint64_t)h->size)
		size = (uint64_t)h->size;
	return size < ROOM_BYTES ? ROOM_BYTES : size;
}

static int make_new(struct receiving *r)
{
	struct mosaic_create how = { .size = r->how->size, .fs = r->how->fs };
	int n;

	if (r->header.raw) {
		how.flags = MOSAIC_CREATE_RAW;
		how.size = how.size ? how.size : (uint64_t)r->header.size;
		if (how.size < (uint64_t)r->header.size)
			return error_set(r->err, -EINVAL,
					 "the raw volume that is sent has %lld "
					 "bytes: it cannot be received into %llu.",
					 (long long)r->header.size, (unsigned long long)how.size);
	} else if (!how.size && r->m->driver->filesystems) {
		how.size = guess_size(r);
	}
	n = volume_begin(r->m, &r->staged, r->err);
	return n < 0 ? n : volume_make_content(r->m, r->staged.lock_fd, &how, r->err);
}

/* A volume that has grown at the other end grows here. */
static int grow(struct receiving *r, const struct volume *v)
{
	const struct mosaic_driver *d = r->m->driver;
	struct mosaic_volume info = { 0 };
	int n;

	if (!d->info || !d->resize || (!d->filesystems && !r->header.raw))
		return 0;
	n = d->info(r->m, v, &info, r->err);
	if (n == 0 && info.size && info.size < (uint64_t)r->header.size)
		n = d->resize(r->m, v, (uint64_t)r->header.size, r->err);
	return n;
}

static int make_copy(struct receiving *r)
{
	struct volume v;
	int n;

	if (r->how->size || r->how->fs)
		return error_set(r->err, -EINVAL,
				 "what changed since a snapshot is received into a copy of that: "
				 "it has the size and the file system that it has.");
	n = stream_copy(r->m, &r->base, false, &r->staged, r->err);
	if (n < 0)
		return n;
	n = stream_look(r->staged.lock_fd, r->name, &v);
	return n < 0 ? error_set(r->err, n, "cannot look at the copy of %s", r->base_name)
		     : grow(r, &v);
}

static int open_spool(struct receiving *r, bool again)
{
	r->spool = openat(r->staged.lock_fd, "spool",
			  O_RDWR | O_NOFOLLOW | O_CLOEXEC | (again ? 0 : O_CREAT | O_EXCL), 0600);
	if (r->spool < 0 || ftruncate(r->spool, (off_t)r->state.content) < 0 ||
	    lseek(r->spool, 0, SEEK_END) < 0)
		return error_set(r->err, -errno, "cannot keep the stream");
	return 0;
}

/* Opens what is in staging for filling. */
static int open_staged(struct receiving *r, bool again)
{
	struct volume v;
	int n = stream_look(r->staged.lock_fd, r->name, &v);

	if (n == 0 && (v.kind == VOLUME_TREE || v.kind == VOLUME_LAYER)) {
		if (r->how->flags & MOSAIC_RECEIVE_WRITABLE)
			return error_set(
				r->err, -EINVAL,
				"what was received of volume %s is whole, and read-only already: receive the rest of it so, too.",
				r->name);
		r->sealed = true; /* only its end is missing, or its name */
		r->apply.at = r->state.cursor;
		return 0;
	}
	if (n == 0 && v.kind == VOLUME_NONE)
		n = -ENOENT;
	if (n < 0)
		return error_set(r->err, n, "cannot look at what was received of %s", r->name);
	n = stream_open_content(r->m, &v, true, &r->content, r->err);
	if (n < 0)
		return n;
	r->apply.raw = r->header.raw;
	r->apply.incremental = r->header.since != NULL;
	r->apply.total = (uint64_t)r->header.content;
	r->apply.content = r->state.content;
	n = apply_begin(&r->apply, r->content.fd, again ? &r->state.cursor : NULL, r->err);
	if (n == 0 && !again && r->header.raw)
		r->apply.at.size = (uint64_t)r->header.size;
	return n;
}

static int begin_anew(struct receiving *r)
{
	int n = 0;

	r->state = (struct receive_state){ .at = r->reader.at };
	memcpy(r->state.id, r->reader.id, sizeof(r->state.id));
	snprintf(r->state.name, sizeof(r->state.name), "%s", r->name);
	if (r->native)
		n = volume_begin(r->m, &r->staged, r->err);
	else
		n = r->header.since ? make_copy(r) : make_new(r);
	if (n == 0)
		n = r->native ? open_spool(r, false) : open_staged(r, false);
	if (n < 0)
		return n;
	r->state.cursor = r->apply.at;
	return checkpoint(r, r->err);
}

static int go_on(struct receiving *r, bool found)
{
	if (!found)
		return error_set(r->err, -ESTALE,
				 "the stream goes on where an earlier one broke off, but nothing of "
				 "that is here: send it from the beginning.");
	if (memcmp(r->state.id, r->reader.id, STREAM_DIGEST) != 0 ||
	    r->state.at.frames != r->reader.at.frames || r->state.at.bytes != r->reader.at.bytes ||
	    memcmp(r->state.at.chain, r->reader.at.chain, STREAM_DIGEST) != 0)
		return error_set(r->err, -ESTALE,
				 "the stream does not go on where the earlier one broke off: ask "
				 "again how far that came.");
	r->progress.done = r->state.content;
	r->written_bytes = r->state.at.bytes;
	r->written_ns = time_boot_ns();
	return r->native ? open_spool(r, true) : open_staged(r, true);
}

static int begin(struct receiving *r)
{
	int n = check_stream(r), found;

	if (n == 0)
		n = open_base(r);
	if (n < 0)
		return n;
	found = receive_state_find(r->m, r->name, &r->staged, &r->state, r->err);
	if (found < 0)
		return found;
	r->progress.total = r->header.since || r->native ? 0 : (uint64_t)r->header.content;
	r->reader.idle = idle;
	r->reader.arg = r;
	if (r->reader.resumed)
		return go_on(r, found == 0);
	mosaic_discard(r->m, &r->staged); /* another one begins */
	return begin_anew(r);
}

/* ---- filling --------------------------------------------------------------------------------- */

static int spool_full(const struct receiving *r, int n)
{
	struct statvfs fs;

	if ((n != -ENOSPC && n != -EDQUOT) || fstatvfs(r->spool, &fs) < 0)
		return error_set(r->err, n, "cannot keep the stream");
	return error_set(r->err, n,
			 "no room for the stream in %s: %llu bytes of it are here, %llu are free",
			 r->m->location, (unsigned long long)r->state.content,
			 (unsigned long long)fs.f_bavail * fs.f_frsize);
}

static int take_frame(struct receiving *r, const struct stream_frame *f)
{
	int n;

	if (r->sealed)
		return error_set(r->err, -EBADMSG, "the stream goes on behind its end.");
	if ((f->type == STREAM_NATIVE) != r->native)
		return error_set(r->err, -EBADMSG, "the stream is not of the kind that it says.");
	if (r->native) {
		n = write_all(r->spool, f->data, f->len);
		if (n < 0)
			return spool_full(r, n);
		r->state.content += f->len;
		return 0;
	}
	n = stream_record_decode(&r->record, f, r->err);
	if (n == 0)
		n = apply_record(&r->apply, &r->record, r->err);
	r->state.content = r->apply.content;
	return n;
}

static int fill(struct receiving *r)
{
	for (;;) {
		struct stream_frame f;
		int n = stream_read(&r->reader, &f, r->err);

		if (n <= 0)
			return n;
		n = take_frame(r, &f);
		if (n == 0)
			n = after_frame(r);
		if (n < 0)
			return n;
	}
}

/* ---- the end --------------------------------------------------------------------------------- */

/* What a writer of "receiving" left that was killed. */
static int remove_unfinished(int dirfd, const char *name, void *arg)
{
	(void)arg;
	if (str_starts(name, ".receiving."))
		(void)!unlinkat(dirfd, name, 0);
	return 0;
}

static int note_identity(const struct receiving *r)
{
	char text[STREAM_ID_TEXT + 1];
	int n;

	if (r->how->flags & MOSAIC_RECEIVE_WRITABLE)
		return 0;
	snprintf(text, sizeof(text), "%s\n", r->header.id);
	n = file_write(r->staged.lock_fd, "received", text, strlen(text), 0644, 0);
	return n < 0 ? error_set(r->err, n, "cannot note what volume %s is", r->name) : 0;
}

/* A writable volume of a native stream is a copy of what that made. */
static int make_writable(struct receiving *r, struct mosaic_staged *made)
{
	struct mosaic_staged copy = MOSAIC_STAGED_NONE;
	struct volume v;
	int n = stream_look(made->lock_fd, r->name, &v);

	if (n < 0)
		return error_set(r->err, n, "cannot look at what was received");
	n = stream_copy(r->m, &v, false, &copy, r->err);
	if (n < 0)
		return n;
	(void)!unlinkat(copy.lock_fd, "origin", 0); /* that has no name and goes */
	mosaic_discard(r->m, made);
	*made = copy;
	return 0;
}

/* Gives the stream that was kept to the driver, which makes "tree" of it in another directory: so
 * the stream is there still when this does not come to its end. */
static int read_spool(struct receiving *r)
{
	const struct volume *base = r->base.dirfd >= 0 ? &r->base : NULL;
	struct mosaic_staged made = MOSAIC_STAGED_NONE;
	int n;

	if (lseek(r->spool, 0, SEEK_SET) < 0)
		return error_set(r->err, -errno, "cannot read the stream that was kept");
	n = volume_begin(r->m, &made, r->err);
	if (n == 0)
		n = r->m->driver->receive(r->m, made.lock_fd, base, r->spool, r->err);
	if (n == 0 && r->how->flags & MOSAIC_RECEIVE_WRITABLE)
		n = make_writable(r, &made);
	if (n < 0) {
		mosaic_discard(r->m, &made);
		return n;
	}
	r->source = r->staged;
	r->staged = made;
	return 0;
}

/* What a clone has changed is the driver's to make read-only. The clone stays until the volume has
 * its name. */
static int seal_clone(struct receiving *r, const struct volume *clone)
{
	struct mosaic_staged copy = MOSAIC_STAGED_NONE;
	int n = stream_copy(r->m, clone, true, &copy, r->err);

	if (n < 0)
		return n;
	if (unlinkat(copy.lock_fd, "origin", 0) < 0 ||
	    symlinkat(r->base_name, copy.lock_fd, "origin") < 0) {
		n = error_set(r->err, -errno, "cannot note what volume %s is based on", r->name);
		mosaic_discard(r->m, &copy);
		return n;
	}
	r->source = r->staged;
	r->staged = copy;
	return 0;
}

static int seal(struct receiving *r)
{
	struct volume v;
	int n = stream_look(r->staged.lock_fd, r->name, &v);

	if (n < 0)
		return error_set(r->err, n, "cannot look at what was received");
	return v.kind == VOLUME_CLONE ? seal_clone(r, &v)
				      : stream_seal(r->m, r->staged.lock_fd, r->err);
}

static int settle(struct receiving *r)
{
	int n;

	if (r->native)
		return read_spool(r);
	n = sync_content(r);
	if (n < 0)
		return error_set(r->err, n, "cannot sync volume %s", r->name);
	apply_deinit(&r->apply);
	stream_content_close(&r->content);
	return r->how->flags & MOSAIC_RECEIVE_WRITABLE ? 0 : seal(r);
}

static int name_it(struct receiving *r)
{
	_close_ int dirfd = fcntl(r->staged.lock_fd, F_DUPFD_CLOEXEC, 3);
	int n;

	if (dirfd < 0)
		return error_set(r->err, -errno, "cannot finish volume %s", r->name);
	n = volume_finish(r->m, &r->staged, r->name, r->err);
	if (n == MOSAIC_EXISTS)
		return error_set(r->err, -EEXIST, "there is a volume %s already.", r->name);
	if (n < 0)
		return n;
	(void)!unlinkat(dirfd, "receiving", 0); /* it was of use in staging alone */
	return volume_sync_names(r->m, r->err);
}

static int finish(struct receiving *r)
{
	int n = r->native ? 0 : apply_end(&r->apply, r->err);

	if (n == 0)
		n = checkpoint(r, r->err);
	if (n == 0)
		n = r->sealed ? stream_seal(r->m, r->staged.lock_fd, r->err) : settle(r);
	if (n == 0)
		n = note_identity(r);
	if (n == 0)
		n = dir_each(r->staged.lock_fd, remove_unfinished, NULL);
	if (n == 0 && syncfs(r->staged.lock_fd) < 0)
		n = error_set(r->err, -errno, "cannot sync the file system of %s", r->m->location);
	return n < 0 ? n : name_it(r);
}

/* ---- all ------------------------------------------------------------------------------------- */

/* Keeps what was received, if it is anything. */
static void keep(struct receiving *r)
{
	if (r->source.lock_fd >= 0) {
		mosaic_discard(r->m, &r->staged);
		r->staged = r->source;
		r->source = (struct mosaic_staged)MOSAIC_STAGED_NONE;
	}
	if (r->staged.lock_fd < 0)
		return;
	apply_deinit(&r->apply);
	if (r->state.at.frames == 0)
		mosaic_discard(r->m, &r->staged);
	else if (r->state.at.bytes > r->written_bytes)
		(void)!checkpoint(r, NULL); /* what was written down before is true still */
}

static int receive(struct receiving *r, int fd)
{
	int n = stream_reader_begin(&r->reader, fd, &r->header, r->err);

	if (n == 0)
		n = begin(r);
	if (n == 0)
		n = fill(r);
	if (n == 0)
		n = finish(r);
	if (n < 0) {
		keep(r);
		return n;
	}
	mosaic_discard(r->m, &r->source);
	r->progress.done = r->progress.total ? r->progress.total : r->progress.done;
	(void)!stream_progress(&r->progress, 0, true); /* it is there: too late to stop it */
	return 0;
}

int mosaic_receive(struct mosaic *m, const char *name, const struct mosaic_receive *how, int fd,
		   struct error *err)
{
	static const struct mosaic_receive defaults = { 0 };
	struct error own = { 0 };
	char room[MOSAIC_NAME_MAX + 1];
	struct receiving *r;
	int n = volume_name(m, &name, room, err);

	if (n == 0 && volume_find(m, name, NULL) > 0)
		n = error_set(err, -EEXIST, "there is a volume %s already.", name);
	if (n < 0)
		return n;
	r = calloc(1, sizeof(*r));
	if (!r)
		return error_set(err, -ENOMEM, "cannot receive volume %s", name);
	r->m = m;
	r->how = how ? how : &defaults;
	r->name = name;
	r->err = err ? err : &own;
	r->base = (struct volume)VOLUME_CLOSED;
	r->staged = r->source = (struct mosaic_staged)MOSAIC_STAGED_NONE;
	r->content = (struct stream_content)STREAM_CONTENT_CLOSED;
	r->spool = r->apply.dir = r->apply.file = -1;
	r->progress.user = &r->how->progress;
	n = receive(r, fd);
	receiving_end(r);
	if (n < 0)
		return error_context(err, n, "receive", name);
	volume_event(m, MOSAIC_EVENT_RECEIVE, name, "");
	return 0;
}
