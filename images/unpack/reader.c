#include "images/unpack/reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "images/unpack/layout.h"
#include "images/unpack/tree.h"
#include "images/unpack/whiteout.h"

enum {
	OWNER_MAX = 0xfffffffe, /* the number behind it means "nobody" to the kernel */
};

struct reader {
	const struct rules *rules;
	const struct source *source;
	struct archive *archive;
	struct report *report;
	struct error *err;
	struct layout layout;
	struct tree tree;
	struct buf manifest;
	bool ignored_xattr, ignored_link_xattr; /* warned of already */
	int stream_error;
	uint64_t read;     /* bytes of the stream so far */
	uint64_t last_set; /* where the last byte that is not zero ends */
};

/* ---- libarchive ------------------------------------------------------------------------------ */

/* From behind: nearly always this ends at once. */
static void find_last_set(struct reader *r, const unsigned char *data, size_t len)
{
	while (len > 0 && !data[len - 1])
		len--;
	if (len > 0)
		r->last_set = r->read + len;
}

static ssize_t fill(struct archive *archive, void *data, const void **ret)
{
	struct reader *r = data;
	ssize_t n;

	*ret = NULL;
	n = r->source->next(r->source->arg, ret);

	if (n < 0) {
		r->stream_error = (int)n;
		archive_set_error(archive, (int)-n, "cannot read the stream");
		return -1;
	}
	find_last_set(r, *ret, (size_t)n);
	r->read += (uint64_t)n;
	return n;
}

static void free_archive(struct archive **a)
{
	archive_read_free(*a);
}

/* The verdict on a member with a fault. */
static int skip(int reported)
{
	return reported < 0 ? reported : LAYOUT_SKIP;
}

/* What libarchive refuses is a fault of the archive, unless the stream or the memory failed. */
static int archive_fault(struct reader *r, const char *name)
{
	const char *text = archive_error_string(r->archive);

	if (r->stream_error)
		return error_set(r->err, r->stream_error, "cannot read the stream");
	if (archive_errno(r->archive) == ENOMEM)
		return error_set(
			r->err, -ENOMEM,
			"the archive needs more than %d MiB of memory to be read (LIMIT_UNPACK_MEMORY), or there is none left",
			LIMIT_UNPACK_MEMORY >> 20);
	return report_stop(r->report, name, "%s", text ? text : "is no tar archive");
}

/* Names are bytes to us. libarchive takes those of PAX headers for UTF-8, wants to convert them
 * to the locale, which is "C" here so that it never changes one, and warns when it leaves one
 * as it is. Any other warning means that it did not understand something. */
static bool is_harmless(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text && strstr(text, "can't be converted from");
}

/* ---- from an entry to a member --------------------------------------------------------------- */

static int take_type(struct reader *r, struct archive_entry *e, struct member *m)
{
	static const struct {
		mode_t format;
		enum member_type type;
	} types[] = {
		{ AE_IFREG, MEMBER_FILE },    { AE_IFDIR, MEMBER_DIRECTORY },
		{ AE_IFLNK, MEMBER_SYMLINK }, { AE_IFCHR, MEMBER_CHARACTER },
		{ AE_IFBLK, MEMBER_BLOCK },   { AE_IFIFO, MEMBER_FIFO },
	};

	if (archive_entry_hardlink(e)) {
		m->type = MEMBER_HARDLINK;
		m->target = archive_entry_hardlink(e);
		if (archive_entry_size_is_set(e) && archive_entry_size(e) > 0)
			return skip(report_fault(r->report, m->name,
						 "is a hard link with content of its own"));
		return LAYOUT_TREE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (archive_entry_filetype(e) != types[i].format)
			continue;
		m->type = types[i].type;
		m->target = archive_entry_symlink(e);
		if (m->type == MEMBER_SYMLINK && !m->target)
			m->target = "";
		return LAYOUT_TREE;
	}
	return skip(
		report_fault(r->report, m->name, "is of a type that image archives cannot have"));
}

static int take_numbers(struct reader *r, struct archive_entry *e, struct member *m)
{
	int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e),
		size = archive_entry_size(e);
	int64_t major = (int64_t)archive_entry_rdevmajor(e),
		minor = (int64_t)archive_entry_rdevminor(e);
	const char *fault = NULL;

	if (uid < 0 || uid > OWNER_MAX)
		fault = "has a user ID out of range";
	else if (gid < 0 || gid > OWNER_MAX)
		fault = "has a group ID out of range";
	else if (m->type == MEMBER_FILE && size < 0)
		fault = "has a negative size";
	else if ((m->type == MEMBER_CHARACTER || m->type == MEMBER_BLOCK) &&
		 (major >> 12 || minor >> 20))
		fault = "has a device number out of range";
	if (fault)
		return skip(report_fault(r->report, m->name, "%s", fault));
	m->mode = archive_entry_perm(e) & 07777;
	m->uid = (uid_t)uid;
	m->gid = (gid_t)gid;
	m->size = m->type == MEMBER_FILE ? (uint64_t)size : 0;
	m->device = makedev((unsigned)major, (unsigned)minor);
	m->mtime = (struct timespec){ archive_entry_mtime(e), archive_entry_mtime_nsec(e) };
	if (m->mtime.tv_nsec < 0 || m->mtime.tv_nsec > 999999999)
		m->mtime.tv_nsec = 0;
	return LAYOUT_TREE;
}

