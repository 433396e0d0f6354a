#pragma once
/* What the files of images/ share. */
#include <nettle/sha2.h>
#include <sys/types.h>

#include "images/images.h"
#include "kernel/kernel.h"

/* ---- helper.c: the programs beside us -------------------------------------------------------- */

struct helper {
	const char *program;      /* "carob-unpack" */
	const char *arguments[4]; /* behind the program's name; NULL ends */
	int stdio[3];             /* as in struct process_spec */
	int fd3, fd4;             /* -1: none */
	const int *more_fds;      /* become 5, 6, ...; each may be -1 */
	size_t n_more_fds;        /* at most HELPER_MORE_FDS */
};
enum { HELPER_MORE_FDS = 4 };

/* Starts it: its pidfd, or a negative errno. The descriptors stay the caller's. */
int helper_start(const struct images *im, const struct helper *h, struct error *err) _must_check_;

/* Waits for its end. Nothing started (pidfd -1): 0. *ret_status may be NULL. */
int helper_wait(int *pidfd, int *ret_status);

/* A close-on-exec pipe as large as it may be. */
int helper_pipe(int *ret_read, int *ret_write, struct error *err) _must_check_;

/* Kills and reaps a helper that is still there. */
void helper_reap(int *pidfd);
#define _helper_ _cleanup_(helper_reap)

/* ---- stream.c: bytes from one descriptor to another ------------------------------------------ */

struct nettle_hash; /* <nettle/nettle-meta.h> */

struct behind;
struct ring;
struct ring_reader;

struct stream {
	int in, out;                    /* out -1: nowhere */
	struct ring_reader *from;       /* kernel/ring.h: where it comes from in place of in, */
	struct ring *ring;              /* and goes in place of out; each may be NULL */
	const struct nettle_hash *hash; /* digest_sha512, nettle_sha256: of all that came */
	uint64_t digest[32];            /* its context */
	uint64_t bytes;
	bool cut; /* whoever reads out (or the ring) has gone before the end */

	/* expansion: what came may be no more than the ratio allows of what archive was read so
	 * far, by the position of its descriptor; -1: no limit. Several streams that are one image
	 * share the limits: what those before this one came to, and whether there are some behind
	 * it. */
	int archive;
	uint64_t archive_size;
	uint64_t bytes_before, archive_before;
	bool others_follow;
	const struct images_progress *progress;
	const char *what;      /* for the progress and errors */
	struct behind *behind; /* hears of what went on; NULL: nobody does */
};

/* To the end of in, or until out has no reader (cut). */
int stream_run(struct stream *s, struct error *err) _must_check_;
void stream_digest(struct stream *s, unsigned char *ret);  /* hash->digest_size bytes; once */
void stream_id(struct stream *s, char ret[STORE_ID_TEXT]); /* of digest_sha512; once */

/* ---- unpack.c: an archive through carob-unpack ----------------------------------------------- */

struct unpacked {
	struct appc_faults *faults; /* set beforehand */
	char id[STORE_ID_TEXT];
	char *manifest;
	size_t manifest_len;
	uint64_t size;      /* bytes of all regular files */
	uint64_t members;   /* of a layer */
	struct buf implied; /* directories without a member, NUL behind each */
};
void unpacked_deinit(struct unpacked *u);
#define _unpacked_ _cleanup_(unpacked_deinit)

/* Unpacks the archive (open, at its beginning) into the directory tree, or only looks at it
 * when tree is -1. -EBADMSG when it is no image: the faults say why. */
int images_unpack(const struct images *im, int archive, int tree, struct unpacked *ret,
		  const struct images_progress *progress, struct error *err) _must_check_;

/* Likewise, of an archive that may still be on its way. */
struct unpacking {
	int archive;            /* its first bytes are there */
	struct ring_ends *feed; /* all of it, which is taken over; NULL: it is complete */
	uint64_t archive_size;  /* what it comes to */
	const struct images_progress *progress;
};
int images_unpack_fed(const struct images *im, const struct unpacking *u, int tree,
		      struct unpacked *ret, struct error *err) _must_check_;

/* ---- unpack_files.c: an archive of plain files through carob-unpack -------------------------- */

/* Unpacks the archive (open, at its beginning; compressed or not) of regular files into the empty
 * directory. -EBADMSG when it has anything else in it. */
int images_unpack_files(const struct images *im, int archive, int directory,
			const struct images_progress *progress, struct error *err) _must_check_;

/* ---- pack.c: a directory through carob-pack -------------------------------------------------- */

/* Writes the plain archive of the open manifest and rootfs to out. faults gets what is left out. */
int images_pack(const struct images *im, int manifest, int rootfs, int out,
		struct appc_faults *faults, struct error *err) _must_check_;

