/*
 * The table of cases in tests/fixtures/manifests (its README describes the format), one test each.
 * A document that reads is also written, read again and written again: the texts must be equal.
 */
#include "cases.h"

#include "appc/appc.h"

/* What an entry says, or else its file. */
static const json_t *setting(const struct test_case *f, const char *key)
{
	const json_t *value = json_object_get(f->entry, key);

	return value ? value : json_object_get(f->file, key);
}

/* ---- patches --------------------------------------------------------------------------------- */

/* One step of a path such as apps[0].app.user. */
struct step {
	char key[128]; /* "" for an index */
	size_t index;
};

static const char *next_step(const char *path, struct step *step)
{
	size_t len;
	char *end;

	step->key[0] = '\0';
	if (*path == '[') {
		step->index = strtoul(path + 1, &end, 10);
		assert_int_equal(*end, ']');
		return end + 1;
	}
	path += *path == '.';
	len = strcspn(path, ".[");
	assert_in_range(len, 1, sizeof(step->key) - 1);
	memcpy(step->key, path, len);
	step->key[len] = '\0';
	return path + len;
}

static json_t *child(const json_t *value, const struct step *step)
{
	return *step->key ? json_object_get(value, step->key) : json_array_get(value, step->index);
}

/* The container of the last step of path. */
static json_t *walk(json_t *root, const char *path, struct step *last)
{
	const char *rest = next_step(path, last);

	while (*rest) {
		root = child(root, last);
		if (!root)
			fail_msg("the document has no %s", path);
		rest = next_step(rest, last);
	}
	return root;
}

/* An index one past the end appends. */
static void patch_set(json_t *root, const char *path, json_t *value)
{
	struct step last;
	json_t *in = walk(root, path, &last);

	if (*last.key)
		assert_int_equal(json_object_set(in, last.key, value), 0);
	else if (last.index == json_array_size(in))
		assert_int_equal(json_array_append(in, value), 0);
	else
		assert_int_equal(json_array_set(in, last.index, value), 0);
}

static void patch_delete(json_t *root, const char *path)
{
	struct step last;
	json_t *in = walk(root, path, &last);

	if (*last.key)
		assert_int_equal(json_object_del(in, last.key), 0);
	else
		assert_int_equal(json_array_remove(in, last.index), 0);
}

/* The text that the case is about; the caller frees. */
static char *document(const struct test_case *f)
{
	const json_t *text = json_object_get(f->entry, "text"), *path;
	_json_ json_t *root = NULL;
	json_t *value;
	const char *key, *base;
	char *result;
	size_t i;

	if (text)
		return strdup(json_string_value(text));
	base = json_string_value(setting(f, "base"));
	assert_non_null(base);
	root = json_deep_copy(json_object_get(f->bases, base));
	assert_non_null(root);
	json_array_foreach(json_object_get(f->entry, "delete"), i, path)
		patch_delete(root, json_string_value(path));
	json_object_foreach(json_object_get(f->entry, "set"), key, value)
		patch_set(root, key, value);
	result = json_dumps(root, 0);
	assert_non_null(result);
	return result;
}

/* ---- expectations ---------------------------------------------------------------------------- */

/* expected: "path" or "path: part of the sentence". */
static bool matches(const struct appc_fault *fault, const char *expected)
{
	size_t len = strlen(fault->path);

	return strncmp(expected, fault->path, len) == 0 &&
	       (expected[len] == '\0' ||
		(strncmp(expected + len, ": ", 2) == 0 && strstr(fault->text, expected + len + 2)));
}

static void print_faults(const struct appc_faults *faults)
{
	for (size_t i = 0; i < faults->n; i++)
		print_error("%s: %s: %s\n", faults->list[i].warning ? "warning" : "fault",
			    faults->list[i].path, faults->list[i].text);
}

/* Each expectation is met by one fault of that sort, in any order, and no fault is left over. */
static void check_faults(const struct appc_faults *faults, bool warning, const json_t *expected)
{
	const json_t *text;
	bool used[64] = { false };
	size_t i, n = 0;

	for (size_t k = 0; k < faults->n; k++)
		n += faults->list[k].warning == warning;
	assert_in_range(faults->n, 0, ARRAY_SIZE(used) - 1);
	json_array_foreach(expected, i, text) {
		size_t k = 0;

		while (k < faults->n && (used[k] || faults->list[k].warning != warning ||
					 !matches(&faults->list[k], json_string_value(text))))
			k++;
		if (k == faults->n) {
			print_faults(faults);
			fail_msg("no %s \"%s\"", warning ? "warning" : "fault",
				 json_string_value(text));
		}
		used[k] = true;
	}
	if (n != json_array_size(expected)) {
		print_faults(faults);
		fail_msg("%zu %s, expected %zu", n, warning ? "warnings" : "faults",
			 json_array_size(expected));
	}
}

