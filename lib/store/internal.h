#pragma once
/* What the files of lib/store share. */
#include "store/store.h"

enum {
	STORE_INFO_BYTES = 64 << 10,  /* an info file */
	STORE_LABELS_BYTES = 8 << 10, /* the labels of one image, as text */
	STORE_NAMES_BYTES = 4 << 20,  /* one name file: all images of one name */
	STORE_FILE_NAME = 160,        /* "blob.sha512-" and its digits */
	STORE_IMAGE_PATH = 7 + STORE_ID_TEXT + 1 + STORE_FILE_NAME, /* "images/ID/manifest" */
};

struct store {
	char *path;
	int fd;          /* STORE */
	int lock_fd;     /* STORE/lock, open while it is held; -1 */
	unsigned locked; /* how often it is held */
	enum store_lock_mode mode;
};

bool store_is_id(const char *s);

/* "images/ID" and, when file is not NULL, "/file". */
void store_image_path(char dst[STORE_IMAGE_PATH], const char *id, const char *file);

/* A fresh name in staging/: prefix and random letters. */
int store_staging_name(char dst[40], const char *prefix, struct error *err) _must_check_;

/* info.c: every image, newest first, those without readable info last. */
struct store_list {
	struct store_info *list;
	size_t n;
};
int store_list_read(struct store *s, struct store_list *ret, struct error *err) _must_check_;
void store_list_deinit(struct store_list *l);
int store_info_write(int dirfd, const struct store_info *info, struct error *err) _must_check_;
#define _store_list_ _cleanup_(store_list_deinit)

/* names.c */
int store_names_add(struct store *s, const struct store_info *info, struct error *err) _must_check_;
int store_names_remove(struct store *s, const char *name, const char *id, struct error *err)
	_must_check_;
int store_names_rebuild(struct store *s, struct error *err) _must_check_;

/* The files of one name in names/ that do not say what images/ says: "NAME-FILE" and why. */
int store_names_check(struct store *s, int (*fn)(const char *file, const char *why, void *arg),
		      void *arg, struct error *err) _must_check_;
