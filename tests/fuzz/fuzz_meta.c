/* Any bytes as a page of HTML: what comes out has the form that carob's side expects. */
#include <assert.h>

#include "base/base.h"
#include "fuzz.h"
#include "images/meta/page.h"

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_buf_ struct buf pairs = BUF_INIT(META_OUTPUT_BYTES);
	enum meta_status status = page_read((const char *)data, size, &pairs);
	unsigned n = 0;

	assert(status == META_READ || status == META_TOO_LONG || status == META_TOO_MANY ||
	       status == META_TOO_LARGE);
	assert(pairs.len == 0 || pairs.data[pairs.len - 1] == '\0');
	for (size_t i = 0; i < pairs.len; n++) {
		const char *name = pairs.data + i, *content = name + strlen(name) + 1;

		assert(str_starts(name, "ac-") && !has_control(name));
		assert(content < pairs.data + pairs.len && !has_control(content));
		i += strlen(name) + 1 + strlen(content) + 1;
	}
	assert(n <= LIMIT_PAGE_PAIRS);
	return 0;
}
