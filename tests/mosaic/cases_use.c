/* Mounts, devices, users that die. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

static void mounted_twice(struct suite *s)
{
	int one, two, ro;

	create(s, "v");
	one = mount_rw(s, "v");
	two = mount_rw(s, "v");
	ro = mount_ro(s, "v");
	put(one, "x", "1");
	same(two, "x", "1");
	same(ro, "x", "1");
	put(two, "x", "2");
	same(one, "x", "2");
	need(openat(ro, "y", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EROFS);
	close(one);
	put(two, "z", "3");
	close(two);
	close(ro);
	same_in(s, "v", "z", "3");
}

/* The first mount is here, or in another namespace. */
static void clone_mounted_twice(struct suite *s)
{
	int one, two, status, ready[2];
	char at[512], go;
	pid_t pid;

	snprintf(at, sizeof(at), "%s/twice", s->scratch);
	mkdir(at, 0755);
	create(s, "v");
	put_in(s, "v", "x", "0");
	ok(s, mosaic_snapshot(s->m, "s", "v", &s->err));
	ok(s, mosaic_mount_at(s->m, "v", at, NULL, &s->err));
	one = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	two = mount_rw(s, "v");
	put(one, "x", "1");
	same(two, "x", "1");
	put(two, "y", "2");
	same(one, "y", "2");
	close(one);
	close(two);
	ok(s, mosaic_umount(s->m, "v", at, &s->err));
	same_in(s, "s", "x", "0");
	mosaic_close(s->m);
	if (pipe2(ready, O_CLOEXEC) < 0 || (pid = fork_child()) < 0)
		fail("fork: %m");
	if (pid == 0) {
		/* lint: path ok: the root */
		if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			fail("unshare: %m");
		ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
		ok(s, mosaic_mount_at(s->m, "v", at, NULL, &s->err));
		one = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		put(one, "x", "there");
		(void)!write(ready[1], "r", 1);
		while (!has(one, "end"))
			usleep(1000);
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &go, 1) != 1)
		fail("not ready");
	ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
	two = mount_rw(s, "v");
	same(two, "x", "there");
	put(two, "end", "");
	close(two);
	waitpid(pid, &status, 0);
	need(status == 0);
	rmdir(at);
}

struct points {
	int n;
	char path[512];
	bool here, read_only;
};

static int note_point(const struct mosaic_mount_point *p, void *arg)
{
	struct points *points = arg;

	points->n++;
	snprintf(points->path, sizeof(points->path), "%s", p->path);
	points->here = p->here;
	points->read_only = p->read_only;
	return 0;
}

static void mount_points(struct suite *s)
{
	struct points points = { 0 };
	char at[512], file[600];
	struct mosaic *m;
	int dir;

	snprintf(at, sizeof(at), "%s/a b", s->scratch);
	mkdir(at, 0755);
	create(s, "v");
	create(s, "w");
	need(mosaic_is_mounted(s->m, "v", &s->err) == 0);
	need(mosaic_is_used(s->m, "v", &s->err) == 0);
	fails(s, EINVAL, mosaic_umount(s->m, "v", at, &s->err));
	ok(s, mosaic_open_named(&m, s->what, 0, &s->err));
	ok(s, mosaic_mount_at(m, "v", at, NULL, &s->err));
	mosaic_close(m); /* the mount stays */
	need(mosaic_is_mounted(s->m, "v", &s->err) == 1);
	need(mosaic_is_used(s->m, "v", &s->err) == 1);
	need(mosaic_is_mounted(s->m, "w", &s->err) == 0);
	ok(s, mosaic_each_mount_point(s->m, "v", note_point, &points, &s->err));
	need(points.n == 1 && points.here && !points.read_only && strcmp(points.path, at) == 0);
	snprintf(file, sizeof(file), "%s/x", at);
	dir = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(dir, "x", "here");
	fails(s, EBUSY, mosaic_drop(s->m, "v", 0, &s->err));
	need(strstr(s->err.text, "") != NULL);
	fails(s, EBUSY, mosaic_umount(s->m, "v", at, &s->err)); /* dir is open */
	close(dir);
	fails(s, EINVAL, mosaic_umount(s->m, "w", at, &s->err));
	ok(s, mosaic_umount(s->m, "v", at, &s->err));
	need(access(file, F_OK) < 0);
	need(mosaic_is_used(s->m, "v", &s->err) == 0);
	same_in(s, "v", "x", "here");
	ok(s, mosaic_mount_at(s->m, "v", at,
			      &(struct mosaic_mount){ .flags = MOSAIC_MOUNT_READONLY }, &s->err));
	points.n = 0;
	ok(s, mosaic_each_mount_point(s->m, "v", note_point, &points, &s->err));
	need(points.n == 1 && points.read_only);
	ok(s, mosaic_umount(s->m, NULL, at, &s->err));
	rmdir(at);
}

