#include "images/unpack/layout.h"

enum { IMPLIED_BYTES = 16 << 20 };

/* A member's name: cleaned, and where its parts stand. */
struct name {
	char clean[LIMIT_PATH_BYTES]; /* "rootfs/etc/passwd"; "" for "." */
	size_t depth;
	bool trailing_slash;
};

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

/* What is wrong with one part of a name, or NULL. */
static const char *part_fault(const char *part, size_t len)
{
	if (len == 2 && memcmp(part, "..", 2) == 0)
		return "has a part \"..\"";
	if (len > LIMIT_NAME_BYTES)
		return "has a part of more than 255 bytes";
	return NULL;
}

/* "./rootfs//a/" -> "rootfs/a". What is wrong with it, or NULL. */
static const char *clean_name(struct name *n, const char *raw)
{
	size_t used = 0, len;

	*n = (struct name){ 0 };
	if (!*raw)
		return "is empty";
	if (*raw == '/')
		return "is absolute";
	if (strlen(raw) >= LIMIT_PATH_BYTES)
		return "has more than 4095 bytes";
	for (const char *p = raw; *p; p += len, p += strspn(p, "/")) {
		const char *fault;

		len = strcspn(p, "/");
		if (len == 1 && *p == '.')
			continue;
		fault = part_fault(p, len);
		if (fault)
			return fault;
		if (used)
			n->clean[used++] = '/';
		memcpy(n->clean + used, p, len);
		used += len;
		n->depth++;
	}
	n->clean[used] = '\0';
	n->trailing_slash = str_ends(raw, "/");
	return n->depth > LIMIT_ARCHIVE_DEPTH ? "has more than 512 parts" : NULL;
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

static int add(struct layout *l, const char *name, uint64_t hash, enum seen_kind kind)
{
	if (seen_get(&l->seen, hash) == SEEN_NOT && ++l->members > LIMIT_ARCHIVE_MEMBERS)
		return report_stop(l->report, name, "the archive has more than %d members",
				   LIMIT_ARCHIVE_MEMBERS);
	return seen_set(&l->seen, hash, kind);
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
	const char *fault = clean_name(&to, m->target);

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

static int check_kind(struct layout *l, const struct member *m, const struct name *n)
{
	if (m->type != MEMBER_DIRECTORY && n->trailing_slash)
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
	const char *slash = strrchr(n->clean, '/');
	const char *last = slash ? slash + 1 : n->clean;
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

int layout_member(struct layout *l, const struct member *m, char *path, char *target)
{
	const char *fault;
	uint64_t parent = 0;
	struct name n;
	int r, verdict;

	fault = clean_name(&n, m->name);
	if (fault)
		return skip(report_fault(l->report, m->name, "the name %s", fault));
	verdict = top_level(l, m, &n);
	if (verdict < 0 || verdict == LAYOUT_SKIP)
		return verdict;
	r = check_kind(l, m, &n);
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

int layout_end(struct layout *l)
{
	if (!l->manifest && report_fault(l->report, "manifest", "is missing") < 0)
		return -EBADMSG;
	if (!l->rootfs && report_fault(l->report, "rootfs",
				       "is missing: an image needs the directory itself") < 0)
		return -EBADMSG;
	return l->implied.len ? keep_implied(l) : 0;
}
