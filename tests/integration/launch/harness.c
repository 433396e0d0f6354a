#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "harness.h"
#include "initd/pod/podinit.h"
#include "stage3/launch.h"

static const char *stage3, *pod_init; /* the programs under test */

static const char *const applets[] = { "cat",   "echo", "grep", "hostname", "id",
				       "ls",    "ps",   "pwd",  "readlink", "sh",
				       "sleep", "stat", "stty", "tail",     "test",
				       "touch", "true", "tty",  "wc" };

#define OK(call) assert_int_equal((call), 0)

static int checked(int r)
{
	if (r < 0)
		print_error("%s\n", strerror(-r));
	assert_true(r >= 0);
	return r;
}

void rootfs_put(const struct rootfs *r, const char *name, const char *text, mode_t mode)
{
	OK(file_write(r->fd, name, text, strlen(text), mode, 0));
	OK(fchmodat(r->fd, name, mode, 0));
}

void rootfs_make(struct rootfs *r)
{
	static const char *const directories[] = {
		"bin", "dev", "etc", "proc", "sys", "tmp", "home"
	};
	int busybox, copy;
	struct stat st;

	snprintf(r->path, sizeof(r->path), "/tmp/carob-launch-XXXXXX");
	assert_non_null(mkdtemp(r->path));
	OK(chmod(r->path, 0755));
	r->fd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(r->fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		OK(mkdirat(r->fd, directories[i], 0755));
	busybox = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
	assert_true(busybox >= 0);
	OK(fstat(busybox, &st));
	copy = openat(r->fd, "bin/busybox", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	assert_true(copy >= 0);
	assert_int_equal(sendfile(copy, busybox, NULL, (size_t)st.st_size), st.st_size);
	OK(fchmod(copy, 0755));
	close(copy);
	close(busybox);
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		char name[32];

		snprintf(name, sizeof(name), "bin/%s", applets[i]);
		OK(symlinkat("busybox", r->fd, name));
	}
	rootfs_put(r, "etc/passwd",
		   "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/:\n4:x:44:44::/:\n", 0644);
	rootfs_put(r, "etc/group", "root:x:0:\nstaff:x:50:web\n", 0644);
}

void rootfs_remove(struct rootfs *r)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close(r->fd);
	OK(path_remove_tree(tmp, r->path + strlen("/tmp/")));
	close(tmp);
}

/* A sealed copy of the program, as stage1 executes it. */
static int open_program(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), copy;

	assert_true(fd >= 0);
	copy = checked(process_sealed_copy(fd, "program"));
	close(fd);
	return copy;
}

static struct plan_report *make_report(int *ret_fd)
{
	struct plan_report *page;

	*ret_fd = memfd_create("report", MFD_CLOEXEC);
	assert_true(*ret_fd >= 0);
	OK(ftruncate(*ret_fd, sizeof(*page)));
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	return page;
}

static void make_pair(int *ours, int *theirs)
{
	int pair[2];

	OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	*ours = pair[0];
	*theirs = pair[1];
}

void pod_start(struct pod *p)
{
	static const char *const argv[] = { "carob-pod-init", NULL }, *const envp[] = { NULL };
	struct process_spec spec = {
		.exe_fd = open_program(pod_init),
		.argv = argv,
		.envp = envp,
		.clone_flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS,
		.cgroup_fd = -1,
		.stdio = { -1, -1, -1 },
		.new_session = true,
	};
	struct podinit_config config = { .magic = PLAN_MAGIC,
					 .shm_kib = 1024,
					 .hostname = "carob-test" };
	int sock, pipe_fds[2], report_fd, fds[2];
	struct plan_report *report = make_report(&report_fd);
	char ready = 0;

	OK(process_reset_signals()); /* as stage1 does: what is ignored here would be there */
	make_pair(&sock, &spec.keep_fd);
	OK(pipe2(pipe_fds, O_CLOEXEC));
	fds[PODINIT_FD_REPORT] = report_fd;
	fds[PODINIT_FD_LIFELINE] = pipe_fds[0];
	p->lifeline = pipe_fds[1];
	OK(socket_send_fds(sock, &config, sizeof(config), fds, 2));
	p->init = checked(process_spawn(&spec, &p->pid));
	close(spec.keep_fd);
	close(spec.exe_fd);
	close(pipe_fds[0]);
	close(report_fd);
	if (recv(sock, &ready, 1, 0) != 1)
		fail_msg("pod-init: step %u: %s", report->step, strerror(report->error));
	assert_int_equal(ready, 'r');
	close(sock);
	munmap(report, sizeof(*report));
	OK(setns(p->init, CLONE_NEWPID));
}

