/*
 * The devices that may be opened, as lines for the v1 devices controller or as a program for v2
 * (BPF_PROG_TYPE_CGROUP_DEVICE), both from one table.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/base.h"
#include "kernel/cgroup_private.h"

enum {
	MKNOD = BPF_DEVCG_ACC_MKNOD,
	ALL = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
	ANY = -1,
};

static const struct device {
	short type; /* BPF_DEVCG_DEV_CHAR or BLOCK */
	short access;
	int major, minor;
} devices[] = {
	{ BPF_DEVCG_DEV_CHAR, ALL, 1, 3 },     /* null */
	{ BPF_DEVCG_DEV_CHAR, ALL, 1, 5 },     /* zero */
	{ BPF_DEVCG_DEV_CHAR, ALL, 1, 7 },     /* full */
	{ BPF_DEVCG_DEV_CHAR, ALL, 1, 8 },     /* random */
	{ BPF_DEVCG_DEV_CHAR, ALL, 1, 9 },     /* urandom */
	{ BPF_DEVCG_DEV_CHAR, ALL, 5, 0 },     /* tty */
	{ BPF_DEVCG_DEV_CHAR, ALL, 5, 2 },     /* ptmx */
	{ BPF_DEVCG_DEV_CHAR, ALL, 136, ANY }, /* pts/N */
	{ BPF_DEVCG_DEV_CHAR, MKNOD, ANY, ANY }, { BPF_DEVCG_DEV_BLOCK, MKNOD, ANY, ANY },
};

/* ---- v1 -------------------------------------------------------------------------------------- */

static void number_or_star(char dst[16], int n)
{
	if (n == ANY)
		snprintf(dst, 16, "*");
	else
		snprintf(dst, 16, "%d", n);
}

static int allow_v1(int fd, const struct device *d)
{
	char line[64], major[16], minor[16];

	number_or_star(major, d->major);
	number_or_star(minor, d->minor);
	snprintf(line, sizeof(line), "%c %s:%s %s", d->type == BPF_DEVCG_DEV_CHAR ? 'c' : 'b',
		 major, minor, d->access == ALL ? "rwm" : "m");
	return write_all(fd, line, strlen(line));
}

static int limit_v1(const struct cgroup_hierarchy *h, const char *path)
{
	char name[CGROUP_FILE];
	_close_ int fd = -1;
	int r;

	r = cgroup_put(h, path, "devices.deny", "a");
	if (r == 0)
		r = cgroup_file(name, path, "devices.allow");
	if (r < 0)
		return r;
	fd = openat(h->fd, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(devices) && r == 0; i++)
		r = allow_v1(fd, &devices[i]);
	return r;
}

/* ---- v2 -------------------------------------------------------------------------------------- */

enum {
	R0 = BPF_REG_0, /* the answer: 1 is yes */
	CONTEXT = BPF_REG_1,
	ACCESS = BPF_REG_2,
	TYPE = BPF_REG_3,
	MAJOR = BPF_REG_4,
	MINOR = BPF_REG_5,
	SCRATCH = BPF_REG_6,
	PER_DEVICE = 8,
	PROGRAM_MAX = 8 + PER_DEVICE * ARRAY_SIZE(devices),
};

struct program {
	struct bpf_insn insns[PROGRAM_MAX];
	unsigned n;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, int32_t imm)
{
	p->insns[p->n++] = (struct bpf_insn){ .code = code, .dst_reg = dst, .imm = imm };
}

static void load(struct program *p, uint8_t dst, size_t offset)
{
	p->insns[p->n++] = (struct bpf_insn){
		.code = BPF_LDX | BPF_W | BPF_MEM,
		.dst_reg = dst,
		.src_reg = CONTEXT,
		.off = (int16_t)offset,
	};
}

static void answer(struct program *p, int yes)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, R0, yes);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0);
}

/* Says yes if all of it fits; otherwise goes on behind. */
static void emit_device(struct program *p, const struct device *d)
{
	struct program match = { .n = 0 };
	const uint8_t differs = BPF_JMP | BPF_JNE | BPF_K;

	emit(&match, differs, TYPE, d->type);
	if (d->access != ALL) {
		match.insns[match.n++] = (struct bpf_insn){
			.code = BPF_ALU64 | BPF_MOV | BPF_X,
			.dst_reg = SCRATCH,
			.src_reg = ACCESS,
		};
		emit(&match, BPF_ALU64 | BPF_AND | BPF_K, SCRATCH, ALL & ~d->access);
		emit(&match, differs, SCRATCH, 0);
	}
	if (d->major != ANY)
		emit(&match, differs, MAJOR, d->major);
	if (d->minor != ANY)
		emit(&match, differs, MINOR, d->minor);
	answer(&match, 1);
	for (unsigned i = 0; i < match.n; i++) {
		struct bpf_insn insn = match.insns[i];

		if (insn.code == differs)
			insn.off = (int16_t)(match.n - i - 1);
		p->insns[p->n++] = insn;
	}
}

static void build(struct program *p)
{
	load(p, ACCESS, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	load(p, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	load(p, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	/* access_type is access << 16 | type */
	p->insns[p->n++] = (struct bpf_insn){
		.code = BPF_ALU64 | BPF_MOV | BPF_X,
		.dst_reg = TYPE,
		.src_reg = ACCESS,
	};
	emit(p, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0xffff);
	emit(p, BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 16);
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		emit_device(p, &devices[i]);
	answer(p, 0);
}

static int bpf(int command, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static int limit_v2(const struct cgroup_hierarchy *h, const char *path)
{
	struct program p = { .n = 0 };
	union bpf_attr attr = { 0 };
	_close_ int program = -1, group = -1;

	build(&p);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)p.insns;
	attr.insn_cnt = p.n;
	attr.license = (uintptr_t) "Apache-2.0";
	program = bpf(BPF_PROG_LOAD, &attr);
	if (program < 0)
		return program;
	group = openat(h->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group < 0)
		return -errno;
	attr = (union bpf_attr){ 0 };
	attr.target_fd = (uint32_t)group;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	return bpf(BPF_PROG_ATTACH, &attr);
}

int cgroup_limit_devices(const struct cgroup *g, struct error *err)
{
	const struct cgroup_hierarchy *h = cgroup_with(g->host, CGROUP_DEVICES);
	int r;

	if (!h)
		return error_set(
			err, -EOPNOTSUPP,
			"access to devices cannot be limited: there is neither a v1 devices controller nor "
			"cgroup v2 on this host. Mount one of them, or run without this limit.");
	r = h->v2 ? limit_v2(h, g->path) : limit_v1(h, g->path);
	if (r == -EINVAL && h->v2)
		return error_set(
			err, -EOPNOTSUPP,
			"access to devices cannot be limited: this kernel has no device programs "
			"(CONFIG_CGROUP_BPF). Run without this limit.");
	return r < 0 ? error_set(err, r, "cannot limit access to devices in %s/%s", h->mount,
				 g->path)
		     : 0;
}
