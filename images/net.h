#pragma once
/*
 * Images from elsewhere: what the files of images/ that reach the network share.
 *
 *	config.c    carob.yaml: proxies, hosts and their credentials, the white list
 *	policy.c    may this URL be asked at all, over which transport, by which rule
 *	transfer.c  one URL into a file or into memory, through carob-fetch
 *	discover.c  an image name to URLs (appc, spec/discovery.md)
 *	trust.c     OpenPGP keys and what they are trusted for; signatures
 *	oci_*.c     registries, layouts and archives of OCI images
 *	fetch.c     all of it together: a reference -> an image in the store
 */
#include <stdbool.h>
#include <stdint.h>

#include "images/images.h"

/* ---- config.c: carob.yaml -------------------------------------------------------------------- */

/* One entry of `hosts`: how to reach HOST or HOST:PORT. "" and NULL: nothing said. Paths are
 * absolute; the files are read at the moment they are needed. */
struct net_host {
	char *host;         /* "example.com", "example.com:8443" */
	char *ca;           /* PEM, in place of the system's */
	char *certificate;  /* PEM, with key: what we show */
	char *key;          /* PEM; mode 0600 */
	char *credentials;  /* a file of mode 0600 with one line: "basic USER:PASSWORD" or "bearer
			     * TOKEN" */
	bool insecure_http; /* http is allowed */
	char **mirrors;     /* HOST[:PORT]: registries that are asked before this one, in order */
	size_t n_mirrors;
};

struct net_config {
	char *path;                                /* where it was read; "" when there is no file */
	char *http_proxy, *https_proxy, *no_proxy; /* over the environment's; NULL: not said */
	unsigned connect_timeout_s;                /* 30 */
	unsigned stall_timeout_s;                  /* 60: slower than min_speed for so long */
	unsigned min_speed;                        /* 1024 bytes a second */
	unsigned retries;                          /* 4 */
	unsigned parallel;                         /* 4: transfers at once */
	struct net_host *hosts;
	size_t n_hosts;
	char **sources; /* the white list: "HOST[:PORT][/PATH]", HOST may begin with "*." */
	size_t n_sources;
	bool has_sources;        /* an empty list allows nothing, none allows everything */
	char **unsigned_sources; /* likewise: from where images may come without a signature */
	size_t n_unsigned_sources;
	char *trust_dir; /* /etc/carob/trust.d */
};

/* No file there: the defaults, unless it must_exist. An error names file, line, column, member. */
int net_config_read(struct net_config **ret, const char *path, bool must_exist, struct error *err)
	_must_check_;
void net_config_free(struct net_config *c);

/* What one command works with. */
struct net {
	const struct images *im;
	const struct images_policy *policy;
	struct net_config *config;
};
int net_open(struct net *ret, const struct images *im, const struct images_policy *policy,
	     struct error *err) _must_check_;
void net_close(struct net *n);
#define _net_ _cleanup_(net_close)

/* ---- policy.c: pure -------------------------------------------------------------------------- */

/* The parts of a URL "SCHEME://[USER@]HOST[:PORT][/PATH][?QUERY]". -EINVAL for anything that is not
 * plain http or https with a host: no user, no fragment, no control characters, no "\". */
struct net_url {
	bool https;
	char host[256];   /* lower case; "[::1]" with brackets */
	unsigned port;    /* 80, 443 when not written */
	const char *path; /* "/a?b" in the text that was parsed, or "" */
	bool port_is_written;
};
int net_url_parse(struct net_url *ret, const char *text, struct error *err) _must_check_;

/* The entry of hosts for it: HOST:PORT before HOST; or NULL. */
const struct net_host *net_host_of(const struct net_config *c, const struct net_url *url);

/* May this be asked? -EACCES and err, which names the rule: the white list, or http without
 * `--insecure http` for that host. Every URL goes through here, those of redirects too. */
int net_allows(const struct net *n, const char *url, struct error *err) _must_check_;

/* Where a Location leads from a URL, without dot segments and fragment; what must not stand in a
 * URL becomes %XX. The caller frees. -EINVAL, with err, for what is neither http nor https. */
int net_url_join(char **ret, const char *base, const char *location, struct error *err)
	_must_check_;

/* Is it "HOST[:PORT]", and with wildcard and path "[*.]HOST[:PORT][/PATH]"? NULL, or what is wrong
 * with it. */
const char *net_host_fault(const char *text);
const char *net_list_fault(const char *text);

/* By components: "example.com/a" has example.com/a and example.com/a/b, not example.com/ab. */
bool net_list_has(char *const *list, size_t n, const char *host, unsigned port, const char *path);

/* ---- transfer.c ------------------------------------------------------------------------------ */

struct transfer {
	const char *url;
	const char *const *headers; /* "Accept: a/b", NULL behind the last; no credentials; or NULL */
	const char *bearer; /* a token for the host of url in place of the configuration's; or
				     * NULL */
	uint64_t max_bytes; /* a longer body is refused: name the limit in `limit` */
	const char *limit;  /* "LIMIT_..." */
	const char *what;   /* for progress and errors: "example.com/app" */
	bool immutable;     /* the URL never means other bytes (it has their digest): a
			     * beginning is of use without a validator */
	const char *credentials_of; /* "HOST:PORT" of `hosts`: what is configured for that one goes to
				     * the host of url, in place of its own; or NULL */
};

struct transfer_result {
	int status; /* of the last answer: 200, 404, 401 */
	char *url;  /* after redirects */
	char *content_type;
	char *validator;    /* ETag (strong only) or Last-Modified; NULL: none */
	char *authenticate; /* WWW-Authenticate of a 401 */
	char *digest;       /* Docker-Content-Digest */
	uint64_t bytes;     /* of the body, all of it */
	char *body; /* transfer_get(): the body (NUL behind it); else at most 4 KiB of what a
			     * status other than 200 said */
	size_t body_len;
	bool over_http; /* some byte of it came without TLS */
};
void transfer_result_deinit(struct transfer_result *r);
#define _transfer_result_ _cleanup_(transfer_result_deinit)

/*
 * Both follow redirects (10; each asked net_allows(); never from https to http; credentials only go
 * to the host they are for), repeat what failed for a moment (408, 429, 5xx, a cut, a time-out)
 * with a growing pause, and return 0 when the server gave a final answer, whatever its status. A
 * negative errno: no answer; err says which URL, what was tried how often, and why.
 */

/* Into memory: at most max_bytes. */
int transfer_get(const struct net *n, const struct transfer *t, struct transfer_result *ret,
		 struct error *err) _must_check_;

/* Into the file of a partial download (store.h), which may have a beginning already: that is asked
 * for again only when the server cannot continue, or does not have the same thing any more. When it
 * is there whole already (its state says so) nothing is asked. */
int transfer_file(const struct net *n, const struct transfer *t, struct store_partial *partial,
		  struct transfer_result *ret, const struct images_progress *progress,
		  struct error *err) _must_check_;
