#include "images/fetch/landlock.h"

#include <sys/syscall.h>

/* The kernel's structures, as of version 6 of the interface; headers may be older. */
struct ruleset {
	uint64_t files, net, scoped;
};

struct port_rule {
	uint64_t allowed, port;
};

enum {
	CREATE_VERSION = 1, /* LANDLOCK_CREATE_RULESET_VERSION */
	RULE_PORT = 2,      /* LANDLOCK_RULE_NET_PORT */
	BIND_TCP = 1 << 0,
	CONNECT_TCP = 1 << 1,
	SCOPES = 1 << 0 | 1 << 1, /* abstract UNIX sockets, signals */
};

/* Rights over files are the lowest bits. */
static const struct {
	int version;
	unsigned n_files;
	uint64_t net, scoped;
	size_t size; /* of the structure it knows */
} versions[] = {
	{ 6, 16, BIND_TCP | CONNECT_TCP, SCOPES, sizeof(struct ruleset) },
	{ 5, 16, BIND_TCP | CONNECT_TCP, 0, offsetof(struct ruleset, scoped) },
	{ 4, 15, BIND_TCP | CONNECT_TCP, 0, offsetof(struct ruleset, scoped) },
	{ 3, 15, 0, 0, offsetof(struct ruleset, net) },
	{ 2, 14, 0, 0, offsetof(struct ruleset, net) },
	{ 1, 13, 0, 0, offsetof(struct ruleset, net) },
};

static int make_ruleset(int version, unsigned port)
{
	const struct port_rule rule = { .allowed = CONNECT_TCP, .port = port };
	_close_ int fd = -1;
	struct ruleset set;
	size_t i = 0;

	while (i < ARRAY_SIZE(versions) - 1 && versions[i].version > version)
		i++;
	set = (struct ruleset){
		.files = (1ULL << versions[i].n_files) - 1,
		.net = versions[i].net,
		.scoped = versions[i].scoped,
	};
	fd = (int)syscall(SYS_landlock_create_ruleset, &set, versions[i].size, 0);
	if (fd < 0)
		return -errno;
	if (set.net && syscall(SYS_landlock_add_rule, fd, RULE_PORT, &rule, 0) < 0)
		return -errno;
	return take_fd(&fd);
}

int landlock_restrict(unsigned port, struct error *err)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
	_close_ int fd = -1;

	if (version < 1 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0;
	if (version < 1)
		return error_set(err, -errno, "cannot ask for landlock's version");
	fd = make_ruleset((int)version, port);
	if (fd < 0)
		return error_set(err, fd, "cannot make a landlock ruleset");
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return error_set(err, -errno, "cannot give up files");
	return 0;
}
