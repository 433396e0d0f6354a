#include "mosaic/name_map.h"

#include <regex.h>

enum { GROUPS = 10 };

struct map {
	regex_t regex;
	bool compiled;
	const char *replacement;
};

static void map_free(struct map *map)
{
	if (map->compiled)
		regfree(&map->regex);
}

static int compile(struct map *map, const char *text, struct error *err)
{
	size_t len = strcspn(text, " \t");
	_free_ char *expression = strndup(text, len);
	char why[128];
	int r;

	if (!expression)
		return error_set(err, -ENOMEM, "a volumeMap");
	map->replacement = text + len + strspn(text + len, " \t");
	if (len == 0 || !text[len] || !*map->replacement)
		return error_set(
			err, -EINVAL,
			"must be a regular expression, a blank, and a replacement: not \"%s\".",
			text);
	r = regcomp(&map->regex, expression, REG_EXTENDED);
	if (r != 0) {
		regerror(r, &map->regex, why, sizeof(why));
		return error_set(err, -EINVAL, "the expression \"%s\" is wrong: %s.", expression,
				 why);
	}
	map->compiled = true;
	return 0;
}

static int check_replacement(const struct map *map, struct error *err)
{
	for (const char *p = map->replacement; *p; p++) {
		if (*p != '\\')
			continue;
		p++;
		if (*p == '\\')
			continue;
		if (*p < '0' || *p > '9')
			return error_set(
				err, -EINVAL,
				"behind a \\ in the replacement \"%s\" comes a digit or \\.",
				map->replacement);
		if ((size_t)(*p - '0') > map->regex.re_nsub)
			return error_set(err, -EINVAL,
					 "the replacement has \\%c, the expression %zu groups.", *p,
					 map->regex.re_nsub);
	}
	return 0;
}

int name_map_check(const char *map, struct error *err)
{
	_cleanup_(map_free) struct map m = { 0 };
	int r = compile(&m, map, err);

	return r < 0 ? r : check_replacement(&m, err);
}

/* The replacement, with what the groups matched. */
static int expand(const struct map *map, const char *name, const regmatch_t *groups,
		  struct buf *out)
{
	int r = 0;

	for (const char *p = map->replacement; *p && r == 0; p++) {
		if (*p == '\\' && p[1] >= '0' && p[1] <= '9') {
			const regmatch_t *g = &groups[*++p - '0'];

			if (g->rm_so >= 0)
				r = buf_add(out, name + g->rm_so, (size_t)(g->rm_eo - g->rm_so));
			continue;
		}
		if (*p == '\\' && p[1])
			p++;
		r = buf_add(out, p, 1);
	}
	return r;
}

int name_map_apply(const char *map, const char *name, char *dst, struct error *err)
{
	_cleanup_(map_free) struct map m = { 0 };
	_buf_ struct buf out = BUF_INIT(MOSAIC_NAME_MAX);
	regmatch_t groups[GROUPS];
	int r = compile(&m, map, err);

	if (r < 0)
		return r;
	if (regexec(&m.regex, name, GROUPS, groups, 0) != 0) {
		r = buf_add(&out, name, strlen(name));
	} else {
		r = buf_add(&out, name, (size_t)groups[0].rm_so);
		if (r == 0)
			r = expand(&m, name, groups, &out);
		if (r == 0)
			r = buf_add(&out, name + groups[0].rm_eo, strlen(name + groups[0].rm_eo));
	}
	if (r == -E2BIG)
		return error_set(
			err, -ENAMETOOLONG,
			"the volumeMap makes a name of '%.40s...' that is longer than %d bytes.",
			name, MOSAIC_NAME_MAX);
	if (r < 0)
		return error_set(err, r, "cannot map the name %s", name);
	memcpy(dst, out.data ? out.data : "", out.len + 1);
	return 0;
}
