/* `moctl MOSAIC mount`, `umount`. "-" in place of a volume is the mosaic's metadata. */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cli/moctl/idmap.h"
#include "cli/moctl/parse.h"
#include "cli/moctl/verbs.h"
#include "kernel/kernel.h"

struct mount_options {
	struct cli_list options;
	const char *map;
};

static const struct cli_option mount_options[] = {
	{ "options", 'o', "OPTION,...",
	  "ro, nosuid, nodev, noexec, noatime, nosymfollow; volatile: it need not survive a crash",
	  CLI_LIST, offsetof(struct mount_options, options) },
	{ "map", 0, "[u:|g:]DISK:SHOWN:COUNT,...|FILE",
	  "show users and groups on disk as others; or as the user namespace FILE has them",
	  CLI_STRING, offsetof(struct mount_options, map) },
	{ NULL },
};

static int mount_metadata(struct mosaic *m, const char *path, const struct mosaic_mount *how,
			  struct error *err)
{
	_close_ int fd = -1;
	_close_ int target = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = target < 0 ? error_set(err, -errno, "cannot open %s", path)
			   : mosaic_mount_metadata(m, how, &fd, err);

	if (r < 0)
		return r;
	r = mount_attach(fd, target);
	return r < 0 ? error_set(err, r, "cannot mount at %s", path) : 0;
}

static int mount_with(const struct moctl *c, const struct cli_args *args,
		      const struct mount_options *o, struct error *err)
{
	const char *name = args->argv[0], *path = args->argv[1];
	struct mosaic_mount how = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	_close_ int userns = -1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->options.n; i++)
		r = moctl_read_mount_options(o->options.items[i], &how, err);
	if (r == 0 && o->map)
		r = idmap_open(o->map, &userns, err);
	if (r != 0)
		return r;
	how.userns = userns < 0 ? 0 : userns;
	r = moctl_open_to_change(c, &m, err);
	if (r == 0)
		r = str_eq(name, "-") ? mount_metadata(m, path, &how, err)
				      : mosaic_mount_at(m, name, path, &how, err);
	return r < 0 ? error_context(err, r, "mount", name) : r;
}

static int mount_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct mount_options o = { 0 };
	int r = moctl_parse(&(struct moctl_syntax){ mount_options, 2, 2 }, &o, args, err);

	if (r == 0)
		r = mount_with(c, args, &o, err);
	cli_options_deinit(mount_options, &o);
	return r;
}

const struct moctl_verb moctl_verb_mount = {
	.name = "mount",
	.operands = "VOLUME|- DIR",
	.summary = "Mount a volume at a directory; - is the mosaic's metadata",
	.tables = { { mount_options } },
	.complete = { CLI_COMPLETE_VOLUME, CLI_COMPLETE_DIRECTORY },
	.run = mount_run,
};

/* ---- umount ---------------------------------------------------------------------------------- */

/* Only if that is what is there. */
static int umount_metadata(struct mosaic *m, const char *path, struct error *err)
{
	const struct mosaic_mount how = { .flags = MOSAIC_MOUNT_READONLY };
	struct stat metadata, there;
	_close_ int fd = -1;
	int r = mosaic_mount_metadata(m, &how, &fd, err);

	if (r < 0)
		return r;
	if (fstat(fd, &metadata) < 0 || stat(path, &there) < 0)
		return error_set(err, -errno, "cannot look at %s", path);
	if (metadata.st_dev != there.st_dev || metadata.st_ino != there.st_ino)
		return error_set(err, -EINVAL, "the metadata of %s is not mounted at %s.",
				 mosaic_location(m), path);
	return umount2(path, UMOUNT_NOFOLLOW) < 0
		       ? error_set(err, -errno, "cannot unmount %s", path)
		       : 0;
}

static int umount_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	_mosaic_ struct mosaic *m = NULL;
	const char *name, *path;
	int r = moctl_parse(&(struct moctl_syntax){ moctl_no_options, 1, 2 }, NULL, args, err);

	if (r == 0)
		r = moctl_open_to_change(c, &m, err);
	if (r != 0)
		return r;
	name = args->n == 2 ? args->argv[0] : NULL;
	path = args->argv[args->n - 1];
	r = name && str_eq(name, "-") ? umount_metadata(m, path, err)
				      : mosaic_umount(m, name, path, err);
	return error_context(err, r, "umount", path);
}

const struct moctl_verb moctl_verb_umount = {
	.name = "umount",
	.operands = "[VOLUME|-] DIR",
	.summary = "Unmount what is mounted at a directory, if it is (this) volume of the mosaic",
	.complete = { CLI_COMPLETE_VOLUME, CLI_COMPLETE_DIRECTORY },
	.run = umount_run,
};
