/*
 * From rules to BPF.
 *
 * Each architecture becomes a sorted list of ranges of system call numbers with the same
 * outcome, and the list a balanced tree of "number >= N" jumps. An outcome is an action, or a
 * rule with comparisons and what follows it in its system call's rules.
 *
 * BPF only jumps forward, at most 255 instructions by a condition. So the program is written
 * from its end: a jump's target is then there before the jump, at a known distance. A label is
 * the number of instructions from the target to the end. Where a target has got too far, it is
 * brought near again: an action by one more return, code by an unconditional jump, which may be
 * long.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#include "base/base.h"
#include "kernel/seccomp_private.h"

enum {
	NEAR = 240,   /* of the 255 instructions that a condition can jump: the comparisons of one
			* rule still fit between */
	RETURNS = 16, /* that are remembered for others to jump to */
	ARGUMENTS = 6,
	ERRNO_MAX = 4095,
};

/* What a system call leads to: rule < 0: the action; else that rule's comparisons and, where they
 * fail, the next rule for the same name. */
struct outcome {
	uint32_t action; /* SECCOMP_RET_* */
	int32_t rule;
};

struct range {
	uint32_t first; /* up to the next range's first */
	struct outcome outcome;
};

/* A number that the rules name, and the first rule that does. */
struct number {
	uint32_t number;
	int32_t rule;
};

struct compiler {
	const struct seccomp_spec *spec;
	int32_t *next;            /* of each rule: the next one with its name, or -1 */
	bool *is_first;           /* of each rule: no other before it has its name */
	struct sock_filter *code; /* BPF_MAXINSNS; the last len of them are written */
	uint32_t len;
	bool full;
	struct {
		uint32_t action, label;
	} returns[RETURNS];
	unsigned n_returns;
};

/* ---- writing instructions, backwards --------------------------------------------------------- */

static uint32_t emit(struct compiler *c, struct sock_filter f)
{
	if (c->len == BPF_MAXINSNS)
		c->full = true;
	else
		c->code[BPF_MAXINSNS - ++c->len] = f;
	return c->len;
}

static uint32_t distance(const struct compiler *c, uint32_t label)
{
	return c->len - label;
}

/* A label near enough for a conditional jump that leads to the same place. */
static uint32_t near_code(struct compiler *c, uint32_t label)
{
	if (distance(c, label) <= NEAR)
		return label;
	return emit(c, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, distance(c, label)));
}

static uint32_t near_return(struct compiler *c, uint32_t action)
{
	unsigned i;

	for (i = 0; i < c->n_returns && c->returns[i].action != action; i++)
		;
	if (i < c->n_returns && distance(c, c->returns[i].label) <= NEAR)
		return c->returns[i].label;
	if (i == RETURNS) /* all places are taken: the last one is forgotten */
		i--;
	else if (i == c->n_returns)
		c->n_returns++;
	c->returns[i].action = action;
	c->returns[i].label = emit(c, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
	return c->returns[i].label;
}

/* code: BPF_JEQ or BPF_JGE with k. Both labels are near. */
static uint32_t emit_jump(struct compiler *c, uint16_t code, uint32_t k, uint32_t yes, uint32_t no)
{
	uint8_t jt, jf;

	if (yes == no)
		return yes;
	jt = (uint8_t)distance(c, yes);
	jf = (uint8_t)distance(c, no);
	return emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | code | BPF_K, k, jt, jf));
}

