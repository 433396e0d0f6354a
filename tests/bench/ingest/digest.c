/*
 * One of the three parts of an import alone: the digest of the stream, by the function and in the
 * blocks of images/stream.c.
 */
#include <nettle/sha2.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"
#include "images/digest.h"

enum { BLOCK = 512 << 10 };

int main(void)
{
	_free_ char *block = malloc(BLOCK);
	unsigned char digest[SHA512_DIGEST_SIZE];
	char text[2 * SHA512_DIGEST_SIZE + 1];
	uint64_t ctx[32];
	ssize_t n;

	if (!block)
		return EXIT_FAILURE;
	digest_sha512.init(ctx);
	while ((n = read_all(STDIN_FILENO, block, BLOCK)) > 0)
		digest_sha512.update(ctx, (size_t)n, (const uint8_t *)block);
	digest_sha512.digest(ctx, sizeof(digest), digest);
	hex_encode(text, digest, sizeof(digest));
	printf("sha512-%s\n", text);
	return n < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
