/* Any bytes as a compressed archive. */
#include <assert.h>
#include <fcntl.h>

#include "archive.h"
#include "base/base.h"
#include "fuzz.h"
#include "images/unpack/decompress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct archive_bytes bytes = { data, size };
	const struct source in = { archive_give, &bytes };
	_close_ int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct error err = { 0 };
	int r;

	assert(out >= 0);
	r = decompress_to_fd(&in, out, &err);
	assert(r == 0 || (err.code == r && err.text[0]));
	return 0;
}
