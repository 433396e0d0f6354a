/* What layouts and archives have in common: a directory with documents and blobs in it. */
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "images/oci_source.h"

/* ---- references ------------------------------------------------------------------------------ */

int oci_files_reference(struct oci_files_reference *ret, const char *text, struct error *err)
{
	const char *at = strrchr(text, '@'), *split = NULL;
	size_t len;

	if (at && oci_is_digest(at + 1))
		split = at;
	else
		split = strchr(text, ':');
	len = split ? (size_t)(split - text) : strlen(text);
	if (len == 0)
		return error_set(err, -EINVAL, "there is no path in the reference.");
	if (len >= sizeof(ret->path))
		return error_set(err, -ENAMETOOLONG, "the path has more than %d bytes.",
				 LIMIT_PATH_BYTES - 1);
	if (split && !split[1])
		return error_set(err, -EINVAL, "there is no tag behind the colon.");
	if (split && strlen(split + 1) >= sizeof(ret->pick))
		return error_set(err, -ENAMETOOLONG, "the tag has more than %zu bytes.",
				 sizeof(ret->pick) - 1);
	memcpy(ret->path, text, len);
	ret->path[len] = '\0';
	snprintf(ret->pick, sizeof(ret->pick), "%s", split ? split + 1 : "");
	return 0;
}

/* Without what says which kind of archive it is. */
static void cut_ending(char *name)
{
	static const char *const endings[] = { ".gz", ".tgz", ".xz", ".zst", ".bz2", ".tar" };

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (str_ends(name, endings[i]))
			name[strlen(name) - strlen(endings[i])] = '\0';
}

int oci_files_name(const char *text, char ret_name[LIMIT_NAME_BYTES + 1], char ret_version[129],
		   struct error *err)
{
	struct oci_files_reference ref;
	char clean[LIMIT_PATH_BYTES];
	const char *tag, *last;
	int r = oci_files_reference(&ref, text, err);

	if (r < 0)
		return r;
	if (path_clean(clean, ref.path) < 0)
		return error_set(err, -ENAMETOOLONG, "the path is too long");
	last = strrchr(clean, '/');
	oci_identifier(ret_name, LIMIT_NAME_BYTES, last ? last + 1 : clean);
	cut_ending(ret_name);
	if (!appc_is_identifier(ret_name))
		return error_set(err, -EINVAL,
				 "no image can be named after \"%.200s\": give the file or "
				 "directory a name of letters and digits.",
				 ref.path);
	/* the tag of what may be a whole reference */
	tag = strrchr(ref.pick, ':');
	tag = tag ? tag + 1 : ref.pick;
	if (oci_is_digest(ref.pick) || strlen(tag) >= 129 || strchr(tag, '/'))
		tag = "";
	memcpy(ret_version, tag, strlen(tag) + 1);
	return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

int oci_archive_open(const char *path, struct error *err)
{
	_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s is no file.", path);
	return take_fd(&fd);
}

int oci_files_open(int dir, const char *path, struct error *err)
{
	_close_ int fd = path_open(dir, path, PATH_BENEATH, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0)
		return error_set(err, fd, "cannot open %s in it", path);
	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot read %s in it", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EBADMSG, "%s in it is no regular file.", path);
	return take_fd(&fd);
}

int oci_files_read(int dir, const char *path, size_t max, struct oci_document *ret,
		   struct error *err)
{
	_close_ int fd = oci_files_open(dir, path, err);
	int r;

	if (fd < 0)
		return fd;
	r = file_read_fd(fd, max, &ret->text, &ret->len);
	return r < 0 ? error_set(err, r, "cannot read %s in it", path) : 0;
}

static int copy_content(int from, int to, struct error *err)
{
	off_t at = 0;
	ssize_t n;

	while ((n = copy_file_range(from, &at, to, NULL, 1 << 30, 0)) != 0) {
		if (n > 0 || errno == EINTR)
			continue;
		if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
			return error_set(err, -errno, "cannot copy the layer into the store");
		break;
	}
	/* between file systems that cannot do this together */
	while (n != 0) {
		n = sendfile(to, from, &at, 1 << 30);
		if (n < 0 && errno != EINTR)
			return error_set(err, -errno, "cannot copy the layer into the store");
	}
	return 0;
}

/* Through /proc, since the file is reached by links perhaps. */
static bool link_file(int file, int dir, const char *name)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW) == 0;
}

/* What was copied is checked, not what it was copied from: that may change any time. */
int oci_files_stage(struct oci_source *s, int file, bool is_ours, const struct oci_descriptor *d,
		    const char *name, struct error *err)
{
	_close_ int to = -1;
	int r = 0;

	if (is_ours && link_file(file, s->staged->fd, name)) {
		to = fcntl(file, F_DUPFD_CLOEXEC, 3);
	} else {
		to = openat(s->staged->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (to >= 0)
			r = copy_content(file, to, err);
	}
	if (to < 0)
		return error_set(err, -errno, "cannot make a file in the store");
	if (r == 0)
		r = oci_check_blob(to, d, err);
	if (r == 0 && fsync(to) < 0)
		r = error_set(err, -errno, "cannot sync the layer");
	if (r < 0)
		(void)unlinkat(s->staged->fd, name, 0);
	return r;
}
