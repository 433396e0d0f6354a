#include "images/internal.h"

void allowed_deinit(struct allowed *a)
{
	free(a->hosts);
	free(a->host);
	*a = (struct allowed){ 0 };
}

int allowed_init(struct allowed *ret, const struct images_policy *policy, const char *host,
		 size_t host_len, struct error *err)
{
	_allowed_ struct allowed a = { 0 };
	size_t n;

	if (policy)
		a.policy = *policy;
	n = a.policy.n_insecure_hosts;
	if (a.policy.insecure_http) {
		a.hosts = calloc(n + 1, sizeof(a.hosts[0]));
		a.host = strndup(host, host_len);
		if (!a.hosts || !a.host)
			return error_set(err, -ENOMEM, "out of memory");
		for (size_t i = 0; i < n; i++)
			a.hosts[i] = a.policy.insecure_hosts[i];
		a.hosts[n] = a.host;
		a.policy.insecure_hosts = a.hosts;
		a.policy.n_insecure_hosts = n + 1;
	}
	*ret = a;
	a = (struct allowed){ 0 };
	return 0;
}
