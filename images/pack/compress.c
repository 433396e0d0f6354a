#include "images/pack/compress.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

enum { BLOCK = 256 << 10 };

static const struct compression {
	const char *name;
	int (*add)(struct archive *a);
	const char *options;
} compressions[] = {
	{ "gzip", archive_write_add_filter_gzip, "gzip:!timestamp" },
	{ "bzip2", archive_write_add_filter_bzip2, NULL },
	{ "xz", archive_write_add_filter_xz, NULL },
};

static const struct compression *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++)
		if (str_eq(compressions[i].name, name))
			return &compressions[i];
	return NULL;
}

bool compress_knows(const char *name)
{
	return find(name) != NULL;
}

static int failed(struct archive *a, struct error *err)
{
	const char *text = archive_error_string(a);
	int code = archive_errno(a);

	return error_set(err, code > 0 ? -code : -EIO, "cannot compress: %s", text ? text : "");
}

static int begin(struct archive *a, const struct compression *c, int out, struct error *err)
{
	struct archive_entry *entry = archive_entry_new();
	int r = 0;

	if (!entry)
		return error_set(err, -ENOMEM, "out of memory");
	archive_entry_set_filetype(entry, AE_IFREG);
	if (archive_write_set_format_raw(a) != ARCHIVE_OK || c->add(a) != ARCHIVE_OK ||
	    (c->options && archive_write_set_options(a, c->options) != ARCHIVE_OK) ||
	    archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(a, out) != ARCHIVE_OK ||
	    archive_write_header(a, entry) != ARCHIVE_OK)
		r = failed(a, err);
	archive_entry_free(entry);
	return r;
}

static int compress(struct archive *a, const struct compression *c, int in, int out,
		    struct error *err)
{
	_free_ char *block = malloc(BLOCK);
	ssize_t n;
	int r;

	if (!block)
		return error_set(err, -ENOMEM, "out of memory");
	r = begin(a, c, out, err);
	if (r < 0)
		return r;
	while ((n = read_all(in, block, BLOCK)) > 0)
		if (archive_write_data(a, block, (size_t)n) != n)
			return failed(a, err);
	if (n < 0)
		return error_set(err, (int)n, "cannot read the archive");
	return archive_write_close(a) == ARCHIVE_OK ? 0 : failed(a, err);
}

int compress_run(const char *name, int in, int out, struct error *err)
{
	struct archive *a = archive_write_new();
	int r;

	if (!a)
		return error_set(err, -ENOMEM, "out of memory");
	r = compress(a, find(name), in, out, err);
	archive_write_free(a);
	return r;
}
