/*
 * What is known of a pod: its state by lock and status file, the rest as last written.
 *
 * A damaged status file says nothing about other pods and nothing is guessed from it: this pod is
 * aborted, with a note why.
 */
#include "pod/pod.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "pod/internal.h"

static const char *const states[] = {
	[POD_PREPARING] = "preparing", [POD_PREPARED] = "prepared", [POD_RUNNING] = "running",
	[POD_EXITED] = "exited",       [POD_ABORTED] = "aborted",
};

static const char *const app_states[] = {
	[POD_APP_WAITING] = "waiting", [POD_APP_STARTING] = "starting",
	[POD_APP_RUNNING] = "running", [POD_APP_EXITED] = "exited",
	[POD_APP_FAILED] = "failed",
};

const char *pod_state_name(enum pod_state s)
{
	return states[s];
}

const char *pod_app_state_name(enum pod_app_state s)
{
	return app_states[s];
}

void pod_status_deinit(struct pod_status *s)
{
	for (size_t i = 0; i < s->n_apps; i++) {
		free(s->apps[i].name);
		free(s->apps[i].error);
	}
	free(s->apps);
	for (size_t i = 0; i < s->n_notes; i++)
		free(s->notes[i]);
	free(s->notes);
	*s = (struct pod_status){ .exit = -1 };
}

/* ---- out ------------------------------------------------------------------------------------- */

static json_t *json_or_null(bool there, json_int_t value)
{
	return there ? json_integer(value) : json_null();
}

static json_t *time_json(int64_t ns)
{
	char text[TIME_TEXT];

	if (ns == 0)
		return json_null();
	time_format(text, ns);
	return json_string(text);
}

static json_t *app_json(const struct pod_app_status *a)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s?, s:b}", "name", a->name, "state",
			 app_states[a->state], "exit", json_or_null(a->exit >= 0, a->exit),
			 "signal", json_or_null(a->signal > 0, a->signal), "pid",
			 json_or_null(a->pid > 0, a->pid), "started", time_json(a->started_ns),
			 "ended", time_json(a->ended_ns), "error", a->error, "oom", a->oom);
}

struct json_t *pod_status_json(const struct pod_status *s)
{
	json_t *apps = json_array(), *notes = json_array(), *root;

	for (size_t i = 0; i < s->n_apps; i++)
		json_array_append_new(apps, app_json(&s->apps[i]));
	for (size_t i = 0; i < s->n_notes; i++)
		json_array_append_new(notes, json_string(s->notes[i]));
	root = json_pack("{s:s, s:o, s:o, s:o}", "state", states[s->state], "exit",
			 json_or_null(s->exit >= 0, s->exit), "apps", apps, "notes", notes);
	/* an app or a note that had no room is missing in its array */
	if (root && (json_array_size(apps) != s->n_apps || json_array_size(notes) != s->n_notes)) {
		json_decref(root);
		return NULL;
	}
	return root;
}

int pod_status_write(const struct pod_status *s, int dirfd, bool sync, struct error *err)
{
	json_t *root = pod_status_json(s);
	_free_ char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	int r;

	json_decref(root);
	if (!text)
		return error_set(err, -ENOMEM, "cannot write the pod's status");
	r = file_write(dirfd, "status", text, strlen(text), 0600, sync ? FILE_SYNC : 0);
	return r < 0 ? error_set(err, r, "cannot write the pod's status") : 0;
}

/* ---- in -------------------------------------------------------------------------------------- */

/* The index of the member's word in a list of words. */
static int word_read(json_t *object, const char *key, const char *const *words, size_t n,
		     unsigned *ret)
{
	const char *word = json_string_value(json_object_get(object, key));

	for (size_t i = 0; word && i < n; i++)
		if (str_eq(word, words[i])) {
			*ret = (unsigned)i;
			return 0;
		}
	return -EBADMSG;
}

/* A number between 0 and max; missing or null leaves *ret alone. */
static int number_read(json_t *object, const char *key, int max, int *ret)
{
	json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > max)
		return -EBADMSG;
	*ret = (int)json_integer_value(value);
	return 0;
}

static int time_read(json_t *object, const char *key, int64_t *ret)
{
	json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value))
		return 0;
	return json_is_string(value) && time_parse(json_string_value(value), ret) == 0 ? 0
										       : -EBADMSG;
}

