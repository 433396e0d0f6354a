/*
 * The tables of tests/fixtures/oci (its README describes the format), one test a case. What becomes
 * an image manifest of appc is also read by appc, without a fault.
 */
#include "cases.h"

#include "oci/oci.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ---- documents ------------------------------------------------------------------------------- */

/* RFC 7386. */
static void merge(json_t *into, const json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)patch, key, value) {
		json_t *old = json_object_get(into, key);

		if (json_is_null(value))
			json_object_del(into, key);
		else if (json_is_object(value) && json_is_object(old))
			merge(old, value);
		else
			assert_int_equal(json_object_set(into, key, value), 0);
	}
}

/* The base document with the case's changes; the caller frees. */
static char *document(const struct test_case *f, const char *base, const char *changes)
{
	const json_t *patch = json_object_get(f->entry, changes);
	_json_ json_t *root = NULL;
	char *text;

	root = json_deep_copy(json_object_get(f->bases, base));
	assert_non_null(root);
	if (patch)
		merge(root, patch);
	text = json_dumps(root, 0);
	assert_non_null(text);
	return text;
}

/* The text that the case is about: "text", or its "base" with "set". "repeat" puts a text in place
 * of each "@" of it, so many times. */
static char *case_text(const struct test_case *f)
{
	const json_t *repeat = json_object_get(f->entry, "repeat");
	_buf_ struct buf b = BUF_INIT(64 << 20);
	const char *text;

	if (!json_object_get(f->entry, "text"))
		return document(f, text_of(f->entry, "base"), "set");
	for (text = text_of(f->entry, "text"); *text; text++) {
		json_int_t n = json_integer_value(json_array_get(repeat, 1));

		if (!repeat || *text != '@')
			assert_int_equal(buf_add(&b, text, 1), 0);
		for (json_int_t i = 0; repeat && *text == '@' && i < n; i++)
			assert_int_equal(buf_addf(&b, "%s",
						  json_string_value(json_array_get(repeat, 0))),
					 0);
	}
	return b.data ? buf_take(&b) : strdup("");
}

/* "expect" is "ok" or another word for success, or {"error": "part of the sentence"}. */
static void check_result(const struct test_case *f, int r, const struct error *err)
{
	const json_t *error = json_object_get(json_object_get(f->entry, "expect"), "error");

	if (!error) {
		if (r < 0)
			fail_msg("refused: %s", err->text);
		return;
	}
	if (r >= 0)
		fail_msg("was accepted");
	if (!strstr(err->text, json_string_value(error)))
		fail_msg("\"%s\" does not say \"%s\"", err->text, json_string_value(error));
}

static void run_kind(const struct test_case *f)
{
	static const char *const kinds[] = { [OCI_MANIFEST] = "manifest", [OCI_INDEX] = "index" };
	_free_ char *text = case_text(f);
	struct error err = { 0 };
	int r = oci_document_kind(text, strlen(text), text_of(f->entry, "sent"), &err);

	check_result(f, r, &err);
	if (r >= 0)
		assert_string_equal(kinds[r], text_of(f->entry, "expect"));
}

static void run_manifest(const struct test_case *f)
{
	static const char *const compressions[] = {
		[OCI_PLAIN] = "plain", [OCI_GZIP] = "gzip", [OCI_ZSTD] = "zstd"
	};
	const json_t *layers = json_object_get(json_object_get(f->entry, "expect"), "layers");
	_oci_manifest_ struct oci_manifest m = { 0 };
	_free_ char *text = case_text(f);
	struct error err = { 0 };
	int r = oci_manifest_read(&m, text, strlen(text), &err);

	check_result(f, r, &err);
	if (!layers)
		return;
	assert_int_equal(m.n_layers, json_array_size(layers));
	for (size_t i = 0; i < m.n_layers; i++)
		assert_string_equal(compressions[m.compressions[i]],
				    json_string_value(json_array_get(layers, i)));
}

/* "expect": {"chosen": N} (the entry's size), or {"error": ...} of reading or choosing. */
static void run_index(const struct test_case *f)
{
	const json_t *chosen = json_object_get(json_object_get(f->entry, "expect"), "chosen");
	const char *arch = text_of(f->entry, "arch");
	_oci_index_ struct oci_index index = { 0 };
	const struct oci_choice *choice = NULL;
	_free_ char *text = case_text(f);
	struct error err = { 0 };
	int r = oci_index_read(&index, text, strlen(text), &err);

	if (r == 0) {
		choice = oci_index_choose(&index, "linux", *arch ? arch : "amd64", &err);
		r = choice ? 0 : err.code;
	}
	check_result(f, r, &err);
	if (chosen)
		assert_int_equal(choice->descriptor.size, json_integer_value(chosen));
}

static void run_config(const struct test_case *f)
{
	_oci_config_ struct oci_config c = { 0 };
	_free_ char *text = case_text(f);
	struct error err = { 0 };

	check_result(f, oci_config_read(&c, text, strlen(text), &err), &err);
}

/* ---- references ------------------------------------------------------------------------------ */

static void run_reference(const struct test_case *f)
{
	const json_t *expect = json_object_get(f->entry, "expect");
	char name[LIMIT_NAME_BYTES + 1];
	struct oci_reference ref;
	struct error err = { 0 };
	_free_ char *text = case_text(f);
	int r = oci_reference_parse(&ref, text, &err);

	check_result(f, r, &err);
	if (r < 0)
		return;
	assert_string_equal(ref.domain, text_of(expect, "domain"));
	assert_string_equal(ref.host, *text_of(expect, "host") ? text_of(expect, "host")
							       : text_of(expect, "domain"));
	assert_string_equal(ref.repository, text_of(expect, "repository"));
	assert_string_equal(ref.tag, text_of(expect, "tag"));
	assert_string_equal(ref.digest, text_of(expect, "digest"));
	assert_int_equal(oci_reference_name(&ref, name, &err), 0);
	assert_string_equal(name, text_of(expect, "name"));
	assert_true(appc_is_identifier(name));
}

