#include <string.h>

#include "plan/block.h"

/* The block while it is filled. There is room for every string written apart; those that are the
 * same are written once, found again by a hash table of offsets. */
struct encoder {
	char *block;
	uint64_t end;     /* offset behind the last string */
	uint32_t *seen;   /* offsets of strings by hash; 0: free */
	uint32_t mask;    /* its size less one */
	uint64_t strings; /* how many there are */
};

static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619U;
	return h;
}

/* The offset of the string in the block's text. */
static uint64_t intern(struct encoder *e, const char *s)
{
	uint32_t at = hash(s) & e->mask;
	size_t size = strlen(s) + 1;

	for (; e->seen[at]; at = (at + 1) & e->mask)
		if (strcmp(e->block + e->seen[at], s) == 0)
			return e->seen[at];
	memcpy(e->block + e->end, s, size);
	e->seen[at] = (uint32_t)e->end;
	e->end += size;
	return e->seen[at];
}

static const char *string_at(const void *base, size_t offset)
{
	return *(const char *const *)((const char *)base + offset);
}

/* Adds up what the strings take; false when one is missing. */
static bool measure_row(struct encoder *e, const struct plan_table *t, const char *row)
{
	for (unsigned k = 0; k < t->strings; k++) {
		const char *s = string_at(row, t->string[k]);

		if (!s)
			return false;
		e->end += strlen(s) + 1;
		e->strings++;
	}
	return true;
}

static int measure(struct encoder *e, const struct plan *p)
{
	e->end = sizeof(struct plan_block);
	for (unsigned i = 0; i < PLAN_TABLES; i++) {
		const struct plan_table *t = &plan_tables[i];
		const char *rows = string_at(p, t->pointer);
		uint32_t n = plan_table_rows(t, p);

		if (n > t->max)
			return -E2BIG;
		e->end += plan_table_bytes(t, n);
		if (n > 0 && !rows)
			return -EINVAL;
		for (uint32_t k = 0; k < n; k++)
			if (!measure_row(e, t, rows + (size_t)k * t->size))
				return -EINVAL;
	}
	for (unsigned i = 0; i < PLAN_STRINGS; i++)
		e->end += strlen(string_at(p, plan_strings[i])) + 1;
	e->strings += PLAN_STRINGS;
	return e->end > PLAN_MAX_BYTES ? -E2BIG : 0;
}

static void fill_row(struct encoder *e, const struct plan_table *t, char *row)
{
	for (unsigned k = 0; k < t->strings; k++) {
		uint64_t offset = intern(e, string_at(row, t->string[k]));

		memcpy(row + t->string[k], &offset, sizeof(offset));
	}
}

static void fill(struct encoder *e, const struct plan *p)
{
	struct plan_block *head = (struct plan_block *)e->block;
	char *rows = e->block + sizeof(*head);

	*head = (struct plan_block){ .magic = PLAN_MAGIC, .version = PLAN_VERSION, .plan = *p };
	e->end = sizeof(*head);
	for (unsigned i = 0; i < PLAN_TABLES; i++)
		e->end += plan_table_bytes(&plan_tables[i], plan_table_rows(&plan_tables[i], p));
	for (unsigned i = 0; i < PLAN_TABLES; i++) {
		const struct plan_table *t = &plan_tables[i];
		uint32_t n = plan_table_rows(t, p);

		if (n > 0)
			memcpy(rows, string_at(p, t->pointer), (size_t)n * t->size);
		for (uint32_t k = 0; k < n; k++)
			fill_row(e, t, rows + (size_t)k * t->size);
		memset((char *)&head->plan + t->pointer, 0, sizeof(uint64_t));
		rows += plan_table_bytes(t, n);
	}
	for (unsigned i = 0; i < PLAN_STRINGS; i++) {
		uint64_t offset = intern(e, string_at(p, plan_strings[i]));

		memcpy((char *)&head->plan + plan_strings[i], &offset, sizeof(offset));
	}
	head->length = e->end;
}

int plan_encode(const struct plan *p, void **ret, size_t *ret_len)
{
	_free_ char *block = NULL;
	_free_ uint32_t *seen = NULL;
	struct plan whole = *p;
	struct encoder e = { .mask = 1 };
	int r;

	for (unsigned i = 0; i < PLAN_STRINGS; i++)
		if (!string_at(p, plan_strings[i]))
			*(const char **)((char *)&whole + plan_strings[i]) = "";
	r = measure(&e, &whole);
	if (r < 0)
		return r;
	if (!plan_is_valid(&whole))
		return -EINVAL;
	while (e.mask < 2 * e.strings)
		e.mask = 2 * e.mask + 1;
	e.seen = seen = calloc((size_t)e.mask + 1, sizeof(*seen));
	e.block = block = calloc(1, e.end);
	if (!seen || !block)
		return -ENOMEM;
	fill(&e, &whole);
	*ret = take_ptr(&block);
	*ret_len = e.end;
	return 0;
}
