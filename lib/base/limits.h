#pragma once
/*
 * Every size that somebody outside decides has a name and a maximum here. Past one, the operation
 * fails with an error that names the limit. The values are ours: the App Container specification
 * sets none.
 */

enum {
	LIMIT_MANIFEST_BYTES = 4 << 20,    /* an image or pod manifest */
	LIMIT_PATH_BYTES = 4096,           /* one path, terminating NUL included (PATH_MAX) */
	LIMIT_NAME_BYTES = 255,            /* one path component; also an appc name or identifier */
	LIMIT_JSON_DEPTH = 64,             /* nesting of any JSON document that we read */
	LIMIT_FAULTS = 256,                /* faults listed of one document */
	LIMIT_APPS = 64,                   /* apps of one pod */
	LIMIT_MOUNTS = 256,                /* mounts of one app, those that we add included */
	LIMIT_ARGS = 4096,                 /* argv entries, and environment entries */
	LIMIT_ARG_BYTES = 1 << 20,         /* argv and environment together */
	LIMIT_PASSWD_BYTES = 1 << 20,      /* /etc/passwd or /etc/group of an image */
	LIMIT_DEPENDENCY_DEPTH = 64,       /* images from an image down to its deepest dependency */
	LIMIT_DEPENDENCIES = 1024,         /* images in one rendered chain */
	LIMIT_ARCHIVE_MEMBERS = 7 << 17,   /* members of one image archive: their table has 8 MiB */
	LIMIT_ARCHIVE_SMALL = 32 << 10,    /* of them, before each must bring ... */
	LIMIT_ARCHIVE_MEMBER_BYTES = 1536, /* ... that much of the archive, header included */
	LIMIT_BUNDLE_MEMBERS = 16 << 10,   /* members of a docker-archive or oci-archive */
	LIMIT_ARCHIVE_DEPTH = 512,         /* components of one member's path */
	LIMIT_ARCHIVE_RATIO = 500, /* expanded bytes per compressed byte (gzip reaches 1032) ... */
	LIMIT_ARCHIVE_FREE = 32 << 20,    /* ... not counting the first 32 MiB */
	LIMIT_ARCHIVE_MEMORY = 34 << 20,  /* to decompress xz: what xz -8 needs, and no more */
	LIMIT_UNPACK_MEMORY = 44 << 20,   /* of carob-unpack, whatever it does */
	LIMIT_ARCHIVE_WINDOW = 32 << 20,  /* how far back zstd may refer */
	LIMIT_API_LINE_BYTES = 256 << 10, /* one request on a pod's api.sock */
	LIMIT_API_CLIENTS = 64,           /* connections to one api.sock */
	LIMIT_LOG_LINE_BYTES = 16 << 10,  /* a longer line of an app is split in the log */
	LIMIT_LIST_ENTRIES = 100000,      /* entries of one directory that we list into memory */
};

#define LIMIT_ARCHIVE_BYTES (1ULL << 40) /* expanded bytes of one image archive: 1 TiB */
