#include "kernel/clone.h"

int clone_run(struct clone_args *args, int (*child)(void *arg), void *arg, int *ret_failure)
{
	return clone_copy(args, child, arg, ret_failure);
}
