#include "images/unpack/layout.h"

#include "images/unpack/name.h"

enum { IMPLIED_BYTES = 3 << 20 };

int layout_init(struct layout *l, struct report *report)
{
	*l = (struct layout){ .report = report, .implied = BUF_INIT(IMPLIED_BYTES) };
	return seen_init(&l->seen);
}

void layout_deinit(struct layout *l)
{
	seen_deinit(&l->seen);
	buf_deinit(&l->implied);
}

/* Of a path below rootfs. */
static uint64_t hash_of(const struct layout *l, const char *below)
{
	uint64_t hash = seen_step(&l->seen, 0, "rootfs", 6);
	size_t len;

	for (const char *p = below; *p; p += len, p += *p == '/') {
		len = strcspn(p, "/");
		hash = seen_step(&l->seen, hash, p, len);
	}
	return hash;
}

/* The verdict on a member with a fault. */
static int skip(int reported)
{
	return reported < 0 ? reported : LAYOUT_SKIP;
}

/* To make millions of files takes minutes, to refuse them should not: what is large has content. */
int layout_count(struct layout *l, const char *name)
{
	if (++l->members > LIMIT_ARCHIVE_MEMBERS)
		return report_stop(l->report, name,
				   "the archive has more than %d members (LIMIT_ARCHIVE_MEMBERS)",
				   LIMIT_ARCHIVE_MEMBERS);
	if (l->members > LIMIT_ARCHIVE_SMALL &&
	    l->members - LIMIT_ARCHIVE_SMALL > l->stream / LIMIT_ARCHIVE_MEMBER_BYTES)
		return report_stop(
			l->report, name,
			"the archive has more than %d members with hardly anything in them (LIMIT_ARCHIVE_SMALL)",
			LIMIT_ARCHIVE_SMALL);
	return 0;
}

static int add(struct layout *l, const char *name, uint64_t hash, enum seen_kind kind)
{
	int r = seen_get(&l->seen, hash) == SEEN_NOT ? layout_count(l, name) : 0;

	return r < 0 ? r : seen_set(&l->seen, hash, kind);
}

/* A directory that has no member so far: the first len bytes of clean. */
static int imply(struct layout *l, const char *name, uint64_t hash, const char *clean, size_t len)
{
	int r = add(l, name, hash, SEEN_IMPLIED);

	if (r == 0 && len > 7)
		r = buf_add(&l->implied, clean + 7, len - 7);
	if (r == 0 && len > 7)
		r = buf_add(&l->implied, "", 1);
	return r;
}

/* Each directory on the way to the member is one, or becomes one that the archive implies. The hash
 * of the last is returned. */
static int check_parents(struct layout *l, const char *name, const struct name *n, uint64_t *ret)
{
	uint64_t hash = 0;
	const char *slash;
	int r;

	for (const char *p = n->clean; (slash = strchr(p, '/')) != NULL; p = slash + 1) {
		int len = (int)(slash - n->clean);

		hash = seen_step(&l->seen, hash, p, (size_t)(slash - p));
		switch (seen_get(&l->seen, hash)) {
		case SEEN_IMPLIED:
		case SEEN_DIRECTORY:
			break;
		case SEEN_NOT:
			r = imply(l, name, hash, n->clean, (size_t)len);
			if (r < 0)
				return r;
			break;
		case SEEN_FILE:
		case SEEN_OTHER:
			return skip(
				report_fault(l->report, name,
					     "is below %.*s, which is no directory in this archive",
					     len, n->clean));
		}
	}
	*ret = hash;
	return LAYOUT_TREE;
}

static enum seen_kind kind_of(enum member_type type)
{
	if (type == MEMBER_DIRECTORY)
		return SEEN_DIRECTORY;
	return type == MEMBER_FILE || type == MEMBER_HARDLINK ? SEEN_FILE : SEEN_OTHER;
}

/* Where the hard link leads: a regular file of the tree that came before. */
static int check_target(struct layout *l, const struct member *m, char *target)
{
	struct name to;
	const char *fault = name_clean(&to, m->target, NAME_RELATIVE);

	if (fault)
		return skip(report_fault(l->report, m->name, "is a hard link to a name that %s",
					 fault));
	if (!str_starts(to.clean, "rootfs/"))
		return skip(report_fault(l->report, m->name,
					 "is a hard link to %s, which is outside of rootfs",
					 to.clean));
	switch (seen_get(&l->seen, hash_of(l, to.clean + 7))) {
	case SEEN_FILE:
		memcpy(target, to.clean + 7, strlen(to.clean + 7) + 1);
		return LAYOUT_TREE;
	case SEEN_NOT:
		return skip(
			report_fault(l->report, m->name,
				     "is a hard link to %s, which is not in the archive before it",
				     to.clean));
	case SEEN_IMPLIED:
	case SEEN_DIRECTORY:
	case SEEN_OTHER:
		break;
	}
	return skip(report_fault(l->report, m->name,
				 "is a hard link to %s, which is no regular file", to.clean));
}