/* What was written has these values at these paths; null: nothing there. */
static void check_written(const char *text, const json_t *expected)
{
	_json_ json_t *root = json_loads(text, 0, NULL);
	const char *path;
	json_t *value;

	assert_non_null(root);
	json_object_foreach((json_t *)expected, path, value) {
		struct step last;
		json_t *is = child(walk(root, path, &last), &last);

		if (json_is_null(value) ? is != NULL : !json_equal(is, value))
			fail_msg("%s was not written as expected: %s", path, text);
	}
}

/* ---- the three ways to look at a document ---------------------------------------------------- */

struct result {
	int status;
	char *written; /* or NULL */
};

static char *rewrite_image(const char *text)
{
	_appc_image_ struct appc_image *image = NULL;
	char *written = NULL;

	assert_int_equal(appc_image_read(&image, text, strlen(text), NULL), 0);
	assert_int_equal(appc_image_write(image, &written), 0);
	return written;
}

static char *rewrite_pod(const char *text)
{
	_appc_pod_ struct appc_pod *pod = NULL;
	char *written = NULL;

	assert_int_equal(appc_pod_read(&pod, text, strlen(text), NULL), 0);
	assert_int_equal(appc_pod_write(pod, &written), 0);
	return written;
}

static struct result read_image(const char *text, struct appc_faults *faults)
{
	_appc_image_ struct appc_image *image = NULL;
	struct result result = { appc_image_read(&image, text, strlen(text), faults), NULL };

	assert_true((result.status == 0) == (image != NULL));
	if (image) {
		_free_ char *again = NULL;

		assert_int_equal(appc_image_write(image, &result.written), 0);
		again = rewrite_image(result.written);
		assert_string_equal(result.written, again);
	}
	return result;
}

static struct result read_pod(const char *text, struct appc_faults *faults, bool run)
{
	_appc_pod_ struct appc_pod *pod = NULL;
	struct result result = { appc_pod_read(&pod, text, strlen(text), faults), NULL };

	assert_true((result.status == 0) == (pod != NULL));
	if (pod) {
		_free_ char *again = NULL;

		assert_int_equal(appc_pod_write(pod, &result.written), 0);
		again = rewrite_pod(result.written);
		assert_string_equal(result.written, again);
		if (run)
			result.status = appc_pod_check_runnable(pod, faults);
	}
	return result;
}

/* appc_validate() finds the kind by itself and then says the same. */
static void check_validate(const char *text, const struct appc_faults *faults,
			   enum appc_document expected)
{
	_appc_faults_ struct appc_faults own = APPC_FAULTS_INIT;
	enum appc_document kind;

	for (size_t i = 0; i < faults->n; i++)
		if (str_eq(faults->list[i].path, "acKind"))
			return; /* read as the wrong kind on purpose */
	if (appc_validate(text, strlen(text), &kind, &own) == 0)
		assert_int_equal(kind, expected);
	assert_int_equal(own.n_errors, faults->n_errors);
	assert_int_equal(own.n, faults->n);
}

static void run_fixture(void **state)
{
	const struct test_case *f = *state;
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	const json_t *expected = json_object_get(f->entry, "expect");
	const char *as = json_string_value(setting(f, "as"));
	_free_ char *text = document(f);
	enum appc_document kind;
	struct result result = { 0 };

	assert_non_null(as);
	assert_true(json_is_array(expected) || str_eq(json_string_value(expected), "ok"));
	if (str_eq(as, "image"))
		result = read_image(text, &faults);
	else if (str_eq(as, "pod") || str_eq(as, "run"))
		result = read_pod(text, &faults, str_eq(as, "run"));
	else
		result.status = appc_validate(text, strlen(text), &kind, &faults);
	check_faults(&faults, false, expected);
	check_faults(&faults, true, json_object_get(f->entry, "warnings"));
	assert_int_equal(result.status, json_array_size(expected) > 0 ? -EBADMSG : 0);
	if (json_object_get(f->entry, "written")) {
		assert_non_null(result.written);
		check_written(result.written, json_object_get(f->entry, "written"));
	}
	free(result.written);
	if (str_eq(as, "image") || str_eq(as, "pod"))
		check_validate(text, &faults,
			       str_eq(as, "pod") ? APPC_DOCUMENT_POD : APPC_DOCUMENT_IMAGE);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	return cases_main("manifests", argc, argv, run_fixture);
}
