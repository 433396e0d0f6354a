#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/dm.h"

/* "Fail" or "Error" stands alone where the kernel cannot tell more. */
static bool is_failed(const char *text)
{
	return str_starts(text, "Fail") || str_starts(text, "Error");
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
		if ((p == text || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

/* TRANSACTION USED/TOTAL USED/TOTAL HELD-ROOT|- rw|ro|out_of_data_space [no_]discard_passdown
 * error_if_no_space|queue_if_no_space needs_check|- ... */
int dm_pool_status_parse(const char *text, struct dm_pool_status *ret)
{
	struct dm_pool_status s = { 0 };
	char held[24];
	int end = 0;

	if (is_failed(text)) {
		s.mode = DM_POOL_FAILED;
		*ret = s;
		return 0;
	}
	if (sscanf(text, "%" SCNu64 " %" SCNu64 "/%" SCNu64 " %" SCNu64 "/%" SCNu64 " %23s%n",
		   &s.transaction, &s.metadata_used, &s.metadata_total, &s.data_used, &s.data_total,
		   held, &end) != 6)
		return -EBADMSG;
	if (!str_eq(held, "-") && str_to_u64(held, UINT64_MAX, &s.held_root) < 0)
		return -EBADMSG;
	text += end;
	if (has_word(text, "out_of_data_space"))
		s.mode = DM_POOL_FULL;
	else if (has_word(text, "ro"))
		s.mode = DM_POOL_READ_ONLY;
	else if (!has_word(text, "rw"))
		return -EBADMSG;
	s.needs_check = has_word(text, "needs_check");
	*ret = s;
	return 0;
}

/* MAPPED-SECTORS HIGHEST-MAPPED-SECTOR|- */
int dm_thin_status_parse(const char *text, uint64_t *ret_mapped)
{
	char first[24];

	if (is_failed(text))
		return -EIO;
	if (sscanf(text, "%23s", first) != 1 || str_to_u64(first, UINT64_MAX, ret_mapped) < 0)
		return -EBADMSG;
	return 0;
}
