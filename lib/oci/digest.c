#include "oci/document.h"

#define SHA256 "sha256:"
#define SHA512 "sha512:"

bool oci_is_digest(const char *s)
{
	if (str_starts(s, SHA256))
		return hex_is(s + strlen(SHA256), 2 * SHA256_DIGEST_SIZE);
	return str_starts(s, SHA512) && hex_is(s + strlen(SHA512), 2 * SHA512_DIGEST_SIZE);
}

void oci_hash_init(struct oci_hash *h, const char *like)
{
	h->is_sha512 = str_starts(like, SHA512);
	if (h->is_sha512)
		sha512_init(&h->sha512);
	else
		sha256_init(&h->sha256);
}

void oci_hash_add(struct oci_hash *h, const void *data, size_t len)
{
	if (h->is_sha512)
		sha512_update(&h->sha512, len, data);
	else
		sha256_update(&h->sha256, len, data);
}

void oci_hash_end(struct oci_hash *h, char ret[OCI_DIGEST_TEXT])
{
	unsigned char raw[SHA512_DIGEST_SIZE];

	if (h->is_sha512) {
		sha512_digest(&h->sha512, SHA512_DIGEST_SIZE, raw);
		memcpy(ret, SHA512, strlen(SHA512));
		hex_encode(ret + strlen(SHA512), raw, SHA512_DIGEST_SIZE);
	} else {
		sha256_digest(&h->sha256, SHA256_DIGEST_SIZE, raw);
		memcpy(ret, SHA256, strlen(SHA256));
		hex_encode(ret + strlen(SHA256), raw, SHA256_DIGEST_SIZE);
	}
}

bool oci_digest_matches(const char *digest, const void *data, size_t len)
{
	char is[OCI_DIGEST_TEXT];
	struct oci_hash h;

	if (!oci_is_digest(digest))
		return false;
	oci_hash_init(&h, digest);
	oci_hash_add(&h, data, len);
	oci_hash_end(&h, is);
	return str_eq(is, digest);
}

void oci_digest_of(const void *data, size_t len, char ret[OCI_DIGEST_TEXT])
{
	struct oci_hash h;

	oci_hash_init(&h, SHA256);
	oci_hash_add(&h, data, len);
	oci_hash_end(&h, ret);
}
