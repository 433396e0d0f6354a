/*
 * One image: the archive is unpacked once more, into the mosaic's staging area, and everything else
 * that the store has of it is held against what comes out. What is wrong is then replaced by that.
 */
#include "images/check.h"

struct subject {
	struct checking *k;
	const struct images *im;
	const char *id;
	struct store_info info; /* name NULL: cannot be read */
	char *manifest;         /* what the store has; NULL */
	size_t manifest_len;
	struct appc_image *image; /* it, when it is valid */
	bool is_oci;

	/* what the archive makes, when it could be read */
	bool whole;
	struct unpacked unpacked; /* not of OCI images */
	struct mosaic_staged staged;
	int tree;
};

static void subject_deinit(struct subject *s)
{
	mosaic_discard(s->im->mosaic, &s->staged);
	cleanup_close(&s->tree);
	store_info_deinit(&s->info);
	free(s->manifest);
	appc_image_free(s->image);
	unpacked_deinit(&s->unpacked);
}
#define _subject_ _cleanup_(subject_deinit)

/* What became of a repair, for the finding. */
struct outcome {
	const char *repaired;
	struct error why_not;
};

static int tell(struct subject *s, const char *object, const char *what, const struct outcome *o)
{
	char why_not[1024];
	struct images_finding f = {
		.object = object,
		.image = s->id,
		.name = s->info.name ? s->info.name
			: s->image   ? s->image->name
				     : "",
		.what = what,
		.repaired = o ? o->repaired : NULL,
	};

	if (o && o->why_not.code) {
		error_format(&o->why_not, why_not, sizeof(why_not));
		f.why_not = why_not;
		f.repaired = NULL;
	}
	return checking_found(s->k, &f);
}

static int tell_file(struct subject *s, const char *file, const char *what, const struct outcome *o)
{
	_free_ char *object = str_printf("images/%s/%s", s->id, file);

	return object ? tell(s, object, what, o) : error_set(s->k->err, -ENOMEM, "out of memory");
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_documents(struct subject *s)
{
	_close_ int oci = store_open_file(s->im->store, s->id, "oci-manifest", NULL);
	struct store_info info;

	s->is_oci = oci >= 0;
	if (store_info(s->im->store, s->id, &info, NULL) == 0)
		s->info = info;
	if (store_manifest(s->im->store, s->id, &s->manifest, &s->manifest_len, NULL) == 0)
		(void)!appc_image_read(&s->image, s->manifest, s->manifest_len, NULL);
}

/* ---- the archive ----------------------------------------------------------------------------- */

/* The image is out of the way while it is fetched: without its manifest it is none. */
static int fetch_again(struct subject *s, struct error *err)
{
	const struct images_check *check = s->k->check;
	bool pinned = store_is_pinned(s->im->store, s->id);
	_free_ char *object = str_printf("images/%s/manifest", s->id), *origin = NULL;
	size_t len;
	int r;

	if (!object || store_read(s->im->store, s->id, "origin", &origin, &len, err) < 0)
		return -ENOMEM;
	r = store_stray_remove(s->im->store, object, err);
	if (r == 0)
		r = check->refetch(s->im, s->id, origin ? origin : "",
				   s->info.source ? s->info.source : "", check->arg, err);
	if (r == 0 && pinned)
		r = store_pin(s->im->store, s->id, true, err);
	if (r != 0 && s->manifest)
		(void)!store_repair_file(s->im->store, s->id, "manifest", s->manifest,
					 s->manifest_len, NULL);
	return r;
}

static int remove_damaged(const struct subject *s, struct error *err)
{
	int r = images_check_unused(s->im, s->id, err);

	if (r == 0 && store_is_pinned(s->im->store, s->id))
		r = error_set(err, -EBUSY, "it is pinned.");
	return r == 0 ? images_remove_unused(s->im, s->id, err) : r;
}

/* What could not be fetched today may come tomorrow, and what somebody named was not named to be
 * removed. */
static void keep_damaged(int r, struct error *why_not)
{
	static const char stays[] = "the image stays until `carob image rm`";

	if (r < 0)
		error_prefix(why_not, r, "it was not fetched again, and %s", stays);
	else
		error_set(why_not, -ENODATA, "nobody knows where it came from; %s.", stays);
}

/* Nothing here can make an archive anew. */
static int lost(struct subject *s, const char *file, const char *what)
{
	const struct images_check *check = s->k->check;
	struct outcome o = { 0 };
	int r;

	if (!check->repair)
		return tell_file(s, file, what, NULL);
	r = check->refetch ? fetch_again(s, &o.why_not) : STORE_MISSING;
	if (r == 0)
		o = (struct outcome){ .repaired = "fetched again" };
	else if (r < 0 || check->n_ids > 0)
		keep_damaged(r, &o.why_not);
	else if (remove_damaged(s, &o.why_not) == 0)
		o.repaired = "the image was removed";
	return tell_file(s, file, what, &o);
}

/* Has the disk failed, or memory, or is the image at fault? */
static bool is_ours(int r)
{
	return r == -ENOMEM || r == -ENOSPC || r == -EDQUOT || r == -EMFILE || r == -ENFILE;
}

static int unpack_archive(struct subject *s, int archive)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	struct error why = { 0 };
	int r;

	s->unpacked.faults = &faults;
	r = images_unpack(s->im, archive, s->tree, &s->unpacked, s->k->progress, &why);
	s->unpacked.faults = NULL;
	if (checking_go_on(s->k))
		return checking_go_on(s->k);
	if (r < 0 && is_ours(r)) {
		*s->k->err = why;
		return r;
	}
	if (r < 0)
		return lost(s, "aci", why.text);
	if (!str_eq(s->unpacked.id, s->id)) {
		/* of another image: nothing here is to be held against that */
		unpacked_deinit(&s->unpacked);
		s->unpacked = (struct unpacked){ 0 };
		return lost(s, "aci", "its content has another ID");
	}
	s->whole = true;
	return 0;
}

