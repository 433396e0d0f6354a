/* What is run: the members of `config` that have a field in the app of appc. */
#include "oci/map.h"

struct words {
	char **list;
	size_t n;
};

struct settings {
	struct words entrypoint, cmd, env;
	char *working_dir;
	json_t *ports, *volumes;
};

static const struct json_list word_list = {
	JSON_KIND_STRING, json_read_string, NULL, sizeof(char *), LIMIT_ARGS,
};

#define AT(member) offsetof(struct settings, member)

static const struct json_field fields[] = {
	{ "Entrypoint", JSON_KIND_ARRAY, json_read_list, AT(entrypoint), 0, &word_list },
	{ "Cmd", JSON_KIND_ARRAY, json_read_list, AT(cmd), 0, &word_list },
	{ "Env", JSON_KIND_ARRAY, json_read_list, AT(env), 0, &word_list },
	{ "WorkingDir", JSON_KIND_STRING, json_read_string, AT(working_dir) },
	{ "ExposedPorts", JSON_KIND_OBJECT, oci_read_value, AT(ports) },
	{ "Volumes", JSON_KIND_OBJECT, oci_read_value, AT(volumes) },
	{ NULL },
};

#undef AT

static void words_deinit(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->list[i]);
	free(w->list);
}

static void settings_deinit(struct settings *s)
{
	words_deinit(&s->entrypoint);
	words_deinit(&s->cmd);
	words_deinit(&s->env);
	free(s->working_dir);
	json_decref(s->ports);
	json_decref(s->volumes);
}

static int read_settings(struct oci_mapping *m, struct settings *s)
{
	struct json_reader r = oci_reader(m->err);
	struct json_place place;

	json_enter_key(&r, &place, "config");
	json_read_object(&r, m->config->config, fields, s);
	json_leave(&r);
	return oci_status(&r, m->err);
}

/* ---- command, environment, directory --------------------------------------------------------- */

static json_t *map_exec(struct oci_mapping *m, const struct settings *s)
{
	json_t *exec = json_array();

	for (size_t i = 0; i < s->entrypoint.n; i++)
		oci_map_append(m, exec, json_string(s->entrypoint.list[i]));
	for (size_t i = 0; i < s->cmd.n; i++)
		oci_map_append(m, exec, json_string(s->cmd.list[i]));
	return exec;
}

/* Of a variable that is there twice the last value counts, at the place of the first. */
static json_t *map_environment(struct oci_mapping *m, const struct settings *s)
{
	_json_ json_t *variables = json_object();
	json_t *list = json_array(), *value;
	const char *name;

	for (size_t i = 0; i < s->env.n; i++) {
		char *entry = s->env.list[i], *equals = strchr(entry, '=');

		if (equals)
			*equals = '\0';
		if (equals && appc_is_env_name(entry))
			oci_map_set(m, variables, entry, json_string(equals + 1));
		else
			oci_map_warn(m, "config.Env", "\"%.64s\" is left out: it is no NAME=VALUE",
				     entry);
	}
	json_object_foreach(variables, name, value) {
		oci_map_pair(m, list, name, json_string_value(value));
	}
	return list;
}

/* An absolute path without ".", ".." and double slashes, by its letters alone. */
static int clean_absolute(char dst[LIMIT_PATH_BYTES], const char *path)
{
	size_t len = 0;

	for (const char *p = path; *p; p += *p == '/') {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (len > 0 && dst[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			if (len + n + 2 > LIMIT_PATH_BYTES)
				return -ENAMETOOLONG;
			dst[len++] = '/';
			memcpy(dst + len, p, n);
			len += n;
		}
		p += n;
	}
	if (len == 0)
		dst[len++] = '/';
	dst[len] = '\0';
	return 0;
}

static json_t *map_directory(struct oci_mapping *m, const struct settings *s)
{
	char path[LIMIT_PATH_BYTES];

	if (clean_absolute(path, s->working_dir ? s->working_dir : "") < 0) {
		error_set(m->err, -EBADMSG, "config.WorkingDir: has more than %d bytes.",
			  LIMIT_PATH_BYTES - 1);
		return NULL;
	}
	return json_string(path);
}

/* ---- ports ----------------------------------------------------------------------------------- */

struct port {
	unsigned first, last;
	const char *protocol;
};

/* "80", "80/tcp", "8000-8010/udp" */
static bool parse_port(const char *text, struct port *ret)
{
	static const char *const protocols[] = { "tcp", "udp", "sctp" };
	size_t len = strcspn(text, "/");
	const char *protocol = text[len] ? text + len + 1 : "tcp";
	char range[16], *dash;
	uint64_t first, last;

	if (len >= sizeof(range))
		return false;
	memcpy(range, text, len);
	range[len] = '\0';
	dash = strchr(range, '-');
	if (dash)
		*dash++ = '\0';
	if (str_to_u64(range, UINT16_MAX, &first) < 0 || first == 0 ||
	    str_to_u64(dash ? dash : range, UINT16_MAX, &last) < 0 || last < first)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (str_eq(protocol, protocols[i])) {
			*ret = (struct port){ (unsigned)first, (unsigned)last, protocols[i] };
			return true;
		}
	}
	return false;
}

