#pragma once
/*
 * carob-pack: makes image archives.
 *
 *	carob-pack --pack [SECONDS]	stdin: the manifest, descriptor 3: the root file system;
 *					stdout: the plain archive
 *	carob-pack --compress NAME	stdin: the archive, stdout: compressed by gzip, bzip2 or xz
 *
 * The same input makes the same bytes, whenever and wherever: the manifest comes first, then
 * rootfs, each directory before its content, names in the order of their bytes; no user names, no
 * inode numbers, no time but those of the files, none of which is later than SECONDS when that is
 * given; the manifest's is SECONDS, or 0. Of several names of one file the first has the content.
 * SECONDS is SOURCE_DATE_EPOCH of the environment, else the manifest's annotation "created".
 *
 * At the end, with stdout closed, remarks are written to descriptor 4: for each a letter, a path
 * and a text, NUL behind path and text. 'w': something was left out; 'e', the last one: it failed,
 * with errno in the place of the path.
 */
enum { PACK_TREE_FD = 3, PACK_REMARKS_FD = 4, PACK_REMARKS_BYTES = 4 << 20 };
