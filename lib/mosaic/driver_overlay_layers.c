/*
 * The layers are passed to the kernel as /proc/self/fd/N: fsconfig(2) takes no string over 255
 * bytes, overlayfs reads ":" and "\" in lowerdir as its own, and the pod would read the host's
 * paths in its mountinfo.
 */
#include <fcntl.h>
#include <string.h>

#include "base/base.h"
#include "kernel/kernel.h"
#include "mosaic/overlay.h"

enum {
	LAYER_TEXT = 32,    /* "/proc/self/fd/N" */
	STRING_BYTES = 255, /* what fsconfig(2) takes */
};

void layers_close(struct layers *l)
{
	cleanup_close(&l->upper);
	for (size_t i = 0; i < l->n; i++)
		cleanup_close(&l->lower[i]);
	l->n = 0;
}

bool overlay_is_base(const char *name)
{
	return name[0] == '.';
}

int overlay_read_link(int dirfd, const char *link, char ret[MOSAIC_NAME_MAX + 1])
{
	char target[MOSAIC_NAME_MAX + 2];
	ssize_t n = readlinkat(dirfd, link, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EINVAL ? 0 : -errno;
	target[n] = '\0';
	if (n == 0 || n > MOSAIC_NAME_MAX || strchr(target, '/'))
		return -EBADMSG;
	memcpy(ret, target, (size_t)n + 1);
	return 1;
}

static int open_directory(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int add_lower(struct layers *l, int dirfd, const char *path)
{
	int fd;

	if (l->n == ARRAY_SIZE(l->lower))
		return -ELOOP;
	fd = open_directory(dirfd, path);
	if (fd < 0)
		return fd;
	l->lower[l->n++] = fd;
	return 0;
}

/* The volume name and all that it stands on. Only a hidden one stands on another. */
static int add_chain(int root, const char *name, struct layers *l)
{
	char path[VOLUME_PATH];
	int r;

	snprintf(l->bottom, sizeof(l->bottom), "%s", name);
	for (;;) {
		volume_path(path, l->bottom, "tree");
		r = add_lower(l, root, path);
		if (r < 0 || !overlay_is_base(l->bottom))
			return r;
		volume_path(path, l->bottom, "below");
		r = overlay_read_link(root, path, l->bottom);
		if (r <= 0)
			return r;
	}
}

int layers_finish(int volume)
{
	return renameat(volume, "data", volume, "upper") < 0 ? -errno : 0;
}

static int open_upper(int volume)
{
	int fd = open_directory(volume, "upper");

	if (fd != -ENOENT || layers_finish(volume) < 0)
		return fd;
	return open_directory(volume, "upper");
}

int layers_open(int root, int volume, const struct volume *v, struct layers *ret)
{
	_layers_ struct layers l = LAYERS_CLOSED;
	int r;

	l.volume = volume;
	if (v->kind == VOLUME_CLONE) {
		l.upper = open_upper(l.volume);
		r = l.upper < 0 ? l.upper : 0;
	} else {
		l.writable = false;
		r = add_lower(&l, l.volume, "tree");
	}
	if (r == 0)
		r = add_chain(root, v->parent, &l);
	if (r < 0)
		return r;
	*ret = l;
	l = (struct layers)LAYERS_CLOSED;
	return 0;
}

static void fd_text(char text[LAYER_TEXT], int fd)
{
	snprintf(text, LAYER_TEXT, "/proc/self/fd/%d", fd);
}

struct options {
	struct mount_option list[10 + OVERLAY_LAYERS + 3];
	size_t n;
	char upper[LAYER_TEXT], work[LAYER_TEXT];
	char lower[OVERLAY_LAYERS + 3][LAYER_TEXT];
	char lowers[STRING_BYTES + 1];
};

static void add_option(struct options *o, const char *key, const char *value)
{
	o->list[o->n++] = (struct mount_option){ key, value };
}

/* One string as long as it is short enough: a call each costs more, and needs Linux 6.8. */
static void add_lowers(struct options *o, const int *fds, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		fd_text(o->lower[i], fds[i]);
		if (len < sizeof(o->lowers))
			len += (size_t)snprintf(o->lowers + len, sizeof(o->lowers) - len, "%s%s",
						i ? ":" : "", o->lower[i]);
	}
	if (len < sizeof(o->lowers)) {
		add_option(o, "lowerdir", o->lowers);
		return;
	}
	for (size_t i = 0; i < n; i++)
		add_option(o, "lowerdir+", o->lower[i]);
}

/* A read-only overlay has its upper layer among the lower ones and no work directory, so that it
 * can be mounted while the volume is in use. That index is off means that nfs_export is. */
int layers_mount(const struct layers *l, const char *source, uint64_t attributes, char *message,
		 size_t size)
{
	int lower[ARRAY_SIZE(l->lower) + 1];
	struct options o = { .n = 0 };
	_close_ int work = -1;
	size_t n = 0;

	add_option(&o, "index", "off");
	add_option(&o, "metacopy", "off");
	add_option(&o, "redirect_dir", "nofollow");
	if (source)
		add_option(&o, "source", source);
	if (l->writable) {
		work = open_directory(l->volume, "work");
		if (work < 0)
			return work;
		fd_text(o.upper, l->upper);
		fd_text(o.work, work);
		add_option(&o, "upperdir", o.upper);
		add_option(&o, "workdir", o.work);
		if (l->is_volatile)
			add_option(&o, "volatile", NULL);
	} else {
		attributes |= MOUNT_READONLY;
		if (l->upper >= 0)
			lower[n++] = l->upper;
	}
	for (size_t i = 0; i < l->n; i++)
		lower[n++] = l->lower[i];
	add_lowers(&o, lower, n);
	return mount_new("overlay", o.list, o.n, attributes, message, size);
}

bool layers_can_grow(const struct layers *l)
{
	char lower[2][LAYER_TEXT];
	struct mount_option options[ARRAY_SIZE(lower)];
	_close_ int fd = -1;

	for (size_t i = 0; i < ARRAY_SIZE(lower); i++) {
		fd_text(lower[i], l->lower[i]);
		options[i] = (struct mount_option){ "lowerdir+", lower[i] };
	}
	fd = mount_new("overlay", options, ARRAY_SIZE(options), MOUNT_READONLY, NULL, 0);
	return fd >= 0;
}