/* ---- allowed.c: a policy for certain references ---------------------------------------------- */

/* `--insecure http` without a host is meant for the hosts of the references themselves, not for
 * those of images that they depend on: here they stand among the hosts that are named. What the
 * policy points to stays its owner's. */
struct allowed {
	struct images_policy policy; /* the caller's, with these hosts more */
	const char **hosts;
	char **own; /* the last n_own of hosts */
	size_t n_own;
};

/* policy NULL: nothing is allowed that has to be. */
void allowed_init(struct allowed *ret, const struct images_policy *policy);

/* The host of a reference (HOST or HOST:PORT; the first len bytes). */
int allowed_add_host(struct allowed *a, const char *host, size_t len, struct error *err)
	_must_check_;
void allowed_deinit(struct allowed *a);
#define _allowed_ _cleanup_(allowed_deinit)

/* ---- meta.c: a page of HTML through carob-meta ----------------------------------------------- */

struct meta_pair {
	const char *name, *content; /* "ac-discovery", "example.com https://..." */
};

struct meta_pairs {
	struct meta_pair *list; /* in the order of the page */
	size_t n;
	struct buf text; /* their bytes */
};
void meta_pairs_deinit(struct meta_pairs *p);
#define _meta_pairs_ _cleanup_(meta_pairs_deinit)

/* -E2BIG when the page goes past a limit. */
int meta_read(const struct images *im, const char *page, size_t len, struct meta_pairs *ret,
	      struct error *err) _must_check_;

/* ---- reference.c ----------------------------------------------------------------------------- */

/* What a person means by a text, from its form. Only for a path is there a look at the disk. */
enum reference_kind {
	REFERENCE_PATH, /* begins with "/" or ".", ends in ".aci", or has a "/" and is there */
	REFERENCE_ID,   /* 12 to 128 hexadecimal digits, "sha512-" before them or not. A name may
			 * look like that too: one without "sha512-" that is no ID of the store is
			 * to be taken for a name */
	REFERENCE_NAME, /* anything else; whether it is one, reference_parse() says */
	REFERENCE_URL,  /* https:// and http:// */
	REFERENCE_OCI,  /* docker://, oci:, oci-archive:, docker-archive: */
};
enum reference_kind reference_kind(const char *text);

struct reference_label {
	char *name, *value;
};

struct reference {
	char name[LIMIT_NAME_BYTES + 1];
	struct buf labels;             /* as store_find_name() wants them, the host's included */
	struct reference_label *asked; /* those that were written (without %XX), "version" first
					* when it was */
	size_t n_asked;
};

/* NAME[:VERSION][,LABEL=VALUE]... -EINVAL and err when it is none. In VERSION and VALUE %XX is a
 * byte by its two hexadecimal digits (as store_label_add() writes it): %2C a comma, %25 a "%", which
 * may also stand for itself where no two digits follow. */
int reference_parse(struct reference *ret, const char *text, struct error *err) _must_check_;
void reference_deinit(struct reference *r);
#define _reference_ _cleanup_(reference_deinit)

/* ---- chain.c: an image and all that it depends on -------------------------------------------- */

/* One image to be laid down, after those before it. The same image may be there more than once. */
struct chain_link {
	char id[STORE_ID_TEXT];
	struct appc_image *image;
	size_t parent; /* the link that depends on this one; the last one's is its own */
};

struct chain {
	struct chain_link *links;
	size_t n;
};

int chain_resolve(struct chain *ret, const struct images *im, const char *id, struct error *err)
	_must_check_;
void chain_deinit(struct chain *c);

/* A dependency that the store does not have. */
struct chain_missing {
	const struct appc_dependency *dependency;
	const char *dependent; /* the name of the image that needs it */
	const char *os,
		*arch; /* of the image at the top, for labels that the dependency leaves open */
};

/* Calls fn for each, at any depth; one may come more than once. A value of fn below 0 ends the walk
 * and is returned. */
int chain_each_missing(const struct images *im, const char *id,
		       int (*fn)(const struct chain_missing *m, void *arg), void *arg,
		       struct error *err) _must_check_;
#define _chain_ _cleanup_(chain_deinit)

/* Calls fn with each image that this one depends on and the store has, whether or not all of them
 * are there; below it the walk goes on only when fn says so. */
int chain_reach(const struct images *im, const char *id, bool (*fn)(const char *id, void *arg),
		void *arg, struct error *err) _must_check_;

/* Is one volume, that of the image, all there is to it? */
bool chain_is_simple(const struct appc_image *image);

