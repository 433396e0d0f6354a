#include "kernel/seccomp.h"

#include <assert.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <seccomp.h>
#include <string.h>

#include "base/base.h"
#include "kernel/seccomp_private.h"

/* Part of the digest: to be raised when the compiler makes something else of the same rules. */
enum { COMPILER_VERSION = 1 };

bool seccomp_knows(const char *syscall)
{
	struct seccomp_arch list[SECCOMP_ARCH_MAX];
	unsigned n = seccomp_arch_list(list);

	for (unsigned i = 0; i < n; i++)
		if (seccomp_arch_number(&list[i], syscall) >= 0)
			return true;
	return false;
}

static void _printf_(2, 3) hash(struct sha256_ctx *ctx, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert(n >= 0 && n < (int)sizeof(line));
	sha256_update(ctx, (size_t)n, (const uint8_t *)line);
}

void seccomp_spec_digest(const struct seccomp_spec *spec, char dst[SECCOMP_DIGEST_TEXT])
{
	const struct scmp_version *version = seccomp_version();
	struct seccomp_arch list[SECCOMP_ARCH_MAX];
	unsigned n = seccomp_arch_list(list);
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	hash(&ctx, "compiler %d libseccomp %u.%u.%u\n", COMPILER_VERSION, version->major,
	     version->minor, version->micro);
	for (unsigned i = 0; i < n; i++)
		hash(&ctx, "arch %" PRIx32 "\n", list[i].token);
	hash(&ctx, "default %d %d%s\n", spec->default_action, spec->default_errno,
	     spec->native_only ? " native" : "");
	for (size_t i = 0; i < spec->n_rules; i++) {
		const struct seccomp_rule *r = &spec->rules[i];

		/* the name's length first: no name can look like what follows it */
		hash(&ctx, "rule %zu ", strlen(r->syscall));
		sha256_update(&ctx, strlen(r->syscall), (const uint8_t *)r->syscall);
		hash(&ctx, " %d %d", r->action,
		     r->action == SECCOMP_ACTION_ERRNO ? r->errno_value : 0);
		for (unsigned j = 0; j < r->n_compare; j++)
			hash(&ctx, " %u&%" PRIx64 "=%" PRIx64, r->compare[j].argument,
			     r->compare[j].mask, r->compare[j].value);
		hash(&ctx, "\n");
	}
	sha256_digest(&ctx, sizeof(digest), digest);
	hex_encode(dst, digest, sizeof(digest));
}
