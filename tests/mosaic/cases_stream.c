/* Sending and receiving: to a mosaic of the plain driver and back, and to itself. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

static void stream_path(struct suite *s, const char *name, char path[512])
{
	snprintf(path, 512, "%s/%s.stream", s->scratch, name);
}

static void send_file(struct suite *s, struct mosaic *m, const char *volume, const char *since,
		      const char *file, unsigned flags)
{
	const struct mosaic_send how = { .since = since, .flags = flags };
	char path[512];
	int fd;

	stream_path(s, file, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ok(s, mosaic_send(m, volume, &how, fd, &s->err));
	close(fd);
}

static int receive_file(struct suite *s, struct mosaic *m, const char *volume, const char *file,
			unsigned flags)
{
	const struct mosaic_receive how = { .flags = flags };
	char path[512];
	int fd, r;

	stream_path(s, file, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("%s: %m", path);
	r = mosaic_receive(m, volume, &how, fd, &s->err);
	close(fd);
	return r;
}

static struct mosaic *open_plain(struct suite *s)
{
	char path[512];
	struct mosaic *m;

	snprintf(path, sizeof(path), "%s/plain.%d", s->scratch, getpid()); /* of this case */
	ok(s, mosaic_open(&m, path, "plain", MOSAIC_OPEN_CREATE, &s->err));
	return m;
}

static void digest_in(struct suite *s, struct mosaic *m, const char *volume, char text[65])
{
	const struct mosaic_mount how = { .flags = MOSAIC_MOUNT_READONLY };
	int fd;

	ok(s, mosaic_mount(m, volume, &how, &fd, &s->err));
	describe(fd, text);
	close(fd);
}

static void change(struct suite *s, const char *volume, int round)
{
	struct mosaic *m;
	char name[32];
	int fd;

	ok(s, mosaic_open_named(&m, s->what, 0, &s->err));
	ok(s, mosaic_mount(m, volume, NULL, &fd, &s->err));
	if (round == 1) {
		put(fd, "d/file", "changed\n");
		unlinkat(fd, "fifo", 0);
		unlinkat(fd, "link", 0);
		mkdirat(fd, "link", 0755); /* a link becomes a directory */
		put(fd, "link/in", "it");
		fchmodat(fd, "d/e", 0555, 0);
	}
	snprintf(name, sizeof(name), "round%d", round);
	put_bytes(fd, name, (1 << 20) + 5, (unsigned)round);
	close(fd);
	mosaic_close(m);
}

static void make_filled(struct suite *s, const char *volume)
{
	struct mosaic *m;
	int fd;

	create(s, volume);
	ok(s, mosaic_open_named(&m, s->what, 0, &s->err));
	ok(s, mosaic_mount(m, volume, NULL, &fd, &s->err));
	fill(fd);
	close(fd);
	mosaic_close(m);
}

static void there_and_back(struct suite *s)
{
	struct mosaic *plain = open_plain(s);
	char was[65], is[65];

	make_filled(s, "v");
	ok(s, mosaic_snapshot(s->m, "s", "v", &s->err));
	describe_volume(s, "s", was);
	send_file(s, s->m, "s", NULL, "out", MOSAIC_SEND_PORTABLE);
	ok(s, receive_file(s, plain, "there", "out", 0));
	digest_in(s, plain, "there", is);
	need(strcmp(was, is) == 0);
	fails(s, EEXIST, receive_file(s, plain, "there", "out", 0));
	send_file(s, plain, "there", NULL, "back", MOSAIC_SEND_PORTABLE);
	ok(s, receive_file(s, s->m, "back", "back", MOSAIC_RECEIVE_WRITABLE));
	describe_volume(s, "back", is);
	need(strcmp(was, is) == 0);
	put_in(s, "back", "writable", "yes");
	ok(s, mosaic_drop(plain, "there", MOSAIC_DROP_UNCHECKED, &s->err));
	mosaic_close(plain);
}

static void native(struct suite *s)
{
	char was[65], is[65];

	need_features(s, MOSAIC_SEND);
	make_filled(s, "v");
	ok(s, mosaic_snapshot(s->m, "s1", "v", &s->err));
	change(s, "v", 1);
	ok(s, mosaic_snapshot(s->m, "s2", "v", &s->err));
	send_file(s, s->m, "s1", NULL, "n1", 0);
	send_file(s, s->m, "s2", "s1", "n2", 0);
	ok(s, receive_file(s, s->m, "r1", "n1", 0));
	ok(s, receive_file(s, s->m, "r2", "n2", 0));
	describe_volume(s, "s2", was);
	describe_volume(s, "r2", is);
	need(strcmp(was, is) == 0);
}

