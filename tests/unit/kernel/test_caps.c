#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"
#include "kernel/caps.h"
#include "kernel/process.h"

static void names(void **state)
{
	(void)state;
	assert_int_equal(caps_number("CAP_CHOWN"), 0);
	assert_int_equal(caps_number("cap_net_raw"), 13);
	assert_int_equal(caps_number("Cap_Sys_Admin"), 21);
	assert_int_equal(caps_number("CAP_CHECKPOINT_RESTORE"), 40);
	assert_int_equal(caps_number("NET_RAW"), -1);
	assert_int_equal(caps_number("CAP_NET_RAW "), -1);
	assert_int_equal(caps_number("CAP_"), -1);
	assert_int_equal(caps_number(""), -1);
	assert_null(caps_name(-1));
	assert_null(caps_name(41));
	for (int i = 0; i <= 40; i++)
		assert_int_equal(caps_number(caps_name(i)), i);
}

/* The specification's list, by name. */
static void default_set(void **state)
{
	static const char *const list[] = {
		"CAP_AUDIT_WRITE",      "CAP_CHOWN",     "CAP_DAC_OVERRIDE", "CAP_FSETID",
		"CAP_FOWNER",           "CAP_KILL",      "CAP_MKNOD",        "CAP_NET_RAW",
		"CAP_NET_BIND_SERVICE", "CAP_SETUID",    "CAP_SETGID",       "CAP_SETPCAP",
		"CAP_SETFCAP",          "CAP_SYS_CHROOT"
	};
	uint64_t set = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		set |= CAP_BIT(caps_number(list[i]));
	assert_int_equal(set, CAPS_APP_DEFAULT);
	assert_int_equal(CAPS_SYS_ADMIN, CAP_BIT(caps_number("CAP_SYS_ADMIN")));
}

/* One field of /proc/self/status. */
static uint64_t status(const char *label)
{
	_free_ char *text = NULL;
	const char *field;

	assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", 65536, &text, NULL), 0);
	field = strstr(text, label);
	assert_non_null(field);
	return strtoull(field + strlen(label), NULL, 16);
}

static void permitted(void **state)
{
	uint64_t set;

	(void)state;
	assert_int_equal(caps_permitted(&set), 0);
	assert_int_equal(set, status("\nCapPrm:\t"));
}

/* Everybody may give up; what is not permitted cannot be taken. Last: it is for good. */
static void give_up(void **state)
{
	uint64_t set;

	(void)state;
	assert_int_equal(caps_set(0), 0);
	assert_int_equal(caps_permitted(&set), 0);
	assert_int_equal(set, 0);
	assert_int_equal(status("\nCapEff:\t"), 0);
	assert_int_equal(status("\nCapInh:\t"), 0);
	assert_int_equal(caps_set(CAP_BIT(0)), -EPERM);
	assert_int_equal(caps_bound(~0ULL), 0);  /* nothing to drop */
	assert_int_equal(caps_bound(0), -EPERM); /* needs CAP_SETPCAP */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(default_set),
		cmocka_unit_test(permitted),
		cmocka_unit_test(give_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
