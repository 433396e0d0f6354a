/*
 * carob.yaml (carob.yaml(5)): read as a whole when a command that reaches the network begins, so
 * that what is wrong in it is said before anything is asked. What is not known is an error: a
 * white list with a spelling mistake in its name would be none.
 */
#include <ctype.h>
#include <fcntl.h>
#include <jansson.h>

#include "images/net.h"

static const char default_path[] = "/etc/carob/carob.yaml";
static const char default_trust[] = "/etc/carob/trust.d";

#define CONFIG(member) offsetof(struct net_config, member)
#define HOST(member)   offsetof(struct net_host, member)

/* ---- values ---------------------------------------------------------------------------------- */

static void read_path(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	const char *path = json_string_value(value);

	if (*path != '/')
		json_fault(r, "must be an absolute path, not \"%s\"", path);
	else
		json_set_text(r, member, path);
}

static void read_proxy(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	const char *url = json_string_value(value);

	/* it may hold a password, so it is not repeated */
	if (*url && !str_starts(url, "http://") && !str_starts(url, "https://"))
		json_fault(r, "must be http:// or https:// with a host, or \"\" for no proxy");
	else
		json_set_text(r, member, url);
}

/* "[*.]HOST[:PORT][/PATH]" */
static void read_source(struct json_reader *r, json_t *value, void *member,
			_unused_ const void *arg)
{
	const char *text = json_string_value(value), *fault = net_list_fault(text);

	if (fault)
		json_fault(r, "\"%s\": %s", text, fault);
	else
		json_set_text(r, member, text);
}

/* ---- hosts ----------------------------------------------------------------------------------- */

static void read_mirror(struct json_reader *r, json_t *value, void *member,
			_unused_ const void *arg)
{
	const char *text = json_string_value(value), *fault = net_host_fault(text);

	if (fault)
		json_fault(r, "\"%s\": must be HOST or HOST:PORT: %s", text, fault);
	else
		json_set_text(r, member, text);
}

static const struct json_list mirror_list = {
	JSON_KIND_STRING, read_mirror, NULL, sizeof(char *), LIMIT_CONFIG_ENTRIES,
};

static const struct json_field host_fields[] = {
	{ "ca", JSON_KIND_STRING, read_path, HOST(ca) },
	{ "certificate", JSON_KIND_STRING, read_path, HOST(certificate) },
	{ "key", JSON_KIND_STRING, read_path, HOST(key) },
	{ "credentials", JSON_KIND_STRING, read_path, HOST(credentials) },
	{ "insecureHttp", JSON_KIND_BOOLEAN, json_read_boolean, HOST(insecure_http) },
	{ "mirrors", JSON_KIND_ARRAY, json_read_list, HOST(mirrors), 0, &mirror_list },
	{ NULL },
};

static void lower_case(char *s)
{
	for (; *s; s++)
		*s = (char)tolower((unsigned char)*s);
}

static void read_host(struct json_reader *r, const char *name, json_t *value, struct net_host *host)
{
	const char *fault = net_host_fault(name);

	if (fault)
		json_fault(r, "must be HOST or HOST:PORT: %s", fault);
	json_set_text(r, &host->host, name);
	if (host->host)
		lower_case(host->host);
	json_read_object(r, value, host_fields, host);
	if (!host->certificate != !host->key)
		json_fault(r, "has %s without %s", host->key ? "a key" : "a certificate",
			   host->key ? "its certificate" : "its key");
}

static void read_hosts(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	struct net_config *c = (void *)((char *)member - CONFIG(hosts));
	const char *name;
	json_t *inner;

	if (json_object_size(value) > LIMIT_CONFIG_ENTRIES) {
		json_fault(r, "has %zu entries, the limit is %d (LIMIT_CONFIG_ENTRIES)",
			   json_object_size(value), LIMIT_CONFIG_ENTRIES);
		return;
	}
	c->hosts = calloc(json_object_size(value) + 1, sizeof(*c->hosts));
	if (!c->hosts) {
		json_no_memory(r);
		return;
	}
	json_object_foreach(value, name, inner) {
		struct json_place place;

		json_enter_key(r, &place, name);
		read_host(r, name, inner, &c->hosts[c->n_hosts++]);
		json_leave(r);
	}
}

/* ---- tables ---------------------------------------------------------------------------------- */

static const struct json_field proxy_fields[] = {
	{ "http", JSON_KIND_STRING, read_proxy, CONFIG(http_proxy) },
	{ "https", JSON_KIND_STRING, read_proxy, CONFIG(https_proxy) },
	{ "no", JSON_KIND_STRING, json_read_string, CONFIG(no_proxy) },
	{ NULL },
};

static const struct json_range seconds = { 1, 24 * 60 * 60 };
static const struct json_range speeds = { 1, 1 << 30 };

static const struct json_field timeout_fields[] = {
	{ "connect", JSON_KIND_INTEGER, json_read_u32, CONFIG(connect_timeout_s), 0, &seconds },
	{ "stall", JSON_KIND_INTEGER, json_read_u32, CONFIG(stall_timeout_s), 0, &seconds },
	{ "minimumSpeed", JSON_KIND_INTEGER, json_read_u32, CONFIG(min_speed), 0, &speeds },
	{ NULL },
};

static const struct json_range retries = { 0, 100 };
static const struct json_range parallel = { 1, 64 };

static const struct json_list source_list = {
	JSON_KIND_STRING, read_source, NULL, sizeof(char *), LIMIT_CONFIG_ENTRIES,
};

