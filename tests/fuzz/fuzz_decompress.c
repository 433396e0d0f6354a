/* Any bytes as a compressed archive. */
#include <assert.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/base.h"
#include "fuzz.h"
#include "images/unpack/decompress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_close_ int in = memfd_create("fuzz", MFD_CLOEXEC),
		    out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct error err = { 0 };
	int r;

	assert(in >= 0 && out >= 0);
	r = write_all(in, data, size);
	assert(r == 0);
	assert(lseek(in, 0, SEEK_SET) == 0);
	r = decompress_to_fd(in, out, &err);
	assert(r == 0 || (err.code == r && err.text[0]));
	return 0;
}
