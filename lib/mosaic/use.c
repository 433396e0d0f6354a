/* What a process holds of volumes: the locks of what it has mounted, and devices. */
#include <string.h>

#include "base/base.h"
#include "mosaic/driver.h"

static void volume_use_free(struct volume_use *u)
{
	if (u->mount >= 0)
		close(u->mount);
	close(u->fd);
	free(u);
}

int volume_use(struct mosaic *m, const char *name, int fd, bool device)
{
	struct volume_use *u = malloc(sizeof(*u));

	if (!u) {
		close(fd);
		return -ENOMEM;
	}
	snprintf(u->name, sizeof(u->name), "%s", name);
	u->fd = fd;
	u->mount = -1;
	u->device = device;
	u->next = m->uses;
	m->uses = u;
	return 0;
}

int volume_unuse(struct mosaic *m, const char *name, bool device)
{
	for (struct volume_use **at = &m->uses; *at; at = &(*at)->next) {
		struct volume_use *u = *at;

		if (u->device != device || !str_eq(u->name, name))
			continue;
		*at = u->next;
		volume_use_free(u);
		return 1;
	}
	return 0;
}

void volume_unuse_all(struct mosaic *m)
{
	while (m->uses) {
		struct volume_use *u = m->uses;

		m->uses = u->next;
		volume_use_free(u);
	}
}
