#include "cli/option.h"

#include <string.h>

/* The letters that an option was called by, for messages: "--name" or "-n". */
struct spelling {
	char text[64];
};

static struct spelling spell_long(const char *name, size_t len)
{
	struct spelling s;

	snprintf(s.text, sizeof(s.text), "--%.*s", (int)(len < 50 ? len : 50), name);
	return s;
}

static struct spelling spell_letter(char letter)
{
	struct spelling s;

	snprintf(s.text, sizeof(s.text), "-%c", letter);
	return s;
}

/* ---- values ---------------------------------------------------------------------------------- */

int cli_duration(const char *s, uint64_t *ret)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 }, { '\0', 1 } };
	bool bare = s[strspn(s, "0123456789")] == '\0'; /* a number alone is seconds */
	uint64_t total = 0;
	size_t u = 0;

	if (!*s)
		return -EINVAL;
	while (*s) {
		uint64_t value = 0;

		if (*s < '0' || *s > '9')
			return -EINVAL;
		for (; *s >= '0' && *s <= '9'; s++)
			if (__builtin_mul_overflow(value, 10, &value) ||
			    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
				return -ERANGE;
		while (u < ARRAY_SIZE(units) && units[u].unit != *s)
			u++;
		if (u == ARRAY_SIZE(units) || (!*s && !bare))
			return -EINVAL; /* no unit, or a larger one behind a smaller */
		if (__builtin_mul_overflow(value, units[u].seconds, &value) ||
		    __builtin_add_overflow(total, value, &total))
			return -ERANGE;
		u++;
		if (*s)
			s++;
	}
	*ret = total;
	return 0;
}