int pod_end(struct pod *p)
{
	int status, own;

	if (p->lifeline < 0)
		return -1;
	close(p->lifeline);
	p->lifeline = -1;
	OK(process_wait(p->init, &status));
	close(p->init);
	own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	OK(setns(own, CLONE_NEWPID));
	close(own);
	return status;
}

uint32_t trial_add_fd(struct trial *t, int fd)
{
	assert_true(t->plan.n_fds < ARRAY_SIZE(t->fds));
	t->fds[t->plan.n_fds] = checked(fcntl(fd, F_DUPFD_CLOEXEC, 3));
	return t->plan.n_fds++;
}

static struct plan_mount *add_mount(struct trial *t)
{
	assert_true(t->plan.n_mounts < ARRAY_SIZE(t->mounts));
	return &t->mounts[t->plan.n_mounts++];
}

void trial_mount(struct trial *t, int fd, const char *target, uint32_t flags)
{
	*add_mount(t) = (struct plan_mount){ .source = PLAN_SOURCE_FD,
					     .fd = trial_add_fd(t, fd),
					     .fstype = "",
					     .target = target,
					     .flags = flags };
}

static void add_system_mounts(struct trial *t)
{
	static const struct {
		const char *type, *target;
		uint64_t attributes;
		const char *options[6];
	} table[] = {
		{ "proc", "/proc", MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, { 0 } },
		{ "sysfs",
		  "/sys",
		  MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC | MOUNT_READONLY,
		  { 0 } },
		{ "tmpfs", "/dev", MOUNT_NOSUID | MOUNT_NOEXEC, { "mode", "755", "size", "64m" } },
		{ "devpts",
		  "/dev/pts",
		  MOUNT_NOSUID | MOUNT_NOEXEC,
		  { "ptmxmode", "0666", "mode", "0620", "gid", "5" } },
		{ "mqueue", "/dev/mqueue", MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, { 0 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct plan_mount *m = add_mount(t);

		*m = (struct plan_mount){ .source = PLAN_SOURCE_NEW,
					  .fstype = table[i].type,
					  .target = table[i].target,
					  .attributes = table[i].attributes,
					  .option_first = t->plan.n_options,
					  .flags = PLAN_MOUNT_NO_LINKS };
		for (size_t k = 0; k < 6 && table[i].options[k]; k++)
			t->options[t->plan.n_options++] = table[i].options[k];
		m->option_n = (t->plan.n_options - m->option_first) / 2;
	}
	*add_mount(t) = (struct plan_mount){ .source = PLAN_SOURCE_POD,
					     .fstype = "/shm",
					     .target = "/dev/shm",
					     .attributes = MOUNT_NOSUID | MOUNT_NODEV,
					     .flags = PLAN_MOUNT_NO_LINKS };
}

static void init_process(struct trial *t, const char *script)
{
	*t = (struct trial){ .argv = { "sh", "-c", script }, .envp = { "PATH=/bin", "A=b" } };
	t->plan = (struct plan){
		.flags = PLAN_SESSION,
		.app = "app",
		.user = "root",
		.group = "root",
		.directory = "",
		.root = "/root",
		.capabilities = CAPS_APP_DEFAULT,
		.oom_score_adj = INT32_MIN,
		.umask = 022,
		.n_argv = 3,
		.n_envp = 2,
	};
	t->plan.argv = t->argv;
	t->plan.envp = t->envp;
	t->plan.joins = t->joins;
	t->plan.mounts = t->mounts;
	t->plan.options = t->options;
	t->plan.devices = t->devices;
}

static void join(struct trial *t, int fd, uint32_t flags)
{
	t->joins[t->plan.n_joins++] = (struct plan_join){ trial_add_fd(t, fd), flags };
}

void trial_init(struct trial *t, const struct pod *p, const struct rootfs *r, const char *script)
{
	static const struct plan_device devices[] = {
		{ "null", 0666, 1, 3, 0, 0 },    { "zero", 0666, 1, 5, 0, 0 },
		{ "full", 0666, 1, 7, 0, 0 },    { "random", 0666, 1, 8, 0, 0 },
		{ "urandom", 0666, 1, 9, 0, 0 }, { "tty", 0666, 5, 0, 0, 5 },
		{ "console", 0620, 1, 3, 0, 5 },
	};
	static const struct plan_link links[] = { { "ptmx", "pts/ptmx" },
						  { "fd", "/proc/self/fd" } };
	static const char *const masks[] = { "/proc/kcore",       "/proc/acpi",
					     "/proc/keys",        "/proc/timer_list",
					     "/proc/scsi",        "/proc/no-such",
					     "/sys/firmware",     "/sys/kernel/debug",
					     "/proc/fs/nfsd/gone" };
	static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
						"/proc/sysrq-trigger" };
	int root = checked(mount_clone(r->fd, "", false));

	init_process(t, script);
	t->plan.flags |= PLAN_BUILD_ROOT | PLAN_UNSHARE_CGROUP;
	t->plan.unshare = CLONE_NEWNS;
	t->plan.root_fd = trial_add_fd(t, root);
	close(root);
	join(t, p->init, CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET);
	add_system_mounts(t);
	memcpy(t->devices, devices, sizeof(devices));
	t->plan.n_devices = ARRAY_SIZE(devices);
	t->plan.links = links;
	t->plan.n_links = ARRAY_SIZE(links);
	t->plan.masks = masks;
	t->plan.n_masks = ARRAY_SIZE(masks);
	t->plan.readonly = readonly;
	t->plan.n_readonly = ARRAY_SIZE(readonly);
}

void trial_join(struct trial *t, const struct pod *p, int namespace, const char *script)
{
	init_process(t, script);
	join(t, p->init, CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET);
	join(t, namespace, CLONE_NEWNS);
}

void trial_deinit(struct trial *t)
{
	for (uint32_t i = 0; i < t->plan.n_fds; i++)
		close(t->fds[i]);
}

static void send_plan(const struct trial *t, int sock, int report_fd)
{
	int fds[LAUNCH_FD_FIRST + ARRAY_SIZE(t->fds)];
	struct launch_message message = { .magic = PLAN_MAGIC };
	_close_ int memfd = -1;
	_free_ void *block = NULL;
	size_t len;

	OK(plan_encode(&t->plan, &block, &len));
	memfd = checked(process_sealed_bytes("plan", block, len));
	message.plan_len = (uint32_t)len;
	fds[LAUNCH_FD_PLAN] = memfd;
	fds[LAUNCH_FD_REPORT] = report_fd;
	memcpy(fds + LAUNCH_FD_FIRST, t->fds, t->plan.n_fds * sizeof(int));
	OK(socket_send_fds(sock, &message, sizeof(message), fds, LAUNCH_FD_FIRST + t->plan.n_fds));
}

/* Until stage3 closes the socket: at its execve, or its end. */
static void receive_replies(int sock, struct outcome *o)
{
	char kind;
	int fd = -1;
	size_t n = 1;

	while (socket_receive_fds(sock, &kind, 1, &fd, &n) > 0) {
		assert_int_equal(n, 1);
		if (kind == LAUNCH_REPLY_NAMESPACE)
			o->namespace = fd;
		else if (kind == LAUNCH_REPLY_TERMINAL)
			o->terminal = fd;
		else
			fail_msg("reply %c", kind);
		n = 1;
	}
}

static void read_output(int fd, struct outcome *o)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, o->output + len, sizeof(o->output) - 1 - len)) > 0)
		len += (size_t)n;
	o->output[len] = '\0';
}