static int check_archive(struct subject *s)
{
	_close_ int archive = store_open_file(s->im->store, s->id, "aci", NULL);
	struct stat st;

	if (archive < 0)
		return lost(s, "aci", "it is missing");
	if (fstat(archive, &st) < 0 || !S_ISREG(st.st_mode))
		return lost(s, "aci", "it is no regular file");
	if (s->k->check->quick)
		return s->info.name && (uint64_t)st.st_size != s->info.archive_size
			       ? lost(s, "aci", "it has another size")
			       : 0;
	return unpack_archive(s, archive);
}

static int check_blobs(struct subject *s)
{
	const struct images_check *check = s->k->check;
	_cleanup_(oci_fault_deinit) struct oci_fault fault = { 0 };
	struct error why = { 0 };
	int r = check_oci(s->im, s->id, s->image ? s->manifest : NULL, s->manifest_len,
			  check->quick, &fault);

	if (r < 0)
		return error_set(s->k->err, r, "out of memory");
	if (r == 0)
		return lost(s, fault.object, fault.what);
	if (check->quick || !check->unpack_oci)
		return 0;
	r = check->unpack_oci(s->im, s->id, s->tree, check->arg, &why);
	if (checking_go_on(s->k))
		return checking_go_on(s->k);
	if (r < 0 && is_ours(r)) {
		*s->k->err = why;
		return r;
	}
	if (r < 0)
		return lost(s, "oci-manifest", why.text);
	s->whole = true;
	return 0;
}

/* ---- the files beside it --------------------------------------------------------------------- */

static int repair_file(struct subject *s, const char *file, const char *what, const char *data,
		       size_t len)
{
	struct outcome o = { .repaired = "made anew" };
	int r = 0;

	if (!s->k->check->repair || !data)
		return tell_file(s, file, what, NULL);
	r = store_repair_file(s->im->store, s->id, file, data, len, &o.why_not);
	if (r == 0 && str_eq(file, "manifest")) {
		appc_image_free(s->image);
		s->image = NULL;
		(void)!appc_image_read(&s->image, data, len, NULL);
	}
	return tell_file(s, file, what, &o);
}

static int check_manifest(struct subject *s)
{
	const struct unpacked *u = &s->unpacked;
	const char *what = NULL;

	if (!s->manifest)
		what = "it cannot be read";
	else if (!s->image)
		what = "it is not valid";
	else if (u->manifest && (u->manifest_len != s->manifest_len ||
				 memcmp(u->manifest, s->manifest, s->manifest_len) != 0))
		what = "it is not the archive's";
	return what ? repair_file(s, "manifest", what, u->manifest, u->manifest_len) : 0;
}

static int check_implied(struct subject *s)
{
	const struct buf *implied = &s->unpacked.implied;
	_free_ char *text = NULL;
	size_t len = 0;

	if (!s->unpacked.manifest)
		return 0;
	if (store_read(s->im->store, s->id, "implied", &text, &len, NULL) == 0 &&
	    (text ? len : 0) == implied->len &&
	    (!implied->len || memcmp(text, implied->data, len) == 0))
		return 0;
	return repair_file(s, "implied", "it is not the archive's",
			   implied->data ? implied->data : "", implied->len);
}

/* From where it came is lost; all else can be told. */
static int make_info(struct subject *s, struct error *err)
{
	_buf_ struct buf labels = BUF_INIT(64 << 10);
	_close_ int archive = store_open_file(s->im->store, s->id, "aci", NULL);
	struct store_info info = { .size = s->unpacked.size, .source = (char *)"" };
	struct stat st;
	int r = 0;

	if (archive < 0 || fstat(archive, &st) < 0)
		return error_set(err, -ENODATA, "there is no archive to tell its size.");
	for (size_t i = 0; r == 0 && i < s->image->labels.n; i++)
		r = store_label_add(&labels, s->image->labels.list[i].name,
				    s->image->labels.list[i].value);
	if (r < 0)
		return error_set(err, r, "the labels take too much room");
	memcpy(info.id, s->id, STORE_ID_TEXT);
	info.name = s->image->name;
	info.labels = labels.data ? labels.data : (char *)"";
	info.archive_size = (uint64_t)st.st_size;
	info.imported_ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
	return store_repair_info(s->im->store, &info, err);
}

