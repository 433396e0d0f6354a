/* The lexical types of the specification (spec/types.md), and what of them tables need. */
#include <string.h>

#include "appc/document.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

const struct appc_rule appc_rule_name = {
	appc_is_name, "an AC Name: a-z and 0-9, single dashes between them, at most 255 bytes"
};
const struct appc_rule appc_rule_identifier = {
	appc_is_identifier,
	"an AC Identifier: a-z and 0-9, any of -._~/ between them, at most 255 bytes"
};
const struct appc_rule appc_rule_absolute_path = { appc_is_absolute_path,
						   "an absolute path of at most 4095 bytes" };
const struct appc_rule appc_rule_not_empty = { appc_is_not_empty, "a string that is not empty" };

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool appc_is_name(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= LIMIT_NAME_BYTES && strspn(s, LOWER DIGITS "-") == len &&
	       is_alphanumeric(s[0]) && is_alphanumeric(s[len - 1]) && !strstr(s, "--");
}

/* Separators may follow each other: the specification's pattern refuses its own example
 * example.com/~user/app_v1 (docs/appc-rulings.md). */
bool appc_is_identifier(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= LIMIT_NAME_BYTES && strspn(s, LOWER DIGITS "-._~/") == len &&
	       is_alphanumeric(s[0]) && is_alphanumeric(s[len - 1]);
}

bool appc_is_env_name(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= LIMIT_NAME_BYTES && strspn(s, LOWER UPPER DIGITS "_.-") == len &&
	       strspn(s, LOWER UPPER "_") > 0;
}

bool appc_is_image_id(const char *s)
{
	return str_starts(s, "sha512-") && hex_is(s + strlen("sha512-"), 128);
}

bool appc_is_absolute_path(const char *s)
{
	return s[0] == '/' && strlen(s) < LIMIT_PATH_BYTES;
}

bool appc_is_not_empty(const char *s)
{
	return s[0] != '\0';
}

/* ---- versions -------------------------------------------------------------------------------- */

/* Digits without a leading zero; moves *s on. */
static bool skip_number(const char **s)
{
	size_t n = strspn(*s, DIGITS);

	if (n == 0 || (n > 1 && **s == '0'))
		return false;
	*s += n;
	return true;
}

/* Identifiers of letters, digits and dashes with dots between; numbers among them have no leading
 * zero if strict. */
static bool skip_identifiers(const char **s, bool strict)
{
	for (;;) {
		size_t n = strspn(*s, LOWER UPPER DIGITS "-");

		if (n == 0 || (strict && n > 1 && **s == '0' && strspn(*s, DIGITS) == n))
			return false;
		*s += n;
		if (**s != '.')
			return true;
		(*s)++;
	}
}

bool appc_is_version(const char *s)
{
	if (strlen(s) > LIMIT_NAME_BYTES)
		return false;
	for (int i = 0; i < 3; i++) {
		if (i > 0 && *s++ != '.')
			return false;
		if (!skip_number(&s))
			return false;
	}
	if (*s == '-') {
		s++;
		if (!skip_identifiers(&s, true))
			return false;
	}
	if (*s == '+') {
		s++;
		if (!skip_identifiers(&s, false))
			return false;
	}
	return *s == '\0';
}

/* Numbers of any length, so they are compared as text. */
static int compare_versions(const char *a, const char *b)
{
	for (int i = 0; i < 3; i++) {
		size_t m = strspn(a, DIGITS), n = strspn(b, DIGITS);
		int order = m != n ? (m < n ? -1 : 1) : strncmp(a, b, n);

		if (order != 0)
			return order;
		a += m + (i < 2);
		b += n + (i < 2);
	}
	return 0;
}

void appc_read_version(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	static const struct appc_rule rule = { appc_is_version, "a version such as " APPC_VERSION
								" (SemVer 2.0.0)" };
	const char *version = json_string_value(value);

	appc_read_text(r, value, member, &rule);
	if (!appc_is_version(version))
		return;
	if (!str_starts(version, "0."))
		json_fault(r,
			   "\"%.64s\" has another major version than " APPC_VERSION
			   ", which is read here",
			   version);
	else if (compare_versions(version, "0.0.0") == 0)
		json_fault(r, "\"%.64s\" is no version of the specification", version);
	else if (compare_versions(version, APPC_VERSION) > 0)
		json_warning(r,
			     "\"%.64s\" is newer than " APPC_VERSION
			     ": what it adds is not known here",
			     version);
}

/* ---- URLs ------------------------------------------------------------------------------------ */

static bool has_bad_escape(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] == '%' && (i + 2 >= len || !strchr(DIGITS "abcdefABCDEF", s[i + 1]) ||
				    !strchr(DIGITS "abcdefABCDEF", s[i + 2])))
			return true;
	return false;
}

/* host[:port], after any user information. */
static bool is_authority(const char *s, size_t len)
{
	const char *at = memrchr(s, '@', len);
	const char *host = at ? at + 1 : s, *colon;
	size_t n = len - (size_t)(host - s);

	for (size_t i = 0; i < n; i++)
		if (strchr(" <>\"\\^`{|}", host[i]))
			return false;
	colon = memrchr(host, ':', n);
	if (n > 0 && host[0] == '[') {
		const char *end = memchr(host, ']', n);

		if (!end || (end + 1 < host + n && end[1] != ':'))
			return false;
		colon = end + 1 < host + n ? end + 1 : NULL;
	}
	return !colon || strspn(colon + 1, DIGITS) >= (size_t)(host + n - colon - 1);
}

bool appc_is_url(const char *s)
{
	size_t path, authority;

	for (const char *c = s; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	if (strncasecmp(s, "http:", 5) == 0)
		s += 5;
	else if (strncasecmp(s, "https:", 6) == 0)
		s += 6;
	else
		return false;
	if (str_starts(s, "//")) {
		s += 2;
		authority = strcspn(s, "/?#");
		if (!is_authority(s, authority))
			return false;
	}
	path = strcspn(s, "?");
	return !has_bad_escape(s, path);
}

/* ---- strings of tables ----------------------------------------------------------------------- */

void appc_read_text(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	const struct appc_rule *rule = arg;
	const char *s = json_string_value(value);

	if (rule->holds(s))
		json_read_string(r, value, member, NULL);
	else
		json_fault(r, "\"%.64s%s\" must be %s", s, strlen(s) > 64 ? "..." : "", rule->what);
}

void appc_read_image_id(struct json_reader *r, json_t *value, void *member,
			const void *arg _unused_)
{
	const char *s = json_string_value(value);
	char id[APPC_ID_TEXT] = "";

	for (size_t i = 0; i < sizeof(id) - 1 && s[i]; i++)
		id[i] = s[i] >= 'A' && s[i] <= 'F' ? (char)(s[i] - 'A' + 'a') : s[i];
	if (strlen(s) != sizeof(id) - 1 || !appc_is_image_id(id)) {
		json_fault(r, "\"%.64s%s\" must be an image ID: sha512- and 128 hexadecimal digits",
			   s, strlen(s) > 64 ? "..." : "");
		return;
	}
	json_set_text(r, member, id);
}

void appc_read_kind(struct json_reader *r, json_t *value, void *member _unused_, const void *arg)
{
	if (!str_eq(json_string_value(value), arg))
		json_fault(r, "must be \"%s\", not \"%.64s\"", (const char *)arg,
			   json_string_value(value));
}
