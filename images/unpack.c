/* An archive of appc through carob-unpack: see passage.h. */
#include <unistd.h>

#include "images/digest.h"
#include "images/passage.h"

void unpacked_deinit(struct unpacked *u)
{
	free(u->manifest);
	u->manifest = NULL;
	buf_deinit(&u->implied);
}

/* What carob-unpack --decompress can take, or can at least name. */
static bool is_compressed(int archive)
{
	static const struct {
		const char *bytes;
		size_t len;
	} magics[] = {
		{ "\x1f\x8b", 2 },
		{ "BZh", 3 },
		{ "\xfd"
		  "7zXZ",
		  5 },
		{ "\x28\xb5\x2f\xfd", 4 },
	};
	char head[6];
	ssize_t n = pread(archive, head, sizeof(head), 0);

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (n >= (ssize_t)magics[i].len &&
		    memcmp(head, magics[i].bytes, magics[i].len) == 0)
			return true;
	return false;
}

int images_unpack(const struct images *im, int archive, int tree, struct unpacked *ret,
		  const struct images_progress *progress, struct error *err)
{
	_unpacked_ struct unpacked unpacked = { .faults = ret->faults,
						.implied = BUF_INIT(UNPACK_REPORT_BYTES) };
	struct passage p;
	int r;

	passage_init(&p, im, &unpacked, &digest_sha512, err);
	p.stream.progress = progress;
	r = passage_begin(&p, archive, is_compressed(archive));
	if (r == 0)
		r = passage_run(&p, tree < 0 ? "--check" : "--extract", tree);
	passage_end(&p);
	if (r < 0)
		return r;
	if (unpacked.faults->n_errors)
		return images_faults_error(unpacked.faults, "the archive", err);
	stream_id(&p.stream, unpacked.id);
	*ret = unpacked;
	unpacked = (struct unpacked){ 0 };
	return 0;
}