static void run_digest(const struct test_case *f)
{
	_free_ char *text = case_text(f);
	const json_t *data = json_object_get(f->entry, "of");
	bool expected = json_is_true(json_object_get(f->entry, "expect"));

	if (data)
		assert_int_equal(oci_digest_matches(text, json_string_value(data),
						    json_string_length(data)),
				 expected);
	else
		assert_int_equal(oci_is_digest(text), expected);
}

/* ---- appc ------------------------------------------------------------------------------------ */

/* The value at a path of keys and indexes with dots between. */
static const json_t *at_path(const json_t *value, const char *path)
{
	_free_ char *copy = strdup(path);
	char *rest = copy, *step;

	while (value && (step = strsep(&rest, "."))) {
		uint64_t index;

		value = json_is_array(value) && str_to_u64(step, 1 << 20, &index) == 0
				? json_array_get(value, (size_t)index)
				: json_object_get(value, step);
	}
	return value;
}

static const json_t *annotation(const json_t *manifest, const char *name)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(manifest, "annotations"), i, pair)
		if (str_eq(text_of(pair, "name"), name))
			return json_object_get(pair, "value");
	return NULL;
}

static void check_written(const struct test_case *f, const char *text)
{
	_json_ json_t *manifest = json_loads(text, 0, NULL);
	const char *key;
	json_t *value;

	assert_non_null(manifest);
	json_object_foreach(json_object_get(f->entry, "written"), key, value) {
		const json_t *is = at_path(manifest, key);

		if (json_is_null(value) ? is != NULL : !json_equal(is, value))
			fail_msg("%s is not as expected: %s", key, text);
	}
	json_object_foreach(json_object_get(f->entry, "annotations"), key, value) {
		const json_t *is = annotation(manifest, key);

		if (json_is_null(value) ? is != NULL : !json_equal(is, value))
			fail_msg("the annotation %s is not as expected: %s", key, text);
	}
}

static void check_warnings(const struct test_case *f, const struct appc_faults *faults)
{
	const json_t *expected = json_object_get(f->entry, "warnings"), *text;
	size_t i;

	assert_int_equal(faults->n_errors, 0);
	json_array_foreach(expected, i, text) {
		bool found = false;

		for (size_t k = 0; k < faults->n; k++)
			found = found || strstr(faults->list[k].text, json_string_value(text));
		if (!found)
			fail_msg("no warning \"%s\"", json_string_value(text));
	}
	if (faults->n != json_array_size(expected))
		fail_msg("%zu warnings, the first: %s", faults->n, faults->list[0].text);
}

static void check_reads(const char *text)
{
	_appc_image_ struct appc_image *image = NULL;
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;

	if (appc_image_read(&image, text, strlen(text), &faults) < 0)
		fail_msg("%s: %s in %s", faults.list[0].path, faults.list[0].text, text);
	assert_int_equal(faults.n, 0);
}

static void run_appc(const struct test_case *f)
{
	const char *version = text_of(f->entry, "version");
	const struct oci_accounts accounts = {
		text_of(f->entry, "passwd"),
		text_of(f->entry, "group"),
		strlen(text_of(f->entry, "passwd")),
		strlen(text_of(f->entry, "group")),
	};
	_appc_faults_ struct appc_faults warnings = APPC_FAULTS_INIT;
	_free_ char *config_text = document(f, "config", "set");
	_free_ char *manifest_text = document(f, "manifest", "manifest");
	_oci_manifest_ struct oci_manifest manifest = { 0 };
	_oci_config_ struct oci_config config = { 0 };
	_oci_user_ struct oci_user user = { 0 };
	_free_ char *text = NULL, *again = NULL;
	struct oci_naming naming = { "example.com/app", version, &user };
	struct error err = { 0 };
	int r;

	assert_int_equal(oci_manifest_read(&manifest, manifest_text, strlen(manifest_text), &err),
			 0);
	assert_int_equal(oci_config_read(&config, config_text, strlen(config_text), &err), 0);
	r = oci_user_read(&user, &config, &accounts, &err);
	if (r == 0)
		r = oci_to_appc(&config, &manifest, &naming, &text, &warnings, &err);
	check_result(f, r, &err);
	if (r < 0)
		return;
	check_written(f, text);
	check_warnings(f, &warnings);
	check_reads(text);
	assert_int_equal(oci_to_appc(&config, &manifest, &naming, &again, NULL, &err), 0);
	assert_string_equal(text, again);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void run_fixture(void **state)
{
	static const struct {
		const char *as;
		void (*run)(const struct test_case *f);
	} ways[] = {
		{ "kind", run_kind },     { "manifest", run_manifest },   { "index", run_index },
		{ "config", run_config }, { "reference", run_reference }, { "digest", run_digest },
		{ "appc", run_appc },
	};
	const struct test_case *f = *state;
	const char *as = text_of(f->entry, "as");

	as = *as ? as : f->area;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (str_eq(ways[i].as, as)) {
			ways[i].run(f);
			return;
		}
	}
	fail_msg("\"%s\" is no way to read a case", as);
}

int main(int argc, char **argv)
{
	return cases_main("oci", argc, argv, run_fixture);
}
