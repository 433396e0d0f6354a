#include "images/behind.h"

#include <fcntl.h>

#include "images/forked.h"
#include "images/internal.h"

enum { STEP = 128 << 20, LAST_STEP = 16 << 20 };

/* What was said while it synced is said once. An error shows again where it matters: behind.h. */
static int sync_behind(_unused_ void *arg)
{
	char words[64];

	(void)sync_file_range(2, 0, 0, SYNC_FILE_RANGE_WRITE);
	while (read(0, words, sizeof(words)) > 0)
		(void)syncfs(1);
	return 0;
}

static void begin(struct behind *b)
{
	int archive = b->archive < 0 ? b->tree : b->archive, fds[2];
	_close_ int hear = -1;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	hear = fds[0];
	b->tell = fds[1];
	/* who writes the tree does not wait, whatever becomes of the other side */
	if (fcntl(b->tell, F_SETFL, O_NONBLOCK) < 0)
		return;
	b->pidfd = forked_start((const int[]){ hear, b->tree, archive, archive }, sync_behind,
				NULL);
}

/* A sync costs a commit of the file system's journal, so there are few of them, until what is left
 * at the end would take longer. */
static uint64_t next_step(const struct behind *b, uint64_t left)
{
	uint64_t half = left / 2 + LAST_STEP;

	return b->tell < 0 || half > STEP ? STEP : half;
}

void behind_note(struct behind *b, uint64_t bytes, uint64_t left)
{
	if (b->tree < 0 || bytes < b->told + next_step(b, left))
		return;
	b->told = bytes;
	if (b->tell < 0)
		begin(b);
	if (b->pidfd >= 0)
		(void)!write(b->tell, "", 1);
}

void behind_end(struct behind *b)
{
	cleanup_close(&b->tell);
	helper_reap(&b->pidfd);
	b->tree = b->archive = -1;
}
