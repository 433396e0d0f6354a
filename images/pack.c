/* A directory through carob-pack (images/pack/pack.h), and archives made for people. */
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "images/digest.h"
#include "images/internal.h"
#include "images/pack/pack.h"

/* ---- remarks --------------------------------------------------------------------------------- */

static int failed(const char *code, const char *text, struct error *err)
{
	uint64_t value;

	if (str_to_u64(code, 4095, &value) < 0 || value == 0)
		value = EIO;
	return error_set(err, -(int)value, "%s.", text);
}

/* Reads what carob-pack has to say at its end: an error becomes err, the rest warnings. */
static int listen(int fd, struct appc_faults *faults, struct error *err)
{
	_buf_ struct buf all = BUF_INIT(PACK_REMARKS_BYTES);
	char block[4096];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read_all(fd, block, sizeof(block))) != 0)
		r = n < 0 ? (int)n : buf_add(&all, block, (size_t)n);
	if (r == 0 && all.len && all.data[all.len - 1])
		r = -EPROTO;
	for (size_t at = 0; r == 0 && at < all.len;) {
		const char *path = all.data + at + 1, *text = path + strlen(path) + 1;

		if (text >= all.data + all.len)
			return error_set(err, -EPROTO, "carob-pack says what makes no sense");
		if (all.data[at] == 'e')
			return failed(path, text, err);
		r = faults ? appc_warning(faults, path, "%s", text) : 0;
		at = (size_t)(text - all.data) + strlen(text) + 1;
	}
	return r < 0 ? error_set(err, r, "carob-pack cannot be understood") : 0;
}

/* A running carob-pack. */
struct packer {
	int pidfd, says;
};
#define PACKER_INIT                     \
	{                               \
		.pidfd = -1, .says = -1 \
	}

static void packer_deinit(struct packer *p)
{
	helper_reap(&p->pidfd);
	cleanup_close(&p->says);
}
#define _packer_ _cleanup_(packer_deinit)

static int packer_start(struct packer *p, const struct images *im, struct helper *h,
			struct error *err)
{
	_close_ int says = -1, say = -1;
	int r = helper_pipe(&says, &say, err);

	if (r < 0)
		return r;
	h->program = "carob-pack";
	h->fd4 = say;
	r = helper_start(im, h, err);
	if (r < 0)
		return r;
	p->pidfd = r;
	p->says = take_fd(&says);
	return 0;
}

static int packer_finish(struct packer *p, struct appc_faults *faults, struct error *err)
{
	int status = 0, r = listen(p->says, faults, err);

	if (r == 0)
		r = helper_wait(&p->pidfd, &status);
	if (r == 0 && status)
		r = error_set(err, -EIO, "carob-pack ended with status %d.", status);
	return r;
}

/* "2024-01-01T00:00:00Z" in the manifest's annotation "created" as seconds; false without one. */
static bool created(int manifest, char seconds[24])
{
	_appc_image_ struct appc_image *image = NULL;
	_free_ char *text = NULL;
	const char *value;
	int64_t ns;
	size_t len;

	if (file_read_fd(manifest, LIMIT_MANIFEST_BYTES, &text, &len) < 0 ||
	    appc_image_read(&image, text, len, NULL) < 0)
		return false; /* who reads it next says what is wrong */
	value = appc_pairs_get(&image->annotations, "created");
	if (!value || time_parse(value, &ns) < 0)
		return false;
	snprintf(seconds, 24, "%jd", (intmax_t)(ns < 0 ? 0 : ns / 1000000000));
	return true;
}

/* No time in the archive is later than SOURCE_DATE_EPOCH, else than the manifest says that the
 * image was created. */
static int start_packing(struct packer *p, const struct images *im, int manifest, int rootfs,
			 int out, struct error *err)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	char seconds[24];
	struct helper h = {
		.arguments = { "--pack", epoch },
		.stdio = { manifest, out, -1 },
		.fd3 = rootfs,
	};

	if (!epoch && created(manifest, seconds))
		h.arguments[1] = seconds;
	return packer_start(p, im, &h, err);
}

