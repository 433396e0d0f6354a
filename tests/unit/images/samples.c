#include "samples.h"

#include <fcntl.h>

/* An image directory below the bench: its path, to be freed. Files are added with put(). */
char *image_directory(struct bench *b, const char *name, const char *more)
{
	_free_ char *manifest = str_printf("%s/manifest", name),
		    *rootfs = str_printf("%s/rootfs", name);
	_free_ char *text = manifest_text(name, more);
	_close_ int fd = -1;

	put(b->dirfd, manifest, text);
	fd = path_make_dirs(b->dirfd, rootfs);
	assert_true(fd >= 0);
	return str_printf("%s/%s", b->path, name);
}

void import(struct bench *b, const char *path, char id[STORE_ID_TEXT])
{
	assert_ok(b, images_import(&b->im, path, id, NULL, NULL, &b->err));
}

/* An image "name" with one file, imported. */
void import_one(struct bench *b, const char *name, const char *file, const char *text,
		const char *more, char id[STORE_ID_TEXT])
{
	_free_ char *path = image_directory(b, name, more),
		    *inside = str_printf("%s/rootfs/%s", name, file);

	put(b->dirfd, inside, text);
	import(b, path, id);
}

void build(struct bench *b, const char *name, const char *out, const char *compression,
	   char id[STORE_ID_TEXT])
{
	_free_ char *rootfs = str_printf("%s/%s/rootfs", b->path, name);
	_free_ char *manifest = str_printf("%s/%s/manifest", b->path, name);
	_free_ char *file = str_printf("%s/%s", b->path, out);
	const struct images_recipe recipe = { rootfs, manifest, file, compression, false };

	assert_ok(b, images_build(&b->im, &recipe, id, NULL, &b->err));
}

int open_volume(struct bench *b, const char *volume)
{
	int fd;

	assert_ok(b, mosaic_mount(b->im.mosaic, volume,
				  &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY }, &fd,
				  &b->err));
	return fd;
}

int render(struct bench *b, const char *id, char *volume)
{
	assert_ok(b, images_render(&b->im, id, volume, NULL, &b->err));
	return open_volume(b, volume);
}

void assert_same_files(int a, const char *x, int b, const char *y)
{
	_free_ char *one = NULL, *two = NULL;
	size_t n, m;

	assert_int_equal(file_read(a, x, 64 << 20, &one, &n), 0);
	assert_int_equal(file_read(b, y, 64 << 20, &two, &m), 0);
	assert_int_equal(n, m);
	assert_memory_equal(one, two, n);
}
