/*
 * One of the three parts of an import alone: the digest of the stream, by the function and in the
 * blocks of images/stream.c.
 */
#include <nettle/sha2.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"

enum { BLOCK = 512 << 10 };

int main(void)
{
	_free_ char *block = malloc(BLOCK);
	unsigned char digest[SHA512_DIGEST_SIZE];
	char text[2 * SHA512_DIGEST_SIZE + 1];
	struct sha512_ctx ctx;
	ssize_t n;

	if (!block)
		return EXIT_FAILURE;
	sha512_init(&ctx);
	while ((n = read_all(STDIN_FILENO, block, BLOCK)) > 0)
		sha512_update(&ctx, (size_t)n, (const uint8_t *)block);
	sha512_digest(&ctx, sizeof(digest), digest);
	hex_encode(text, digest, sizeof(digest));
	printf("sha512-%s\n", text);
	return n < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