int images_pack(const struct images *im, int manifest, int rootfs, int out,
		struct appc_faults *faults, struct error *err)
{
	_packer_ struct packer p = PACKER_INIT;
	int r = start_packing(&p, im, manifest, rootfs, out, err);

	return r == 0 ? packer_finish(&p, faults, err) : r;
}

/* ---- images_build() -------------------------------------------------------------------------- */

struct build {
	const struct images *im;
	int manifest, rootfs;
	int out; /* a file beside the one that is to be */
	const struct images_recipe *recipe;
	const char *compression;
	struct packer packer, compressor;
	struct stream stream;
	struct error *err;
};

static void build_deinit(struct build *b)
{
	packer_deinit(&b->packer);
	packer_deinit(&b->compressor);
	cleanup_close(&b->manifest);
	cleanup_close(&b->rootfs);
	cleanup_close(&b->stream.in);
	cleanup_close(&b->stream.out);
	cleanup_close(&b->out);
}

static int open_input(struct build *b)
{
	const char *rootfs = b->recipe->rootfs;

	b->rootfs = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->rootfs < 0)
		return error_set(b->err, -errno, "cannot open the directory %s", rootfs);
	b->manifest = images_compose_manifest(b->im, b->recipe, b->err);
	return b->manifest < 0 ? b->manifest : 0;
}

static int start_compressing(struct build *b)
{
	_close_ int in = -1, out = -1;
	struct helper h = { .arguments = { "--compress", b->compression }, .fd3 = -1 };
	int r;

	if (str_eq(b->compression, "none")) {
		b->stream.out = fcntl(b->out, F_DUPFD_CLOEXEC, 3);
		return b->stream.out < 0 ? error_set(b->err, -errno, "cannot write the archive")
					 : 0;
	}
	r = helper_pipe(&in, &out, b->err);
	if (r < 0)
		return r;
	h.stdio[0] = in;
	h.stdio[1] = b->out;
	h.stdio[2] = -1;
	r = packer_start(&b->compressor, b->im, &h, b->err);
	if (r == 0)
		b->stream.out = take_fd(&out);
	return r;
}

static int run(struct build *b)
{
	_close_ int in = -1, out = -1;
	int r = helper_pipe(&in, &out, b->err);

	if (r == 0)
		r = start_packing(&b->packer, b->im, b->manifest, b->rootfs, out, b->err);
	if (r == 0)
		r = start_compressing(b);
	cleanup_close(&out);
	b->stream.in = take_fd(&in);
	if (r == 0)
		r = stream_run(&b->stream, b->err);
	cleanup_close(&b->stream.out);
	/* the compressor's end is the reason, when it ended early; else the packer's word
	 * counts first */
	if (r == 0 && !b->stream.cut)
		r = packer_finish(&b->packer, NULL, b->err);
	if (r == 0 && b->compressor.pidfd >= 0)
		r = packer_finish(&b->compressor, NULL, b->err);
	if (r == 0 && b->stream.cut)
		r = error_set(b->err, -EPIPE, "cannot write the archive");
	return r;
}

/* dir and the name in it of what a person wrote. */
static int open_parent(const char *path, const char **ret_name, struct error *err)
{
	const char *slash = strrchr(path, '/');
	_free_ char *parent = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd;

	*ret_name = slash ? slash + 1 : path;
	if (!parent)
		return error_set(err, -ENOMEM, "out of memory");
	if (!**ret_name)
		return error_set(err, -EISDIR, "cannot write %s", path);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_set(err, -errno, "cannot open the directory of %s", path) : fd;
}

/* Complete and synced it gets its name, in one step. */
static int publish(int dir, const char *beside, const char *name, bool overwrite)
{
	return renameat2(dir, beside, dir, name, overwrite ? 0 : RENAME_NOREPLACE) < 0
		       ? -errno
		       : sync_dir(dir);
}

