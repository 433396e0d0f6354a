/*
 * Archives that only carry files from one program to another (docker-archive, oci-archive): regular
 * files in directories, and symbolic links that docker writes from one layer to the same one of
 * another image. Whoever reads them afterwards sees nobody's owners and modes.
 */
#include "images/unpack/layout.h"
#include "images/unpack/name.h"

static int skip(int reported)
{
	return reported < 0 ? reported : LAYOUT_SKIP;
}

/* ".." only in front: behind the name of another link it could lead anywhere. The directories on
 * the way to the link are none, as every name is in the archive once. */
static bool stays_inside(const struct name *n, const char *target)
{
	size_t up = 0, len;

	if (*target == '/')
		return false;
	for (; str_eq(target, "..") || str_starts(target, "../"); up++)
		target += strcspn(target, "/"), target += strspn(target, "/");
	for (const char *p = target; *p; p += len, p += strspn(p, "/")) {
		len = strcspn(p, "/");
		if (len == 2 && memcmp(p, "..", 2) == 0)
			return false;
	}
	return up < n->depth;
}

/* Directories on the way are made without being asked for; a file cannot be one. */
static int check_place(struct layout *l, const struct member *m, const struct name *n)
{
	enum seen_kind kind = m->type == MEMBER_DIRECTORY ? SEEN_DIRECTORY : SEEN_FILE;
	uint64_t hash = 0;
	size_t len;

	for (const char *p = n->clean; *p; p += len, p += *p == '/') {
		enum seen_kind had;
		bool last;
		int r;

		len = strcspn(p, "/");
		last = p[len] == '\0';
		hash = seen_step(&l->seen, hash, p, len);
		had = seen_get(&l->seen, hash);
		if (had == SEEN_FILE || (last && had != SEEN_NOT && kind == SEEN_FILE))
			return skip(report_fault(l->report, m->name,
						 "is in the archive twice, or below a file"));
		r = had == SEEN_NOT && ++l->members > LIMIT_BUNDLE_MEMBERS
			    ? report_stop(
				      l->report, m->name,
				      "the archive has more than %d members (LIMIT_BUNDLE_MEMBERS)",
				      LIMIT_BUNDLE_MEMBERS)
			    : seen_set(&l->seen, hash, last ? kind : SEEN_DIRECTORY);
		if (r < 0)
			return r;
	}
	return LAYOUT_TREE;
}

static int check_type(struct layout *l, const struct member *m, const struct name *n)
{
	switch (m->type) {
	case MEMBER_FILE:
	case MEMBER_DIRECTORY:
		return LAYOUT_TREE;
	case MEMBER_SYMLINK:
		return stays_inside(n, m->target)
			       ? LAYOUT_TREE
			       : skip(report_fault(
					 l->report, m->name,
					 "is a symbolic link that could lead out of the archive"));
	case MEMBER_HARDLINK:
	case MEMBER_CHARACTER:
	case MEMBER_BLOCK:
	case MEMBER_FIFO:
		break;
	}
	return skip(report_fault(l->report, m->name,
				 "is neither a regular file, nor a directory or symbolic link"));
}

static int bundle_member(struct layout *l, struct member *m, char *path, _unused_ char *target)
{
	struct name n;
	const char *fault = name_clean(&n, m->name, NAME_RELATIVE);
	int r;

	if (fault)
		return skip(report_fault(l->report, m->name, "the name %s", fault));
	if (n.depth == 0)
		return m->type == MEMBER_DIRECTORY
			       ? LAYOUT_SKIP
			       : skip(report_fault(l->report, m->name, "is no directory"));
	r = layout_check(l, m, n.trailing_slash);
	if (r == LAYOUT_TREE)
		r = check_type(l, m, &n);
	if (r == LAYOUT_TREE)
		r = check_place(l, m, &n);
	if (r != LAYOUT_TREE)
		return r;
	if (m->type == MEMBER_FILE)
		l->bytes += m->size;
	m->mode = m->type == MEMBER_DIRECTORY ? 0700 : 0600;
	m->uid = 0;
	m->gid = 0;
	m->n_xattrs = 0;
	memcpy(path, n.clean, strlen(n.clean) + 1);
	return LAYOUT_TREE;
}

static int bundle_end(_unused_ struct layout *l)
{
	return 0;
}

const struct rules bundle_rules = { .member = bundle_member, .end = bundle_end };