int layout_check(struct layout *l, const struct member *m, bool trailing_slash)
{
	if (m->type != MEMBER_DIRECTORY && trailing_slash)
		return skip(
			report_fault(l->report, m->name, "ends in a slash and is no directory"));
	if (m->type == MEMBER_SYMLINK && (!m->target[0] || strlen(m->target) >= LIMIT_PATH_BYTES))
		return skip(
			report_fault(l->report, m->name,
				     "is a symbolic link to nothing, or to more than 4095 bytes"));
	if (m->type == MEMBER_FILE &&
	    (m->size > LIMIT_ARCHIVE_BYTES || l->bytes + m->size > LIMIT_ARCHIVE_BYTES))
		return report_stop(l->report, m->name,
				   "the archive's files have more than %llu bytes",
				   LIMIT_ARCHIVE_BYTES);
	return LAYOUT_TREE;
}

/* A member of the tree whose parents are fine. */
static int enter(struct layout *l, const struct member *m, const struct name *n, uint64_t parent)
{
	const char *last = name_last(n->clean);
	uint64_t hash = seen_step(&l->seen, parent, last, strlen(last));
	enum seen_kind had = seen_get(&l->seen, hash);
	int r;

	if (had == SEEN_IMPLIED && m->type != MEMBER_DIRECTORY)
		return skip(report_fault(l->report, m->name,
					 "is no directory, but the archive has members below it"));
	if (had != SEEN_NOT && had != SEEN_IMPLIED)
		return skip(report_fault(l->report, m->name, "is in the archive twice"));
	r = add(l, m->name, hash, kind_of(m->type));
	if (r < 0)
		return r;
	if (m->type == MEMBER_FILE)
		l->bytes += m->size;
	return LAYOUT_TREE;
}

static int top_level(struct layout *l, const struct member *m, const struct name *n)
{
	if (n->depth == 0) /* "./", which tar writes when it is told to pack "." */
		return m->type == MEMBER_DIRECTORY
			       ? LAYOUT_SKIP
			       : skip(report_fault(l->report, m->name, "is no directory"));
	if (str_eq(n->clean, "manifest")) {
		if (m->type != MEMBER_FILE)
			return skip(report_fault(l->report, m->name, "is no regular file"));
		if (m->size > LIMIT_MANIFEST_BYTES)
			return skip(report_fault(l->report, m->name, "has more than %d bytes",
						 LIMIT_MANIFEST_BYTES));
		l->manifest = true;
		return LAYOUT_MANIFEST;
	}
	if (str_eq(n->clean, "rootfs")) {
		if (m->type != MEMBER_DIRECTORY)
			return skip(report_fault(l->report, m->name, "is no directory"));
		l->rootfs = true;
		return LAYOUT_TREE;
	}
	if (str_starts(n->clean, "rootfs/"))
		return LAYOUT_TREE;
	return skip(report_fault(l->report, m->name, "is neither the manifest nor below rootfs"));
}

static int image_member(struct layout *l, struct member *m, char *path, char *target)
{
	const char *fault;
	uint64_t parent = 0;
	struct name n;
	int r, verdict;

	fault = name_clean(&n, m->name, NAME_RELATIVE);
	if (fault)
		return skip(report_fault(l->report, m->name, "the name %s", fault));
	verdict = top_level(l, m, &n);
	if (verdict < 0 || verdict == LAYOUT_SKIP)
		return verdict;
	r = layout_check(l, m, n.trailing_slash);
	if (r == LAYOUT_TREE)
		r = check_parents(l, m->name, &n, &parent);
	if (r == LAYOUT_TREE && m->type == MEMBER_HARDLINK)
		r = check_target(l, m, target);
	if (r == LAYOUT_TREE)
		r = enter(l, m, &n, parent);
	if (r != LAYOUT_TREE)
		return r;
	if (verdict == LAYOUT_TREE) {
		const char *below = str_eq(n.clean, "rootfs") ? "." : n.clean + 7;

		memcpy(path, below, strlen(below) + 1);
	}
	return verdict;
}

/* Leaves those that got no member later. */
static int keep_implied(struct layout *l)
{
	_buf_ struct buf all = l->implied;
	const char *end = all.data + all.len;

	l->implied = (struct buf)BUF_INIT(IMPLIED_BYTES);
	for (const char *p = all.data; p < end; p += strlen(p) + 1) {
		int r;

		if (seen_get(&l->seen, hash_of(l, p)) != SEEN_IMPLIED)
			continue;
		r = buf_add(&l->implied, p, strlen(p) + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int image_end(struct layout *l)
{
	if (!l->manifest && report_fault(l->report, "manifest", "is missing") < 0)
		return -EBADMSG;
	if (!l->rootfs && report_fault(l->report, "rootfs",
				       "is missing: an image needs the directory itself") < 0)
		return -EBADMSG;
	return l->implied.len ? keep_implied(l) : 0;
}

const struct rules image_rules = { .member = image_member, .end = image_end };
