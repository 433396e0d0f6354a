/*
 * Which hierarchies are there, from /proc/self/mountinfo (proc(5)). A line, in our words:
 *
 *	36 31 0:33 ROOT MOUNTPOINT rw,relatime [tags] - cgroup cgroup rw,devices
 *
 * Only mounts of a whole hierarchy count (ROOT is "/"); a part of one, bound somewhere, is of no
 * use.
 */
#include <fcntl.h>
#include <string.h>

#include "base/base.h"
#include "kernel/cgroup_private.h"

enum { MOUNTINFO_MAX = 64 << 20 };

static const struct {
	const char *v1, *v2;
	enum cgroup_controller bit;
} controllers[] = {
	{ "cpu", "cpu", CGROUP_CPU },          { "cpuacct", NULL, CGROUP_CPUACCT },
	{ "memory", "memory", CGROUP_MEMORY }, { "pids", "pids", CGROUP_PIDS },
	{ "devices", NULL, CGROUP_DEVICES },   { "freezer", NULL, CGROUP_FREEZER },
	{ "blkio", "io", CGROUP_BLKIO },
};

/* What every v2 group has without any controller: cpu.stat, device programs, cgroup.freeze. */
static const uint32_t v2_always = CGROUP_CPUACCT | CGROUP_DEVICES | CGROUP_FREEZER;

const char *cgroup_controller_name(enum cgroup_controller controller)
{
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (controllers[i].bit == controller)
			return controllers[i].v1;
	return "?";
}

const struct cgroup_hierarchy *cgroup_with(const struct cgroup_host *h,
					   enum cgroup_controller controller)
{
	const struct cgroup_hierarchy *v2 = NULL;

	for (unsigned i = 0; i < h->n; i++) {
		if (!(h->list[i].has & controller))
			continue;
		if (!h->list[i].v2)
			return &h->list[i];
		v2 = &h->list[i];
	}
	return v2;
}

struct word {
	const char *s;
	size_t len;
};

static bool word_is(struct word w, const char *s)
{
	return w.len == strlen(s) && memcmp(w.s, s, w.len) == 0;
}

/* Cuts the next word off *s; words end at a separator, a blank or the end of the line. */
static struct word next_word(const char **s, const char *separators)
{
	struct word w = { *s, strcspn(*s, separators) };

	*s += w.len;
	if (**s && **s != '\n')
		(*s)++;
	return w;
}

/* The kernel writes blank, tab, newline and backslash of a path as \ooo. */
static bool unescape(char *dst, size_t size, struct word w)
{
	size_t n = 0;

	for (size_t i = 0; i < w.len; n++) {
		const char *p = w.s + i;

		if (n + 1 >= size)
			return false;
		if (p[0] == '\\' && w.len - i >= 4) {
			dst[n] = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			i += 4;
		} else {
			dst[n] = p[0];
			i++;
		}
	}
	dst[n] = '\0';
	return true;
}

/* The controllers of ours among the mount options of a v1 hierarchy. */
static void read_v1_options(struct cgroup_hierarchy *h, const char *options)
{
	while (*options && *options != '\n') {
		struct word w = next_word(&options, ",\n");

		for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
			if (!word_is(w, controllers[i].v1))
				continue;
			size_t used = strlen(h->controllers);

			snprintf(h->controllers + used, sizeof(h->controllers) - used, "%s%s",
				 used ? "," : "", controllers[i].v1);
			h->has |= controllers[i].bit;
		}
	}
}

/* One line; false when it is no hierarchy that we use. */
static bool parse_line(struct cgroup_hierarchy *ret, const char *line, const char *rest)
{
	struct cgroup_hierarchy h = { .fd = -1 };
	struct word root, mount, type;

	for (int i = 0; i < 3; i++)
		next_word(&line, " \n");
	root = next_word(&line, " \n");
	mount = next_word(&line, " \n");
	if (!word_is(root, "/") || !unescape(h.mount, sizeof(h.mount), mount))
		return false;
	type = next_word(&rest, " \n");
	next_word(&rest, " \n");
	h.v2 = word_is(type, "cgroup2");
	if (h.v2)
		h.has = v2_always;
	else if (word_is(type, "cgroup"))
		read_v1_options(&h, rest);
	*ret = h;
	return h.has != 0;
}

static bool is_known(const struct cgroup_host *h, const struct cgroup_hierarchy *new)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->list[i].v2 == new->v2 && h->list[i].has &new->has)
			return true;
	return false;
}