enum xattr_rule { XATTR_IGNORE, XATTR_KEEP, XATTR_REFUSE };

/* Overlay file systems take orders from trusted.overlay.*, and root from user.overlay.* on a
 * mount with userxattr: an image gives none. */
static enum xattr_rule xattr_rule(const char *name)
{
	static const struct {
		const char *prefix;
		enum xattr_rule rule;
	} rules[] = {
		{ "trusted.", XATTR_REFUSE },
		{ "user.overlay.", XATTR_REFUSE },
		{ "user.", XATTR_KEEP },
	};

	if (str_eq(name, "security.capability"))
		return XATTR_KEEP;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (str_starts(name, rules[i].prefix))
			return rules[i].rule;
	return XATTR_IGNORE;
}

static int warn_once(struct reader *r, bool *done, const struct member *m, const char *what,
		     const char *name)
{
	if (*done)
		return 0;
	*done = true;
	return report_warning(r->report, m->name, "%s %s, here and maybe elsewhere", what, name);
}

/* A LAYOUT_ verdict. */
static int take_xattr(struct reader *r, struct member *m, const struct member_xattr *x)
{
	int e = 0;

	switch (xattr_rule(x->name)) {
	case XATTR_REFUSE:
		return skip(report_fault(r->report, m->name,
					 "has the extended attribute %s, which no image may set",
					 x->name));
	case XATTR_IGNORE:
		e = warn_once(r, &r->ignored_xattr, m, "does not keep its extended attribute",
			      x->name);
		break;
	case XATTR_KEEP:
		if (m->type != MEMBER_FILE && m->type != MEMBER_DIRECTORY) {
			e = warn_once(r, &r->ignored_link_xattr, m,
				      "is of a type that cannot have the attribute", x->name);
		} else if (m->n_xattrs == MEMBER_XATTRS) {
			return skip(report_fault(r->report, m->name,
						 "has more than %d extended attributes",
						 MEMBER_XATTRS));
		} else {
			m->xattrs[m->n_xattrs++] = *x;
		}
		break;
	}
	return e < 0 ? e : LAYOUT_TREE;
}

static int take_xattrs(struct reader *r, struct archive_entry *e, struct member *m)
{
	struct member_xattr x;
	int verdict = LAYOUT_TREE;

	archive_entry_xattr_reset(e);
	while (verdict == LAYOUT_TREE &&
	       archive_entry_xattr_next(e, &x.name, &x.value, &x.size) == ARCHIVE_OK)
		verdict = take_xattr(r, m, &x);
	return verdict;
}

static int take_member(struct reader *r, struct archive_entry *e, struct member *m)
{
	int verdict;

	m->name = archive_entry_pathname(e);
	if (!m->name)
		m->name = "";
	verdict = take_type(r, e, m);
	if (verdict == LAYOUT_TREE)
		verdict = take_numbers(r, e, m);
	if (verdict == LAYOUT_TREE)
		verdict = take_xattrs(r, e, m);
	/* an old way to write directories, which libarchive only knows of names that it could
	 * convert */
	if (m->type == MEMBER_FILE && m->size == 0 && str_ends(m->name, "/"))
		m->type = MEMBER_DIRECTORY;
	return verdict;
}

/* ---- content --------------------------------------------------------------------------------- */

static int keep_manifest(struct reader *r, const void *data, size_t len, int64_t offset)
{
	if ((uint64_t)offset != r->manifest.len)
		return report_stop(r->report, "manifest", "is a sparse file");
	return buf_add(&r->manifest, data, len);
}

/* The content goes where the verdict says; a fault in the middle of it ends the reading. */
static int take_content(struct reader *r, const struct member *m, int verdict)
{
	const void *data;
	int64_t offset;
	size_t len;
	int e, got;

	while ((got = archive_read_data_block(r->archive, &data, &len, &offset)) == ARCHIVE_OK) {
		if (offset < 0 || (uint64_t)offset > m->size || len > m->size - (uint64_t)offset)
			return report_stop(r->report, m->name, "has content behind its end");
		if (verdict == LAYOUT_MANIFEST)
			e = keep_manifest(r, data, len, offset);
		else
			e = tree_write(&r->tree, data, len, (uint64_t)offset, r->err);
		if (e < 0)
			return e;
	}
	return got == ARCHIVE_EOF ? 0 : archive_fault(r, m->name);
}