static void in_another_namespace(struct suite *s)
{
	struct points points = { 0 };
	char at[512], go;
	int ready[2], end[2], status;
	pid_t pid;

	snprintf(at, sizeof(at), "%s/other", s->scratch);
	mkdir(at, 0755);
	create(s, "v");
	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(end, O_CLOEXEC) < 0 || (pid = fork_child()) < 0)
		fail("fork: %m");
	if (pid == 0) {
		close(end[1]);
		/* lint: path ok: the root */
		if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			fail("unshare: %m");
		ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err)); /* by paths of this one */
		ok(s, mosaic_mount_at(s->m, "v", at, NULL, &s->err));
		(void)!write(ready[1], "r", 1);
		(void)!read(end[0], &go, 1);
		_exit(0);
	}
	close(end[0]);
	close(ready[1]);
	if (read(ready[0], &go, 1) != 1)
		fail("not ready");
	need(mosaic_is_mounted(s->m, "v", &s->err) == 1);
	ok(s, mosaic_each_mount_point(s->m, "v", note_point, &points, &s->err));
	need(points.n == 1 && !points.here && strcmp(points.path, at) == 0);
	fails(s, EBUSY, mosaic_drop(s->m, "v", 0, &s->err));
	close(end[1]);
	waitpid(pid, &status, 0);
	for (int i = 0; i < 100 && mosaic_is_used(s->m, "v", &s->err) == 1; i++)
		usleep(20000);
	need(mosaic_is_used(s->m, "v", &s->err) == 0);
	rmdir(at);
}

static void take_and_wait(struct suite *s)
{
	int fd;

	ok(s, mosaic_mount(s->m, "v", NULL, &fd, &s->err));
	put(fd, "x", "of the dead");
	if (s->features & MOSAIC_DEVICE) {
		char device[MOSAIC_DEVICE_MAX];

		ok(s, mosaic_create(s->m, "d", NULL, &s->err));
		ok(s, mosaic_attach(s->m, "d", 0, device, &s->err));
	}
}

static void dead_users(struct suite *s)
{
	char device[MOSAIC_DEVICE_MAX];
	int r = 0;

	create(s, "v");
	die_after(s, take_and_wait);
	for (int i = 0; i < 100 && mosaic_is_used(s->m, "v", &s->err) == 1; i++)
		usleep(20000);
	need(mosaic_is_used(s->m, "v", &s->err) == 0);
	same_in(s, "v", "x", "of the dead");
	if (!(s->features & MOSAIC_DEVICE))
		return;
	for (int i = 0; i < 100; i++) {
		r = mosaic_get_device(s->m, "d", device, &s->err);
		if (r == MOSAIC_NO_DEVICE)
			break;
		usleep(20000);
	}
	need(r == MOSAIC_NO_DEVICE);
}

static void make_and_wait(struct suite *s)
{
	struct mosaic_staged staged;
	int fd;

	ok(s, mosaic_stage(s->m, &staged, &fd, &s->err));
	put(fd, "x", "y");
}

static int count_leftover(const char *where, void *arg)
{
	(void)where;
	++*(int *)arg;
	return 0;
}

static void dead_makers(struct suite *s)
{
	unsigned n;
	int seen = 0;

	die_after(s, make_and_wait);
	usleep(100000);
	ok(s, mosaic_each_leftover(s->m, count_leftover, &seen, &s->err));
	need(seen == 1);
	ok(s, mosaic_check(s->m, MOSAIC_CHECK_REPAIR, NULL, NULL, &n, &s->err));
	need(n == 0);
	seen = 0;
	ok(s, mosaic_each_leftover(s->m, count_leftover, &seen, &s->err));
	need(seen == 0);
}

static void mount_attributes(struct suite *s)
{
	const struct mosaic_mount how = { .attributes = 0x4 | 0x8 }; /* MOUNT_ATTR_NODEV, NOEXEC */
	int fd, file;

	create(s, "v");
	ok(s, mosaic_mount(s->m, "v", &how, &fd, &s->err));
	if (mknodat(fd, "null", S_IFCHR | 0666, 0x103) < 0)
		fail("mknod: %m");
	need(openat(fd, "null", O_RDWR | O_CLOEXEC) < 0 && errno == EACCES);
	put(fd, "program", "#!/bin/true\n");
	fchmodat(fd, "program", 0755, 0);
	file = openat(fd, "program", O_RDONLY | O_CLOEXEC);
	need(faccessat(fd, "program", X_OK, 0) < 0 ||
	     fexecve(file, (char *[]){ "x", NULL }, NULL) < 0);
	close(file);
	close(fd);
}

