/* How far a copy is, for whoever wants to see it. */
#include "base/base.h"
#include "mosaic/driver.h"

/* One for the process, as the log's: the functions that copy know of no mosaic. */
static struct {
	struct mosaic_progress to;
	uint64_t done;
} copied;

static int add(uint64_t bytes, _unused_ void *arg)
{
	copied.done += bytes;
	return copied.to.fn(copied.done, 0, copied.to.arg) ? -ECANCELED : 0;
}

void mosaic_set_copy_progress(const struct mosaic_progress *progress)
{
	copied.to = progress ? *progress : (struct mosaic_progress){ 0 };
	copied.done = 0;
}

int volume_copy_file(int src, int dst, const struct stat *st)
{
	const struct copy_teller teller = { add, NULL };

	return copy_file_telling(src, dst, st, copied.to.fn ? &teller : NULL);
}
