#include "mosaic/blockfs.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kernel/kernel.h"
#include "mosaic/program.h"

/* From the kernel's fs/ext4/ext4.h and xfsprogs' xfs/xfs_fs.h, which no header of the C library
 * has. */
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

struct xfs_growfs_data {
	uint64_t newblocks;
	uint32_t imaxpct;
};
#define XFS_IOC_FSGROWFSDATA _IOW('X', 110, struct xfs_growfs_data)

/* XFS_IOC_FSGEOMETRY_V1: the part that is in every version. */
struct xfs_geometry {
	uint32_t blocksize, rtextsize, agblocks, agcount, logblocks, sectsize, inodesize, imaxpct;
	uint64_t datablocks, rtblocks, rtextents, logstart;
	unsigned char uuid[16];
	uint32_t sunit, swidth;
	int32_t version;
	uint32_t flags, logsectsize, rtsectsize, dirblocksize;
};
#define XFS_IOC_FSGEOMETRY _IOR('X', 100, struct xfs_geometry)

enum {
	MIB = 1 << 20,
	EXT4_MIN_MIB = 4,
	XFS_MIN_MIB = 300, /* mkfs.xfs makes none that is smaller */
	SAID_MAX = 4096,
};

#define FILE_PATH "/proc/self/fd/3"

const char *const blockfs_names[] = { "ext4", "xfs", NULL };

static bool is_xfs(const char *fs)
{
	return str_eq(fs, "xfs");
}

uint64_t blockfs_size_min(const char *fs)
{
	return (uint64_t)(is_xfs(fs) ? XFS_MIN_MIB : EXT4_MIN_MIB) * MIB;
}

static int run(const char *const *argv, int file, int ok_status, struct error *err)
{
	return program_run(&(struct program){ .name = argv[0],
					      .argv = argv,
					      .input = -1,
					      .output = -1,
					      .keep_fd = file,
					      .ok_status = ok_status },
			   err);
}

/* The tables are not written: what is there reads as zeros, and says so to the kernel, which would
 * write them behind our back otherwise. No blocks are held back for root: in a volume everybody's
 * space is the same. */
int blockfs_make(const char *fs, int file, struct error *err)
{
	static const char *const ext4[] = { "mkfs.ext4",
					    "-q",
					    "-F",
					    "-b",
					    "4096",
					    "-m",
					    "0",
					    "-e",
					    "remount-ro",
					    "-E",
					    "nodiscard,lazy_itable_init=1,lazy_journal_init=1,"
					    "assume_storage_prezeroed=1,root_owner=0:0",
					    FILE_PATH,
					    NULL };
	static const char *const xfs[] = { "mkfs.xfs", "-q", "-f", "-K", FILE_PATH, NULL };

	return run(is_xfs(fs) ? xfs : ext4, file, 0, err);
}

int blockfs_mount(const char *fs, const char *device, bool read_only, int *ret_fd,
		  struct error *err)
{
	struct mount_option options[3] = { { "source", device } };
	char message[256] = "";
	size_t n = 1;
	int fd;

	if (read_only)
		options[n++] = (struct mount_option){ "ro", NULL };
	if (is_xfs(fs)) /* copies have the same identity, and are used beside each other */
		options[n++] = (struct mount_option){ "nouuid", NULL };
	fd = mount_new(fs, options, n, 0, message, sizeof(message));
	if (fd < 0)
		return error_set(err, fd, "cannot mount the %s of %s%s%s", fs, device,
				 message[0] ? ": " : "", message);
	*ret_fd = fd;
	return 0;
}

