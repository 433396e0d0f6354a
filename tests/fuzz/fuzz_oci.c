/* Any bytes as each of the documents of an OCI image. What reads as a configuration must become an
 * image manifest that appc reads without a fault, the same one each time. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "fuzz.h"
#include "oci/oci.h"

/* As many layers as the configuration has diff IDs. */
static char *manifest_for(const struct oci_config *config)
{
	static const char layer[] = "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
				    "\"size\":1,\"digest\":\"%s\"}";
	_buf_ struct buf b = BUF_INIT(1 << 20);
	char digest[OCI_DIGEST_TEXT];
	int r;

	oci_digest_of("", 0, digest);
	r = buf_addf(&b,
		     "{\"schemaVersion\":2,\"config\":{\"mediaType\":"
		     "\"application/vnd.oci.image.config.v1+json\",\"size\":1,\"digest\":\"%s\"},"
		     "\"annotations\":{\"A b\":\"c\"},\"layers\":[",
		     digest);
	for (size_t i = 0; r == 0 && i < config->n_diff_ids; i++) {
		r = i ? buf_add(&b, ",", 1) : 0;
		if (r == 0)
			r = buf_addf(&b, layer, digest);
	}
	if (r == 0)
		r = buf_add(&b, "]}", 2);
	assert(r == 0);
	return buf_take(&b);
}

static void map(const struct oci_config *config)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT, warnings = APPC_FAULTS_INIT;
	_free_ char *text = manifest_for(config), *first = NULL, *second = NULL;
	struct oci_naming naming = { "example.com/app", "1", NULL };
	_appc_image_ struct appc_image *image = NULL;
	_oci_manifest_ struct oci_manifest m = { 0 };
	int r = oci_manifest_read(&m, text, strlen(text), NULL);

	assert(r == 0);
	if (oci_to_appc(config, &m, &naming, &first, &warnings, NULL) < 0)
		return;
	assert(warnings.n_errors == 0);
	r = appc_image_read(&image, first, strlen(first), &faults);
	assert(r == 0 && faults.n_errors == 0);
	r = oci_to_appc(config, &m, &naming, &second, NULL, NULL);
	assert(r == 0 && str_eq(first, second));
}

/* As the text that it is not meant to be: what people write, and the files of a tree. */
static void read_words(const char *text, size_t size)
{
	const struct oci_accounts accounts = { text, text, size, size };
	_oci_user_ struct oci_user user = { 0 };
	_free_ char *word = strndup(text, size);
	_oci_config_ struct oci_config c = { 0 };
	char name[LIMIT_NAME_BYTES + 1];
	struct oci_reference ref;
	struct error err = { 0 };

	assert(word);
	if (oci_reference_parse(&ref, word, &err) == 0 && oci_reference_name(&ref, name, &err) == 0)
		assert(appc_is_identifier(name));
	(void)!oci_user_read(&user, &c, &accounts, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	_oci_manifest_ struct oci_manifest manifest = { 0 };
	_oci_index_ struct oci_index index = { 0 };
	_oci_config_ struct oci_config config = { 0 };
	struct error err = { 0 };

	(void)!oci_document_kind(text, size, "", &err);
	if (oci_manifest_read(&manifest, text, size, &err) == 0)
		assert(oci_is_digest(manifest.config.digest));
	if (oci_index_read(&index, text, size, &err) == 0)
		(void)!oci_index_choose(&index, "linux", "armv7l", &err);
	if (oci_config_read(&config, text, size, &err) == 0)
		map(&config);
	read_words(text, size);
	return 0;
}
