#include "appc/appc.h"
#include "images/trust_parts.h"

enum { FINGERPRINT = 40, KEY_ID = 16 };

bool trust_applies(const char *prefix, const char *name)
{
	size_t n = strlen(prefix);

	return n == 0 || (strncmp(prefix, name, n) == 0 && (name[n] == '\0' || name[n] == '/'));
}

int trust_escape(char dst[LIMIT_NAME_BYTES + 1], const char *prefix)
{
	size_t n = strlen(prefix);

	if (n == 0 || n > LIMIT_NAME_BYTES || !appc_is_identifier(prefix))
		return -EINVAL;
	for (size_t i = 0; i <= n; i++)
		dst[i] = prefix[i] == '/' ? '=' : prefix[i];
	return 0;
}

int trust_unescape(char dst[LIMIT_NAME_BYTES + 1], const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > LIMIT_NAME_BYTES)
		return -EINVAL;
	for (size_t i = 0; i <= n; i++)
		dst[i] = name[i] == '=' ? '/' : name[i];
	return appc_is_identifier(dst) ? 0 : -EINVAL;
}

static bool is_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

static size_t count_digits(const char *s)
{
	size_t n = 0;

	while (is_digit(s[n]))
		n++;
	return n;
}

bool trust_is_fingerprint(const char *s)
{
	return count_digits(s) == FINGERPRINT && s[FINGERPRINT] == '\0';
}

int trust_read_fingerprint(char dst[TRUST_FINGERPRINT_TEXT], const char *text)
{
	char digits[FINGERPRINT + 1];
	size_t n = 0;

	for (; *text; text++) {
		char c = *text >= 'a' && *text <= 'f' ? (char)(*text - 'a' + 'A') : *text;

		if (c == ' ')
			continue;
		if (!is_digit(c) || n == FINGERPRINT)
			return -EINVAL;
		digits[n++] = c;
	}
	if (n < KEY_ID)
		return -EINVAL;
	digits[n] = '\0';
	memcpy(dst, digits, n + 1);
	return 0;
}