/* "chain." and a digest of the links and how they depend. Needs MOSAIC_NAME_MAX + 1. */
void chain_volume_name(char *dst, const struct chain *c);

/* ---- lay.c: one tree over another ------------------------------------------------------------ */

struct lay {
	int src, dst;
	const struct appc_strings *const
		*whitelists; /* sorted; each must have a path for it to be laid down */
	size_t n_whitelists;
	const char *implied; /* directories of src whose attributes nobody chose, NUL behind each */
	size_t implied_len;
	uint64_t size; /* bytes of all regular files, for the progress; 0: not known */
	const struct images_progress *progress; /* may be NULL */
	int (*interrupted)(struct error *err);  /* a value other than 0 ends it; may be NULL */
};

/* Lays what is in src over dst by the rules of appc (spec/aci.md, "dependency matching" and the
 * path white list): what comes later wins, a link is replaced and not followed, directories
 * merge. */
int lay_tree(const struct lay *l, struct error *err) _must_check_;

/* One directory tree as the other, attribute for attribute: 1 when they are the same, 0 when not
 * and *ret_what says what differs first. The caller frees it. (compare.c) */
struct comparison {
	int a, b;
	int (*interrupted)(struct error *err); /* may be NULL */
};
int compare_trees(const struct comparison *c, char **ret_what, struct error *err) _must_check_;

/* ---- remove.c -------------------------------------------------------------------------------- */

/* 1 and the name of the volume with its dependencies (MOSAIC_NAME_MAX + 1); 0 when it has none, or
 * they cannot be told any more. */
int images_own_chain(const struct images *im, const char *id, char *ret) _must_check_;

/* 0 when nobody uses the image and nobody depends on it, else -EBUSY naming who. */
int images_check_unused(const struct images *im, const char *id, struct error *err) _must_check_;

/* Removes an image that nobody uses; the caller has the store's lock. */
int images_remove_unused(const struct images *im, const char *id, struct error *err) _must_check_;

/* ---- compose.c ------------------------------------------------------------------------------- */

/* The manifest that the recipe asks for, in an open file (it has no name): the bytes of the
 * recipe's file, or JSON made of them. It is valid. */
int images_compose_manifest(const struct images *im, const struct images_recipe *recipe,
			    struct error *err) _must_check_;

/* ---- render.c -------------------------------------------------------------------------------- */

/* Lays the chain down in the empty directory dst. */
int render_lay(const struct images *im, const struct chain *c, int dst, struct error *err)
	_must_check_;

/* ---- adopt.c: what came in becomes an image -------------------------------------------------- */

/* An image on its way in: both staging areas, and what its manifest says. */
struct adoption {
	const struct images *im;
	struct store_staged staged;
	struct mosaic_staged tree;
	struct appc_image *image;
	struct buf labels; /* as store_info has them */
};
void adoption_init(struct adoption *a, const struct images *im);
void adoption_deinit(struct adoption *a); /* discards what was not published */

/* -EBADMSG when it is no image manifest: the faults say why. */
int adoption_read_manifest(struct adoption *a, const char *text, size_t len,
			   struct appc_faults *faults, struct error *err) _must_check_;

/* Both staged directories are complete: the volume gets its name, then the image. Of info, the ID,
 * the sizes and the source are set. STORE_EXISTS when it was there. */
int adoption_publish(struct adoption *a, struct store_info *info, const char *manifest,
		     size_t manifest_len, struct error *err) _must_check_;

/* ---- import.c -------------------------------------------------------------------------------- */

/* Imports the archive that is the file "aci" in the staging directory already, beside whatever else
 * is to be kept with the image. As images_import(), and staged is no longer the caller's, whatever
 * becomes of it. */
struct images_arrival {
	struct store_staged *staged;
	const char *source; /* for store_info */
	/* Is it what was asked for? Called once the manifest has been read, before anybody sees the
	 * image; what it writes into the staging directory dir stays with it. NULL: anything will
	 * do. */
	int (*check)(const struct appc_image *image, const char *id, int dir, void *arg,
		     struct error *err);
	void *arg;
	struct appc_faults *faults;
	const struct images_progress *progress;
};
int images_import_staged(const struct images *im, const struct images_arrival *arrival,
			 char ret_id[STORE_ID_TEXT], struct error *err) _must_check_;

/* Makes the volume of an image that is in the store once more from its archive, when it is
 * missing. */
int images_restore(const struct images *im, const char *id, struct error *err) _must_check_;

/* "what is not valid: a; b; and 3 more": the errors of faults in one sentence. Returns -EBADMSG. */
int images_faults_error(const struct appc_faults *faults, const char *what, struct error *err);
