#pragma once
/* Stands in for what reaches the network: answers come from a table. Linked with --wrap for each
 * of the functions below. */
#include "bench.h"
#include "images/net.h"

struct answer {
	const char *url;
	int status;        /* or a negative errno */
	const char *body;  /* or what the error says */
	const char *final; /* after redirects; NULL: url */
};

struct net_double {
	const struct answer *answers; /* NULL url behind the last; a URL that is missing is a 404 */
	struct buf asked;             /* the URLs, a newline behind each */
};

extern struct net_double net_double;
void net_double_begin(const struct answer *answers);
void net_double_end(void);

int __wrap_transfer_get(const struct net *n, const struct transfer *t, struct transfer_result *ret,
			struct error *err);
void __wrap_transfer_result_deinit(struct transfer_result *r);
int __wrap_net_allows(const struct net *n, const char *url, struct error *err);
int __wrap_net_url_parse(struct net_url *ret, const char *text, struct error *err);
int __wrap_net_open(struct net *ret, const struct images *im, const struct images_policy *policy,
		    struct error *err);
void __wrap_net_close(struct net *n);
