/* The lexical types by themselves; the table of cases holds them in documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "appc/appc.h"

static void test_quantity(void **state _unused_)
{
	static const struct {
		const char *text;
		int result;
		int64_t milli;
	} cases[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1000 },
		{ "-1", 0, -1000 },
		{ "+1", 0, 1000 },
		{ "1m", 0, 1 },
		{ "1u", 0, 1 },
		{ "1n", 0, 1 },
		{ "0n", 0, 0 },
		{ "1001u", 0, 2 },
		{ "1000u", 0, 1 },
		{ "0.1", 0, 100 },
		{ "0.0001", 0, 1 },
		{ "1.0005", 0, 1001 },
		{ "1Ki", 0, 1024000 },
		{ "0.5Ki", 0, 512000 },
		{ "1.1Ki", 0, 1126400 },
		{ "0.0001Ki", 0, 103 }, /* 0.1024 */
		{ "1e3", 0, 1000000 },
		{ "1E3", 0, 1000000 },
		{ "1e+3", 0, 1000000 },
		{ "1e-3", 0, 1 },
		{ "1e-4", 0, 1 },
		{ "0e999999999", 0, 0 },
		{ "9223372036854775807m", 0, INT64_MAX },
		{ "9223372036854775.807", 0, INT64_MAX },
		{ "-9223372036854775807m", 0, -INT64_MAX },
		{ "9223372036854775808m", -ERANGE },
		{ "9223372036854775.8071", -ERANGE },
		{ "9223372036854775.80700000000000000000000", 0, INT64_MAX },
		{ "8Pi", 0, 9007199254740992000 },
		{ "9Pi", -ERANGE },
		{ "8Ei", -ERANGE },
		{ "1E", -ERANGE },
		{ "0E", 0, 0 },
		{ "0.001E", 0, 1000000000000000000 },
		{ "123456789012345678901234567890", -ERANGE },
		{ "0.123456789012345678901234567890", 0, 124 },
		{ "1e99999999999999999999", -ERANGE },
		{ "1e-99999999999999999999", 0, 1 },
		{ "", -EINVAL },
		{ ".", -EINVAL },
		{ "-", -EINVAL },
		{ "+.", -EINVAL },
		{ "--1", -EINVAL },
		{ "1-", -EINVAL },
		{ "e3", -EINVAL },
		{ "1e", -EINVAL },
		{ "1e+", -EINVAL },
		{ "1e1.5", -EINVAL },
		{ "1e3k", -EINVAL },
		{ "1i", -EINVAL },
		{ "1mi", -EINVAL },
		{ "1Kib", -EINVAL },
		{ " 1", -EINVAL },
		{ "1\n", -EINVAL },
		{ "\xd9\xa1", -EINVAL }, /* an Arabic digit */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t milli = 0;

		if (appc_quantity(cases[i].text, &milli) != cases[i].result ||
		    milli != cases[i].milli)
			fail_msg("%s: %lld", cases[i].text, (long long)milli);
	}
}

static void test_result_is_left_alone_on_failure(void **state _unused_)
{
	int64_t milli = 42;

	assert_int_equal(appc_quantity("x", &milli), -EINVAL);
	assert_int_equal(appc_quantity("1E", &milli), -ERANGE);
	assert_int_equal(milli, 42);
}

/* Every suffix against plain arithmetic. */
static void test_quantity_suffixes(void **state _unused_)
{
	static const struct {
		const char *suffix;
		int64_t factor;
	} cases[] = {
		{ "k", 1000 },       { "K", 1000 },          { "M", 1000000 },
		{ "G", 1000000000 }, { "T", 1000000000000 }, { "P", 1000000000000000 },
		{ "Ki", 1 << 10 },   { "Mi", 1 << 20 },      { "Gi", 1 << 30 },
		{ "Ti", 1LL << 40 }, { "Pi", 1LL << 50 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int64_t n = 1; n <= 7; n++) {
			char text[32];
			int64_t milli = 0;

			snprintf(text, sizeof(text), "%lld%s", (long long)n, cases[i].suffix);
			assert_int_equal(appc_quantity(text, &milli), 0);
			assert_int_equal(milli, n * cases[i].factor * 1000);
		}
	}
}

static void test_lengths(void **state _unused_)
{
	char name[LIMIT_NAME_BYTES + 2];

	memset(name, 'a', sizeof(name));
	name[LIMIT_NAME_BYTES] = '\0';
	assert_true(appc_is_name(name));
	assert_true(appc_is_identifier(name));
	assert_true(appc_is_env_name(name));
	name[LIMIT_NAME_BYTES] = 'a';
	name[LIMIT_NAME_BYTES + 1] = '\0';
	assert_false(appc_is_name(name));
	assert_false(appc_is_identifier(name));
	assert_false(appc_is_env_name(name));
}

