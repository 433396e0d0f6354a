#include "images/internal.h"

void allowed_deinit(struct allowed *a)
{
	for (size_t i = 0; i < a->n_own; i++)
		free(a->own[i]);
	free(a->own);
	free(a->hosts);
	*a = (struct allowed){ 0 };
}

void allowed_init(struct allowed *ret, const struct images_policy *policy)
{
	*ret = (struct allowed){ 0 };
	if (policy)
		ret->policy = *policy;
}

int allowed_add_host(struct allowed *a, const char *host, size_t len, struct error *err)
{
	size_t n = a->policy.n_insecure_hosts;
	const char **hosts;
	char **own;

	if (!a->policy.insecure_http)
		return 0;
	own = reallocarray(a->own, a->n_own + 1, sizeof(*own));
	if (own)
		a->own = own;
	hosts = own ? calloc(n + 1, sizeof(*hosts)) : NULL;
	if (hosts)
		own[a->n_own] = strndup(host, len);
	if (!hosts || !own[a->n_own]) {
		free(hosts);
		return error_set(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n; i++)
		hosts[i] = a->policy.insecure_hosts[i];
	hosts[n] = own[a->n_own++];
	free(a->hosts);
	a->policy.insecure_hosts = a->hosts = hosts;
	a->policy.n_insecure_hosts = n + 1;
	return 0;
}
