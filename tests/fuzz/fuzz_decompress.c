/* Any bytes as a compressed archive. */
#include <assert.h>
#include <fcntl.h>

#include "base/base.h"
#include "fuzz.h"
#include "images/unpack/decompress.h"

struct bytes {
	const uint8_t *data;
	size_t size;
};

static ssize_t give(void *arg, const void **ret)
{
	struct bytes *b = arg;
	size_t n = b->size;

	*ret = b->data;
	b->size = 0;
	return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = { data, size };
	const struct source in = { give, &bytes };
	_close_ int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct error err = { 0 };
	int r;

	assert(out >= 0);
	r = decompress_to_fd(&in, out, &err);
	assert(r == 0 || (err.code == r && err.text[0]));
	return 0;
}