static int build_at(struct build *b, int dir, const char *name)
{
	char beside[LIMIT_NAME_BYTES + 1];
	int r;

	if (!b->recipe->overwrite && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(b->err, -EEXIST, "%s is there already.", name);
	snprintf(beside, sizeof(beside), ".%.200s.%d", name, getpid());
	b->out = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (b->out < 0)
		return error_set(b->err, -errno, "cannot make a file beside %s", name);
	r = run(b);
	if (r == 0 && fsync(b->out) < 0)
		r = error_set(b->err, -errno, "cannot write %s", name);
	if (r == 0) {
		r = publish(dir, beside, name, b->recipe->overwrite);
		if (r < 0)
			error_set(b->err, r, "cannot make %s", name);
	}
	if (r < 0)
		unlinkat(dir, beside, 0);
	return r;
}

int images_build(const struct images *im, const struct images_recipe *recipe,
		 char ret_id[STORE_ID_TEXT], const struct images_progress *progress,
		 struct error *err)
{
	_cleanup_(build_deinit) struct build b = {
		.im = im,
		.manifest = -1,
		.rootfs = -1,
		.out = -1,
		.recipe = recipe,
		.compression = recipe->compression,
		.packer = PACKER_INIT,
		.compressor = PACKER_INIT,
		.stream = { .in = -1,
			    .out = -1,
			    .hash = &digest_sha512,
			    .archive = -1,
			    .progress = progress,
			    .what = "the archive" },
		.err = err,
	};
	_close_ int dir = -1;
	const char *name;
	int r = open_input(&b);

	if (r < 0)
		return r;
	dir = open_parent(recipe->out, &name, err);
	if (dir < 0)
		return dir;
	r = build_at(&b, dir, name);
	if (r < 0)
		return error_context(err, r, "build", recipe->out);
	stream_id(&b.stream, ret_id);
	return 0;
}

/* ---- images_export() ------------------------------------------------------------------------- */

static int copy_archive(const struct images *im, const char *id, int out, struct error *err)
{
	_close_ int archive = store_open_archive(im->store, id, err);
	ssize_t n = 1;

	if (archive < 0)
		return archive;
	while (n != 0) {
		n = sendfile(out, archive, NULL, 1 << 20);
		if (n < 0 && errno != EINTR)
			return error_set(err, -errno, "cannot write the archive");
	}
	return 0;
}

static int open_stored(struct build *b, const char *id)
{
	char volume[160];
	int r;

	store_volume_name(volume, id);
	b->manifest = store_open_file(b->im->store, id, "manifest", b->err);
	r = b->manifest < 0 ? b->manifest : images_restore(b->im, id, b->err);
	return r < 0 ? r
		     : mosaic_mount(b->im->mosaic, volume,
				    &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY,
							    .attributes = MOUNT_NOSUID |
									  MOUNT_NODEV |
									  MOUNT_NOEXEC },
				    &b->rootfs, b->err);
}

static int pack_stored(struct build *b, const char *id, int out)
{
	int r = store_lock(b->im->store, STORE_LOCK_SHARED, b->err);

	if (r < 0)
		return r;
	b->out = fcntl(out, F_DUPFD_CLOEXEC, 3);
	r = b->out < 0 ? error_set(b->err, -errno, "cannot write the archive") : open_stored(b, id);
	if (r == 0)
		r = run(b);
	store_unlock(b->im->store);
	return r;
}

int images_export(const struct images *im, const char *id, int out, const char *compression,
		  const struct images_progress *progress, struct error *err)
{
	_cleanup_(build_deinit) struct build b = {
		.im = im,
		.manifest = -1,
		.rootfs = -1,
		.out = -1,
		.compression = compression,
		.packer = PACKER_INIT,
		.compressor = PACKER_INIT,
		.stream = { .in = -1,
			    .out = -1,
			    .hash = &digest_sha512,
			    .archive = -1,
			    .progress = progress,
			    .what = "the archive" },
		.err = err,
	};
	_close_ int documents = store_open_file(im->store, id, "oci-manifest", NULL);
	int r = documents < 0 ? copy_archive(im, id, out, err) : pack_stored(&b, id, out);

	return r < 0 ? error_context(err, r, "export", id) : 0;
}