static bool choice_has(const char *choices, const char *word)
{
	size_t n = strcspn(word, "|");

	for (const char *p = choices; p && !word[n]; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
		if (n > 0 && strncmp(p, word, n) == 0 && (p[n] == '|' || p[n] == '\0'))
			return true;
	return false;
}

static int list_add(struct cli_list *list, const char *value)
{
	const char **items = realloc(list->items, (list->n + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	list->items[list->n++] = value;
	return 0;
}

static int number_store(const struct cli_option *o, struct cli_number *number, const char *value)
{
	uint64_t result;
	int r;

	if (o->kind == CLI_SIZE)
		r = str_to_size(value, &result);
	else if (o->kind == CLI_DURATION)
		r = cli_duration(value, &result);
	else
		r = str_to_u64(value, o->max ? o->max : UINT64_MAX, &result);
	if (r == 0)
		*number = (struct cli_number){ result, true };
	return r;
}

/* 0, -EINVAL, -ERANGE, -ENOMEM. */
static int value_store(const struct cli_option *o, void *target, const char *value)
{
	void *member = (char *)target + o->offset;

	switch (o->kind) {
	case CLI_FLAG:
		*(bool *)member = true;
		return 0;
	case CLI_CHOICE:
		if (!choice_has(o->argument, value))
			return -EINVAL;
		*(const char **)member = value;
		return 0;
	case CLI_STRING:
		*(const char **)member = value;
		return 0;
	case CLI_LIST:
		return list_add(member, value);
	case CLI_NUMBER:
	case CLI_SIZE:
	case CLI_DURATION:
		return number_store(o, member, value);
	}
	return -EINVAL;
}

static int value_take(const struct cli_option *o, void *target, struct spelling as,
		      const char *value, struct error *err)
{
	int r = value_store(o, target, value);

	if (r == 0 || r == -ENOMEM)
		return r < 0 ? error_set(err, r, "command line") : 0;
	if (o->kind == CLI_NUMBER && o->max)
		error_set(err, r, "%s: %s is no number from 0 to %ju.", as.text, value,
			  (uintmax_t)o->max);
	else if (o->kind == CLI_CHOICE)
		error_set(err, r, "%s: %s is none of %s.", as.text, value, o->argument);
	else
		error_set(err, r, "%s: %s is no %s.", as.text, value, o->argument);
	return CLI_USAGE;
}

/* ---- finding options ------------------------------------------------------------------------- */

struct found {
	const struct cli_option *option;
	void *target;
};

static struct found find_long(const struct cli_set *sets, size_t n_sets, const char *name,
			      size_t len)
{
	for (size_t i = 0; i < n_sets; i++)
		for (const struct cli_option *o = sets[i].options; o->name; o++)
			if (strncmp(o->name, name, len) == 0 && o->name[len] == '\0')
				return (struct found){ o, sets[i].target };
	return (struct found){ 0 };
}

static struct found find_letter(const struct cli_set *sets, size_t n_sets, char letter)
{
	for (size_t i = 0; i < n_sets; i++)
		for (const struct cli_option *o = sets[i].options; o->name; o++)
			if (o->letter == letter)
				return (struct found){ o, sets[i].target };
	return (struct found){ 0 };
}

struct walk {
	const struct cli_set *sets;
	size_t n_sets, set;
	const struct cli_option *o;
};

static const char *walk_names(void *arg)
{
	struct walk *w = arg;

	while (w->set < w->n_sets) {
		if (!w->o)
			w->o = w->sets[w->set].options;
		if (w->o->name)
			return (w->o++)->name;
		w->o = NULL;
		w->set++;
	}
	return NULL;
}

static int unknown_long(const struct cli_set *sets, size_t n_sets, struct spelling as,
			struct error *err)
{
	struct walk w = { .sets = sets, .n_sets = n_sets };
	const char *near = cli_nearest(as.text + 2, walk_names, &w);

	if (near)
		error_set(err, -EINVAL, "there is no option %s; did you mean --%s?.", as.text,
			  near);
	else
		error_set(err, -EINVAL, "there is no option %s.", as.text);
	return CLI_USAGE;
}

/* ---- parsing --------------------------------------------------------------------------------- */

static void args_skip(struct cli_args *args, size_t n)
{
	args->argv += n;
	args->n -= n;
}

/* --name, --name=value, --name value. Takes what belongs to it from args. */
static int parse_long(const struct cli_set *sets, size_t n_sets, struct cli_args *args,
		      struct error *err)
{
	const char *name = args->argv[0] + 2, *value = strchr(name, '=');
	size_t len = value ? (size_t)(value - name) : strlen(name);
	struct spelling as = spell_long(name, len);
	struct found f = find_long(sets, n_sets, name, len);
	int r;

	if (!f.option && str_eq(name, "help"))
		return CLI_HELP;
	if (!f.option)
		return unknown_long(sets, n_sets, as, err);
	if (f.option->kind == CLI_FLAG && value) {
		error_set(err, -EINVAL, "%s takes no value.", as.text);
		return CLI_USAGE;
	}
	if (f.option->kind != CLI_FLAG && !value && args->n < 2) {
		error_set(err, -EINVAL, "%s needs a value: %s.", as.text, f.option->argument);
		return CLI_USAGE;
	}
	r = value_take(f.option, f.target, as, value ? value + 1 : args->argv[1], err);
	args_skip(args, f.option->kind == CLI_FLAG || value ? 1 : 2);
	return r;
}

/* -a, -ab, -nVALUE, -n VALUE. */
static int parse_letters(const struct cli_set *sets, size_t n_sets, struct cli_args *args,
			 struct error *err)
{
	for (const char *p = args->argv[0] + 1; *p; p++) {
		struct found f = find_letter(sets, n_sets, *p);
		struct spelling as = spell_letter(*p);
		int r;

		if (!f.option && *p == 'h')
			return CLI_HELP;
		if (!f.option) {
			error_set(err, -EINVAL, "there is no option %s.", as.text);
			return CLI_USAGE;
		}
		if (f.option->kind == CLI_FLAG) {
			r = value_take(f.option, f.target, as, "", err);
			if (r != 0)
				return r;
			continue;
		}
		if (!p[1] && args->n < 2) {
			error_set(err, -EINVAL, "%s needs a value: %s.", as.text,
				  f.option->argument);
			return CLI_USAGE;
		}
		r = value_take(f.option, f.target, as, p[1] ? p + 1 : args->argv[1], err);
		args_skip(args, p[1] ? 1 : 2);
		return r;
	}
	args_skip(args, 1);
	return 0;
}

/* ret_dashes: it ended at a "--". */
static int parse_front(const struct cli_set *sets, size_t n_sets, struct cli_args *args,
		       bool *ret_dashes, struct error *err)
{
	*ret_dashes = false;
	while (args->n > 0 && args->argv[0][0] == '-' && args->argv[0][1]) {
		int r;

		if (str_eq(args->argv[0], "---"))
			return 0; /* divides the apps of a pod: never an option */
		if (str_eq(args->argv[0], "--")) {
			args_skip(args, 1);
			*ret_dashes = true;
			return 0;
		}
		r = args->argv[0][1] == '-' ? parse_long(sets, n_sets, args, err)
					    : parse_letters(sets, n_sets, args, err);
		if (r != 0)
			return r;
	}
	return 0;
}

int cli_parse_leading(const struct cli_set *sets, size_t n_sets, struct cli_args *args,
		      struct error *err)
{
	bool dashes;

	return parse_front(sets, n_sets, args, &dashes, err);
}

int cli_parse(const struct cli_set *sets, size_t n_sets, struct cli_args *args, struct error *err)
{
	struct cli_args operands = { args->argv, 0 };

	while (args->n > 0) {
		bool dashes;
		int r = parse_front(sets, n_sets, args, &dashes, err);

		if (r != 0)
			return r;
		/* what was read lies before args->argv, so there is room for an operand */
		do {
			if (args->n == 0)
				break;
			operands.argv[operands.n++] = args->argv[0];
			args_skip(args, 1);
		} while (dashes);
	}
	*args = operands;
	return 0;
}

void cli_options_deinit(const struct cli_option *options, void *target)
{
	for (const struct cli_option *o = options; o->name; o++) {
		struct cli_list *list = (void *)((char *)target + o->offset);

		if (o->kind != CLI_LIST)
			continue;
		free(list->items);
		*list = (struct cli_list){ 0 };
	}
}

int cli_want_operands(const struct cli_args *args, size_t min, size_t max, struct error *err)
{
	if (args->n < min) {
		error_set(err, -EINVAL,
			  args->n ? "too few words." : "something is missing on the command line.");
		return CLI_USAGE;
	}
	if (args->n > max) {
		error_set(err, -EINVAL, "%s is one word too many.", args->argv[max]);
		return CLI_USAGE;
	}
	return 0;
}

/* ---- near words ------------------------------------------------------------------------------ */

enum { WORD_MAX = 32 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance, two neighbours exchanged counting as one change. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return UINT32_MAX;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *row = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = min3(last[j] + 1, row[j - 1] + 1,
				      last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return rows[n % 3][m];
}

const char *cli_nearest(const char *typed, const char *(*next)(void *arg), void *arg)
{
	unsigned best = 1 + (unsigned)strlen(typed) / 3;
	const char *word, *nearest = NULL;

	while ((word = next(arg)) != NULL) {
		unsigned d = distance(typed, word);

		if (d < best || (d == best && !nearest)) {
			best = d;
			nearest = word;
		}
	}
	return nearest;
}