static int compare_ports(const void *a, const void *b)
{
	const struct port *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	if (x->last != y->last)
		return x->last > y->last ? -1 : 1;
	return strcmp(x->protocol, y->protocol);
}

static void add_port(struct oci_mapping *m, json_t *list, const struct port *p)
{
	json_t *port = json_object();
	char name[32];

	if (p->last > p->first)
		snprintf(name, sizeof(name), "%u-%u-%s", p->first, p->last, p->protocol);
	else
		snprintf(name, sizeof(name), "%u-%s", p->first, p->protocol);
	oci_map_set(m, port, "name", json_string(name));
	oci_map_set(m, port, "protocol", json_string(p->protocol));
	oci_map_set(m, port, "port", json_integer((json_int_t)p->first));
	oci_map_set(m, port, "count", json_integer((json_int_t)(p->last - p->first + 1)));
	oci_map_append(m, list, port);
}

/* Is a port of that protocol and range among the first n? */
static bool meets(const struct port *ports, size_t n, const struct port *p)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(ports[i].protocol, p->protocol) && ports[i].first <= p->last &&
		    p->first <= ports[i].last)
			return true;
	return false;
}

static json_t *map_ports(struct oci_mapping *m, const struct settings *s)
{
	_free_ struct port *ports = calloc(json_object_size(s->ports) + 1, sizeof(*ports));
	json_t *list = json_array(), *value;
	size_t n = 0, kept = 0;
	const char *key;

	if (!ports) {
		json_decref(list);
		return NULL;
	}
	json_object_foreach(s->ports, key, value) {
		if (parse_port(key, &ports[n]))
			n++;
		else
			oci_map_warn(m, "config.ExposedPorts",
				     "\"%.64s\" is left out: it is no PORT/PROTOCOL", key);
	}
	qsort(ports, n, sizeof(*ports), compare_ports);
	for (size_t i = 0; i < n && kept < OCI_PORTS; i++) {
		struct port p = ports[i];

		if (meets(ports, kept, &p)) {
			oci_map_warn(m, "config.ExposedPorts",
				     "%u/%s is left out: it is part of another range", p.first,
				     p.protocol);
			continue;
		}
		add_port(m, list, &p);
		ports[kept++] = p;
	}
	if (kept == OCI_PORTS && n > kept)
		oci_map_warn(m, "config.ExposedPorts", "only the first %d are kept (OCI_PORTS)",
			     OCI_PORTS);
	return list;
}

/* ---- volumes --------------------------------------------------------------------------------- */

/* An AC Name from a path: "/var/lib/My Data" -> "var-lib-my-data". */
static void name_of(char dst[LIMIT_NAME_BYTES + 1], const char *path)
{
	enum { ROOM = 32 }; /* for what makes it the only one of its name */
	size_t len = 0;

	for (const char *p = path; *p && len < LIMIT_NAME_BYTES - ROOM; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			dst[len++] = c;
		else if (len > 0 && dst[len - 1] != '-')
			dst[len++] = '-';
	}
	while (len > 0 && dst[len - 1] == '-')
		len--;
	dst[len] = '\0';
	if (len == 0)
		memcpy(dst, "volume", sizeof("volume"));
}

