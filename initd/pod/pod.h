#pragma once
/*
 * carob-pod-init, PID 1 of a pod (docs/architecture.md): makes the pod's namespaces what they are
 * to be, gives up every right, and holds them until stage1 is gone.
 *
 *	main.c	  the table of steps, and the wait
 *	setup.c	  cgroup, host name, loopback, root
 *	confine.c rights and the filter
 */
#include "base/base.h"
#include "initd/pod/podinit.h"
#include "kernel/kernel.h"
#include "plan/plan.h"

enum { PODINIT_MAX_CGROUPS = 32, PODINIT_LIFELINE = 0 };

struct podinit {
	struct podinit_config config;
	struct plan_report *report;
	int fds[PODINIT_FD_CGROUPS + PODINIT_MAX_CGROUPS];
	size_t n_fds;
};

/* The steps, in the order of enum podinit_step. */
int podinit_receive(struct podinit *p) _must_check_;
int podinit_cgroup(struct podinit *p) _must_check_;
int podinit_hostname(struct podinit *p) _must_check_;
int podinit_loopback(struct podinit *p) _must_check_;
int podinit_root(struct podinit *p) _must_check_;
int podinit_confine(struct podinit *p) _must_check_;
