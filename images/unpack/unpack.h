#pragma once
/*
 * carob-unpack: the only program of ours that reads what is inside an image archive.
 *
 *	carob-unpack --decompress	stdin: the archive, stdout: the plain tar stream
 *	carob-unpack --extract		stdin: the tar stream, descriptor 3: the directory to fill
 *	carob-unpack --check		stdin: the tar stream; nothing is written anywhere
 *	carob-unpack --layer		stdin: the tar stream of one layer of an OCI image,
 *					descriptor 3: the tree of the layers below, which it changes
 *	carob-unpack --files		stdin: a tar stream of regular files (a docker-archive or
 *					oci-archive), descriptor 3: the directory that gets them
 *
 * With --shared behind one of these the tar stream goes by shared memory (kernel/ring.h): stdout or
 * stdin is its socket, descriptor 5 its memory. The writer of the first is not to be trusted, which
 * has read what a stranger wrote; the one of the others is who started them.
 *
 * --decompress --shared --fed: the archive comes by shared memory too; stdin is its socket,
 * descriptor 6 its memory.
 * --decompress --shared --small-window, behind --fed: no frame of zstd may have a window of
 * more than LIMIT_LATER_WINDOW, because who started this has other use for the memory.
 *
 * --layer: no manifest, no rootfs/; what is there is replaced (a directory by a directory only in
 * its attributes), ".wh.NAME" removes NAME of the layers below, ".wh..wh..opq" all that they have
 * in its directory (OCI image specification, layer.md; wherever in the archive they are, whiteouts
 * take nothing that this layer brings); "./" is the tree's root. Any number of layers one after the
 * other. What no member describes keeps its attributes and times, the root too: whoever makes the
 * directory for the first layer gives it those that an image without "./" is to have. Only the file
 * system of the directory itself is seen, nothing mounted below it. docs/oci-rulings.md says
 * what is done where tools differ.
 * --files: regular files, directories and (for docker-archive) symbolic links that stay inside;
 * everything else is a fault. All belong to root with the modes 0600 and 0700.
 *
 * Before the first byte is read the program has shut itself in (confine.c): no descriptor but
 * these, no network, no file tree but the directory, no capability but those that owners, modes
 * and device nodes need, and a list of system calls that has no way back. When any of that fails,
 * nothing is read.
 *
 * What it has to say it writes to descriptor 4, as records, once it has read all it is going to
 * read and closed stdin: so the other side first sends everything or gets EPIPE, then reads the
 * records to their end. The last record of every run is UNPACK_DONE or UNPACK_FAILURE; without one
 * of them the program was killed. The exit status only says whether the records were sent. The
 * reader of the records trusts none of it beyond its form.
 */
#include <stdint.h>

enum { UNPACK_TREE_FD = 3, UNPACK_REPORT_FD = 4, UNPACK_RING_FD = 5, UNPACK_FEED_FD = 6 };

enum unpack_kind {
	UNPACK_FAULT = 1, /* a rule of image archives that the member path breaks: text */
	UNPACK_WARNING,   /* something that is not kept: text */
	UNPACK_MANIFEST,  /* text: the manifest, byte for byte */
	UNPACK_IMPLIED,   /* path: a directory that is in the archive only by what is in it */
	UNPACK_DONE,      /* the whole stream was read; value: bytes of all regular files */
	UNPACK_FAILURE,   /* text: why it could not go on, value: errno */
	UNPACK_MEMBERS,   /* value: how many the stream had, directories that it implies included */
};

/* A record: this header, then path_len bytes of path and text_len bytes of text. */
struct unpack_record {
	uint32_t kind;
	uint32_t path_len;
	uint32_t text_len;
	uint32_t reserved; /* 0 */
	uint64_t value;
};

enum {
	UNPACK_FAULTS_MAX = 64,        /* after so many faults it reads no further */
	UNPACK_REPORT_BYTES = 8 << 20, /* all records together */
};
