#include "images/behind.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "images/internal.h"

enum { MIB = 1 << 20 };

static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void a_small_tree_takes_no_process(_unused_ void **state)
{
	_close_ int tree = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct behind b = BEHIND_NONE;

	b.tree = tree;
	for (uint64_t bytes = 0; bytes < 127 * MIB; bytes += MIB)
		behind_note(&b, bytes, UINT64_MAX);
	assert_int_equal(b.pidfd, -1);
	assert_no_child();
	behind_end(&b);
}

static void without_a_tree_nothing_is_synced(_unused_ void **state)
{
	struct behind b = BEHIND_NONE;

	behind_note(&b, (uint64_t)200 * MIB, UINT64_MAX);
	assert_no_child();
	behind_end(&b);
}

/* One process for all of it, however much that is; its end is waited for. */
static void a_large_tree_takes_one(_unused_ void **state)
{
	_close_ int tree = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct behind b = BEHIND_NONE;
	int first;

	b.tree = tree;
	behind_note(&b, 128 * MIB, UINT64_MAX);
	first = b.pidfd;
	assert_true(first >= 0);
	for (uint64_t bytes = 128 * MIB; bytes < (uint64_t)4096 * MIB; bytes += MIB)
		behind_note(&b, bytes, UINT64_MAX);
	assert_int_equal(b.pidfd, first);
	behind_end(&b);
	assert_no_child();
}

/* Near the end it is told of less at a time. */
static void the_last_steps_are_small(_unused_ void **state)
{
	_close_ int tree = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const uint64_t all = 512 * MIB;
	struct behind b = BEHIND_NONE;
	uint64_t told = 0;
	int n = 0;

	b.tree = tree;
	for (uint64_t bytes = 0; bytes < all; bytes += MIB) {
		behind_note(&b, bytes, all - bytes);
		n += b.told != told;
		told = b.told;
	}
	assert_in_range(n, 5, 12);
	assert_true(all - told <= 32 * MIB);
	behind_end(&b);
	assert_no_child();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_tree_takes_no_process),
		cmocka_unit_test(without_a_tree_nothing_is_synced),
		cmocka_unit_test(a_large_tree_takes_one),
		cmocka_unit_test(the_last_steps_are_small),
	};

	return cmocka_run_group_tests_name("images/behind", tests, NULL, NULL);
}
