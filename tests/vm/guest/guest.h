/*
 * The guest's side of tests/vm/run: a static program that is process 1 of the test machine.
 *
 * Host and guest talk over one virtio-serial port. The host sends one request (request.c); from
 * then on the port carries the command's output, and last a trailer with its exit code (agent.c).
 * Whatever goes wrong before the command runs is said on the console, and the machine is switched
 * off: the host then finds no exit code and shows the console.
 */
#pragma once

#include <stddef.h>

/* What the host wants done: NUL-terminated "key=value" strings, one after the other. */
struct request {
	char *data;
	size_t size;
};

/* Reads the request from the port. Blocks until the host sends one. */
void request_read(struct request *request, int port);

/*
 * The value of the next string with this key after the value `previous`; NULL as `previous` means
 * from the start. Returns NULL when there is none left. The value belongs to the request.
 */
char *request_next(const struct request *request, const char *key, char *previous);

/* The first value of this key, or NULL. */
char *request_get(const struct request *request, const char *key);

/* A warning on the console, with errno. */
void guest_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and the machine is switched off. */
void guest_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Makes a directory and its parents. What exists is left alone; what fails, the mount will tell. */
void make_directories(const char *path);

/* Loads every file of a directory as a kernel module, in the order of their names. */
void load_modules(const char *directory);

/* Opens the port to the host, as soon as its driver has made it. */
int open_port(void);

/* Makes the nodes in /dev whose first use loads a module: fuse, loop-control, net/tun and more. */
void make_static_nodes(void);

/* Mounts /proc, /sys and /dev in the initramfs. */
void mount_first_filesystems(void);

/* Leaves the initramfs: from here on / is the host's tree below a layer of memory. */
void enter_root(const struct request *request);

/* Mounts what a booted system has: the kernel's filesystems, cgroup v2 and its controllers. */
void mount_system_filesystems(void);

/* Mounts the directories that the host shares for reading and writing. */
void mount_shares(const struct request *request);

/* Starts the command of the request in a process that reports its end to the host. */
void start_agent(const struct request *request, int port);

/* The environment that commands and a foreign process 1 start with. */
void set_environment(void);
