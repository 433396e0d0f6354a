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
	LIMIT_ARCHIVE_FREE = 32 << 20,      /* ... not counting the first 32 MiB */
	LIMIT_ARCHIVE_MEMORY = 34 << 20,    /* to decompress xz: what xz -8 needs, and no more */
	LIMIT_DECOMPRESS_MEMORY = 44 << 20, /* of the process that decompresses */
	LIMIT_UNPACK_MEMORY = 16 << 20,    /* of the one that writes: 12 for the table of members */
	LIMIT_ARCHIVE_WINDOW = 32 << 20,   /* how far back zstd may refer */
	LIMIT_LATER_WINDOW = 8 << 20,      /* in later frames, where the first has no more */
	LIMIT_API_LINE_BYTES = 256 << 10,  /* one request on a pod's api.sock */
	LIMIT_API_CLIENTS = 64,            /* connections to one api.sock */
	LIMIT_LOG_LINE_BYTES = 16 << 10,   /* a longer line of an app is split in the log */
	LIMIT_KEY_BYTES = 4 << 20,         /* a file of OpenPGP keys */
	LIMIT_KEYS = 64,                   /* keys in one such file */
	LIMIT_TRUSTED_KEYS = 4096,         /* keys and what they are trusted for, in all */
	LIMIT_SIGNATURE_BYTES = 64 << 10,  /* an image's signature file */
	LIMIT_SIGNATURES = 16,             /* signatures in one such file */
	LIMIT_LIST_ENTRIES = 100000,       /* entries of one directory that we list into memory */
	LIMIT_URL_BYTES = 8 << 10,         /* one URL */
	LIMIT_FETCH_JOB_BYTES = 256 << 10, /* what carob-fetch is told to do */
	LIMIT_FETCH_JOB_HEADERS = 64,      /* headers of one request that are its caller's */
	LIMIT_FETCH_HEADER_BYTES = 64 << 10, /* all headers of one answer, interim ones included */
	LIMIT_FETCH_HEADERS = 256,           /* their number */
	LIMIT_FETCH_ADDRESSES = 32,          /* of one host that are tried */
	LIMIT_PEM_BYTES = 4 << 20,           /* certificates or a key */
	LIMIT_PAGE_BYTES = 1 << 20,    /* one page of HTML that is searched for discovery ... */
	LIMIT_PAGE_PAIRS = 256,        /* ... the tags of one page */
	LIMIT_PAGE_MEMORY = 128 << 20, /* ... to take it apart */
	LIMIT_PAGE_SECONDS = 5,        /* ... of processor time */
	LIMIT_TOKEN_BYTES = 64 << 10,  /* what a registry's token server answers */
	LIMIT_CONFIG_BYTES = 1 << 20,  /* carob.yaml */
	LIMIT_CONFIG_ENTRIES = 4096,   /* hosts, and entries of each list, in carob.yaml */
	LIMIT_CREDENTIALS_BYTES = 16 << 10, /* a file with a password or token */
	LIMIT_REDIRECTS = 10,               /* from one URL to the next, for one transfer */
	LIMIT_STREAM_HEADER = 16 << 10,     /* the description in front of a volume's stream */
	LIMIT_STREAM_FRAME = 1 << 20,       /* one frame of it */
	LIMIT_STREAM_CHUNK = 256 << 10,     /* what one frame of data carries, by our own writer */
	LIMIT_STREAM_ENTRIES = 1 << 22,     /* names in one directory of a volume that is sent */
};

#define LIMIT_ARCHIVE_BYTES (1ULL << 40) /* expanded bytes of one image archive: 1 TiB */
