#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/overlay.h"

void overlay_map_close(struct overlay_map *map)
{
	cleanup_close(&map->root);
	cleanup_close(&map->volume);
}

int overlay_map_open(struct mosaic *m, const struct volume *v, int userns, struct overlay_map *ret)
{
	_close_ int root = mount_clone(m->dirfd, "", false);
	char path[VOLUME_PATH];
	int r = root < 0 ? root : mount_map_ids(root, userns);

	if (r < 0)
		return r;
	volume_path(path, v->name, NULL);
	ret->volume = openat(root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ret->volume < 0)
		return -errno;
	ret->root = take_fd(&root);
	return 0;
}

/* What a change of the file system user takes away, besides. */
struct rights {
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	int dumpable;
};

static struct __user_cap_header_struct this_thread(void)
{
	return (struct __user_cap_header_struct){ .version = _LINUX_CAPABILITY_VERSION_3 };
}

static int note_rights(struct rights *r)
{
	struct __user_cap_header_struct header = this_thread();

	r->dumpable = prctl(PR_GET_DUMPABLE);
	return syscall(SYS_capget, &header, r->caps) < 0 ? -errno : 0;
}

static int act_as(uid_t uid, gid_t gid, const struct rights *r)
{
	struct __user_cap_header_struct header = this_thread();

	setfsgid(gid);
	setfsuid(uid);
	if ((uid_t)setfsuid((uid_t)-1) != uid || (gid_t)setfsgid((gid_t)-1) != gid)
		return -EPERM;
	return syscall(SYS_capset, &header, r->caps) < 0 ? -errno : 0;
}

static int mount_as_root_of(const struct overlay_map *map, const struct layers *l,
			    const char *source, uint64_t attributes, char *message, size_t size)
{
	uid_t uid = (uid_t)setfsuid((uid_t)-1);
	gid_t gid = (gid_t)setfsgid((gid_t)-1);
	struct rights rights;
	struct stat st;
	int fd, r;

	/* the directory is root's: who is that in the map? */
	if (fstat(map->volume, &st) < 0)
		return -errno;
	r = note_rights(&rights);
	if (r < 0)
		return r;
	r = act_as(st.st_uid, st.st_gid, &rights);
	fd = r < 0 ? r : layers_mount(l, source, attributes, message, size);
	r = act_as(uid, gid, &rights);
	if (rights.dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1);
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

int overlay_map_mount(const struct overlay_map *map, const struct layers *l, const char *source,
		      uint64_t attributes, char *message, size_t size)
{
	return map->root < 0 ? layers_mount(l, source, attributes, message, size)
			     : mount_as_root_of(map, l, source, attributes, message, size);
}
