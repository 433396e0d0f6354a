/* Modules, the port to the host, and device nodes. There is no udev in the guest. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "guest.h"

/* The host gives the only port the number 1; 0 belongs to consoles. */
#define PORT_PATH      "/dev/vport0p1"
#define PORT_WAIT_USEC 10000
#define PORT_WAITS_MAX 6000

static void load_module(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		guest_fail("module %s", name);
	close(fd);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void load_modules(const char *path)
{
	struct dirent **entries;
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = scandir(path, &entries, is_visible, alphasort);

	if (directory < 0 || n < 0)
		guest_fail("%s", path);
	for (int i = 0; i < n; i++) {
		load_module(directory, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	close(directory);
}

int open_port(void)
{
	for (int i = 0; i < PORT_WAITS_MAX; i++) {
		int fd = open(PORT_PATH, O_RDWR | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		if (errno != ENOENT && errno != ENXIO)
			break;
		usleep(PORT_WAIT_USEC);
	}
	guest_fail("%s", PORT_PATH);
}

/* One line of modules.devname: module, path below /dev, b or c, MAJOR:MINOR. */
static void make_static_node(const char *line)
{
	char path[PATH_MAX] = "/dev/";
	char name[128], type;
	unsigned int major_number, minor_number;

	if (sscanf(line, "%*s %127s %c%u:%u", name, &type, &major_number, &minor_number) != 4)
		return;
	strncat(path, name, sizeof(path) - strlen(path) - 1);
	*strrchr(path, '/') = '\0';
	make_directories(path);
	path[strlen(path)] = '/';
	if (mknod(path, (type == 'b' ? S_IFBLK : S_IFCHR) | 0600,
		  makedev(major_number, minor_number)) < 0 &&
	    errno != EEXIST)
		guest_warn("%s", path);
}

void make_static_nodes(void)
{
	char path[PATH_MAX], line[512];
	struct utsname kernel;
	FILE *file;

	uname(&kernel);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.devname", kernel.release);
	file = fopen(path, "re");
	if (file == NULL) {
		guest_warn("%s", path);
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		if (line[0] != '#')
			make_static_node(line);
	}
	fclose(file);
}
