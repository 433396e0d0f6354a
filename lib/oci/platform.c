/* Go's names of processors, which OCI uses, and those of appc. */
#include "oci/document.h"

enum { VARIANTS = 4 };

/* variants: those that run there, the best first. armv6l stands before armv7l, so that what needs
 * less is called by the lesser name. */
static const struct {
	const char *arch, *architecture;
	const char *variants[VARIANTS + 1];
} platforms[] = {
	{ "amd64", "amd64", { "", "v1" } },   { "i386", "386", { "" } },
	{ "aarch64", "arm64", { "v8", "" } }, { "aarch64_be", "arm64be", { "v8", "" } },
	{ "armv6l", "arm", { "v6", "v5" } },  { "armv7l", "arm", { "v7", "", "v6", "v5" } },
	{ "armv7b", "armbe", { "v7", "" } },  { "ppc64", "ppc64", { "" } },
	{ "ppc64le", "ppc64le", { "" } },     { "s390x", "s390x", { "" } },
};

static int find_variant(const char *const *variants, const char *variant)
{
	for (int i = 0; variants[i]; i++)
		if (str_eq(variants[i], variant))
			return i;
	return -1;
}

int oci_platform_rank(const char *arch, const char *architecture, const char *variant)
{
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
		if (str_eq(platforms[i].arch, arch) &&
		    str_eq(platforms[i].architecture, architecture))
			return find_variant(platforms[i].variants, variant);
	return -1;
}

const char *oci_arch_to_appc(const char *architecture, const char *variant)
{
	/* elsewhere than with arm the variant is a matter of speed, and appc does not name it */
	bool any = !str_starts(architecture, "arm") || str_starts(architecture, "arm64");

	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
		if (str_eq(platforms[i].architecture, architecture) &&
		    (any || find_variant(platforms[i].variants, variant) >= 0))
			return platforms[i].arch;
	return NULL;
}
