/*
 * The child shares our memory and runs on a stack of its own inside our frame. We sleep until it is
 * gone from here, so nothing of ours changes but what child() writes, and its failure comes through
 * a plain variable. The system call and the child's way out are one piece of assembly: no compiled
 * code ever sees a function return twice.
 */
#include <stdint.h>
#include <sys/syscall.h>

#include "kernel/clone.h"

struct call {
	int (*child)(void *arg);
	void *arg;
	int failure;
};

static void run_child(struct call *call)
{
	call->failure = call->child(call->arg);
}

int clone_run(struct clone_args *args, int (*child)(void *arg), void *arg, int *ret_failure)
{
	char stack[8192] __attribute__((aligned(16)));
	struct call call = { .child = child, .arg = arg };
	register struct call *in_child __asm__("r12") = &call;
	register void (*run)(struct call *) __asm__("r13") = run_child;
	long pid;

	args->flags |= CLONE_VM | CLONE_VFORK;
	args->stack = (uintptr_t)stack;
	args->stack_size = sizeof(stack);
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t" /* the outermost of the child's frames */
			 "mov %%r12, %%rdi\n\t"
			 "call *%%r13\n\t"
			 "mov %[exit_group], %%eax\n\t"
			 "mov $1, %%edi\n\t"
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(pid)
			 : "a"(SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(in_child),
			   "r"(run), [exit_group] "i"(SYS_exit_group)
			 : "rcx", "r11", "memory", "cc");
	*ret_failure = call.failure;
	return (int)pid;
}