static void test_version_length(void **state _unused_)
{
	char version[LIMIT_NAME_BYTES + 2];

	memset(version, '1', sizeof(version));
	memcpy(version, "0.8.", 4);
	version[LIMIT_NAME_BYTES] = '\0';
	assert_true(appc_is_version(version));
	version[LIMIT_NAME_BYTES] = '1';
	version[LIMIT_NAME_BYTES + 1] = '\0';
	assert_false(appc_is_version(version));
}

static void test_image_id_is_lower_case(void **state _unused_)
{
	char id[APPC_ID_TEXT] = "sha512-";

	memset(id + 7, 'a', 128);
	assert_true(appc_is_image_id(id));
	id[20] = 'A';
	assert_false(appc_is_image_id(id));
	id[20] = 'a';
	id[134] = '\0';
	assert_false(appc_is_image_id(id));
	assert_false(appc_is_image_id("sha512-..."));
}

/* What the kernel calls them in /usr/include/linux/capability.h. */
static void test_capabilities(void **state _unused_)
{
	assert_int_equal(appc_capability("CAP_CHOWN"), 0);
	assert_int_equal(appc_capability("CAP_SETPCAP"), 8);
	assert_int_equal(appc_capability("CAP_NET_RAW"), 13);
	assert_int_equal(appc_capability("CAP_SYS_ADMIN"), 21);
	assert_int_equal(appc_capability("CAP_MKNOD"), 27);
	assert_int_equal(appc_capability("CAP_SETFCAP"), 31);
	assert_int_equal(appc_capability("CAP_SYSLOG"), 34);
	assert_int_equal(appc_capability("CAP_AUDIT_READ"), 37);
	assert_int_equal(appc_capability("CAP_CHECKPOINT_RESTORE"), 40);
	assert_int_equal(appc_capability("CHOWN"), -1);
	assert_int_equal(appc_capability("cap_chown"), -1);
	assert_int_equal(appc_capability("CAP_"), -1);
	assert_int_equal(appc_capability(""), -1);
}

static void test_rlimits(void **state _unused_)
{
	assert_int_equal(appc_rlimit_resource("nofile"), RLIMIT_NOFILE);
	assert_int_equal(appc_rlimit_resource("as"), RLIMIT_AS);
	assert_int_equal(appc_rlimit_resource("rttime"), RLIMIT_RTTIME);
	assert_int_equal(appc_rlimit_resource("NOFILE"), -1);
	assert_int_equal(appc_rlimit_resource(""), -1);
}

static void test_host(void **state _unused_)
{
	struct utsname host;

	assert_string_equal(appc_host_os(), "linux");
	assert_int_equal(uname(&host), 0);
	if (str_eq(host.machine, "x86_64"))
		assert_string_equal(appc_host_arch(), "amd64");
	else
		assert_true(strlen(appc_host_arch()) > 0);
}

static void test_faults(void **state _unused_)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;

	assert_int_equal(appc_warning(&faults, "a", "%d", 1), 0);
	assert_int_equal(faults.n_errors, 0);
	assert_int_equal(appc_fault(&faults, "b[0]", "%s", "wrong"), 0);
	assert_int_equal(faults.n_errors, 1);
	assert_int_equal(faults.n, 2);
	assert_true(faults.list[0].warning);
	assert_string_equal(faults.list[1].path, "b[0]");
	assert_string_equal(faults.list[1].text, "wrong");
	assert_int_equal(appc_fault(NULL, "x", "y"), 0);
	for (int i = 0; i < 2 * LIMIT_FAULTS; i++)
		assert_int_equal(appc_fault(&faults, "c", "wrong"), 0);
	assert_int_equal(faults.n, LIMIT_FAULTS + 1);
	assert_int_equal(faults.n_errors, 1 + 2 * LIMIT_FAULTS);
	assert_string_equal(faults.list[LIMIT_FAULTS].path, "");
	appc_faults_deinit(&faults);
	assert_int_equal(faults.n + faults.n_errors, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantity),
		cmocka_unit_test(test_result_is_left_alone_on_failure),
		cmocka_unit_test(test_quantity_suffixes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_version_length),
		cmocka_unit_test(test_image_id_is_lower_case),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_rlimits),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
