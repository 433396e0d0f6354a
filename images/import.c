/*
 * Import: the archive is copied into the store's staging area first and read from there, so that
 * what is kept is what was hashed. The tree grows in the mosaic's staging area. Nothing is seen by
 * anybody until both are complete; then the volume appears, then the image, then its name.
 */
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "images/internal.h"
#include "images/origin.h"

/* What is being imported. */
struct import {
	const struct images *im;
	struct store_staged staged;
	struct mosaic_staged tree;
	struct unpacked unpacked;
	struct appc_image *image;
	struct buf labels;
	int archive; /* staged "aci" */
};

enum { LABELS_BYTES = 64 << 10, FAULTS_SHOWN = 3 };

int images_faults_error(const struct appc_faults *faults, const char *what, struct error *err)
{
	_buf_ struct buf text = BUF_INIT(4096);
	size_t shown = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < faults->n && shown < FAULTS_SHOWN; i++) {
		const struct appc_fault *f = &faults->list[i];

		if (f->warning)
			continue;
		r = buf_addf(&text, "%s%.256s%s%.512s", shown ? "; " : "", f->path,
			     f->path[0] ? " " : "", f->text);
		shown++;
	}
	if (r == 0 && faults->n_errors > shown)
		r = buf_addf(&text, "; and %zu more", faults->n_errors - shown);
	return error_set(err, -EBADMSG, "%s is not valid: %s.", what, text.data ? text.data : "");
}

static void import_deinit(struct import *i)
{
	store_discard(i->im->store, &i->staged);
	mosaic_discard(i->im->mosaic, &i->tree);
	unpacked_deinit(&i->unpacked);
	appc_image_free(i->image);
	buf_deinit(&i->labels);
	cleanup_close(&i->archive);
}
#define _import_ _cleanup_(import_deinit)

/* ---- the archive into the staging area ------------------------------------------------------- */

static int copy_archive(int from, int to, struct error *err)
{
	ssize_t n;

	while ((n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0)) != 0) {
		if (n > 0 || errno == EINTR)
			continue;
		if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
			return error_set(err, -errno, "cannot copy the archive into the store");
		break;
	}
	/* between file systems that cannot do this together */
	while (n != 0) {
		n = sendfile(to, from, NULL, 1 << 30);
		if (n < 0 && errno != EINTR)
			return error_set(err, -errno, "cannot copy the archive into the store");
	}
	return lseek(to, 0, SEEK_SET) < 0 ? error_set(err, -errno, "cannot read the archive") : 0;
}

/* An image directory becomes the archive that images_build() would make of it. */
static int pack_directory(struct import *i, int directory, struct error *err)
{
	_close_ int manifest = -1, rootfs = -1;
	struct stat st;
	int r;

	manifest = path_open(directory, "manifest", PATH_NO_LINKS, O_RDONLY | O_NONBLOCK, 0);
	if (manifest < 0 || fstat(manifest, &st) < 0)
		return error_set(err, manifest < 0 ? manifest : -errno,
				 "cannot open the manifest of the image directory");
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL,
				 "the manifest of the image directory is no regular file.");
	rootfs = path_open(directory, "rootfs", PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	if (rootfs < 0)
		return error_set(err, rootfs, "cannot open the rootfs of the image directory");
	r = images_pack(i->im, manifest, rootfs, i->archive, i->unpacked.faults, err);
	if (r < 0)
		return r;
	return lseek(i->archive, 0, SEEK_SET) < 0
		       ? error_set(err, -errno, "cannot read the archive")
		       : 0;
}