/* User 1000 on disk is shown as 101000. */
static int open_user_namespace(void)
{
	char path[64];
	int ends[2], ns, fd;
	pid_t pid;
	char c;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork_child()) < 0)
		fail("fork: %m");
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			_exit(1);
		(void)!write(ends[1], "r", 1);
		pause();
	}
	close(ends[1]);
	if (read(ends[0], &c, 1) != 1)
		fail("no user namespace");
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s_map", pid, i ? "gid" : "uid");
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0 100000 65536", 14) != 14)
			fail("%s: %m", path);
		close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ns;
}

static void id_maps(struct suite *s)
{
	struct mosaic_mount how = { 0 };
	struct stat st;
	int fd, r;

	create(s, "v");
	fd = mount_rw(s, "v");
	put(fd, "x", "y");
	if (fchownat(fd, "x", 1000, 1000, 0) < 0)
		fail("chown: %m");
	close(fd);
	mosaic_close(s->m);
	ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
	ok(s, mosaic_snapshot(s->m, "snap", "v", &s->err));
	ok(s, mosaic_clone(s->m, "c", "snap", &s->err));
	how.userns = open_user_namespace();
	for (int i = 0; i < 2; i++) {
		r = mosaic_mount(s->m, i ? "c" : "v", &how, &fd, &s->err);
		if (r == -EINVAL || r == -EOPNOTSUPP) {
			need(s->err.text[0]);
			skip("%s", s->err.text);
		}
		ok(s, r);
		if (fstatat(fd, "x", &st, 0) < 0)
			fail("stat: %m");
		if (st.st_uid != 101000)
			fail("user 1000 is shown as %u", st.st_uid);
		close(fd);
	}
	close(how.userns);
}

/* ---- devices ----------------------------------------------------------------------------------
 * */

static void raw_volumes(struct suite *s)
{
	static const struct mosaic_create raw = { .size = 64 << 20, .flags = MOSAIC_CREATE_RAW };
	char device[MOSAIC_DEVICE_MAX], again[MOSAIC_DEVICE_MAX], text[16] = "";
	struct mosaic_volume v;
	int fd;

	if (!(s->features & MOSAIC_RAW))
		fails(s, EOPNOTSUPP, mosaic_create(s->m, "r", &raw, &s->err));
	need_features(s, MOSAIC_RAW | MOSAIC_DEVICE);
	ok(s, mosaic_create(s->m, "r", &raw, &s->err));
	ok(s, mosaic_info(s->m, "r", &v, &s->err));
	need(v.raw && !v.fs[0] && v.size == 64 << 20);
	fails(s, EOPNOTSUPP, mosaic_mount(s->m, "r", NULL, &fd, &s->err));
	need(mosaic_get_device(s->m, "r", device, &s->err) == MOSAIC_NO_DEVICE);
	ok(s, mosaic_attach(s->m, "r", 0, device, &s->err));
	ok(s, mosaic_get_device(s->m, "r", again, &s->err));
	need(strcmp(device, again) == 0);
	fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0 || lseek(fd, 0, SEEK_END) != 64 << 20 ||
	    pwrite(fd, "raw bytes", 9, 5000000) != 9 || fsync(fd) < 0)
		fail("%s: %m", device);
	close(fd);
	ok(s, mosaic_detach(s->m, "r", &s->err));
	fails(s, EINVAL, mosaic_detach(s->m, "r", &s->err));
	for (int i = 0; i < 100 && mosaic_get_device(s->m, "r", device, &s->err) == 0; i++)
		usleep(20000);
	need(mosaic_get_device(s->m, "r", device, &s->err) == MOSAIC_NO_DEVICE);
	ok(s, mosaic_clone(s->m, "r2", "r", &s->err));
	ok(s, mosaic_attach(s->m, "r2", MOSAIC_ATTACH_READONLY, device, &s->err));
	fd = open(device, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, text, 9, 5000000) != 9)
		fail("%s: %m", device);
	need(strcmp(text, "raw bytes") == 0);
	close(fd);
	ok(s, mosaic_detach(s->m, "r2", &s->err));
}