static bool is_below(const char *path, const char *parent)
{
	size_t len = strlen(parent);

	return strncmp(path, parent, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Is one of the mount points there at the path or above? Their paths are sorted: nobody can be
 * above who comes later. */
static bool is_covered(const json_t *list, const char *path)
{
	const json_t *mount;
	size_t i;

	json_array_foreach(list, i, mount) {
		if (is_below(path, json_string_value(json_object_get(mount, "path"))))
			return true;
	}
	return false;
}

static void add_volume(struct oci_mapping *m, json_t *list, json_t *names, const char *path)
{
	char name[LIMIT_NAME_BYTES + 1];
	json_t *mount = json_object();
	size_t len;

	name_of(name, path);
	len = strlen(name);
	for (int i = 2; json_object_get(names, name); i++)
		snprintf(name + len, sizeof(name) - len, "-%d", i);
	oci_map_set(m, names, name, json_true());
	oci_map_set(m, mount, "name", json_string(name));
	oci_map_set(m, mount, "path", json_string(path));
	oci_map_append(m, list, mount);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The cleaned paths as keys of a new object. */
static json_t *clean_volumes(struct oci_mapping *m, const struct settings *s)
{
	json_t *paths = json_object(), *value;
	const char *key;

	json_object_foreach(s->volumes, key, value) {
		char path[LIMIT_PATH_BYTES];

		if (clean_absolute(path, key) == 0 && !str_eq(path, "/"))
			oci_map_set(m, paths, path, json_true());
		else
			oci_map_warn(m, "config.Volumes",
				     "\"%.64s\" is left out: no volume can be there", key);
	}
	return paths;
}

/* The keys of the object, sorted; the caller frees the list. */
static const char **sorted_keys(json_t *object, size_t *ret_n)
{
	const char **keys = calloc(json_object_size(object) + 1, sizeof(*keys)), *key;
	json_t *value;
	size_t n = 0;

	if (!keys)
		return NULL;
	json_object_foreach(object, key, value) {
		keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), compare_texts);
	*ret_n = n;
	return keys;
}

static json_t *map_volumes(struct oci_mapping *m, const struct settings *s)
{
	_json_ json_t *names = json_object(), *list = json_array(), *set = clean_volumes(m, s);
	size_t n = 0;
	_free_ const char **paths = sorted_keys(set, &n);

	if (!paths)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (is_covered(list, paths[i])) {
			oci_map_warn(m, "config.Volumes",
				     "\"%.64s\" is left out: it is part of another volume",
				     paths[i]);
			continue;
		}
		if (json_array_size(list) == OCI_VOLUMES) {
			error_set(m->err, -EBADMSG,
				  "config.Volumes: more than %d volumes (OCI_VOLUMES).",
				  OCI_VOLUMES);
			return NULL;
		}
		add_volume(m, list, names, paths[i]);
	}
	return take_ptr(&list);
}

/* ---- the app --------------------------------------------------------------------------------- */

static void map_user(struct oci_mapping *m, json_t *app, const struct oci_user *user)
{
	json_t *gids = json_array();

	for (size_t i = 0; i < user->n_gids; i++)
		oci_map_append(m, gids, json_integer(user->gids[i]));
	oci_map_set(m, app, "user", json_string(user->user));
	oci_map_set(m, app, "group", json_string(user->group));
	if (user->n_gids)
		oci_map_set(m, app, "supplementaryGIDs", gids);
	else
		json_decref(gids);
}

static json_t *map_settings(struct oci_mapping *m, const struct settings *s,
			    const struct oci_user *user)
{
	static const struct {
		const char *key;
		json_t *(*map)(struct oci_mapping *m, const struct settings *s);
	} members[] = {
		{ "exec", map_exec },
		{ "workingDirectory", map_directory },
		{ "environment", map_environment },
		{ "mountPoints", map_volumes },
		{ "ports", map_ports },
	};
	_json_ json_t *app = json_object();

	map_user(m, app, user);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *value = members[i].map(m, s);

		if (!value)
			return NULL;
		oci_map_set(m, app, members[i].key, value);
	}
	return m->no_memory ? NULL : take_ptr(&app);
}

json_t *oci_map_app(struct oci_mapping *m)
{
	_cleanup_(settings_deinit) struct settings s = { 0 };
	const struct oci_user *user = m->naming->user;
	_oci_user_ struct oci_user own = { 0 };

	if (read_settings(m, &s) < 0)
		return NULL;
	if (!user && oci_user_read(&own, m->config, NULL, m->err) < 0)
		return NULL;
	return map_settings(m, &s, user ? user : &own);
}