static void increments(struct suite *s)
{
	struct mosaic *plain = open_plain(s);
	char snap[16], before[16], there[16], was[65], is[65];
	struct stat full, part;
	char path[512];

	make_filled(s, "v");
	for (int i = 0; i < 3; i++) {
		snprintf(snap, sizeof(snap), "s%d", i);
		snprintf(before, sizeof(before), "s%d", i - 1);
		snprintf(there, sizeof(there), "t%d", i);
		if (i > 0)
			change(s, "v", i);
		ok(s, mosaic_snapshot(s->m, snap, "v", &s->err));
		send_file(s, s->m, snap, i ? before : NULL, snap, MOSAIC_SEND_PORTABLE);
		ok(s, receive_file(s, plain, there, snap, 0));
		describe_volume(s, snap, was);
		digest_in(s, plain, there, is);
		need(strcmp(was, is) == 0);
	}
	stream_path(s, "s0", path);
	stat(path, &full);
	stream_path(s, "s2", path);
	stat(path, &part);
	if (part.st_size > 2 << 20 || part.st_size >= full.st_size)
		fail("an increment of 1 MiB takes %lld bytes", (long long)part.st_size);
	mosaic_close(plain);
}

/* The receiver is killed half way, by a stream that stops; the rest comes later. */
static void resumed(struct suite *s)
{
	struct mosaic *plain = open_plain(s);
	char token[MOSAIC_TOKEN_MAX], path[512], was[65], is[65];
	struct mosaic_send how = { .resume = token, .flags = MOSAIC_SEND_PORTABLE };
	struct stat st;
	int fd;

	make_filled(s, "v");
	{
		struct mosaic *m;
		int dir;

		ok(s, mosaic_open_named(&m, s->what, 0, &s->err));
		ok(s, mosaic_mount(m, "v", NULL, &dir, &s->err));
		put_bytes(dir, "large", 40 << 20, 5);
		close(dir);
		mosaic_close(m);
	}
	ok(s, mosaic_snapshot(s->m, "s", "v", &s->err));
	send_file(s, s->m, "s", NULL, "whole", MOSAIC_SEND_PORTABLE);
	stream_path(s, "whole", path);
	stat(path, &st);
	need(mosaic_receive_state(plain, "there", token, &s->err) == MOSAIC_NO_STATE);
	if (truncate(path, st.st_size * 2 / 3) < 0)
		fail("truncate: %m");
	need(receive_file(s, plain, "there", "whole", 0) < 0);
	need(!mosaic_have(plain, "there"));
	ok(s, mosaic_receive_state(plain, "there", token, &s->err));
	stream_path(s, "rest", path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ok(s, mosaic_send(s->m, "s", &how, fd, &s->err));
	close(fd);
	{
		struct stat rest;

		stat(path, &rest);
		if (rest.st_size > st.st_size * 2 / 3)
			fail("the rest has %lld bytes of %lld", (long long)rest.st_size,
			     (long long)st.st_size);
	}
	ok(s, receive_file(s, plain, "there", "rest", 0));
	describe_volume(s, "s", was);
	digest_in(s, plain, "there", is);
	need(strcmp(was, is) == 0);
	need(mosaic_receive_state(plain, "there", token, &s->err) == MOSAIC_NO_STATE);
	mosaic_close(plain);
}

/* What was sent of a volume before it was written to, and after that, is not taken for the same. */
static void identities(struct suite *s)
{
	struct mosaic *plain = open_plain(s);

	create(s, "v");
	put_in(s, "v", "file", "one");
	send_file(s, s->m, "v", NULL, "one", MOSAIC_SEND_PORTABLE);
	put_in(s, "v", "file", "two");
	send_file(s, s->m, "v", NULL, "two", MOSAIC_SEND_PORTABLE);
	ok(s, receive_file(s, s->m, "one", "one", 0));
	ok(s, receive_file(s, plain, "two", "two", 0));
	ok(s, mosaic_clone(plain, "w", "two", &s->err));
	ok(s, mosaic_snapshot(plain, "three", "w", &s->err));
	send_file(s, plain, "three", "two", "part", MOSAIC_SEND_PORTABLE);
	fails(s, ENOENT, receive_file(s, s->m, "three", "part", 0));
	ok(s, receive_file(s, s->m, "two", "two", 0));
	ok(s, receive_file(s, s->m, "three", "part", 0));
	same_in(s, "three", "file", "two");
	mosaic_close(plain);
}

static void damaged_streams(struct suite *s)
{
	struct mosaic *plain = open_plain(s);
	char path[512], byte;
	struct stat st;
	int fd;

	make_filled(s, "v");
	ok(s, mosaic_snapshot(s->m, "s", "v", &s->err));
	send_file(s, s->m, "s", NULL, "bad", MOSAIC_SEND_PORTABLE);
	stream_path(s, "bad", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	fstat(fd, &st);
	for (int i = 1; i < 10; i++) {
		off_t at = st.st_size * i / 10;

		if (pread(fd, &byte, 1, at) != 1)
			fail("read: %m");
		byte ^= 0x20;
		(void)!pwrite(fd, &byte, 1, at);
		fails(s, EBADMSG, receive_file(s, plain, "bad", "bad", 0));
		byte ^= 0x20;
		(void)!pwrite(fd, &byte, 1, at);
		ok(s, mosaic_receive_forget(plain, "bad", &s->err));
		need(!mosaic_have(plain, "bad"));
	}
	ok(s, receive_file(s, plain, "good", "bad", 0));
	close(fd);
	mosaic_close(plain);
}

const struct test_case stream_cases[] = {
	{ "send", there_and_back },
	{ "send-native", native },
	{ "send-increment", increments },
	{ "send-resume", resumed },
	{ "send-identity", identities },
	{ "send-damaged", damaged_streams },
	{ NULL, NULL },
};
