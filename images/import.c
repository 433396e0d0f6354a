/*
 * Import: the archive is copied into the store's staging area and read from there, so that what is
 * kept is what was hashed. The tree grows in the mosaic's staging area. Nothing is seen by
 * anybody until both are complete; then the volume appears, then the image, then its name.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "images/feed.h"
#include "images/internal.h"
#include "images/oci.h"

/* What is being imported. */
struct import {
	struct adoption adoption;
	struct unpacked unpacked;
	int archive;      /* staged "aci" */
	struct feed feed; /* of it, while it is being copied */
};

enum { FAULTS_SHOWN = 3 };

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
	adoption_deinit(&i->adoption);
	unpacked_deinit(&i->unpacked);
	feed_end(&i->feed);
	cleanup_close(&i->archive);
}
#define _import_ _cleanup_(import_deinit)

/* ---- the archive into the staging area ------------------------------------------------------- */

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
	r = images_pack(i->adoption.im, manifest, rootfs, i->archive, i->unpacked.faults, err);
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
	r = store_stage(i->adoption.im->store, &i->adoption.staged, err);
	if (r < 0)
		return r;
	i->archive = openat(i->adoption.staged.fd, "aci", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			    0600);
	if (i->archive < 0)
		return error_set(err, -errno, "cannot make a file in the store");
	return S_ISDIR(st.st_mode) ? pack_directory(i, from, err)
				   : feed_begin(&i->feed, from, i->archive, err);
}

/* ---- from the archive to the image ----------------------------------------------------------- */

static int unpack(struct import *i, const struct images_progress *progress, struct error *err)
{
	const struct unpacking u = {
		.archive = i->archive,
		.feed = i->feed.pidfd < 0 ? NULL : &i->feed.ends,
		.archive_size = i->feed.size,
		.progress = progress,
	};
	struct adoption *a = &i->adoption;
	_close_ int root = -1;
	int r = mosaic_stage(a->im->mosaic, &a->tree, &root, err);

	if (r == 0)
		r = images_unpack_fed(a->im, &u, root, &i->unpacked, err);
	return r < 0 ? feed_failed(&i->feed, r, err) : feed_finish(&i->feed, err);
}

/* What render.c wants to know and no file system keeps. */
static int keep_implied(struct import *i, struct error *err)
{
	const struct buf *implied = &i->unpacked.implied;
	int r;

	if (implied->len == 0)
		return 0;
	r = file_write(i->adoption.staged.fd, "implied", implied->data, implied->len, 0644,
		       FILE_SYNC);
	return r < 0 ? error_set(err, r, "cannot write to the store") : 0;
}

static int publish(struct import *i, const char *source, struct error *err)
{
	struct store_info info = { .size = i->unpacked.size, .source = (char *)source };
	struct stat st;
	int r;

	if (fstat(i->archive, &st) < 0)
		return error_set(err, -errno, "cannot read the archive");
	info.archive_size = (uint64_t)st.st_size;
	memcpy(info.id, i->unpacked.id, sizeof(info.id));
	r = keep_implied(i, err);
	return r < 0 ? r
		     : adoption_publish(&i->adoption, &info, i->unpacked.manifest,
					i->unpacked.manifest_len, err);
}

/* The archive is staged: all the rest. */
static int take_in(struct import *i, const struct images_arrival *from, struct error *err)
{
	int r = unpack(i, from->progress, err);

	if (r == 0)
		r = adoption_read_manifest(&i->adoption, i->unpacked.manifest,
					   i->unpacked.manifest_len, i->unpacked.faults, err);
	if (r == 0 && from->check)
		r = from->check(i->adoption.image, i->unpacked.id, i->adoption.staged.fd, from->arg,
				err);
	return r == 0 ? publish(i, from->source, err) : r;
}

static void import_init(struct import *i, const struct images *im, struct appc_faults *faults)
{
	*i = (struct import){ .unpacked = { .faults = faults }, .archive = -1, .feed = FEED_NONE };
	adoption_init(&i->adoption, im);
}

int images_import(const struct images *im, const char *path, char ret_id[STORE_ID_TEXT],
		  struct appc_faults *faults, const struct images_progress *progress,
		  struct error *err)
{
	_appc_faults_ struct appc_faults own = APPC_FAULTS_INIT;
	const struct images_arrival arrival = { .source = path, .progress = progress };
	_import_ struct import i;
	int r;

	import_init(&i, im, faults ? faults : &own);
	r = stage_archive(&i, path, err);
	if (r == 0)
		r = take_in(&i, &arrival, err);
	if (r < 0)
		return error_context(err, r, "import", path);
	memcpy(ret_id, i.unpacked.id, STORE_ID_TEXT);
	return r;
}

int images_import_staged(const struct images *im, const struct images_arrival *arrival,
			 char ret_id[STORE_ID_TEXT], struct error *err)
{
	_appc_faults_ struct appc_faults own = APPC_FAULTS_INIT;
	_import_ struct import i;
	int r = 0;

	import_init(&i, im, arrival->faults ? arrival->faults : &own);
	i.adoption.staged = *arrival->staged;
	*arrival->staged = (struct store_staged)STORE_STAGED_NONE;
	i.archive = openat(i.adoption.staged.fd, "aci", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (i.archive < 0)
		r = error_set(err, -errno, "cannot open the archive that was fetched");
	if (r == 0)
		r = take_in(&i, arrival, err);
	if (r >= 0)
		memcpy(ret_id, i.unpacked.id, STORE_ID_TEXT);
	return r;
}

/* ---- once more ------------------------------------------------------------------------------- */

static int restore_archive(struct import *i, const char *id, struct error *err)
{
	int r;

	i->archive = store_open_archive(i->adoption.im->store, id, err);
	if (i->archive < 0)
		return i->archive;
	r = unpack(i, NULL, err);
	if (r < 0)
		return r;
	if (!str_eq(i->unpacked.id, id))
		return error_set(err, -EBADMSG,
				 "its archive in the store is damaged: it has the ID %s.",
				 i->unpacked.id);
	return 0;
}

static int restore_layers(struct import *i, const char *id, struct error *err)
{
	struct adoption *a = &i->adoption;
	_close_ int root = -1;
	int r = mosaic_stage(a->im->mosaic, &a->tree, &root, err);

	return r < 0 ? r : oci_restore(a->im, id, root, err);
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
	r = oci_is_image(im, id) ? restore_layers(&i, id, err) : restore_archive(&i, id, err);
	if (r == 0)
		r = mosaic_commit(im->mosaic, &i.adoption.tree, volume, err);
	return r < 0 ? error_context(err, r, "restore", id) : 0;
}
