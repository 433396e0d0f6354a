#include <errno.h>
#include <linux/dm-ioctl.h>
#include <string.h>

#include "kernel/dm.h"

enum { ALIGN = 8 };

static size_t align(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

int dm_request_put_table(void *dst, size_t size, const struct dm_target *targets, size_t n)
{
	char *p = dst;
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(targets[i].params) + 1;
		size_t all = align(sizeof(struct dm_target_spec) + len);
		struct dm_target_spec spec = {
			.sector_start = targets[i].start,
			.length = targets[i].length,
			.next = (uint32_t)all,
		};

		if (strlen(targets[i].type) >= sizeof(spec.target_type))
			return -EINVAL;
		if (all > size - used)
			return -E2BIG;
		memcpy(spec.target_type, targets[i].type, strlen(targets[i].type));
		memset(p + used, 0, all);
		memcpy(p + used, &spec, sizeof(spec));
		memcpy(p + used + sizeof(spec), targets[i].params, len);
		used += all;
	}
	return (int)used;
}

int dm_request_get_text(const void *data, size_t size, unsigned n, char dst[DM_TEXT_MAX])
{
	const char *text;
	size_t room, len;

	if (n == 0)
		return -ENODATA;
	if (size < sizeof(struct dm_target_spec))
		return -EBADMSG;
	text = (const char *)data + sizeof(struct dm_target_spec);
	room = size - sizeof(struct dm_target_spec);
	len = strnlen(text, room);
	if (len == room)
		return -EBADMSG;
	if (len >= DM_TEXT_MAX)
		return -E2BIG;
	memcpy(dst, text, len + 1);
	return 0;
}

/* An empty list is one record with device 0. */
int dm_request_each_name(const void *data, size_t size, dm_name_fn fn, void *arg)
{
	enum { HEADER = offsetof(struct dm_name_list, name) }; /* the name may lie in its padding */
	const char *p = data;
	struct dm_name_list entry;

	for (;;) {
		const char *name = p + HEADER;
		size_t room;
		int r;

		if (size < HEADER)
			return -EBADMSG;
		memcpy(&entry, p, HEADER);
		if (entry.dev == 0)
			return 0;
		room = size - HEADER;
		if (strnlen(name, room) == room)
			return -EBADMSG;
		r = fn(name, (dev_t)entry.dev, arg);
		if (r != 0 || entry.next == 0)
			return r;
		if (entry.next > size)
			return -EBADMSG;
		p += entry.next;
		size -= entry.next;
	}
}
