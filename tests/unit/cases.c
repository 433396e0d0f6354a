#include "cases.h"

#include <fcntl.h>

#include "base/base.h"

enum { MAX_FILE_BYTES = 1 << 20 };

static json_t *load(int dirfd, const char *name)
{
	_free_ char *text = NULL;
	json_error_t error;
	json_t *root;
	size_t len;

	if (file_read(dirfd, name, MAX_FILE_BYTES, &text, &len) < 0)
		return NULL;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fprintf(stderr, "%s:%d: %s\n", name, error.line, error.text);
	return root;
}

/* dir_each() calls it: every NAME.json into the object in arg. */
static int load_named(int dirfd, const char *name, void *arg)
{
	_free_ char *stem = strdup(name);
	json_t *root;

	if (!stem || !str_ends(name, ".json"))
		return stem ? 0 : -ENOMEM;
	stem[strlen(name) - strlen(".json")] = '\0';
	root = load(dirfd, name);
	return root && json_object_set_new(arg, stem, root) == 0 ? 0 : -EINVAL;
}

static const json_t *list_of(const json_t *file)
{
	return json_is_array(file) ? file : json_object_get(file, "cases");
}

static const char *name_of(const json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "name"));

	return name ? name : json_string_value(json_object_get(entry, "text"));
}

static int run_all(const char *suite, const json_t *files, const json_t *bases,
		   void (*run)(void **state))
{
	_free_ struct test_case *cases = NULL;
	_free_ struct CMUnitTest *tests = NULL;
	size_t n = 0, max = 1, i;
	const char *area;
	json_t *file, *entry;
	int failed;

	json_object_foreach((json_t *)files, area, file)
		max += json_array_size(list_of(file));
	cases = calloc(max, sizeof(*cases));
	tests = calloc(max, sizeof(*tests));
	if (!cases || !tests)
		return 1;
	json_object_foreach((json_t *)files, area, file) {
		json_array_foreach(list_of(file), i, entry) {
			cases[n] = (struct test_case){ area, bases, file, entry };
			tests[n] = (struct CMUnitTest){
				.name = name_of(entry),
				.test_func = run,
				.initial_state = &cases[n],
			};
			if (!tests[n].name) {
				fprintf(stderr, "%s: case %zu has no name\n", area, i);
				return 1;
			}
			n++;
		}
	}
	failed = _cmocka_run_group_tests(suite, tests, n, NULL, NULL);
	fprintf(stderr, "%zu cases of %zu files, %d failed\n", n, json_object_size(files), failed);
	return n == 0 || failed;
}

int cases_main(const char *suite, int argc, char **argv, void (*run)(void **state))
{
	_close_ int dirfd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	_close_ int basefd = dirfd >= 0 ? openat(dirfd, "base", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
					: -1;
	_json_ json_t *files = json_object(), *bases = json_object();

	if (basefd < 0 || dir_each(dirfd, load_named, files) < 0 ||
	    dir_each(basefd, load_named, bases) < 0) {
		fprintf(stderr, "usage: %s DIRECTORY (one with tables of tests)\n", suite);
		return 1;
	}
	return run_all(suite, files, bases, run);
}
