#pragma once
/*
 * SHA-512 in the form of nettle_sha512, by libcrypto. Most of the work of an import is this one
 * function, and nettle's takes half as long again (it has no AVX2). Only the three functions of the
 * algorithm itself are used, so that a static program gets them and little else.
 */
#include <nettle/nettle-meta.h>

extern const struct nettle_hash digest_sha512;
