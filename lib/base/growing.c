#include "base/growing.h"

#include <errno.h>
#include <unistd.h>

#include "base/base.h"

void growing_init(struct growing *g, int file, int told)
{
	*g = (struct growing){ .file = file, .told = told, .complete = told < 0 };
}

bool growing_is_ready(const struct growing *g)
{
	return g->complete || g->taken < g->there;
}

int growing_listen(struct growing *g)
{
	uint64_t words[64];
	ssize_t n;

	do
		n = read(g->told, words, sizeof(words));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	g->complete = n == 0;
	/* a pipe gives what was written to it in one go in one piece */
	if (n % (ssize_t)sizeof(words[0]) != 0)
		return -EPROTO;
	if (n > 0)
		g->there = words[(size_t)n / sizeof(words[0]) - 1];
	return 0;
}

ssize_t growing_read(struct growing *g, void *to, size_t max)
{
	ssize_t n;

	while (!growing_is_ready(g)) {
		int r = growing_listen(g);

		if (r < 0)
			return r;
	}
	if (!g->complete && g->there - g->taken < max)
		max = (size_t)(g->there - g->taken);
	do
		n = read(g->file, to, max);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	g->taken += (uint64_t)n;
	/* somebody cut it short: it does not come back */
	return n == 0 && !g->complete ? -EIO : n;
}