/* Loads a word for the code at label, which comes next or is jumped to. */
static uint32_t emit_load(struct compiler *c, size_t offset, uint32_t label)
{
	if (label != c->len)
		emit(c, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, distance(c, label)));
	return emit(c, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* ---- outcomes -------------------------------------------------------------------------------- */

static uint32_t action_value(enum seccomp_action action, int errno_value)
{
	switch (action) {
	case SECCOMP_ACTION_ALLOW:
		return SECCOMP_RET_ALLOW;
	case SECCOMP_ACTION_ERRNO:
		return SECCOMP_RET_ERRNO | ((uint32_t)errno_value & SECCOMP_RET_DATA);
	case SECCOMP_ACTION_KILL:
		break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

static struct outcome default_outcome(const struct compiler *c)
{
	return (struct outcome){ action_value(c->spec->default_action, c->spec->default_errno),
				 -1 };
}

/* What happens from this rule on; -1: no rule is left. */
static struct outcome outcome_of(const struct compiler *c, int32_t rule)
{
	const struct seccomp_rule *r;

	if (rule < 0)
		return default_outcome(c);
	r = &c->spec->rules[rule];
	if (r->n_compare > 0)
		return (struct outcome){ 0, rule };
	return (struct outcome){ action_value(r->action, r->errno_value), -1 };
}

static bool same_outcome(struct outcome a, struct outcome b)
{
	return a.rule == b.rule && a.action == b.action;
}

/* 32 bits of an argument: goes to yes when (them & mask) == value. */
static uint32_t emit_half(struct compiler *c, size_t offset, uint32_t mask, uint32_t value,
			  const uint32_t to[2])
{
	uint32_t label = emit_jump(c, BPF_JEQ, value, to[1], to[0]);

	if (label != c->len)
		return label; /* it leads to one place, whatever the argument is */
	if (mask != UINT32_MAX)
		label = emit(c, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
	return emit_load(c, offset, label);
}

/* to: where it leads when the comparison fails and when it holds. */
static uint32_t emit_compare(struct compiler *c, const struct seccomp_compare *compare,
			     const uint32_t to[2])
{
	const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	size_t arg = offsetof(struct seccomp_data, args) + compare->argument * sizeof(uint64_t);
	uint32_t low = (uint32_t)compare->mask, high = (uint32_t)(compare->mask >> 32);
	uint32_t next[2] = { to[0], to[1] };

	if (low)
		next[1] = emit_half(c, arg + (little ? 0 : 4), low, (uint32_t)compare->value, next);
	if (high)
		next[1] = emit_half(c, arg + (little ? 4 : 0), high,
				    (uint32_t)(compare->value >> 32), next);
	return next[1];
}

/* A rule and those after it, the last one first. */
static uint32_t emit_rules(struct compiler *c, int32_t rule)
{
	const struct seccomp_rule *r = &c->spec->rules[rule];
	struct outcome otherwise = outcome_of(c, c->next[rule]);
	uint32_t to[2];

	to[0] = otherwise.rule < 0 ? near_return(c, otherwise.action)
				   : emit_rules(c, otherwise.rule);
	to[1] = near_return(c, action_value(r->action, r->errno_value));
	to[0] = near_code(c, to[0]);
	for (unsigned i = r->n_compare; i-- > 0;)
		to[1] = emit_compare(c, &r->compare[i], to);
	return to[1];
}

static uint32_t emit_outcome(struct compiler *c, struct outcome o)
{
	return o.rule < 0 ? near_return(c, o.action) : emit_rules(c, o.rule);
}

/* ---- the tree -------------------------------------------------------------------------------- */

static uint32_t emit_tree(struct compiler *c, const struct range *ranges, size_t n)
{
	size_t half = n / 2;
	uint32_t low, high;

	if (n == 1)
		return emit_outcome(c, ranges[0].outcome);
	high = emit_tree(c, ranges + half, n - half);
	low = emit_tree(c, ranges, half);
	high = near_code(c, high);
	low = near_code(c, low);
	return emit_jump(c, BPF_JGE, ranges[half].first, high, low);
}

static int compare_numbers(const void *a, const void *b)
{
	const struct number *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

/* The numbers that the rules name in the system call tables that make up this architecture,
 * sorted. */
static size_t collect_numbers(const struct compiler *c, const struct seccomp_arch *list, unsigned n,
			      struct number *dst)
{
	size_t count = 0;

	for (unsigned a = 0; a < n; a++) {
		if (list[a].audit != list[0].audit)
			continue;
		for (size_t i = 0; i < c->spec->n_rules; i++) {
			int64_t number = -1;

			if (c->is_first[i])
				number = seccomp_arch_number(&list[a], c->spec->rules[i].syscall);
			if (number >= 0)
				dst[count++] = (struct number){ (uint32_t)number, (int32_t)i };
		}
	}
	qsort(dst, count, sizeof(*dst), compare_numbers);
	return count;
}

/* Appends a range; one that begins where the last did replaces it. */
static size_t push_range(struct range *dst, size_t n, uint32_t first, struct outcome outcome)
{
	if (n > 0 && dst[n - 1].first == first)
		n--;
	if (n > 0 && same_outcome(dst[n - 1].outcome, outcome))
		return n;
	dst[n] = (struct range){ first, outcome };
	return n + 1;
}

/* All numbers from 0 on; dst has room for twice n and one. */
static size_t make_ranges(const struct compiler *c, const struct number *numbers, size_t n,
			  struct range *dst)
{
	size_t count = push_range(dst, 0, 0, default_outcome(c));

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && numbers[i].number == numbers[i - 1].number)
			continue; /* two names of one call: the first rule counts */
		count = push_range(dst, count, numbers[i].number, outcome_of(c, numbers[i].rule));
		count = push_range(dst, count, numbers[i].number + 1, default_outcome(c));
	}
	return count;
}

/* The tree of the architecture list[0] (and those of list with the same number). */
static int emit_arch(struct compiler *c, const struct seccomp_arch *list, unsigned n,
		     uint32_t *label)
{
	size_t room = c->spec->n_rules * n;
	_free_ struct number *numbers = calloc(room + 1, sizeof(*numbers));
	_free_ struct range *ranges = calloc(2 * room + 1, sizeof(*ranges));
	uint32_t tree, otherwise;
	size_t count;

	if (!numbers || !ranges)
		return -ENOMEM;
	count = collect_numbers(c, list, n, numbers);
	count = make_ranges(c, numbers, count, ranges);
	tree = emit_tree(c, ranges, count);
	tree = emit_load(c, offsetof(struct seccomp_data, nr), tree);
	otherwise = near_code(c, *label);
	*label = emit_jump(c, BPF_JEQ, list[0].audit, tree, otherwise);
	return 0;
}

static bool is_new_audit(const struct seccomp_arch *list, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (list[j].audit == list[i].audit)
			return false;
	return true;
}

/* The native architecture comes last, that is, first. */
static int emit_program(struct compiler *c)
{
	struct seccomp_arch list[SECCOMP_ARCH_MAX];
	unsigned all = seccomp_arch_list(list), n = c->spec->native_only ? 1 : all;
	uint32_t label = near_return(c, SECCOMP_RET_KILL_PROCESS);

	for (unsigned i = n; i-- > 0;) {
		int r = is_new_audit(list, i) ? emit_arch(c, list + i, n - i, &label) : 0;

		if (r < 0)
			return r;
	}
	emit_load(c, offsetof(struct seccomp_data, arch), label);
	return c->full ? -E2BIG : 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int check_rule(const struct seccomp_rule *r, struct error *err)
{
	if (r->action == SECCOMP_ACTION_ERRNO && (r->errno_value < 0 || r->errno_value > ERRNO_MAX))
		return error_set(err, -EINVAL,
				 "the error number %d of the filter for %s is out of range.",
				 r->errno_value, r->syscall);
	if (r->n_compare > ARRAY_SIZE(r->compare))
		return error_set(err, -EINVAL, "the filter for %s has too many comparisons.",
				 r->syscall);
	for (unsigned i = 0; i < r->n_compare; i++) {
		const struct seccomp_compare *compare = &r->compare[i];

		if (compare->argument >= ARGUMENTS || compare->value & ~compare->mask)
			return error_set(err, -EINVAL,
					 "a comparison of the filter for %s can never hold.",
					 r->syscall);
	}
	return 0;
}

static int check_spec(const struct seccomp_spec *spec, struct error *err)
{
	int r = 0;

	if (spec->n_rules > BPF_MAXINSNS)
		return error_set(err, -E2BIG, "a system call filter has more than %d rules.",
				 BPF_MAXINSNS);
	if (spec->default_action == SECCOMP_ACTION_ERRNO &&
	    (spec->default_errno < 0 || spec->default_errno > ERRNO_MAX))
		return error_set(err, -EINVAL,
				 "the error number %d of a system call filter is out of range.",
				 spec->default_errno);
	for (size_t i = 0; i < spec->n_rules && r == 0; i++)
		r = check_rule(&spec->rules[i], err);
	return r;
}

static int compare_names(const void *a, const void *b, void *arg)
{
	const struct seccomp_rule *rules = arg;
	const int32_t *x = a, *y = b;
	int r = strcmp(rules[*x].syscall, rules[*y].syscall);

	return r != 0 ? r : *x < *y ? -1 : 1;
}

/* Chains the rules of each system call, in their order. */
static int chain_rules(struct compiler *c)
{
	size_t n = c->spec->n_rules;
	_free_ int32_t *order = calloc(n + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = (int32_t)i;
	qsort_r(order, n, sizeof(*order), compare_names, (void *)c->spec->rules);
	for (size_t i = 0; i < n; i++) {
		const char *name = c->spec->rules[order[i]].syscall;

		c->is_first[order[i]] = i == 0 ||
					!str_eq(name, c->spec->rules[order[i - 1]].syscall);
		c->next[order[i]] = -1;
		if (!c->is_first[order[i]])
			c->next[order[i - 1]] = order[i];
	}
	return 0;
}

int seccomp_compile(const struct seccomp_spec *spec, void **ret, size_t *ret_n, struct error *err)
{
	_free_ int32_t *next = calloc(spec->n_rules + 1, sizeof(*next));
	_free_ bool *is_first = calloc(spec->n_rules + 1, sizeof(*is_first));
	_free_ struct sock_filter *code = calloc(BPF_MAXINSNS, sizeof(*code)), *program = NULL;
	struct compiler c = { .spec = spec, .next = next, .is_first = is_first, .code = code };
	int r;

	r = check_spec(spec, err);
	if (r < 0)
		return r;
	if (!next || !is_first || !code)
		return error_set(err, -ENOMEM, "cannot compile a system call filter");
	r = chain_rules(&c);
	if (r == 0)
		r = emit_program(&c);
	if (r == -E2BIG)
		return error_set(err, r, "a system call filter needs more than %d instructions.",
				 BPF_MAXINSNS);
	if (r == 0) {
		program = calloc(c.len, sizeof(*program));
		r = program ? 0 : -ENOMEM;
	}
	if (r < 0)
		return error_set(err, r, "cannot compile a system call filter");
	memcpy(program, code + BPF_MAXINSNS - c.len, c.len * sizeof(*program));
	*ret = take_ptr(&program);
	*ret_n = c.len;
	return 0;
}
