/*
 * Memory that runs out: reads, checks and writes a document again and again, each time with
 * another allocation failing. The result must be an error, never half a document, and with the
 * address sanitizer nothing may leak. Our own calls are wrapped by the linker, jansson's by its
 * hook; but only while it writes: its parser drops characters when it cannot get memory.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "appc/appc.h"

static const char *directory;

/* Allocations until one fails; negative: none does. */
static long countdown = -1;

static bool json_may_fail;

static bool fails(void)
{
	return countdown >= 0 && countdown-- == 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
int __real_vasprintf(char **ret, const char *fmt, va_list ap);
int __wrap_vasprintf(char **ret, const char *fmt, va_list ap);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

int __wrap_vasprintf(char **ret, const char *fmt, va_list ap)
{
	return fails() ? -1 : __real_vasprintf(ret, fmt, ap);
}

static void *allocate_for_json(size_t size)
{
	return json_may_fail && fails() ? NULL : __real_malloc(size);
}

static char *load(const char *name)
{
	_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *text = NULL;

	assert_true(fd >= 0);
	assert_int_equal(file_read(fd, name, 1 << 20, &text, NULL), 0);
	return text;
}

static int use_image(const char *text)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_appc_image_ struct appc_image *image = NULL;
	_free_ char *written = NULL;
	int r = appc_image_read(&image, text, strlen(text), &faults);

	json_may_fail = true;
	if (r == 0)
		r = appc_image_write(image, &written);
	json_may_fail = false;
	return r;
}

static int use_pod(const char *text)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_appc_pod_ struct appc_pod *pod = NULL;
	_free_ char *written = NULL;
	int r = appc_pod_read(&pod, text, strlen(text), &faults);

	if (r == 0)
		r = appc_pod_check_runnable(pod, &faults);
	json_may_fail = true;
	if (r == 0)
		r = appc_pod_write(pod, &written);
	json_may_fail = false;
	return r;
}

/* Faults of the document itself need memory too. */
static int use_validate(const char *text)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	enum appc_document kind;

	return appc_validate(text, strlen(text), &kind, &faults);
}

/* Fails the first allocation, the second, ... until the whole work is done without a failure. */
static void run_out(int (*use)(const char *text), const char *text, int expected)
{
	long failed = 0;
	int r;

	for (long n = 0;; n++) {
		countdown = n;
		r = use(text);
		if (countdown >= 0)
			break;
		countdown = -1;
		failed++;
		/* jansson does not tell why it could not write */
		if (r != -ENOMEM && r != -EILSEQ)
			fail_msg("allocation %ld failed, but the result is %d", n, r);
	}
	countdown = -1;
	assert_int_equal(r, expected);
	assert_true(failed > 20);
}

static void test_image(void **state _unused_)
{
	_free_ char *text = load("base/image-full.json");

	run_out(use_image, text, 0);
}

static void test_pod(void **state _unused_)
{
	_free_ char *text = load("base/pod-full.json");

	run_out(use_pod, text, 0);
}

static void test_isolators(void **state _unused_)
{
	run_out(use_image,
		"{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"a\",\"app\":{\"user\":\"0\","
		"\"group\":\"0\",\"isolators\":[{\"name\":\"resource/cpu\",\"value\":{\"limit\":0.5}},"
		"{\"name\":\"os/linux/seccomp-remove-set\",\"value\":{\"set\":[\"reboot\"]}},"
		"{\"name\":\"os/linux/selinux-context\",\"value\":{\"user\":\"u\",\"role\":\"r\",\"type\":\"t\","
		"\"level\":\"s0\"}},{\"name\":\"carob/rlimits\",\"value\":{\"nofile\":[1,\"unlimited\"]}},"
		"{\"name\":\"os/unix/sysctl\",\"value\":{\"a\":\"b\"}},{\"name\":\"x\",\"value\":{\"a\":[1]}}]}}",
		0);
}

static void test_faults(void **state _unused_)
{
	run_out(use_validate,
		"{\"acKind\":\"ImageManifest\",\"acVersion\":\"x\",\"name\":\"A\",\"labels\":[{\"name\":\"os\",\"value\":"
		"\"x\"},{\"name\":\"os\",\"value\":\"x\"}],\"app\":{\"isolators\":[{}],\"environment\":[1]}}",
		-EBADMSG);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_pod),
		cmocka_unit_test(test_isolators),
		cmocka_unit_test(test_faults),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: test-appc-memory DIRECTORY (tests/fixtures/manifests)\n");
		return 1;
	}
	directory = argv[1];
	json_set_alloc_funcs(allocate_for_json, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
