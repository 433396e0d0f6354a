#include <string.h>

#include "plan/block.h"

struct decoder {
	char *block;
	uint64_t text, end; /* offsets: strings are in [text, end) */
};

/* Turns the offset in a slot into the string. The block ends in NUL, so every string ends in it. */
static bool resolve(const struct decoder *d, char *slot)
{
	uint64_t offset;
	const char *string;

	memcpy(&offset, slot, sizeof(offset));
	if (offset < d->text || offset >= d->end)
		return false;
	string = d->block + offset;
	memcpy(slot, &string, sizeof(string));
	return true;
}

static bool resolve_rows(const struct decoder *d, const struct plan_table *t, char *rows,
			 uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		for (unsigned k = 0; k < t->strings; k++)
			if (!resolve(d, rows + (size_t)i * t->size + t->string[k]))
				return false;
	if (t->terminated)
		memset(rows + (size_t)n * t->size, 0, t->size);
	return true;
}

/* Where the text begins: behind the tables; 0 when they do not fit. */
static uint64_t find_text(const struct plan *p, uint64_t end)
{
	uint64_t at = sizeof(struct plan_block);

	for (unsigned i = 0; i < PLAN_TABLES; i++) {
		uint32_t rows = plan_table_rows(&plan_tables[i], p);

		if (rows > plan_tables[i].max)
			return 0;
		at += plan_table_bytes(&plan_tables[i], rows);
	}
	return at < end ? at : 0;
}

static bool resolve_tables(const struct decoder *d, struct plan *p)
{
	char *rows = d->block + sizeof(struct plan_block);

	for (unsigned i = 0; i < PLAN_TABLES; i++) {
		const struct plan_table *t = &plan_tables[i];
		uint32_t n = plan_table_rows(t, p);

		if (!resolve_rows(d, t, rows, n))
			return false;
		memcpy((char *)p + t->pointer, &rows, sizeof(rows));
		rows += plan_table_bytes(t, n);
	}
	return true;
}

int plan_decode(struct plan *ret, void *block, size_t len)
{
	const struct plan_block *head = block;
	struct decoder d = { .block = block, .end = len };
	struct plan p;

	if (len < sizeof(*head) || len > PLAN_MAX_BYTES || head->magic != PLAN_MAGIC ||
	    head->version != PLAN_VERSION || head->length != len || d.block[len - 1])
		return -EBADMSG;
	p = head->plan;
	d.text = find_text(&p, d.end);
	if (d.text == 0 || !resolve_tables(&d, &p))
		return -EBADMSG;
	for (unsigned i = 0; i < PLAN_STRINGS; i++)
		if (!resolve(&d, (char *)&p + plan_strings[i]))
			return -EBADMSG;
	if (!plan_is_valid(&p))
		return -EBADMSG;
	*ret = p;
	return 0;
}
