#include "filter.h"

#include <linux/filter.h>

uint32_t run(struct program *p, const struct seccomp_data *data)
{
	uint32_t a = 0;

	p->steps = 0;
	for (size_t pc = 0; pc < p->n; pc++) {
		const struct sock_filter *f = &p->code[pc];

		p->steps++;
		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(f->k % 4 == 0 && f->k < sizeof(*data));
			memcpy(&a, (const char *)data + f->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			fail_msg("unknown instruction %x", f->code);
		}
	}
	fail_msg("the program has no end");
	return 0;
}

struct program compile(const struct seccomp_rule *rules, size_t n, enum seccomp_action action,
		       int number)
{
	const struct seccomp_spec spec = { action, number, rules, n };
	struct program p = { 0 };
	struct error err = { 0 };
	void *code = NULL;

	if (seccomp_compile(&spec, &code, &p.n, &err) < 0)
		fail_msg("%s", err.text);
	p.code = code;
	return p;
}