static void kept_devices(struct suite *s)
{
	char device[MOSAIC_DEVICE_MAX], again[MOSAIC_DEVICE_MAX];

	if (!(s->features & MOSAIC_DEVICE)) {
		create(s, "v");
		fails(s, EOPNOTSUPP, mosaic_attach(s->m, "v", 0, device, &s->err));
		fails(s, EOPNOTSUPP, mosaic_detach(s->m, "v", &s->err));
	}
	need_features(s, MOSAIC_DEVICE);
	create(s, "v");
	ok(s, mosaic_attach(s->m, "v", MOSAIC_ATTACH_KEEP, device, &s->err));
	ok(s, mosaic_attach(s->m, "v", MOSAIC_ATTACH_KEEP, again, &s->err));
	need(strcmp(device, again) == 0);
	mosaic_close(s->m);
	ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
	ok(s, mosaic_get_device(s->m, "v", again, &s->err));
	need(strcmp(device, again) == 0);
	need(mosaic_is_used(s->m, "v", &s->err) == 1);
	fails(s, EBUSY, mosaic_drop(s->m, "v", 0, &s->err));
	ok(s, mosaic_detach(s->m, "v", &s->err));
	ok(s, mosaic_get_device(s->m, "v", again, &s->err));
	ok(s, mosaic_detach(s->m, "v", &s->err));
	for (int i = 0; i < 100 && mosaic_get_device(s->m, "v", device, &s->err) == 0; i++)
		usleep(20000);
	need(mosaic_get_device(s->m, "v", device, &s->err) == MOSAIC_NO_DEVICE);
	fails(s, EINVAL, mosaic_detach(s->m, "v", &s->err));
}

/* ---- events -----------------------------------------------------------------------------------
 * */

static void wait_event(struct suite *s, struct mosaic_events *e, enum mosaic_event_kind kind,
		       const char *volume, const char *other)
{
	struct pollfd p = { .fd = mosaic_events_fd(e), .events = POLLIN };
	struct mosaic_event event;
	int r;

	while ((r = mosaic_events_next(e, &event, &s->err)) == 0)
		if (poll(&p, 1, 5000) != 1)
			fail("no event %s of %s", mosaic_event_name(kind), volume);
	if (r != 1)
		ok(s, r);
	if (event.kind != kind || strcmp(event.volume, volume) != 0 ||
	    (other && strcmp(event.other, other) != 0))
		fail("event %s %s %s, not %s %s", mosaic_event_name(event.kind), event.volume,
		     event.other, mosaic_event_name(kind), volume);
	need(event.pid > 0 && event.time_ns > 1700000000000000000);
}

static void events(struct suite *s)
{
	struct mosaic_events *e;
	char at[512];
	pid_t pid;

	snprintf(at, sizeof(at), "%s/events", s->scratch);
	mkdir(at, 0755);
	ok(s, mosaic_events_open(s->m, 0, &e, &s->err));
	pid = fork_child();
	if (pid == 0) {
		ok(s, mosaic_open_named(&s->m, s->what, 0, &s->err));
		ok(s, mosaic_create(s->m, "v", NULL, &s->err));
		ok(s, mosaic_snapshot(s->m, "s", "v", &s->err));
		ok(s, mosaic_clone(s->m, "c", "s", &s->err));
		ok(s, mosaic_rollback(s->m, "v", "s", &s->err));
		ok(s, mosaic_mount_at(s->m, "v", at, NULL, &s->err));
		ok(s, mosaic_umount(s->m, "v", at, &s->err));
		ok(s, mosaic_drop(s->m, "c", 0, &s->err));
		_exit(0);
	}
	wait_event(s, e, MOSAIC_EVENT_CREATE, "v", NULL);
	wait_event(s, e, MOSAIC_EVENT_SNAPSHOT, "s", "v");
	wait_event(s, e, MOSAIC_EVENT_CLONE, "c", "s");
	wait_event(s, e, MOSAIC_EVENT_ROLLBACK, "v", "s");
	wait_event(s, e, MOSAIC_EVENT_MOUNT, "v", at);
	wait_event(s, e, MOSAIC_EVENT_UMOUNT, "v", at);
	wait_event(s, e, MOSAIC_EVENT_DROP, "c", NULL);
	waitpid(pid, NULL, 0);
	mosaic_events_close(e);
	rmdir(at);
}

const struct test_case use_cases[] = {
	{ "mount-twice", mounted_twice },
	{ "mount-clone-twice", clone_mounted_twice },
	{ "mount-points", mount_points },
	{ "other-namespace", in_another_namespace },
	{ "dead-user", dead_users },
	{ "dead-maker", dead_makers },
	{ "mount-attributes", mount_attributes },
	{ "id-map", id_maps },
	{ "raw", raw_volumes },
	{ "kept-device", kept_devices },
	{ "events", events },
	{ NULL, NULL },
};
