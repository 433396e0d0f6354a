#pragma once
/* Images made of a few files: on the way into the store, in it, and rendered. */
#include "bench.h"

/* For the manifest: what the image depends on. */
#define DEPENDS(list) ",\"dependencies\":[" list "]"
#define ON(name)      "{\"imageName\":\"" name "\"}"

/* An image directory below the bench: its path, to be freed. Files are added with put(). */
char *image_directory(struct bench *b, const char *name, const char *more);

void import(struct bench *b, const char *path, char id[STORE_ID_TEXT]);

/* An image "name" with one file, imported. */
void import_one(struct bench *b, const char *name, const char *file, const char *text,
		const char *more, char id[STORE_ID_TEXT]);

/* An archive "out" of the image directory "name", both below the bench. */
void build(struct bench *b, const char *name, const char *out, const char *compression,
	   char id[STORE_ID_TEXT]);

/* The file tree of a volume, and of an image, whose volume's name is written to volume. */
int open_volume(struct bench *b, const char *volume);
int render(struct bench *b, const char *id, char *volume);

void assert_same_files(int a, const char *x, int b, const char *y);
