#pragma once
/* One member of an archive, in the words of the file system. */
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum member_type {
	MEMBER_FILE,
	MEMBER_DIRECTORY,
	MEMBER_SYMLINK,
	MEMBER_HARDLINK,
	MEMBER_CHARACTER,
	MEMBER_BLOCK,
	MEMBER_FIFO,
};

enum { MEMBER_XATTRS = 32 }; /* extended attributes of one member that are kept */

struct member_xattr {
	const char *name;
	const void *value;
	size_t size;
};

struct member {
	const char *name;   /* as the archive has it */
	const char *target; /* a symbolic link's text; a hard link's member; else NULL */
	enum member_type type;
	mode_t mode; /* permissions and the bits beside them */
	uid_t uid;
	gid_t gid;
	dev_t device;
	uint64_t size; /* of a file, its holes included */
	struct timespec mtime;
	struct member_xattr xattrs[MEMBER_XATTRS];
	size_t n_xattrs;
};
