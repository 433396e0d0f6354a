#pragma once
/*
 * User namespaces for mounts with an id map: the mount shows the users and groups on disk as
 * others. A namespace lives as long as a process in it or a descriptor; so a process is started in
 * a new one, gets its maps, is looked at, and ends.
 */
#include "base/base.h"

/* The namespace that text names (a file, with a slash in it: /proc/PID/ns/user), or one with the
 * map that it is (moctl_read_map()). 0, MOCTL_USAGE, or a negative errno. */
int idmap_open(const char *text, int *ret_fd, struct error *err) _must_check_;

/* Are these the words that the process in the namespace is started with, and what it does. */
bool idmap_is_holder(int argc, char *const *argv);
int idmap_hold(void);
