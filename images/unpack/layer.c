/*
 * Layers of OCI images. What a member finds in the tree is for tree.c and whiteout.c; here it is
 * only told what the name means. Where tools differ: docs/oci-rulings.md.
 */
#include "images/unpack/layout.h"
#include "images/unpack/name.h"

#define WHITEOUT ".wh."
#define OPAQUE   ".wh..wh..opq"
#define AUFS     ".wh..wh." /* what aufs wrote for itself */

enum part { PART_PLAIN, PART_WHITEOUT, PART_OPAQUE, PART_AUFS, PART_BAD };

static enum part part_of(const char *part, size_t len)
{
	if (len < strlen(WHITEOUT) || memcmp(part, WHITEOUT, strlen(WHITEOUT)) != 0)
		return PART_PLAIN;
	if (len == strlen(OPAQUE) && memcmp(part, OPAQUE, len) == 0)
		return PART_OPAQUE;
	if (len > strlen(AUFS) && memcmp(part, AUFS, strlen(AUFS)) == 0)
		return PART_AUFS;
	part += strlen(WHITEOUT);
	len -= strlen(WHITEOUT);
	/* of nothing, of ".", of "..", or of what can be no file's name in a layer */
	if (len == 0 || (len == 1 && *part == '.') || (len == 2 && memcmp(part, "..", 2) == 0) ||
	    (len >= strlen(WHITEOUT) && memcmp(part, WHITEOUT, strlen(WHITEOUT)) == 0))
		return PART_BAD;
	return PART_WHITEOUT;
}

/* What the first part is that is not plain; *ret_last: no other follows. */
static enum part first_special(const char *clean, bool *ret_last)
{
	size_t len;

	*ret_last = true;
	for (const char *p = clean; *p; p += len, p += *p == '/') {
		enum part part;

		len = strcspn(p, "/");
		part = part_of(p, len);
		*ret_last = p[len] == '\0';
		if (part != PART_PLAIN)
			return part;
	}
	return PART_PLAIN;
}

static int skip(int reported)
{
	return reported < 0 ? reported : LAYOUT_SKIP;
}

static int ignore_aufs(struct layout *l, const struct member *m)
{
	if (l->ignored_aufs)
		return LAYOUT_SKIP;
	l->ignored_aufs = true;
	return skip(report_warning(l->report, m->name,
				   "is of aufs and not kept, here and maybe elsewhere"));
}

static int whiteout(struct layout *l, const struct member *m, const struct name *n, enum part part,
		    char *path)
{
	size_t parent = (size_t)(name_last(n->clean) - n->clean);
	const char *name = n->clean + parent;

	if (m->type != MEMBER_FILE && m->type != MEMBER_HARDLINK)
		return skip(report_fault(l->report, m->name, "is a whiteout and no regular file"));
	if (part == PART_WHITEOUT)
		name += strlen(WHITEOUT);
	memcpy(path, n->clean, parent);
	memcpy(path + parent, name, strlen(name) + 1);
	return part == PART_OPAQUE ? LAYOUT_OPAQUE : LAYOUT_WHITEOUT;
}

static int special(struct layout *l, const struct member *m, const struct name *n, char *path)
{
	bool last;
	enum part part = first_special(n->clean, &last);

	switch (part) {
	case PART_PLAIN:
		return LAYOUT_TREE;
	case PART_AUFS:
		return ignore_aufs(l, m);
	case PART_BAD:
		return skip(report_fault(l->report, m->name, "is a whiteout of no name"));
	case PART_WHITEOUT:
	case PART_OPAQUE:
		break;
	}
	return last ? whiteout(l, m, n, part, path)
		    : skip(report_fault(l->report, m->name, "is below a whiteout"));
}

static int link_target(struct layout *l, const struct member *m, char *target)
{
	struct name to;
	bool last;
	const char *fault = name_clean(&to, m->target, NAME_ROOTED);

	if (fault)
		return skip(report_fault(l->report, m->name, "is a hard link to a name that %s",
					 fault));
	if (to.depth == 0 || first_special(to.clean, &last) != PART_PLAIN)
		return skip(report_fault(l->report, m->name,
					 "is a hard link to \"%s\", which is no regular file",
					 to.clean));
	memcpy(target, to.clean, strlen(to.clean) + 1);
	return LAYOUT_TREE;
}

/* "./", the root of the tree */
static int root(struct layout *l, const struct member *m, char *path)
{
	if (m->type != MEMBER_DIRECTORY)
		return skip(
			report_fault(l->report, m->name, "is the root directory and no directory"));
	memcpy(path, ".", 2);
	return LAYOUT_TREE;
}

static int layer_member(struct layout *l, struct member *m, char *path, char *target)
{
	struct name n;
	const char *fault = name_clean(&n, m->name, NAME_ROOTED);
	int r = layout_count(l, m->name);

	if (r < 0)
		return r;
	if (fault)
		return skip(report_fault(l->report, m->name, "the name %s", fault));
	if (n.depth == 0)
		return root(l, m, path);
	r = special(l, m, &n, path);
	if (r == LAYOUT_TREE)
		r = layout_check(l, m, n.trailing_slash);
	if (r == LAYOUT_TREE && m->type == MEMBER_HARDLINK)
		r = link_target(l, m, target);
	if (r != LAYOUT_TREE)
		return r;
	if (m->type == MEMBER_FILE)
		l->bytes += m->size;
	memcpy(path, n.clean, strlen(n.clean) + 1);
	return LAYOUT_TREE;
}

static int layer_end(_unused_ struct layout *l)
{
	return 0;
}

const struct rules layer_rules = { .member = layer_member, .end = layer_end, .over = true };
