/* What `carob validate` says: archive, image directory or manifest, told by its content. */
#include <fcntl.h>
#include <sys/stat.h>

#include "images/internal.h"

enum { HEAD = 512, TAR_MAGIC = 257 };

static int validate_image_manifest(const char *text, size_t len, struct appc_faults *faults,
				   struct error *err)
{
	_appc_image_ struct appc_image *image = NULL;
	int r = appc_image_read(&image, text, len, faults);

	return r < 0 && r != -EBADMSG ? error_set(err, r, "cannot read the manifest") : 0;
}

static int validate_archive(const struct images *im, int fd, struct appc_faults *faults,
			    struct error *err)
{
	_unpacked_ struct unpacked unpacked = { .faults = faults };
	int r = images_unpack(im, fd, -1, &unpacked, NULL, err);

	if (r == -EBADMSG)
		return 0; /* the faults say it */
	return r < 0 ? r
		     : validate_image_manifest(unpacked.manifest, unpacked.manifest_len, faults,
					       err);
}

static int validate_manifest(int fd, const char **ret_kind, struct appc_faults *faults,
			     struct error *err)
{
	enum appc_document kind = APPC_DOCUMENT_IMAGE;
	_free_ char *text = NULL;
	size_t len;
	int r = file_read_fd(fd, LIMIT_MANIFEST_BYTES, &text, &len);

	if (r < 0)
		return error_set(err, r, "cannot read the manifest");
	r = appc_validate(text, len, &kind, faults);
	*ret_kind = kind == APPC_DOCUMENT_POD ? "pod manifest" : "image manifest";
	return r < 0 && r != -EBADMSG ? error_set(err, r, "cannot read the manifest") : 0;
}

/* ---- image directories ----------------------------------------------------------------------- */

static int check_entry(_unused_ int dir, const char *name, void *arg)
{
	if (str_eq(name, "manifest") || str_eq(name, "rootfs"))
		return 0;
	return appc_fault(arg, name, "is neither the manifest nor rootfs");
}

static int validate_rootfs(int dir, struct appc_faults *faults)
{
	struct stat st;

	if (fstatat(dir, "rootfs", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return appc_fault(faults, "rootfs", "is missing");
	return S_ISDIR(st.st_mode) ? 0 : appc_fault(faults, "rootfs", "is no directory");
}

static int validate_layout(int dir, struct appc_faults *faults, struct error *err)
{
	_free_ char *text = NULL;
	size_t len;
	int r = dir_each(dir, check_entry, faults);

	if (r == 0)
		r = validate_rootfs(dir, faults);
	if (r < 0)
		return error_set(err, r, "cannot read the image directory");
	r = file_read(dir, "manifest", LIMIT_MANIFEST_BYTES, &text, &len);
	if (r == -ENOENT)
		r = appc_fault(faults, "manifest", "is missing");
	else if (r == -ELOOP || r == -EISDIR || r == -EINVAL)
		r = appc_fault(faults, "manifest", "is no regular file");
	else if (r == -EFBIG)
		r = appc_fault(faults, "manifest", "has more than %d bytes", LIMIT_MANIFEST_BYTES);
	else if (r == 0)
		return validate_image_manifest(text, len, faults, err);
	return r < 0 ? error_set(err, r, "cannot read the manifest") : 0;
}

/* ---- which ----------------------------------------------------------------------------------- */

/* Text that begins like a JSON object is a manifest; anything else should be an archive. */
static bool is_text(int fd)
{
	char head[HEAD + 1] = "";
	ssize_t n = pread(fd, head, HEAD, 0);

	if (n > TAR_MAGIC + 5 && memcmp(head + TAR_MAGIC, "ustar", 5) == 0)
		return false;
	return n >= 0 && head[strspn(head, " \t\r\n")] == '{';
}

static int validate(const struct images *im, int fd, const char **ret_kind,
		    struct appc_faults *faults, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot look at it");
	if (S_ISDIR(st.st_mode)) {
		*ret_kind = "image layout";
		return validate_layout(fd, faults, err);
	}
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "it is neither a file nor a directory.");
	if (is_text(fd))
		return validate_manifest(fd, ret_kind, faults, err);
	*ret_kind = "image";
	return validate_archive(im, fd, faults, err);
}

int images_validate(const struct images *im, const char *path, const char **ret_kind,
		    struct appc_faults *faults, struct error *err)
{
	_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return error_set(err, -errno, "cannot open %s", path);
	*ret_kind = "image";
	r = validate(im, fd, ret_kind, faults, err);
	if (r == 0 && faults->n_errors)
		r = images_faults_error(faults, *ret_kind, err);
	return r < 0 ? error_context(err, r, "validate", path) : 0;
}
