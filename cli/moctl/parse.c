#include "cli/moctl/parse.h"

#include "cli/moctl/moctl.h"
#include "kernel/kernel.h"

/* ---- mount options --------------------------------------------------------------------------- */

struct mount_word {
	const char *word;
	unsigned flags;
	uint64_t attributes;
};

static const struct mount_word mount_words[] = {
	{ "rw", 0, 0 }, /* as it is without */
	{ "ro", MOSAIC_MOUNT_READONLY, 0 },
	{ "volatile", MOSAIC_MOUNT_VOLATILE, 0 },
	{ "nosuid", 0, MOUNT_NOSUID },
	{ "nodev", 0, MOUNT_NODEV },
	{ "noexec", 0, MOUNT_NOEXEC },
	{ "noatime", 0, MOUNT_NOATIME },
	{ "nosymfollow", 0, MOUNT_NOSYMFOLLOW },
};

static const struct mount_word *mount_word(const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(mount_words); i++)
		if (strlen(mount_words[i].word) == len &&
		    strncmp(mount_words[i].word, text, len) == 0)
			return &mount_words[i];
	return NULL;
}

int moctl_read_mount_options(const char *text, struct mosaic_mount *how, struct error *err)
{
	for (;; text++) {
		size_t len = strcspn(text, ",");
		const struct mount_word *word = mount_word(text, len);

		if (!word)
			return moctl_usage(err,
					   "%.*s is no mount option; there are ro, rw, nosuid, "
					   "nodev, noexec, noatime, nosymfollow, volatile.",
					   (int)len, text);
		how->flags |= word->flags;
		how->attributes |= word->attributes;
		text += len;
		if (!*text)
			return 0;
	}
}

/* ---- sizes ----------------------------------------------------------------------------------- */

int moctl_read_size_change(const char *text, struct moctl_size_change *ret, struct error *err)
{
	struct moctl_size_change change = { .sign = '=' };
	const char *size = text;

	if (str_eq(text, "none")) {
		*ret = change;
		return 0;
	}
	if (*size == '+' || *size == '-')
		change.sign = *size++;
	if (str_to_size(size, &change.bytes) < 0)
		return moctl_usage(err, "%s is no size: 10G, +1G, -512M, or none.", text);
	*ret = change;
	return 0;
}

int moctl_apply_size_change(const struct moctl_size_change *change, uint64_t now, uint64_t *ret,
			    struct error *err)
{
	uint64_t then = change->bytes;

	if (change->sign != '=' && now == 0)
		return error_set(err, -EINVAL,
				 "the volume has no size: say how large it is to be.");
	if (change->sign == '+' && __builtin_add_overflow(now, change->bytes, &then))
		return error_set(err, -EINVAL, "%ju bytes and %ju more are too many.",
				 (uintmax_t)now, (uintmax_t)change->bytes);
	if (change->sign == '-') {
		if (change->bytes >= now)
			return error_set(err, -EINVAL,
					 "the volume has %ju bytes: %ju less is too much.",
					 (uintmax_t)now, (uintmax_t)change->bytes);
		then = now - change->bytes;
	}
	*ret = then;
	return 0;
}

/* ---- id maps --------------------------------------------------------------------------------- */

/* The number at the front of *at, up to a ":" or the end of the range; *at goes behind it. */
static int read_id(const char **at, const char *end, uint32_t *ret)
{
	char text[12];
	const char *colon = memchr(*at, ':', (size_t)(end - *at));
	size_t len = (size_t)((colon ? colon : end) - *at);
	uint64_t value;

	if (len >= sizeof(text))
		return -ERANGE;
	memcpy(text, *at, len);
	text[len] = '\0';
	*at = colon ? colon + 1 : end;
	if (str_to_u64(text, UINT32_MAX - 1, &value) < 0)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static bool read_range(const char *text, size_t len, struct moctl_map_range *ret)
{
	const char *at = text, *end = text + len;

	*ret = (struct moctl_map_range){ true, true, 0, 0, 0 };
	if (len > 2 && (str_starts(text, "u:") || str_starts(text, "g:"))) {
		ret->users = *text == 'u';
		ret->groups = *text == 'g';
		at += 2;
	}
	if (read_id(&at, end, &ret->disk) < 0 || read_id(&at, end, &ret->shown) < 0)
		return false;
	if (at == end)
		return false;
	return read_id(&at, end, &ret->count) == 0 && at == end && ret->count > 0 && end[-1] != ':';
}

int moctl_read_map(const char *text, struct moctl_map *ret, struct error *err)
{
	struct moctl_map map = { .n = 0 };

	for (const char *p = text;; p++) {
		size_t len = strcspn(p, ",");

		if (map.n == MOCTL_MAP_RANGES)
			return moctl_usage(err, "%s: more than %d ranges.", text, MOCTL_MAP_RANGES);
		if (!read_range(p, len, &map.ranges[map.n++]))
			return moctl_usage(err, "%.*s is no range of ids: [u:|g:]DISK:SHOWN:COUNT.",
					   (int)len, p);
		p += len;
		if (!*p)
			break;
	}
	*ret = map;
	return 0;
}

int moctl_read_pair(const char *text, size_t *ret_len, struct error *err)
{
	const char *equal = strchr(text, '=');

	if (!equal || equal == text)
		return moctl_usage(err, "%s is not KEY=VALUE.", text);
	*ret_len = (size_t)(equal - text);
	return 0;
}