/* What is grouped in the file is not in the struct: their tables speak of the whole. */
static const struct json_field config_fields[] = {
	{ "proxy", JSON_KIND_OBJECT, json_read_struct, 0, 0, proxy_fields },
	{ "timeouts", JSON_KIND_OBJECT, json_read_struct, 0, 0, timeout_fields },
	{ "retries", JSON_KIND_INTEGER, json_read_u32, CONFIG(retries), 0, &retries },
	{ "parallel", JSON_KIND_INTEGER, json_read_u32, CONFIG(parallel), 0, &parallel },
	{ "hosts", JSON_KIND_OBJECT, read_hosts, CONFIG(hosts) },
	{ "sources", JSON_KIND_ARRAY, json_read_list, CONFIG(sources), 0, &source_list },
	{ "unsignedSources", JSON_KIND_ARRAY, json_read_list, CONFIG(unsigned_sources), 0,
	  &source_list },
	{ "trust", JSON_KIND_STRING, read_path, CONFIG(trust_dir) },
	{ NULL },
};

/* Of JSON, null is an absent value. Here it is what a person forgot to write, and `sources:` with
 * nothing behind it would allow everything. */
static void refuse_nothing(struct json_reader *r, json_t *root)
{
	const char *name;
	json_t *value;

	json_object_foreach(root, name, value)
		if (json_is_null(value))
			json_fault_at(r, name, "has no value: leave it out, or write [] or {}");
}

/* ---- the file -------------------------------------------------------------------------------- */

void net_config_free(struct net_config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_hosts; i++) {
		struct net_host *h = &c->hosts[i];

		free(h->host);
		free(h->ca);
		free(h->certificate);
		free(h->key);
		free(h->credentials);
		for (size_t k = 0; k < h->n_mirrors; k++)
			free(h->mirrors[k]);
		free(h->mirrors);
	}
	for (size_t i = 0; i < c->n_sources; i++)
		free(c->sources[i]);
	for (size_t i = 0; i < c->n_unsigned_sources; i++)
		free(c->unsigned_sources[i]);
	free(c->hosts);
	free(c->sources);
	free(c->unsigned_sources);
	free(c->path);
	free(c->http_proxy);
	free(c->https_proxy);
	free(c->no_proxy);
	free(c->trust_dir);
	free(c);
}

static void config_freep(struct net_config **c)
{
	net_config_free(*c);
}

static struct net_config *make_default(const char *path)
{
	struct net_config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct net_config){
		.path = strdup(path),
		.connect_timeout_s = 30,
		.stall_timeout_s = 60,
		.min_speed = 1024,
		.retries = 4,
		.parallel = 4,
		.trust_dir = strdup(default_trust),
	};
	if (!c->path || !c->trust_dir)
		config_freep(&c);
	return c;
}

static int parse(struct net_config *c, const char *text, size_t len, struct error *err)
{
	struct yaml_report report = { .err = err };
	struct json_reader r = { .report = yaml_report_error, .arg = &report, .strict = true };
	_json_ json_t *root = NULL;

	if (yaml_read_text(&r, text, len, LIMIT_CONFIG_BYTES, &root, &report.places) == 0 &&
	    !json_is_null(root)) {
		refuse_nothing(&r, root);
		json_read_object(&r, root, config_fields, c);
		c->has_sources = json_object_get(root, "sources") != NULL;
	}
	yaml_places_free(report.places);
	return json_status(&r);
}

/* 1, or 0 when there is none and none has to be. */
static int read_file(const char *path, bool must_exist, char **ret, size_t *ret_len,
		     struct error *err)
{
	_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r;

	if (fd < 0 && errno == ENOENT && !must_exist)
		return 0;
	if (fd < 0)
		return error_set(err, -errno, "cannot open %s", path);
	r = file_read_fd(fd, LIMIT_CONFIG_BYTES, ret, ret_len);
	if (r == -EFBIG)
		return error_set(err, r, "%s is longer than %d bytes (LIMIT_CONFIG_BYTES).", path,
				 LIMIT_CONFIG_BYTES);
	return r < 0 ? error_set(err, r, "cannot read %s", path) : 1;
}

int net_config_read(struct net_config **ret, const char *path, bool must_exist, struct error *err)
{
	_cleanup_(config_freep) struct net_config *c = NULL;
	_free_ char *text = NULL;
	struct error why = { 0 };
	size_t len = 0;
	int r = read_file(path, must_exist, &text, &len, err);

	if (r < 0)
		return r;
	c = make_default(r ? path : "");
	if (!c)
		return error_set(err, -ENOMEM, "out of memory");
	if (r)
		r = parse(c, text, len, &why);
	if (r == -ENOMEM)
		return error_set(err, r, "out of memory");
	if (r < 0)
		return error_set(err, r, "%s: %s.", path, why.text);
	*ret = take_ptr(&c);
	return 0;
}

/* ---- what one command works with ------------------------------------------------------------- */

int net_open(struct net *ret, const struct images *im, const struct images_policy *policy,
	     struct error *err)
{
	struct net_config *config = NULL;
	int r = net_config_read(&config, policy->config ? policy->config : default_path,
				policy->config_given, err);

	if (r == 0 && policy->trust) {
		char *trust = strdup(policy->trust);

		if (!trust) {
			net_config_free(config);
			return error_set(err, -ENOMEM, "out of memory");
		}
		free(config->trust_dir);
		config->trust_dir = trust;
	}
	if (r < 0)
		return r;
	*ret = (struct net){ .im = im, .policy = policy, .config = config };
	return 0;
}

int images_trust_dir(const struct images_policy *policy, char ret[LIMIT_PATH_BYTES],
		     struct error *err)
{
	_net_ struct net n = { 0 };
	int r = net_open(&n, NULL, policy, err);

	if (r == 0)
		r = path_clean(ret, n.config->trust_dir);
	return r < 0 && err && !err->code ? error_set(err, r, "the directory of trusted keys") : r;
}

void net_close(struct net *n)
{
	net_config_free(n->config);
	n->config = NULL;
}
