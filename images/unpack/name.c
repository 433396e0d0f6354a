#include "images/unpack/name.h"

/* What is wrong with one part of a name, or NULL. */
static const char *part_fault(const char *part, size_t len)
{
	if (len == 2 && memcmp(part, "..", 2) == 0)
		return "has a part \"..\"";
	if (len > LIMIT_NAME_BYTES)
		return "has a part of more than 255 bytes";
	return NULL;
}

const char *name_clean(struct name *n, const char *raw, enum name_form form)
{
	size_t used = 0, len;

	*n = (struct name){ 0 };
	if (!*raw)
		return "is empty";
	if (*raw == '/' && form == NAME_RELATIVE)
		return "is absolute";
	if (strlen(raw) >= LIMIT_PATH_BYTES)
		return "has more than 4095 bytes";
	for (const char *p = raw + strspn(raw, "/"); *p; p += len, p += strspn(p, "/")) {
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

const char *name_last(const char *clean)
{
	const char *slash = strrchr(clean, '/');

	return slash ? slash + 1 : clean;
}
