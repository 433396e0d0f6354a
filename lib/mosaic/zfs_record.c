#include <inttypes.h>
#include <string.h>

#include "mosaic/zfs.h"

enum { RECORD_MAX = 256 };

const char *const zfs_record_names[] = { "tree", "data", "gone", NULL };

int zfs_record_parse(const char *text, struct zfs_record *ret)
{
	struct zfs_record r = { .bytes = 0 };

	_Static_assert(ZFS_HEX == 32, "the format below says so");
	if (sscanf(text, "dataset %32[0-9a-f] bytes %" SCNu64, r.hex, &r.bytes) != 2 ||
	    !hex_is(r.hex, ZFS_HEX))
		return -EBADMSG;
	*ret = r;
	return 0;
}

int zfs_record_read(int dirfd, const char *name, struct zfs_record *ret)
{
	_free_ char *text = NULL;
	int r = file_read(dirfd, name, RECORD_MAX, &text, NULL);

	return r < 0 ? r : zfs_record_parse(text, ret);
}

int zfs_record_write(int dirfd, const char *name, const struct zfs_record *r)
{
	char text[RECORD_MAX];

	snprintf(text, sizeof(text), "dataset %s\nbytes %" PRIu64 "\n", r->hex, r->bytes);
	return file_write(dirfd, name, text, strlen(text), 0600, FILE_SYNC);
}

int zfs_record_of(const struct volume *v, struct zfs_record *ret, struct error *err)
{
	int r = zfs_record_read(v->dirfd, volume_content(v->kind), ret);

	return r < 0 ? error_set(err, r, "the record of volume %s is damaged", v->name) : 0;
}
