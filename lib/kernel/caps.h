#pragma once
/* Capability sets as 64-bit masks (capabilities(7)). */
#include <stdint.h>

#include "base/base.h"

#define CAP_BIT(n) (1ULL << (n))

/* The 14 capabilities that an app has when no isolator says otherwise (appc spec, "ace"). */
#define CAPS_APP_DEFAULT                                                                           \
	(CAP_BIT(0) /* CHOWN */ | CAP_BIT(1) /* DAC_OVERRIDE */ | CAP_BIT(3) /* FOWNER */ |        \
	 CAP_BIT(4) /* FSETID */ | CAP_BIT(5) /* KILL */ | CAP_BIT(6) /* SETGID */ |               \
	 CAP_BIT(7) /* SETUID */ | CAP_BIT(8) /* SETPCAP */ | CAP_BIT(10) /* NET_BIND_SERVICE */ | \
	 CAP_BIT(13) /* NET_RAW */ | CAP_BIT(18) /* SYS_CHROOT */ | CAP_BIT(27) /* MKNOD */ |      \
	 CAP_BIT(29) /* AUDIT_WRITE */ | CAP_BIT(31) /* SETFCAP */)

#define CAPS_SYS_ADMIN CAP_BIT(21)

/* "CAP_NET_RAW" (any case) -> 13; -1 when unknown. */
int caps_number(const char *name);
const char *caps_name(int number); /* NULL when unknown */

/* What this process has. */
int caps_permitted(uint64_t *ret) _must_check_;

/* Drops everything from the bounding set that is not in keep. */
int caps_bound(uint64_t keep) _must_check_;

/* Sets permitted and effective to set; inheritable and ambient become empty. */
int caps_set(uint64_t set) _must_check_;
