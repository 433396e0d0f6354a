/*
 * Runs a fuzzer over the files of the directories that are named: so each fuzzer is an ordinary
 * test, with any compiler. No file at all is a failure.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "fuzz.h"

enum { MAX_INPUT_BYTES = 16 << 20 };

static int replay(int dirfd, const char *name, void *arg)
{
	_free_ char *text = NULL, *input = NULL;
	size_t len;
	int r = file_read(dirfd, name, MAX_INPUT_BYTES, &text, &len);

	if (r < 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(-r));
		return r;
	}
	/* exactly as long as it is, so that the address sanitizer sees one byte too many */
	input = malloc(len ? len : 1);
	if (!input)
		return -ENOMEM;
	memcpy(input, text, len);
	/* known before it fails */
	fprintf(stderr, "%s (%zu bytes)\n", name, len);
	LLVMFuzzerTestOneInput((const uint8_t *)input, len);
	(*(size_t *)arg)++;
	return 0;
}

int main(int argc, char **argv)
{
	size_t n = 0;

	for (int i = 1; i < argc; i++) {
		_close_ int dirfd = open(argv[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dirfd < 0 || dir_each(dirfd, replay, &n) != 0) {
			fprintf(stderr, "cannot replay %s\n", argv[i]);
			return 1;
		}
	}
	printf("%zu inputs\n", n);
	return n == 0;
}