int blockfs_root(int mountfd)
{
	int fd = openat(mountfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int blockfs_tidy(int mountfd, struct error *err)
{
	_close_ int root = blockfs_root(mountfd);

	if (root < 0)
		return error_set(err, root, "cannot open the root of a new file system");
	if (unlinkat(root, "lost+found", AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_set(err, -errno, "cannot remove lost+found");
	if (fchown(root, 0, 0) < 0 || fchmod(root, 0755) < 0)
		return error_set(err, -errno, "cannot set the mode of a new root directory");
	return 0;
}

static int grow_ext4(int root, uint64_t bytes)
{
	uint64_t blocks = bytes / BLOCKFS_BLOCK;

	return ioctl(root, EXT4_IOC_RESIZE_FS, &blocks) < 0 ? -errno : 0;
}

static int grow_xfs(int root, uint64_t bytes)
{
	struct xfs_geometry geometry;
	struct xfs_growfs_data data;

	if (ioctl(root, XFS_IOC_FSGEOMETRY, &geometry) < 0)
		return -errno;
	data = (struct xfs_growfs_data){ bytes / geometry.blocksize, geometry.imaxpct };
	if (data.newblocks <= geometry.datablocks)
		return 0;
	if (ioctl(root, XFS_IOC_FSGROWFSDATA, &data) < 0)
		return -errno;
	return 0;
}

bool blockfs_can_grow(const char *fs)
{
	uint64_t has = 0;

	return is_xfs(fs) || (caps_permitted(&has) == 0 && has & CAP_BIT(24) /* SYS_RESOURCE */);
}

int blockfs_grow(const char *fs, int mountfd, uint64_t bytes, struct error *err)
{
	_close_ int root = blockfs_root(mountfd);
	int r = root;

	if (r >= 0)
		r = is_xfs(fs) ? grow_xfs(root, bytes) : grow_ext4(root, bytes);
	return r < 0 ? error_set(err, r, "cannot grow the %s to %llu bytes", fs,
				 (unsigned long long)bytes)
		     : 0;
}

/* ---- superblocks ----------------------------------------------------------------------------- */

enum {
	EXT4_AT = 1024,
	EXT4_BYTES = 1024,
	EXT4_BLOCKS_LO = 0x04,
	EXT4_LOG_BLOCK = 0x18, /* block size: 1024 << this */
	EXT4_MAGIC_AT = 0x38,
	EXT4_STATE = 0x3a,
	EXT4_INCOMPAT = 0x60,
	EXT4_BLOCKS_HI = 0x150,
	EXT4_MAGIC = 0xef53,
	EXT4_HAS_ERRORS = 2,     /* of the state */
	EXT4_NEEDS_RECOVERY = 4, /* of the incompatible features */
	EXT4_64BIT = 0x80,       /* also */
	EXT4_MAX_LOG_BLOCK = 6,
	XFS_BLOCKSIZE = 4,
	XFS_DBLOCKS = 8,
};

struct superblock {
	unsigned char bytes[EXT4_AT + EXT4_BYTES];
};

static uint16_t get16(const unsigned char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static uint32_t get32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* A number of blocks, in two halves, as bytes. */
static uint64_t ext4_bytes(const unsigned char *sb)
{
	uint64_t blocks = get32(sb + EXT4_BLOCKS_LO);

	if (get32(sb + EXT4_INCOMPAT) & EXT4_64BIT)
		blocks |= (uint64_t)get32(sb + EXT4_BLOCKS_HI) << 32;
	return blocks << (10 + get32(sb + EXT4_LOG_BLOCK));
}

static bool is_ext4(const unsigned char *sb)
{
	return get16(sb + EXT4_MAGIC_AT) == EXT4_MAGIC &&
	       get32(sb + EXT4_LOG_BLOCK) <= EXT4_MAX_LOG_BLOCK;
}

static int read_superblock(int file, struct superblock *ret)
{
	memset(ret, 0, sizeof(*ret));
	return pread(file, ret->bytes, sizeof(ret->bytes), 0) < 0 ? -errno : 0;
}

int blockfs_status(int file, struct blockfs_status *ret)
{
	struct superblock s;
	const unsigned char *sb = s.bytes + EXT4_AT;
	int r = read_superblock(file, &s);
	uint32_t blocksize;
	uint64_t blocks;

	if (r < 0)
		return r;
	if (is_ext4(sb)) {
		*ret = (struct blockfs_status){
			.fs = blockfs_names[0],
			.bytes = ext4_bytes(sb),
			.dirty = get32(sb + EXT4_INCOMPAT) & EXT4_NEEDS_RECOVERY,
			.faulty = get16(sb + EXT4_STATE) & EXT4_HAS_ERRORS,
		};
		return 0;
	}
	if (memcmp(s.bytes, "XFSB", 4) != 0)
		return BLOCKFS_UNKNOWN;
	memcpy(&blocksize, s.bytes + XFS_BLOCKSIZE, sizeof(blocksize));
	memcpy(&blocks, s.bytes + XFS_DBLOCKS, sizeof(blocks));
	*ret = (struct blockfs_status){ .fs = blockfs_names[1],
					.bytes = be64toh(blocks) * be32toh(blocksize) };
	return 0;
}

/* ---- checking and shrinking ------------------------------------------------------------------ */

int blockfs_check(const char *fs, int file, bool repair, struct error *words)
{
	static const char *const look_ext4[] = { "e2fsck", "-f", "-n", FILE_PATH, NULL };
	static const char *const mend_ext4[] = { "e2fsck", "-f", "-y", FILE_PATH, NULL };
	static const char *const look_xfs[] = { "xfs_repair", "-n", "-f", FILE_PATH, NULL };
	static const char *const mend_xfs[] = { "xfs_repair", "-f", FILE_PATH, NULL };
	int r;

	if (is_xfs(fs))
		r = run(repair ? mend_xfs : look_xfs, file, 0, words);
	else
		r = run(repair ? mend_ext4 : look_ext4, file, repair ? 1 : 0, words);
	return r == -EIO ? BLOCKFS_FAULTY : r;
}

/* What resize2fs says after "Estimated minimum size of the filesystem:". */
static int read_least(int said, uint64_t *ret)
{
	_free_ char *text = NULL;
	const char *number;
	int r = file_read_fd(said, SAID_MAX, &text, NULL);
	uint64_t blocks;
	char *end;

	if (r < 0)
		return r;
	number = strrchr(text, ':');
	blocks = number ? strtoull(number + 1, &end, 10) : 0;
	if (blocks == 0 || (*end != '\n' && *end))
		return -EBADMSG;
	*ret = blocks * BLOCKFS_BLOCK;
	return 0;
}

/* -ENOSPC when it cannot be made as small as that. */
static int need_room(int file, uint64_t bytes, struct error *err)
{
	static const char *const least[] = { "resize2fs", "-P", FILE_PATH, NULL };
	_close_ int said = memfd_create("least", MFD_CLOEXEC);
	uint64_t taken;
	int r;

	if (said < 0)
		return error_set(err, -errno, "cannot make room for a number");
	r = program_run(&(struct program){ .name = least[0],
					   .argv = least,
					   .input = -1,
					   .output = said,
					   .keep_fd = file },
			err);
	if (r < 0)
		return r;
	r = read_least(said, &taken);
	if (r < 0)
		return error_set(err, r, "cannot find out how much the ext4 holds");
	if (taken <= bytes)
		return 0;
	return error_set(err, -ENOSPC, "it holds %llu bytes, which is more than %llu.",
			 (unsigned long long)taken, (unsigned long long)bytes);
}

/* The check comes first: resize2fs insists, and the journal is replayed, so that the numbers are
 * right. */
int blockfs_resize(const char *fs, int file, uint64_t bytes, struct error *err)
{
	static const char *const check[] = { "e2fsck", "-f", "-p", FILE_PATH, NULL };
	char size[32];
	const char *const resize[] = { "resize2fs", FILE_PATH, size, NULL };
	int r;

	if (is_xfs(fs))
		return error_set(err, -EOPNOTSUPP,
				 "xfs changes its size only upwards and mounted.");
	snprintf(size, sizeof(size), "%lluK", (unsigned long long)bytes / 1024);
	r = run(check, file, 1, err);
	if (r >= 0)
		r = need_room(file, bytes, err);
	if (r >= 0)
		r = run(resize, file, 0, err);
	return r < 0 ? r : 0;
}
