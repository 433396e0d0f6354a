#include "images/templates.h"

const char *tag_match(const char *content, const char *name)
{
	const char *space = strchr(content, ' ');
	size_t len = space ? (size_t)(space - content) : 0;

	if (len == 0 || strncmp(content, name, len) != 0)
		return NULL;
	space += strspn(space, " ");
	return *space ? space : NULL;
}

/* Every {key} in *text. */
static int replace(char **text, const char *key, const char *value)
{
	_buf_ struct buf result = BUF_INIT(LIMIT_URL_BYTES - 1);
	size_t len = strlen(key);
	int r = 0;

	for (const char *at = *text; r == 0 && *at;) {
		if (at[0] == '{' && strncmp(at + 1, key, len) == 0 && at[1 + len] == '}') {
			r = buf_add(&result, value, strlen(value));
			at += len + 2;
		} else {
			size_t n = 1 + strcspn(at + 1, "{");

			r = buf_add(&result, at, n);
			at += n;
		}
	}
	if (r < 0)
		return r;
	free(*text);
	*text = buf_take(&result);
	return *text ? 0 : -ENOMEM;
}

/* The value of a label in a URL: what has a meaning there, or none, becomes %XX. Braces stay: what
 * they hold may be replaced too. */
static char *for_url(const char *value)
{
	_buf_ struct buf b = BUF_INIT(3 * LIMIT_URL_BYTES);
	int r = 0;

	for (const unsigned char *p = (const unsigned char *)value; r == 0 && *p; p++)
		r = *p > ' ' && *p < 0x7f && !strchr("%?#\"<>\\^`|", *p)
			    ? buf_add(&b, p, 1)
			    : buf_addf(&b, "%%%02X", *p);
	return r < 0 ? NULL : b.data ? buf_take(&b) : strdup("");
}

static bool is_asked(const struct reference *ref, const char *label)
{
	for (size_t i = 0; i < ref->n_asked; i++)
		if (str_eq(ref->asked[i].name, label))
			return true;
	return false;
}

static bool is_open(const char *text)
{
	const char *brace = strchr(text, '{');

	return brace && strchr(brace, '}');
}

int template_fill(const char *template, const struct reference *ref, const char *ext, char **ret)
{
	const struct reference_label defaults[] = {
		{ (char *)"version", (char *)"latest" },
		{ (char *)"os", (char *)appc_host_os() },
		{ (char *)"arch", (char *)appc_host_arch() },
	};
	_free_ char *text = NULL;
	int r;

	if (strlen(template) >= LIMIT_URL_BYTES)
		return -E2BIG;
	text = strdup(template);
	r = text ? replace(&text, "name", ref->name) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < ref->n_asked; i++) {
		_free_ char *value = for_url(ref->asked[i].value);

		r = value ? replace(&text, ref->asked[i].name, value) : -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(defaults); i++)
		if (!is_asked(ref, defaults[i].name))
			r = replace(&text, defaults[i].name, defaults[i].value);
	if (r == 0)
		r = replace(&text, "ext", ext);
	if (r < 0)
		return r;
	*ret = take_ptr(&text);
	return is_open(*ret) ? TEMPLATE_OPEN : 0;
}
