/* carob-meta: see meta.h. */
#include <sys/syscall.h>

#include "images/meta/confine.h"
#include "images/meta/page.h"

static enum meta_status run(char *page, struct buf *pairs)
{
	struct error err = { 0 };
	enum meta_status status;
	ssize_t n;

	if (confine(&err) < 0)
		return META_FAILED;
	n = read_all(STDIN_FILENO, page, LIMIT_PAGE_BYTES + 1);
	if (n < 0)
		return META_FAILED;
	status = page_read(page, (size_t)n, pairs);
	if (status == META_READ && pairs->len > 0 &&
	    write_all(STDOUT_FILENO, pairs->data, pairs->len) < 0)
		return META_FAILED;
	return status;
}

int main(int argc, _unused_ char **argv)
{
	static char page[LIMIT_PAGE_BYTES + 1];
	static struct buf pairs = BUF_INIT(META_OUTPUT_BYTES);

	if (argc == 1)
		/* at once: what libraries do at the end of a program is not on the list of
		 * calls */
		syscall(SYS_exit_group, run(page, &pairs));
	dprintf(STDERR_FILENO, "carob-meta is started by carob when it looks for an image.\n");
	return META_FAILED;
}