static int stage_archive(struct import *i, const char *path, struct error *err)
{
	_close_ int from = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0)
		return error_set(err, -errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return error_set(err, -EINVAL, "%s is neither a file nor a directory.", path);
	r = store_stage(i->im->store, &i->staged, err);
	if (r < 0)
		return r;
	i->archive = openat(i->staged.fd, "aci", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (i->archive < 0)
		return error_set(err, -errno, "cannot make a file in the store");
	return S_ISDIR(st.st_mode) ? pack_directory(i, from, err)
				   : copy_archive(from, i->archive, err);
}

/* ---- from the archive to the image ----------------------------------------------------------- */

static int unpack(struct import *i, const struct images_progress *progress, struct error *err)
{
	_close_ int root = -1;
	int r = mosaic_stage(i->im->mosaic, &i->tree, &root, err);

	return r < 0 ? r : images_unpack(i->im, i->archive, root, &i->unpacked, progress, err);
}

static int read_manifest(struct import *i, struct error *err)
{
	struct appc_faults *faults = i->unpacked.faults;
	int r = appc_image_read(&i->image, i->unpacked.manifest, i->unpacked.manifest_len, faults);

	if (r == -EBADMSG)
		return images_faults_error(faults, "the manifest", err);
	if (r < 0)
		return error_set(err, r, "cannot read the manifest");
	for (size_t k = 0; r == 0 && k < i->image->labels.n; k++)
		r = store_label_add(&i->labels, i->image->labels.list[k].name,
				    i->image->labels.list[k].value);
	return r < 0 ? error_set(err, r, "the labels of %s take too much room", i->image->name) : 0;
}

/* What render.c wants to know and no file system keeps. */
static int keep_implied(struct import *i, struct error *err)
{
	const struct buf *implied = &i->unpacked.implied;
	int r;

	if (implied->len == 0)
		return 0;
	r = file_write(i->staged.fd, "implied", implied->data, implied->len, 0644, FILE_SYNC);
	return r < 0 ? error_set(err, r, "cannot write to the store") : 0;
}

/* The volume first: an image in the store always has one. Who cleans up looks at both under the
 * same lock. */
static int publish(struct import *i, const char *source, struct error *err)
{
	struct store_info info = {
		.name = i->image->name,
		.labels = i->labels.data ? i->labels.data : (char *)"",
		.imported_ns = time_now_ns(),
		.size = i->unpacked.size,
		.source = (char *)source,
	};
	char volume[160];
	struct stat st;
	int r;

	if (fstat(i->archive, &st) < 0)
		return error_set(err, -errno, "cannot read the archive");
	info.archive_size = (uint64_t)st.st_size;
	memcpy(info.id, i->unpacked.id, sizeof(info.id));
	store_volume_name(volume, info.id);
	r = keep_implied(i, err);
	if (r == 0)
		r = store_lock(i->im->store, STORE_LOCK_SHARED, err);
	if (r < 0)
		return r;
	r = mosaic_commit(i->im->mosaic, &i->tree, volume, err);
	if (r >= 0)
		r = store_adopt(i->im->store, &i->staged, &info, i->unpacked.manifest,
				i->unpacked.manifest_len, err);
	store_unlock(i->im->store);
	return r;
}

static int import(struct import *i, const char *path, const struct images_progress *progress,
		  struct error *err)
{
	int r = stage_archive(i, path, err);

	if (r == 0)
		r = unpack(i, progress, err);
	if (r == 0)
		r = read_manifest(i, err);
	return r == 0 ? publish(i, path, err) : r;
}

static void import_init(struct import *i, const struct images *im, struct appc_faults *faults)
{
	*i = (struct import){
		.im = im,
		.staged = STORE_STAGED_NONE,
		.tree = { .lock_fd = -1 },
		.unpacked = { .faults = faults },
		.labels = BUF_INIT(LABELS_BYTES),
		.archive = -1,
	};
}

int images_import(const struct images *im, const char *path, char ret_id[STORE_ID_TEXT],
		  struct appc_faults *faults, const struct images_progress *progress,
		  struct error *err)
{
	_appc_faults_ struct appc_faults own = APPC_FAULTS_INIT;
	_import_ struct import i;
	int r;

	import_init(&i, im, faults ? faults : &own);
	r = import(&i, path, progress, err);
	if (r < 0)
		return error_context(err, r, "import", path);
	memcpy(ret_id, i.unpacked.id, STORE_ID_TEXT);
	return r;
}

/* ---- from the network ------------------------------------------------------------------------ */

static int stage_arrival(struct import *i, const struct arrival *a, struct error *err)
{
	int r = store_stage(i->im->store, &i->staged, err);

	if (r == 0)
		r = store_partial_link(a->partial, &i->staged, "aci", err);
	if (r < 0)
		return r;
	i->archive = openat(i->staged.fd, "aci", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return i->archive < 0 ? error_set(err, -errno, "cannot read what came") : 0;
}

/* What tells later where it came from and why it was taken. */
static int keep_papers(struct import *i, const struct arrival *a, struct error *err)
{
	int r = 0;

	if (a->signature)
		r = file_write(i->staged.fd, "aci.asc", a->signature, a->signature_len, 0644,
			       FILE_SYNC);
	if (r < 0)
		return error_set(err, r, "cannot write to the store");
	return origin_write(i->staged.fd, a->origin, err);
}

int images_import_arrival(const struct images *im, const struct arrival *a,
			  char ret_id[STORE_ID_TEXT], const struct images_progress *progress,
			  struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_import_ struct import i;
	int r;

	import_init(&i, im, &faults);
	r = stage_arrival(&i, a, err);
	if (r == 0)
		r = unpack(&i, progress, err);
	if (r == 0)
		r = read_manifest(&i, err);
	if (r == 0 && a->check)
		r = a->check(i.image, i.unpacked.id, a->arg, err);
	if (r == 0)
		r = keep_papers(&i, a, err);
	if (r == 0)
		r = publish(&i, a->source, err);
	if (r >= 0)
		memcpy(ret_id, i.unpacked.id, STORE_ID_TEXT);
	return r;
}

/* ---- once more ------------------------------------------------------------------------------- */

static int restore(struct import *i, const char *id, struct error *err)
{
	char volume[160];
	int r;

	i->archive = store_open_archive(i->im->store, id, err);
	if (i->archive < 0)
		return i->archive;
	r = unpack(i, NULL, err);
	if (r < 0)
		return r;
	if (!str_eq(i->unpacked.id, id))
		return error_set(err, -EBADMSG,
				 "its archive in the store is damaged: it has the ID %s.",
				 i->unpacked.id);
	store_volume_name(volume, id);
	r = mosaic_commit(i->im->mosaic, &i->tree, volume, err);
	return r < 0 ? r : 0;
}

int images_restore(const struct images *im, const char *id, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	char volume[160];
	_import_ struct import i;
	int r;

	import_init(&i, im, &faults);
	store_volume_name(volume, id);
	if (mosaic_have(im->mosaic, volume))
		return 0;
	r = restore(&i, id, err);
	return r < 0 ? error_context(err, r, "restore", id) : 0;
}
