#include "images/digest.h"

#include "base/base.h"

/* EVP, which is recommended in their place, brings most of libcrypto along and loads providers. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

static void begin(void *ctx)
{
	SHA512_Init(ctx);
}

static void add(void *ctx, size_t len, const uint8_t *data)
{
	SHA512_Update(ctx, data, len);
}

static void end(void *ctx, _unused_ size_t len, uint8_t *ret)
{
	SHA512_Final(ret, ctx);
}

const struct nettle_hash digest_sha512 = {
	.name = "sha512",
	.context_size = sizeof(SHA512_CTX),
	.digest_size = SHA512_DIGEST_LENGTH,
	.block_size = SHA512_CBLOCK,
	.init = begin,
	.update = add,
	.digest = end,
};
