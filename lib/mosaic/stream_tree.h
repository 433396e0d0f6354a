#pragma once
/*
 * Trees as streams: stream_send_tree() says what a tree is, or what became of one; apply_*() makes
 * it so. Both work on descriptors of root directories that nobody else writes to.
 */
#include "mosaic/stream.h"

/* ---- sources: stream_source.c ---------------------------------------------------------------- */

/* The names in a directory, sorted as bytes. */
struct source_names {
	char **list;
	size_t n;
	char *text;
};
int source_read_names(int dirfd, bool is_root, struct source_names *ret) _must_check_;
void source_names_deinit(struct source_names *n);
#define _source_names_ _cleanup_(source_names_deinit)

/* The attributes of what fd (O_PATH) is. xattrs holds the extended ones: emptied first. */
int source_read_attributes(int fd, const struct stat *st, struct buf *xattrs,
			   struct stream_attributes *ret) _must_check_;
bool source_same_attributes(const struct stream_attributes *a, const struct stream_attributes *b);

/* A path below a root that grows and shrinks by components. */
struct source_path {
	size_t len;
	char text[LIMIT_PATH_BYTES];
};
int source_push(struct source_path *p, const char *name, size_t *ret_before) _must_check_;
void source_pop(struct source_path *p, size_t before);

/* The names of one file that has several, in the order in which they are met. */
struct source_links {
	dev_t dev;
	ino_t ino;
	char **paths;
	size_t n;
	bool changed; /* the differ's */
};

/* What has to be known of a tree before it is walked. */
struct source_index {
	void *links; /* tsearch() tree of struct source_links */
	uint64_t content, entries;
};
int source_scan(int root, struct source_index *ret, struct error *err) _must_check_;
void source_index_deinit(struct source_index *x);
#define _source_index_ _cleanup_(source_index_deinit)

/* NULL for a file with one name in this tree. */
struct source_links *source_find_links(const struct source_index *x, const struct stat *st);

/* ---- content: stream_content.c --------------------------------------------------------------- */

/* The content of one file or device, or how it differs from what it was. */
struct content {
	struct stream_writer *w;
	int fd, old; /* old: -1 without one */
	uint64_t size, old_size;
	/* Called before the first frame, if there is any: more than 0 ends it there and is
	 * returned. */
	int (*begin)(void *arg);
	void *arg;
	struct error *err;
};
int content_write(struct content *c) _must_check_;

/* The size of what fd is open on: a file or a block device. */
int content_size(int fd, uint64_t *ret) _must_check_;

/* ---- sending: stream_diff.c ------------------------------------------------------------------ */

/* Writes all of the tree at root, or with old (not -1) what is different from that one. */
struct tree_send {
	struct stream_writer *w;
	int root, old;
	const struct source_index *index, *old_index;
};
int stream_send_tree(const struct tree_send *t, struct error *err) _must_check_;

/* ---- receiving: stream_apply.c --------------------------------------------------------------- */

/* Where the applying is: all that has to be remembered to go on with it another time. */
struct apply_cursor {
	char directory[LIMIT_PATH_BYTES]; /* the current one, "" the root */
	char last[LIMIT_NAME_BYTES + 1];  /* the last name in it, "" none */
	bool removed;                     /* by a REMOVE */
	bool open;                        /* that is the open file */
	bool complete;                    /* the root was left */
	uint64_t size, end;               /* of the open file; of its data so far */
};

struct apply {
	int root, dir, file;
	bool raw;         /* root is no directory but the device; file is it too */
	bool incremental; /* on what is there */
	bool again;       /* some of what comes may have been done before */
	struct apply_cursor at;
	uint64_t content; /* bytes of content so far: for telling how far it is */
	uint64_t total;   /* of the whole volume, as its sender says; for a full disk's sentence */
};

/* root is the caller's and stays open. from: NULL for the beginning. */
int apply_begin(struct apply *a, int root, const struct apply_cursor *from, struct error *err)
	_must_check_;
int apply_record(struct apply *a, const struct stream_record *r, struct error *err) _must_check_;

/* May the stream end here? */
int apply_end(const struct apply *a, struct error *err) _must_check_;
void apply_deinit(struct apply *a);
#define _apply_ _cleanup_(apply_deinit)

/* Sets exactly these on what fd (O_PATH) is: stream_attributes.c. */
int apply_attributes(int fd, const struct stream_attributes *a) _must_check_;
