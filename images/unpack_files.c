/* An archive of plain files, such as `docker save` writes, through carob-unpack --files. */
#include "images/digest.h"
#include "images/passage.h"
#include "images/unpack/unpack.h"

#include <nettle/nettle-meta.h>

static bool is_compressed(int archive)
{
	unsigned char head[512];
	ssize_t n = pread(archive, head, sizeof(head), 0);

	/* a plain one has its mark in the first header */
	return n < 262 || memcmp(head + 257, "ustar", 5) != 0;
}

static int unpack(struct passage *p, int archive, int directory,
		  const struct images_progress *progress)
{
	int r;

	p->stream.progress = progress;
	r = passage_begin(p, archive, NULL, is_compressed(archive));
	return r < 0 ? r : passage_run(p, "--files", directory);
}

int images_unpack_files(const struct images *im, int archive, int directory,
			const struct images_progress *progress, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_unpacked_ struct unpacked unpacked = { .faults = &faults,
						.implied = BUF_INIT(UNPACK_REPORT_BYTES) };
	struct passage p;
	int r;

	passage_init(&p, im, &unpacked, &digest_sha512, err);
	r = unpack(&p, archive, directory, progress);
	passage_end(&p);
	if (r == 0 && faults.n_errors)
		r = images_faults_error(&faults, "the archive", err);
	return r;
}
