#pragma once
/* struct discovery as it is filled. */
#include "images/discover.h"

/* Notes an attempt; *ret_index (may be NULL) is where it is, for discovery_outcome(). */
int discovery_note(struct discovery *d, const char *url, size_t *ret_index, struct error *err,
		   const char *fmt, ...) _printf_(5, 6) _must_check_;

/* Another outcome for an attempt. */
int discovery_outcome(struct discovery *d, size_t index, struct error *err, const char *fmt, ...)
	_printf_(4, 5) _must_check_;

/* These take the texts over in any case. */
int discovery_add_endpoint(struct discovery *d, char *archive_consumed, char *signature_consumed,
			   struct error *err) _must_check_;
int discovery_add_key(struct discovery *d, char *url_consumed, struct error *err) _must_check_;
