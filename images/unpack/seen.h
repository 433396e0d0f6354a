#pragma once
/*
 * Which paths an archive had so far, and as what: eight bytes a path, by a hash that whoever made
 * the archive cannot foresee (SipHash with a random key), so that no archive can make it slow or
 * make two paths look alike.
 */
#include "base/base.h"

enum seen_kind { SEEN_NOT, SEEN_IMPLIED, SEEN_DIRECTORY, SEEN_FILE, SEEN_OTHER };

struct seen {
	uint64_t key[2];
	uint64_t *slots; /* hash with the kind in the lowest three bits; 0: free */
	size_t n, room;
};

int seen_init(struct seen *s) _must_check_;
void seen_deinit(struct seen *s);

/* The hash of a path grows by components: seen_step(s, hash of the parent, name, length), from
 * 0. */
uint64_t seen_step(const struct seen *s, uint64_t parent, const char *name, size_t len);

enum seen_kind seen_get(const struct seen *s, uint64_t hash);
int seen_set(struct seen *s, uint64_t hash, enum seen_kind kind) _must_check_;
