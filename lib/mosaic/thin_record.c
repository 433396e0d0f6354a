#include <inttypes.h>
#include <string.h>

#include "mosaic/thin.h"

enum { RECORD_MAX = 256 };

int thin_record_parse(const char *text, struct thin_record *ret)
{
	struct thin_record r = { 0 };
	char fs[MOSAIC_FS_MAX];

	_Static_assert(MOSAIC_FS_MAX == 16, "the format below says so");
	if (sscanf(text, "thin %" SCNu32 " bytes %" SCNu64 " fs %15[a-z0-9-]", &r.id, &r.bytes,
		   fs) != 3)
		return -EBADMSG;
	if (r.id == THIN_METADATA_ID || r.id > THIN_ID_MAX || r.bytes == 0 || r.bytes % SECTOR != 0)
		return -EBADMSG;
	if (!str_eq(fs, "-"))
		memcpy(r.fs, fs, sizeof(fs));
	*ret = r;
	return 0;
}

int thin_record_read(int dirfd, const char *name, struct thin_record *ret)
{
	_free_ char *text = NULL;
	int r = file_read(dirfd, name, RECORD_MAX, &text, NULL);

	return r < 0 ? r : thin_record_parse(text, ret);
}

int thin_record_write(int dirfd, const char *name, const struct thin_record *r)
{
	char text[RECORD_MAX];

	snprintf(text, sizeof(text), "thin %" PRIu32 "\nbytes %" PRIu64 "\nfs %s\n", r->id,
		 r->bytes, r->fs[0] ? r->fs : "-");
	return file_write(dirfd, name, text, strlen(text), 0600, FILE_SYNC);
}

int thin_record_of(const struct volume *v, struct thin_record *ret, struct error *err)
{
	int r = thin_record_read(v->dirfd, volume_content(v->kind), ret);

	return r < 0 ? error_set(err, r, "the record of volume %s is damaged", v->name) : 0;
}
