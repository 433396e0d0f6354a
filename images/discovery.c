#include "images/discovery.h"

/* Outcomes hold what others chose: so long and no longer. */
enum { ATTEMPTS_TEXT_BYTES = 64 << 10, OUTCOME_BYTES = 1024 };

void discovery_deinit(struct discovery *d)
{
	for (size_t i = 0; i < d->n_attempts; i++) {
		free(d->attempts[i].url);
		free(d->attempts[i].outcome);
	}
	for (size_t i = 0; i < d->n_endpoints; i++) {
		free(d->endpoints[i].archive);
		free(d->endpoints[i].signature);
	}
	for (size_t i = 0; i < d->n_keys; i++)
		free(d->keys[i]);
	free(d->attempts);
	free(d->endpoints);
	free(d->keys);
	free(d->endpoints_page);
	free(d->keys_page);
	*d = (struct discovery){ 0 };
}

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory");
}

static char *outcome(const char *fmt, va_list ap)
{
	char text[OUTCOME_BYTES];

	vsnprintf(text, sizeof(text), fmt, ap);
	return strdup(text);
}

int discovery_note(struct discovery *d, const char *url, size_t *ret_index, struct error *err,
		   const char *fmt, ...)
{
	struct discover_attempt *list = reallocarray(d->attempts, d->n_attempts + 1,
						     sizeof(list[0]));
	struct discover_attempt *a;
	va_list ap;

	if (!list)
		return no_memory(err);
	d->attempts = list;
	a = &list[d->n_attempts];
	if (ret_index)
		*ret_index = d->n_attempts;
	d->n_attempts++;
	va_start(ap, fmt);
	*a = (struct discover_attempt){ .url = strdup(url), .outcome = outcome(fmt, ap) };
	va_end(ap);
	return a->url && a->outcome ? 0 : no_memory(err);
}

int discovery_outcome(struct discovery *d, size_t index, struct error *err, const char *fmt, ...)
{
	va_list ap;

	free(d->attempts[index].outcome);
	va_start(ap, fmt);
	d->attempts[index].outcome = outcome(fmt, ap);
	va_end(ap);
	return d->attempts[index].outcome ? 0 : no_memory(err);
}

int discovery_add_endpoint(struct discovery *d, char *archive_consumed, char *signature_consumed,
			   struct error *err)
{
	struct discover_endpoint *list = reallocarray(d->endpoints, d->n_endpoints + 1,
						      sizeof(list[0]));

	if (!list) {
		free(archive_consumed);
		free(signature_consumed);
		return no_memory(err);
	}
	d->endpoints = list;
	list[d->n_endpoints++] = (struct discover_endpoint){ .archive = archive_consumed,
							     .signature = signature_consumed };
	return 0;
}

int discovery_add_key(struct discovery *d, char *url_consumed, struct error *err)
{
	char **list = reallocarray(d->keys, d->n_keys + 1, sizeof(list[0]));

	if (!list) {
		free(url_consumed);
		return no_memory(err);
	}
	d->keys = list;
	list[d->n_keys++] = url_consumed;
	return 0;
}

char *discovery_attempts_text(const struct discovery *d)
{
	_buf_ struct buf text = BUF_INIT(ATTEMPTS_TEXT_BYTES);
	int r = buf_addf(&text, d->n_attempts ? "tried " : "nothing was tried");

	/* what does not fit is left out: it is for people */
	for (size_t i = 0; r == 0 && i < d->n_attempts; i++)
		r = buf_addf(&text, "%s%s: %s", i ? "; " : "", d->attempts[i].url,
			     d->attempts[i].outcome);
	return r == -ENOMEM ? NULL : buf_take(&text);
}
