#pragma once
/*
 * The encoded form, shared by encoder and decoder:
 *
 *	struct plan_block  magic, version, length, and struct plan itself
 *	tables		   in the order of plan_tables[], each 8-aligned
 *	text		   all strings, NUL-terminated; ends the block
 *
 * Where a struct has a pointer to a string, the block has its offset from the block's beginning.
 * Where a table is follows from the counts of those before it, so it is not written down: tables
 * cannot overlap, whatever a block says. Tables with strings come first: decoding writes to
 * the pages of these alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/plan.h"

struct plan_block {
	uint32_t magic, version;
	uint64_t length;
	struct plan plan;
};

_Static_assert(sizeof(char *) == sizeof(uint64_t), "an offset takes the place of a pointer");

struct plan_table {
	uint16_t pointer, count; /* where struct plan has them */
	uint16_t size;           /* of one row */
	uint8_t strings;         /* how many of a row's members are strings */
	uint16_t string[2];      /* where these are */
	bool terminated;         /* one row of zeroes follows */
	uint32_t max;            /* rows */
};

enum { PLAN_TABLES = 13, PLAN_STRINGS = 5 };

extern const struct plan_table plan_tables[PLAN_TABLES];
extern const uint16_t plan_strings[PLAN_STRINGS]; /* the strings of struct plan itself */

static inline size_t plan_table_bytes(const struct plan_table *t, uint32_t rows)
{
	return (((size_t)rows + t->terminated) * t->size + 7) & ~(size_t)7;
}

static inline uint32_t plan_table_rows(const struct plan_table *t, const struct plan *p)
{
	return *(const uint32_t *)((const char *)p + t->count);
}

/* Is every index below its count, every path of its kind, every flag a known one? */
bool plan_is_valid(const struct plan *p);
