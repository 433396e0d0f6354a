#pragma once
/*
 * How a program of ours that reads what strangers wrote (an archive, a page, a server's answers)
 * shuts itself in before the first byte. Each function takes one kind of right from the calling
 * process, for good; each must succeed, or the process must end without reading anything. In order:
 *
 *	1. the descriptors that were inherited: close_range(2), by the program, which knows its own
 *	2. confine_leave_namespaces() and confine_enter_root(); a program that needs the network
 *	   changes its user instead
 *	3. confine_drop_capabilities(): the two above need them
 *	4. confine_limit_resources(): a low limit of descriptors would be in the way of 2
 *	5. confine_bind_to_parent(): a change of user would take the signal back
 *	6. confine_calls(): what stands above is not on anybody's list
 *
 * The process has one thread. A caller that is not root can make namespaces only in a user
 * namespace of its own, so it gets one; everything else is the same for both.
 *
 * All return 0 or a negative errno, and say in err what could not be given up.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "kernel/process.h"
#include "kernel/seccomp.h"

/* New mount, network, IPC and host name namespaces. */
int confine_leave_namespaces(struct error *err) _must_check_;

/* The detached mount behind root (mount.h) becomes all files that there are. For after
 * confine_leave_namespaces(); the working directory is / then. */
int confine_enter_root(int root, struct error *err) _must_check_;

/* Permitted and effective become keep (CAP_BIT), every other set empty, the bounding set too. */
int confine_drop_capabilities(uint64_t keep, struct error *err) _must_check_;

/* Lowers hard limits to max, where they are not lower, and sets soft limits to the hard ones. */
int confine_limit_resources(const struct process_limit *limits, size_t n, struct error *err)
	_must_check_;

/* The process is killed when its parent ends, cannot be looked into by others of its user, and
 * gains no rights by executing a file. A parent that is gone already is not noticed: its end of a
 * pipe is closed then, and that is for the reader to see. */
int confine_bind_to_parent(struct error *err) _must_check_;

/*
 * What may be asked of the kernel from now on. Memory can always be mapped and protected, but never
 * be executable. Everything that is not named kills the process, and so does every call by another
 * architecture's numbers (x86 and x32 on x86_64): a program calls by its own only.
 */
struct confine_filter {
	/* names of system calls (seccomp.h): lists that end with NULL, up to the first list that is
	 * NULL */
	const char *const *allowed[4];
	/* NULL, or what libraries try and can do without: fails with EACCES */
	const char *const *refused;
	/* with comparisons; of several with the same name the first that holds decides, and none of
	 * the names is in a list above */
	const struct seccomp_rule *rules;
	size_t n_rules;
};

enum { CONFINE_RULES_MAX = 128 }; /* names and rules together */

int confine_calls(const struct confine_filter *filter, struct error *err) _must_check_;
