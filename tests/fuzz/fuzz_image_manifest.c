/* Any bytes as an image manifest. What reads must write, and read and write again to the same. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "appc/appc.h"
#include "fuzz.h"

static char *rewrite(const char *json, size_t len)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_appc_image_ struct appc_image *image = NULL;
	char *text = NULL;
	int r = appc_image_read(&image, json, len, &faults);

	assert((r == 0) == (faults.n_errors == 0) && (r == 0) == (image != NULL));
	if (r == 0) {
		r = appc_image_write(image, &text);
		assert(r == 0);
	}
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *first = rewrite((const char *)data, size), *second = NULL;
	enum appc_document kind;

	/* either kind: that much is right of any document */
	(void)!appc_validate((const char *)data, size, &kind, NULL);
	if (first) {
		second = rewrite(first, strlen(first));
		assert(second && str_eq(first, second));
	}
	return 0;
}