void trial_start(struct trial *t, struct outcome *o)
{
	static const char *const argv[] = { "carob-stage3", NULL }, *const envp[] = { NULL };
	struct process_spec spec = {
		.exe_fd = open_program(stage3), .argv = argv, .envp = envp, .cgroup_fd = -1
	};
	int sock, report_fd, out[2];
	struct plan_report *report = make_report(&report_fd);

	*o = (struct outcome){ .namespace = -1, .terminal = -1 };
	make_pair(&sock, &spec.keep_fd);
	OK(pipe2(out, O_CLOEXEC));
	spec.stdio[0] = -1;
	spec.stdio[1] = spec.stdio[2] = out[1];
	send_plan(t, sock, report_fd);
	o->pidfd = checked(process_spawn(&spec, NULL));
	o->pipe = out[0];
	close(spec.keep_fd);
	close(spec.exe_fd);
	close(out[1]);
	receive_replies(sock, o);
	o->report = *report;
	close(sock);
	close(report_fd);
	munmap(report, sizeof(*report));
}

void trial_finish(struct outcome *o)
{
	read_output(o->pipe, o);
	if (o->terminal >= 0)
		read_output(o->terminal, o); /* ends in EIO when the app has closed its side */
	OK(process_wait(o->pidfd, &o->status));
	close(o->pidfd);
	close(o->pipe);
}

