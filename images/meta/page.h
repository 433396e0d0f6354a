#pragma once
/* From the bytes of a page to the pairs of carob-meta. Pure. */
#include "base/base.h"
#include "images/meta/meta.h"

/* Adds "NAME\0CONTENT\0" for each pair to ret. Anything but META_READ: what is in ret is not all. */
enum meta_status page_read(const char *page, size_t len, struct buf *ret) _must_check_;