/* A controller is in one hierarchy only: has v1 all that both can have, and that limits are for,
 * then there is none of them in v2. */
static bool has_all_in_v1(const struct cgroup_host *host)
{
	uint32_t left = CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS;

	for (unsigned i = 0; i < host->n; i++)
		if (!host->list[i].v2)
			left &= ~host->list[i].has;
	return left == 0;
}

/* The controllers that the root of the v2 hierarchy can give to groups. */
static int read_v2_controllers(struct cgroup_host *host, struct cgroup_hierarchy *h)
{
	_free_ char *text = NULL;
	const char *s;
	int r = file_read(h->fd, "cgroup.controllers", 4096, &text, NULL);

	if (r < 0)
		return r;
	s = text;
	while (*s && *s != '\n') {
		struct word w = next_word(&s, " \n");

		for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
			if (controllers[i].v2 && word_is(w, controllers[i].v2))
				host->v2_controllers |= controllers[i].bit;
	}
	h->has |= host->v2_controllers;
	return 0;
}

static int open_hierarchies(struct cgroup_host *host, int rootfd, struct error *err)
{
	for (unsigned i = 0; i < host->n; i++) {
		struct cgroup_hierarchy *h = &host->list[i];
		int r = 0;

		h->fd = openat(rootfd, rootfd == AT_FDCWD ? h->mount : h->mount + 1,
			       O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (h->fd < 0)
			return error_set(err, -errno, "cannot open the cgroup hierarchy %s",
					 h->mount);
		if (h->v2 && !has_all_in_v1(host))
			r = read_v2_controllers(host, h);
		if (r < 0)
			return error_set(err, r, "cannot read the controllers of %s", h->mount);
	}
	return 0;
}

static enum cgroup_mode mode_of(const struct cgroup_host *h)
{
	bool v1 = false, v2 = false;

	for (unsigned i = 0; i < h->n; i++)
		*(h->list[i].v2 ? &v2 : &v1) = true;
	if (v1)
		return v2 ? CGROUP_HYBRID : CGROUP_V1;
	return v2 ? CGROUP_V2 : CGROUP_NONE;
}

/* Each hierarchy costs every start a dozen system calls. Of no use are: one that limits nothing of
 * struct cgroup_limits (blkio), and on a hybrid host those for what v2 does as well, without
 * any controller (cpuacct, freezer; the devices hierarchy stays: writing its list is cheaper than
 * loading a program). */
static void leave_out_useless(struct cgroup_host *host)
{
	uint32_t useless = CGROUP_BLKIO |
			   (host->mode == CGROUP_HYBRID ? CGROUP_CPUACCT | CGROUP_FREEZER : 0);
	unsigned kept = 0;

	for (unsigned i = 0; i < host->n; i++)
		if (host->list[i].v2 || host->list[i].has & ~useless)
			host->list[kept++] = host->list[i];
	host->n = kept;
}

int cgroup_host_parse(struct cgroup_host *ret, const char *mountinfo, int rootfd, struct error *err)
{
	static const char mark[] = " - cgroup";
	_cleanup_(cgroup_host_close) struct cgroup_host host = { 0 };
	int r;

	for (const char *p = mountinfo; (p = strstr(p, mark)) != NULL; p += sizeof(mark) - 1) {
		const char *line = p;
		struct cgroup_hierarchy h;

		while (line > mountinfo && line[-1] != '\n')
			line--;
		if (!parse_line(&h, line, p + strlen(" - ")) || is_known(&host, &h))
			continue;
		if (host.n == CGROUP_MAX)
			return error_set(err, -E2BIG,
					 "more than %d cgroup hierarchies are mounted.",
					 CGROUP_MAX);
		host.list[host.n++] = h;
	}
	host.mode = mode_of(&host);
	leave_out_useless(&host);
	r = open_hierarchies(&host, rootfd, err);
	if (r < 0)
		return r;
	*ret = host;
	host.n = 0;
	return 0;
}

int cgroup_host_open(struct cgroup_host *ret, struct error *err)
{
	_free_ char *text = NULL;
	int r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL);

	if (r < 0)
		return error_set(err, r, "cannot read /proc/self/mountinfo");
	return cgroup_host_parse(ret, text, AT_FDCWD, err);
}

void cgroup_host_close(struct cgroup_host *h)
{
	for (unsigned i = 0; i < h->n; i++)
		cleanup_close(&h->list[i].fd);
	h->n = 0;
}