static int app_read(json_t *object, struct pod_app_status *a)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	const char *text = json_string_value(json_object_get(object, "error"));
	unsigned state = 0;
	int r = 0;

	a->exit = -1;
	if (!name)
		return -EBADMSG;
	a->name = strdup(name);
	a->error = text ? strdup(text) : NULL;
	if (!a->name || (text && !a->error))
		return -ENOMEM;
	a->oom = json_is_true(json_object_get(object, "oom"));
	if (word_read(object, "state", app_states, ARRAY_SIZE(app_states), &state) < 0 ||
	    number_read(object, "exit", 255, &a->exit) < 0 ||
	    number_read(object, "signal", 64, &a->signal) < 0 ||
	    number_read(object, "pid", INT32_MAX, &a->pid) < 0 ||
	    time_read(object, "started", &a->started_ns) < 0 ||
	    time_read(object, "ended", &a->ended_ns) < 0)
		r = -EBADMSG;
	a->state = (enum pod_app_state)state;
	return r;
}

static int apps_read(struct pod_status *s, json_t *apps)
{
	size_t n = json_array_size(apps);
	int r = 0;

	if (!json_is_array(apps) || n > LIMIT_APPS)
		return -EBADMSG;
	if (n == 0)
		return 0;
	s->apps = calloc(n, sizeof(*s->apps));
	if (!s->apps)
		return -ENOMEM;
	for (; r == 0 && s->n_apps < n; s->n_apps++)
		r = app_read(json_array_get(apps, s->n_apps), &s->apps[s->n_apps]);
	return r;
}

static int note_add(struct pod_status *s, const char *text)
{
	char **notes = realloc(s->notes, (s->n_notes + 1) * sizeof(*notes));

	if (!notes)
		return -ENOMEM;
	s->notes = notes;
	s->notes[s->n_notes] = strdup(text);
	if (!s->notes[s->n_notes])
		return -ENOMEM;
	s->n_notes++;
	return 0;
}

static int notes_read(struct pod_status *s, json_t *notes)
{
	int r = 0;

	if (notes && (!json_is_array(notes) || json_array_size(notes) > LIMIT_ARGS))
		return -EBADMSG;
	for (size_t i = 0; r == 0 && i < json_array_size(notes); i++) {
		const char *note = json_string_value(json_array_get(notes, i));

		r = note ? note_add(s, note) : -EBADMSG;
	}
	return r;
}

int pod_status_from_json(struct pod_status *ret, struct json_t *json, struct error *err)
{
	_cleanup_(pod_status_deinit) struct pod_status s = { .exit = -1 };
	unsigned state = 0;
	int r = word_read(json, "state", states, ARRAY_SIZE(states), &state);

	if (r == 0)
		r = number_read(json, "exit", 255, &s.exit);
	if (r == 0)
		r = apps_read(&s, json_object_get(json, "apps"));
	if (r == 0)
		r = notes_read(&s, json_object_get(json, "notes"));
	if (r < 0)
		return error_set(err, r, "not a pod's status");
	s.state = (enum pod_state)state;
	*ret = s;
	s = (struct pod_status){ .exit = -1 };
	return 0;
}

/* ---- of a directory -------------------------------------------------------------------------- */

enum { STATUS_BYTES = 1 << 20 };

int pod_status_load(struct pod_status *ret, int dirfd)
{
	_free_ char *text = NULL;
	json_t *root;
	size_t len;
	int r = file_read(dirfd, "status", STATUS_BYTES, &text, &len);

	if (r < 0)
		return r;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	r = root ? pod_status_from_json(ret, root, NULL) : -EBADMSG;
	json_decref(root);
	return r;
}

int pod_status_read(struct pod_status *ret, int dirfd, struct error *err)
{
	_cleanup_(pod_status_deinit) struct pod_status s = { .exit = -1 };
	bool has_pod = faccessat(dirfd, "pod", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	int held = pod_is_held(dirfd), r;

	if (held < 0)
		return error_set(err, held, "cannot see whether the pod is alive");
	r = pod_status_load(&s, dirfd);
	if (r == -ENOMEM)
		return error_set(err, r, "cannot read the pod's status");
	if (held)
		s.state = has_pod ? POD_RUNNING : POD_PREPARING;
	else if (r < 0 || !has_pod || (s.state != POD_PREPARED && s.state != POD_EXITED))
		s.state = POD_ABORTED;
	if (r < 0 && r != -ENOENT && note_add(&s, "the status file is damaged") < 0)
		return error_set(err, -ENOMEM, "cannot read the pod's status");
	*ret = s;
	s = (struct pod_status){ .exit = -1 };
	return 0;
}