static int make(struct reader *r, const struct member *m, int verdict, const char *path,
		const char *target)
{
	int e = verdict == LAYOUT_TREE ? tree_make(&r->tree, m, path, target, r->err) : 0;

	if (e == 0 && m->type == MEMBER_FILE)
		e = take_content(r, m, verdict);
	if (e == 0 && verdict == LAYOUT_TREE)
		e = tree_end_file(&r->tree, m, r->err);
	return e;
}

static int take(struct reader *r, struct archive_entry *e)
{
	char path[LIMIT_PATH_BYTES], target[LIMIT_PATH_BYTES];
	struct member m = { 0 };
	int verdict = take_member(r, e, &m);

	r->layout.stream = (uint64_t)archive_filter_bytes(r->archive, -1);
	if (verdict == LAYOUT_TREE)
		verdict = r->rules->member(&r->layout, &m, path, target);
	if (verdict < 0)
		return verdict;
	switch ((enum layout_verdict)verdict) {
	case LAYOUT_SKIP: /* the content is passed over with the next header */
		return 0;
	case LAYOUT_WHITEOUT:
		return whiteout_file(&r->tree.place, path, r->err);
	case LAYOUT_OPAQUE:
		return whiteout_beside(&r->tree.place, path, r->err);
	case LAYOUT_TREE:
	case LAYOUT_MANIFEST:
		break;
	}
	return make(r, &m, verdict, path, target);
}

static int take_all(struct reader *r)
{
	struct archive_entry *entry;
	int got, e;

	for (;;) {
		got = archive_read_next_header(r->archive, &entry);
		if (got == ARCHIVE_EOF)
			return 0;
		if (got != ARCHIVE_OK && !(got == ARCHIVE_WARN && is_harmless(r->archive)))
			return archive_fault(r, "");
		e = take(r, entry);
		if (e < 0)
			return e;
	}
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Behind the end of the archive only padding may come: other bytes might be members to another
 * program. */
static int check_rest(struct reader *r)
{
	uint64_t end = (uint64_t)archive_filter_bytes(r->archive, -1);
	const void *data;
	ssize_t n;

	do
		n = fill(r->archive, r, &data);
	while (n > 0);
	if (n < 0)
		return archive_fault(r, "");
	return r->last_set > end
		       ? report_stop(r->report, "", "there are bytes behind the end of the archive")
		       : 0;
}

static int report_implied(struct reader *r)
{
	const struct buf *implied = &r->layout.implied;
	int e = 0;

	for (size_t at = 0; e == 0 && at < implied->len; at += strlen(implied->data + at) + 1)
		e = report_add(r->report, UNPACK_IMPLIED, implied->data + at, "", 0, 0);
	return e;
}

static int finish(struct reader *r)
{
	int e = r->rules->end(&r->layout);

	if (e == 0)
		e = report_implied(r);
	if (e == 0)
		e = tree_end(&r->tree, r->err);
	if (e == 0 && r->manifest.data)
		e = report_add(r->report, UNPACK_MANIFEST, "", r->manifest.data, r->manifest.len,
			       0);
	if (e == 0)
		e = report_add(r->report, UNPACK_MEMBERS, "", "", 0, r->layout.members);
	if (e == 0)
		e = report_add(r->report, UNPACK_DONE, "", "", 0, r->layout.bytes);
	return e;
}

static int run(struct reader *r)
{
	int e;

	if (archive_read_support_format_tar(r->archive) != ARCHIVE_OK ||
	    archive_read_open2(r->archive, r, NULL, fill, NULL, NULL) != ARCHIVE_OK)
		return archive_fault(r, "");
	e = take_all(r);
	if (e == 0)
		e = check_rest(r);
	return e == 0 ? finish(r) : e;
}

int reader_run(const struct rules *rules, const struct source *source, int root,
	       struct report *report, struct error *err)
{
	_cleanup_(free_archive) struct archive *archive = archive_read_new();
	_free_ struct reader *r = calloc(1, sizeof(*r));
	int e;

	if (!archive || !r)
		return error_set(err, -ENOMEM, "out of memory");
	r->rules = rules;
	r->archive = archive;
	r->source = source;
	r->report = report;
	r->err = err;
	r->manifest = (struct buf)BUF_INIT(LIMIT_MANIFEST_BYTES);
	e = layout_init(&r->layout, report);
	if (e < 0)
		e = error_set(err, e, "out of memory");
	if (e == 0)
		e = tree_init(&r->tree, root, rules->over, err);
	if (e == 0)
		e = run(r);
	tree_deinit(&r->tree);
	layout_deinit(&r->layout);
	buf_deinit(&r->manifest);
	return e;
}