static int check_info(struct subject *s)
{
	struct outcome o = { .repaired = "made anew" };

	if (s->info.name && (!s->image || str_eq(s->info.name, s->image->name)))
		return 0;
	if (s->k->check->repair && s->image && s->unpacked.manifest)
		(void)!make_info(s, &o.why_not);
	else if (s->k->check->repair)
		error_set(&o.why_not, -ENODATA, "the archive was not read.");
	else
		o.repaired = NULL;
	return tell_file(s, "info",
			 s->info.name ? "it has another name than the manifest"
				      : "it cannot be read",
			 &o);
}

/* ---- volumes --------------------------------------------------------------------------------- */

static int compare_to(struct subject *s, const char *volume, int tree, char **ret_what)
{
	struct comparison c = { .b = -1, .interrupted = s->k->check->interrupted };
	_close_ int there = -1;
	int r = mosaic_mount(s->im->mosaic, volume,
			     &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY,
						     .attributes = MOUNT_NOSUID | MOUNT_NODEV |
								   MOUNT_NOEXEC },
			     &there, s->k->err);

	if (r < 0)
		return r;
	c.a = tree;
	c.b = there;
	r = compare_trees(&c, ret_what, s->k->err);
	return r < 0 && checking_go_on(s->k) ? checking_go_on(s->k) : r;
}

/* Takes the place of a volume that is missing, or has another content. */
static int replace(struct subject *s, const char *volume, struct mosaic_staged *staged,
		   struct error *err)
{
	int r = mosaic_drop(s->im->mosaic, volume, MOSAIC_DROP_UNCHECKED, err);

	if (r == 0)
		r = mosaic_commit(s->im->mosaic, staged, volume, err);
	return r < 0 ? r : 0;
}

static int wrong_volume(struct subject *s, const char *volume, struct mosaic_staged *staged,
			const char *what)
{
	_free_ char *object = str_printf("volume %s", volume);
	struct outcome o = { .repaired = "made anew" };

	if (!object)
		return error_set(s->k->err, -ENOMEM, "out of memory");
	if (!s->k->check->repair)
		return tell(s, object, what, NULL);
	if (staged)
		(void)!replace(s, volume, staged, &o.why_not);
	else
		(void)!images_restore(s->im, s->id, &o.why_not);
	return tell(s, object, what, &o);
}

static int check_volume(struct subject *s)
{
	_free_ char *what = NULL;
	char volume[160];
	int r;

	store_volume_name(volume, s->id);
	if (!mosaic_have(s->im->mosaic, volume)) {
		cleanup_close(&s->tree);
		return wrong_volume(s, volume, s->whole ? &s->staged : NULL, "it is missing");
	}
	if (!s->whole)
		return 0;
	r = compare_to(s, volume, s->tree, &what);
	cleanup_close(&s->tree); /* nobody has it open when it is committed */
	return r == 0 ? wrong_volume(s, volume, &s->staged, what) : r == 1 ? 0 : r;
}

/* A rendered chain is made once more of the volumes, which are right by now. */
static int check_chain(struct subject *s)
{
	struct mosaic_staged staged = MOSAIC_STAGED_NONE;
	_chain_ struct chain chain = { 0 };
	char volume[MOSAIC_NAME_MAX + 1];
	_free_ char *what = NULL;
	_close_ int tree = -1;
	int r;

	if (s->k->check->quick || chain_resolve(&chain, s->im, s->id, NULL) < 0 ||
	    chain_is_simple(chain.links[chain.n - 1].image))
		return 0;
	chain_volume_name(volume, &chain);
	if (!mosaic_have(s->im->mosaic, volume))
		return 0;
	r = mosaic_stage(s->im->mosaic, &staged, &tree, s->k->err);
	if (r == 0)
		r = render_lay(s->im, &chain, tree, s->k->err);
	if (r == 0)
		r = compare_to(s, volume, tree, &what);
	cleanup_close(&tree);
	if (r == 0 && what)
		r = wrong_volume(s, volume, &staged, what);
	mosaic_discard(s->im->mosaic, &staged);
	return r == 1 ? 0 : r;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool is_there(const struct subject *s)
{
	char found[STORE_ID_TEXT];

	return store_find_id(s->im->store, s->id, found, NULL) == 0;
}

int check_image(struct checking *k, const char *id)
{
	static int (*const checks[])(struct subject * s) = {
		check_manifest, check_implied, check_info, check_volume, check_chain,
	};
	_subject_ struct subject s = {
		.k = k, .im = k->im, .id = id, .staged = MOSAIC_STAGED_NONE, .tree = -1
	};
	int r = 0;

	read_documents(&s);
	if (!k->check->quick)
		r = mosaic_stage(k->im->mosaic, &s.staged, &s.tree, k->err);
	if (r == 0)
		r = s.is_oci ? check_blobs(&s) : check_archive(&s);
	/* one that was removed, or just fetched, has nothing more to be looked at */
	if (r != 0 || (k->check->repair && !s.whole && !k->check->quick && !is_there(&s)))
		return r;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
		r = checks[i](&s);
	return r;
}
