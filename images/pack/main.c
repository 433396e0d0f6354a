/* carob-pack: see pack.h. */
#include <locale.h>

#include "images/pack/compress.h"
#include "images/pack/pack.h"
#include "images/pack/tree.h"

static int pack(const char *seconds, struct remarks *remarks, struct error *err)
{
	/* names that are UTF-8 are written as such; the user's own locale decides nothing */
	bool utf8 = setlocale(LC_CTYPE, "C.UTF-8") != NULL;
	struct pack p = {
		.manifest = STDIN_FILENO, .rootfs = PACK_TREE_FD, .out = STDOUT_FILENO, .epoch = -1
	};
	uint64_t epoch;

	if (!utf8)
		return error_set(err, -ENOENT, "this system lacks the locale C.UTF-8.");
	if (seconds) {
		if (str_to_u64(seconds, INT64_MAX, &epoch) < 0)
			return error_set(err, -EINVAL,
					 "SOURCE_DATE_EPOCH \"%s\" is no number of seconds.",
					 seconds);
		p.epoch = (int64_t)epoch;
	}
	return pack_tree(&p, remarks, err);
}

static int usage(void)
{
	dprintf(STDERR_FILENO, "carob-pack is started by carob when it makes an image archive.\n");
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct remarks remarks = { .text = BUF_INIT(PACK_REMARKS_BYTES) };
	struct error err = { 0 };
	int r;

	if ((argc == 2 || argc == 3) && str_eq(argv[1], "--pack"))
		r = pack(argv[2], &remarks, &err);
	else if (argc == 3 && str_eq(argv[1], "--compress") && compress_knows(argv[2]))
		r = compress_run(argv[2], STDIN_FILENO, STDOUT_FILENO, &err);
	else
		return usage();
	if (r < 0 && remarks_fail(&remarks, &err) < 0)
		return EXIT_FAILURE;
	/* whoever reads the archive reads that to its end first */
	close(STDOUT_FILENO);
	if (remarks.text.len && write_all(PACK_REMARKS_FD, remarks.text.data, remarks.text.len) < 0)
		return EXIT_FAILURE;
	buf_deinit(&remarks.text);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
