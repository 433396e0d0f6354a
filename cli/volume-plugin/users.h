#pragma once
/*
 * Who has which volume mounted: pairs of a volume's name and the ID that whoever mounted it gave.
 * The first brings a volume up, the last takes it down, and saying the same twice counts once.
 *
 * They are in memory and in the file ".users" of the plugin's run directory, which is replaced with
 * every change, so that a plugin that was killed and started again knows them. They are of one
 * boot: no mount outlives the machine.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

enum { USERS_MAX = 16 << 10 }; /* pairs; more are refused */

struct user {
	char *name;
	char *id;
};

struct users {
	int dirfd; /* borrowed */
	struct user *list;
	size_t n;
};

/* Reads what is remembered of this boot; nothing is fine. -EBADMSG when the file is damaged. */
int users_load(struct users *u, int dirfd, struct error *err) _must_check_;
void users_deinit(struct users *u);

bool users_has(const struct users *u, const char *name, const char *id);
size_t users_count(const struct users *u, const char *name);

/* A change is on file before these return 0; otherwise nothing has changed. */
int users_add(struct users *u, const char *name, const char *id, struct error *err) _must_check_;
int users_remove(struct users *u, const char *name, const char *id, struct error *err) _must_check_;
int users_remove_all(struct users *u, const char *name, struct error *err) _must_check_;
