/* Any bytes as a pod manifest. What reads must write, and read and write again to the same; and it
 * can be asked whether it could run. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "appc/appc.h"
#include "fuzz.h"

static char *rewrite(const char *json, size_t len)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_appc_pod_ struct appc_pod *pod = NULL;
	char *text = NULL;
	int r = appc_pod_read(&pod, json, len, &faults);

	assert((r == 0) == (faults.n_errors == 0) && (r == 0) == (pod != NULL));
	if (r == 0) {
		r = appc_pod_write(pod, &text);
		assert(r == 0);
		r = appc_pod_check_runnable(pod, &faults);
		assert((r == 0) == (faults.n_errors == 0));
	}
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *first = rewrite((const char *)data, size), *second = NULL;

	if (first) {
		second = rewrite(first, strlen(first));
		assert(second && str_eq(first, second));
	}
	return 0;
}