void trial_run(struct trial *t, struct outcome *o)
{
	trial_start(t, o);
	trial_finish(o);
}

void outcome_deinit(struct outcome *o)
{
	if (o->namespace >= 0)
		close(o->namespace);
	if (o->terminal >= 0)
		close(o->terminal);
}

static void assert_launched(const struct outcome *o)
{
	if (o->report.step != PLAN_STEP_EXEC || o->report.error)
		fail_msg("step %s[%u]: %s", plan_step_name(o->report.step), o->report.index,
			 strerror(o->report.error));
}

void trial_expect(struct trial *t, const char *output)
{
	struct outcome o;

	trial_run(t, &o);
	assert_launched(&o);
	assert_string_equal(o.output, output);
	outcome_deinit(&o);
	trial_deinit(t);
}

void trial_expect_refusal(struct trial *t, enum plan_step step, uint32_t index, int error)
{
	struct outcome o;

	trial_run(t, &o);
	if (o.report.step != step || o.report.index != index || o.report.error != error)
		fail_msg("%s[%u] %s instead of %s[%u] %s", plan_step_name(o.report.step),
			 o.report.index, strerror(o.report.error), plan_step_name(step), index,
			 strerror(error));
	assert_string_equal(o.output, "");
	assert_in_range(o.status, 125, 127);
	outcome_deinit(&o);
	trial_deinit(t);
}

int fixture_setup(void **state)
{
	static struct fixture f;

	rootfs_make(&f.rootfs);
	pod_start(&f.pod);
	*state = &f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	pod_end(&f->pod);
	rootfs_remove(&f->rootfs);
	return 0;
}

void fixture_app(void **state, struct trial *t, const char *script)
{
	struct fixture *f = *state;

	trial_init(t, &f->pod, &f->rootfs, script);
}

void fixture_expect(void **state, const char *script, const char *output)
{
	struct trial t;

	fixture_app(state, &t, script);
	trial_expect(&t, output);
}

int harness_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
	if (argc != 3)
		return 2;
	stage3 = argv[1];
	pod_init = argv[2];
	return _cmocka_run_group_tests("launch", tests, n, NULL, NULL);
}
