#pragma once
/*
 * Where OCI images come from. A source finds the document that a reference names, gives others by
 * their descriptor, and brings blobs into the staging directory; oci_source.c asks it for them in
 * the right order and believes nothing that it has not held against a digest.
 */
#include "images/oci.h"

/* A manifest, index or configuration as it came. */
struct oci_document {
	char *text;
	size_t len;
	char media_type[256];         /* as it was sent; "" */
	char digest[OCI_DIGEST_TEXT]; /* what it was asked for by; "" for a tag */
};
void oci_document_deinit(struct oci_document *d);
#define _oci_document_ _cleanup_(oci_document_deinit)

struct oci_source {
	const struct oci_source_type *type;
	const struct net *net;
	struct store_staged *staged;
	struct oci_image *image; /* name, version, source are set when the source is opened */
	const struct images_progress *progress;
	void *own;
};

struct oci_source_type {
	const char *prefix; /* "docker://" */

	/* text: the reference behind the prefix. See oci_store_name(). */
	int (*name)(const char *text, char ret_name[LIMIT_NAME_BYTES + 1], char ret_version[129],
		    struct error *err);

	int (*open)(struct oci_source *s, const char *text, struct error *err);
	void (*close)(struct oci_source *s); /* also what was opened by half */

	/* What the reference names. */
	int (*top)(struct oci_source *s, struct oci_document *ret, struct error *err);

	/* By descriptor; what comes is checked by the caller. */
	int (*document)(struct oci_source *s, const struct oci_descriptor *d,
			struct oci_document *ret, struct error *err);

	/* Makes the file `name` in the staging directory, checked (oci_check_blob) and synced. In a
	 * worker: what it changes in memory is lost. */
	int (*blob)(struct oci_source *s, const struct oci_descriptor *d, const char *name,
		    const struct images_progress *progress, struct error *err);
};

extern const struct oci_source_type oci_registry_source; /* oci_registry.c */
extern const struct oci_source_type oci_layout_source;   /* oci_layout.c */
extern const struct oci_source_type oci_archive_source;
extern const struct oci_source_type docker_archive_source; /* oci_docker_archive.c */

/* Has the open file the size and the digest of the descriptor? -EBADMSG with what came. */
int oci_check_blob(int fd, const struct oci_descriptor *d, struct error *err) _must_check_;

/* The name under which a download of the blob is known (store_partial_open). */
void oci_partial_name(char dst[16 + OCI_DIGEST_TEXT], const char *digest);

/* ---- oci_files.c: what directories and archives have in common ------------------------------- */

/* "PATH[:TAG|@DIGEST]" taken apart at the first colon, or at the "@" of a digest. */
struct oci_files_reference {
	char path[LIMIT_PATH_BYTES];
	char pick[256]; /* the tag or digest; "" */
};
int oci_files_reference(struct oci_files_reference *ret, const char *text, struct error *err)
	_must_check_;

/* A name from the path's last part, and a version from the tag. */
int oci_files_name(const char *text, char ret_name[LIMIT_NAME_BYTES + 1], char ret_version[129],
		   struct error *err) _must_check_;

/* Opens the archive that a reference names. */
int oci_archive_open(const char *path, struct error *err) _must_check_;

/* Opens a regular file below dir, links inside of it followed. */
int oci_files_open(int dir, const char *path, struct error *err) _must_check_;
int oci_files_read(int dir, const char *path, size_t max, struct oci_document *ret,
		   struct error *err) _must_check_;

/* The open file becomes `name` in the staging directory: as a link when the file is ours, else as a
 * copy, which is checked then. */
int oci_files_stage(struct oci_source *s, int file, bool is_ours, const struct oci_descriptor *d,
		    const char *name, struct error *err) _must_check_;

/* ---- oci_token.c ----------------------------------------------------------------------------- */

/* What a registry says that wants to know who asks (WWW-Authenticate). */
struct oci_challenge {
	bool is_bearer; /* else basic */
	char realm[1024], service[256];
};
int oci_challenge_parse(struct oci_challenge *ret, const char *text, struct error *err)
	_must_check_;

/* May the registry (its URL) send us to that realm for a token? -EACCES. */
int oci_realm_allowed(const struct net *n, const char *registry, const char *realm,
		      struct error *err) _must_check_;

/* A token to read the repository; the caller frees. */
int oci_token_get(const struct net *n, const struct oci_challenge *c, const char *registry,
		  const char *repository, char **ret, struct error *err) _must_check_;
