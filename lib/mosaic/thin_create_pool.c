/*
 * Making a pool. Its header says "begun" from the first moment on, and "made" at last: one that was
 * never finished is refused by whoever opens it, and made anew by whoever asks for it again.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "mosaic/blockfs.h"
#include "mosaic/thin.h"

enum {
	MIB = 1 << 20,
	LOCK_TRIES = 100, /* udev may be looking at the device */
	LOCK_PAUSE_NS = 20000000,
};

struct making {
	const struct mosaic_config *config;
	const struct mosaic_pool *pool;
	struct thin *t;
	char path[LIMIT_PATH_BYTES]; /* the device, absolute */
	bool made_file;              /* by us: it goes when we fail */
	struct thin_header before;   /* what the device had; id "" without one */
};

static int lock_device(struct thin *t, struct error *err)
{
	static const struct timespec pause = { 0, LOCK_PAUSE_NS };

	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (flock(t->device, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_set(err, -errno, "cannot lock %s", t->path);
		nanosleep(&pause, NULL);
	}
	return error_set(err, -EBUSY, "somebody else is working on %s.", t->path);
}

/* The file, when there is to be one, and its full path. */
static int need_file(struct making *k, struct error *err)
{
	_close_ int fd = -1;
	struct stat st;

	if (k->pool->size > 0) {
		fd = open(k->pool->device, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		k->made_file = fd >= 0;
		if (fd < 0 && errno == EEXIST)
			fd = open(k->pool->device, O_RDWR | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			return error_set(err, -errno, "cannot make the file %s", k->pool->device);
		if (!S_ISREG(st.st_mode))
			return error_set(err, -EINVAL,
					 "%s is no file: a device has the size that it has.",
					 k->pool->device);
		if ((uint64_t)st.st_size < k->pool->size && ftruncate(fd, (off_t)k->pool->size) < 0)
			return error_set(err, -errno, "cannot make %s %" PRIu64 " bytes long",
					 k->pool->device, k->pool->size);
	}
	_Static_assert(LIMIT_PATH_BYTES >= 4096, "realpath() may write as much");
	if (!realpath(k->pool->device, k->path))
		return error_set(err, -errno, "cannot find %s", k->pool->device);
	return 0;
}

static int device_size(int fd, uint64_t *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	return S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, ret) < 0 ? -errno : 0;
}

/* -EBUSY: it is in use, or what is above it is just on its way. */
static int take_part_down(struct thin *t, const char *part, struct error *err)
{
	static const struct timespec pause = { 0, LOCK_PAUSE_NS };
	char name[DM_NAME_MAX + 1];
	int r = -EBUSY;

	snprintf(name, sizeof(name), "mosaic-%s-%s", t->header.id, part);
	for (unsigned i = 0; i < LOCK_TRIES && r == -EBUSY; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		r = dm_remove(t->control, name, 0);
	}
	return r < 0 && r != -ENXIO
		       ? error_set(err, r, "the pool on %s is in use: its device %s", t->path, name)
		       : 0;
}

/* Devices of a pool whose making was killed. */
static int take_down(struct thin *t, struct error *err)
{
	static const char *const parts[] = { "0", "pool", "tdata", "tmeta" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++)
		r = take_part_down(t, parts[i], err);
	return r;
}

/* Nothing that is of use to anybody. */
static int check_content(struct making *k, int fd, struct error *err)
{
	_free_ char *start = malloc(SIGNATURE_BYTES);
	const char *found;
	ssize_t n;

	if (!start)
		return error_set(err, -ENOMEM, "the content of %s", k->path);
	n = pread(fd, start, SIGNATURE_BYTES, 0);
	if (n < 0)
		return error_set(err, -errno, "cannot read %s", k->path);
	if (thin_header_parse(start, (size_t)n, &k->before) < 0)
		k->before = (struct thin_header){ 0 };
	if (k->before.id[0] && !k->before.made)
		return 0; /* killed while doing what we do */
	found = signature_find(start, (size_t)n);
	if (found && !(k->pool->flags & MOSAIC_POOL_FORCE))
		return error_set(err, -EEXIST,
				 "%s holds %s already: say that it is to be overwritten (force).",
				 k->path, found);
	return 0;
}

static int write_header(struct thin *t, bool made, struct error *err)
{
	char text[THIN_HEADER_BYTES];
	_close_ int fd = open(t->path, O_WRONLY | O_CLOEXEC);

	t->header.made = made;
	thin_header_format(&t->header, text);
	if (fd < 0 || pwrite(fd, text, sizeof(text), 0) != sizeof(text) || fsync(fd) < 0)
		return error_set(err, errno ? -errno : -EIO, "cannot write the header of %s",
				 t->path);
	return 0;
}

/* The rest of the first part, where others may have left their marks, and the place where the
 * target looks whether there is metadata. */
static int clear(struct thin *t, struct error *err)
{
	_close_ int fd = open(t->path, O_WRONLY | O_CLOEXEC);
	_free_ char *zeros = calloc(1, MIB);
	off_t metadata = (off_t)(t->header.metadata_start * SECTOR);
	ssize_t rest = MIB - THIN_HEADER_BYTES;

	if (fd < 0 || !zeros)
		return error_set(err, zeros ? -errno : -ENOMEM, "cannot open %s", t->path);
	if (pwrite(fd, zeros, (size_t)rest, THIN_HEADER_BYTES) != rest ||
	    pwrite(fd, zeros, THIN_HEADER_BYTES, metadata) != THIN_HEADER_BYTES || fsync(fd) < 0)
		return error_set(err, errno ? -errno : -EIO, "cannot clear the beginning of %s",
				 t->path);
	return 0;
}

/* -EBUSY when it is mounted or part of something. */
static int check_unused(const struct making *k, struct error *err)
{
	_close_ int fd = -1;

	if (!k->t->is_block)
		return 0;
	fd = open(k->path, O_RDONLY | O_EXCL | O_CLOEXEC);
	return fd < 0 ? error_set(err, -errno, "%s is in use", k->path) : 0;
}

static int begin(struct making *k, struct error *err)
{
	char uuid[UUID_TEXT], *to = k->t->header.id;
	uint64_t bytes;
	int r = lock_device(k->t, err);

	if (r == 0)
		r = check_content(k, k->t->device, err);
	if (r < 0)
		return r;
	k->t->header = k->before;
	r = k->before.id[0] ? take_down(k->t, err) : 0;
	if (r == 0)
		r = check_unused(k, err);
	if (r < 0)
		return r;
	r = device_size(k->t->device, &bytes);
	if (r < 0)
		return error_set(err, r, "cannot find out how large %s is", k->path);
	r = thin_header_plan(bytes, k->pool->block_size, k->pool->metadata_size, &k->t->header,
			     err);
	if (r < 0)
		return error_prefix(err, r, "%s", k->path);
	r = uuid_new(uuid);
	if (r < 0)
		return error_set(err, r, "cannot make a random identity");
	for (const char *from = uuid; *from; from++)
		if (*from != '-')
			*to++ = *from;
	*to = '\0';
	r = write_header(k->t, false, err);
	return r == 0 ? clear(k->t, err) : r;
}

/* Every block of the mosaic's own volume is allocated now: when the pool is full, volumes can still
 * be dropped, and what they are is still written down. */
static int allocate(const struct thin *t, int file, struct error *err)
{
	static const char zeros[SECTOR * 8];
	uint64_t block = t->header.block * SECTOR;

	for (uint64_t at = 0; at < t->header.own; at += block)
		if (pwrite(file, zeros, sizeof(zeros), (off_t)at) != sizeof(zeros))
			return error_set(err, errno ? -errno : -EIO,
					 "cannot allocate the mosaic's own volume");
	return fsync(file) < 0 ? error_set(err, -errno, "cannot allocate the mosaic's own volume")
			       : 0;
}

static int fill(const struct making *k, int mount, struct error *err)
{
	const char *metadata = k->config->metadata ? k->config->metadata : "metadata";
	const char *const directories[] = { "volumes", "staging", metadata };
	_close_ int root = blockfs_root(mount);
	int r = root < 0 ? root : 0;

	for (size_t i = 0; i < ARRAY_SIZE(directories) && r == 0; i++)
		r = volume_mkdir(root, directories[i], 0700);
	if (r == 0)
		r = syncfs(root) < 0 ? -errno : 0;
	return r < 0 ? error_set(err, r, "cannot fill the mosaic's own volume") : 0;
}

static int make_own(struct making *k, struct error *err)
{
	struct thin_up how = { .id = THIN_METADATA_ID, .bytes = k->t->header.own };
	_close_ int device = -1, file = -1, mount = -1;
	char path[DM_PATH_MAX];
	int r = thin_pool_up(k->t, err);

	if (r == 0)
		r = thin_make(k->t, THIN_METADATA_ID, err);
	if (r < 0)
		return r;
	device = thin_up(k->t, &how, path, err);
	if (device < 0)
		return device;
	file = open(path, O_RDWR | O_CLOEXEC);
	if (file < 0)
		return error_set(err, -errno, "cannot open the mosaic's own volume");
	r = allocate(k->t, file, err);
	if (r == 0)
		r = blockfs_make(blockfs_names[0], file, err);
	cleanup_close(&file);
	if (r == 0)
		r = blockfs_mount(blockfs_names[0], path, false, &mount, err);
	if (r == 0)
		r = blockfs_tidy(mount, err);
	return r == 0 ? fill(k, mount, err) : r;
}

static int make_pool(struct making *k, struct error *err)
{
	int r;

	k->t = thin_new();
	if (!k->t)
		return error_set(err, -ENOMEM, "a pool");
	r = thin_open_device(k->t, k->path, err);
	if (r == 0)
		r = begin(k, err);
	if (r == 0)
		r = make_own(k, err);
	return r == 0 ? write_header(k->t, true, err) : r;
}

/* With the device in its options, so that the location is enough to open it. */
static int make_mosaic(const struct making *k, struct error *err)
{
	struct mosaic_config config = *k->config;
	_free_ struct mosaic_option *options = calloc(config.n_options + 1, sizeof(*options));
	_mosaic_ struct mosaic *m = NULL;
	size_t n = 0;

	if (!options)
		return error_set(err, -ENOMEM, "options");
	options[n++] = (struct mosaic_option){ (char *)"device", (char *)k->path };
	for (size_t i = 0; i < config.n_options; i++)
		if (!str_eq(config.options[i].key, "device"))
			options[n++] = config.options[i];
	config.options = options;
	config.n_options = n;
	return mosaic_open_config(&m, &config, MOSAIC_OPEN_CREATE, err);
}

static int check_location(const struct mosaic_config *config, struct error *err)
{
	char path[LIMIT_PATH_BYTES];

	if (snprintf(path, sizeof(path), "%s/type", config->location) >= (int)sizeof(path))
		return error_set(err, -ENAMETOOLONG, "%s", config->location);
	if (access(path, F_OK) == 0)
		return error_set(err, -EEXIST, "there is a mosaic at %s already.",
				 config->location);
	return 0;
}

int thin_create_pool(const struct mosaic_config *config, const struct mosaic_pool *pool,
		     struct error *err)
{
	struct making k = { .config = config, .pool = pool };
	int r = check_location(config, err);

	if (r == 0)
		r = need_file(&k, err);
	if (r == 0)
		r = make_pool(&k, err);
	thin_free(k.t);
	if (r == 0)
		r = make_mosaic(&k, err);
	else if (k.made_file)
		(void)!unlink(k.path[0] ? k.path : pool->device);
	return error_context(err, r, "create-pool", pool->device);
}
