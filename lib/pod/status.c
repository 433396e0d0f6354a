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

/* A list of words whose indices an enum has. */
struct words {
	const char *const *list;
	size_t n;
};

/* unsigned (an enum): the index of the word in arg, a struct words. */
static void read_word(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	const struct words *words = arg;

	for (size_t i = 0; i < words->n; i++)
		if (str_eq(json_string_value(value), words->list[i])) {
			*(unsigned *)member = (unsigned)i;
			return;
		}
	json_fault(r, "%s is no state", json_string_value(value));
}

/* int. arg: a struct json_range. */
static void read_int(struct json_reader *r, json_t *value, void *member, const void *arg)
{
	int64_t number = *(int *)member;

	json_read_s64(r, value, &number, arg);
	*(int *)member = (int)number;
}

/* int64_t: nanoseconds, from RFC 3339. */
static void read_time(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	if (time_parse(json_string_value(value), member) < 0)
		json_fault(r, "is no time");
}

static const struct words state_words = { states, ARRAY_SIZE(states) };
static const struct words app_state_words = { app_states, ARRAY_SIZE(app_states) };
static const struct json_range exit_range = { 0, 255 }, signal_range = { 0, 64 },
			       pid_range = { 0, INT32_MAX };

#define APP(member) offsetof(struct pod_app_status, member)

static const struct json_field app_fields[] = {
	{ "name", JSON_KIND_STRING, json_read_string, APP(name), JSON_REQUIRED },
	{ "state", JSON_KIND_STRING, read_word, APP(state), JSON_REQUIRED, &app_state_words },
	{ "exit", JSON_KIND_INTEGER, read_int, APP(exit), 0, &exit_range },
	{ "signal", JSON_KIND_INTEGER, read_int, APP(signal), 0, &signal_range },
	{ "pid", JSON_KIND_INTEGER, read_int, APP(pid), 0, &pid_range },
	{ "started", JSON_KIND_STRING, read_time, APP(started_ns) },
	{ "ended", JSON_KIND_STRING, read_time, APP(ended_ns) },
	{ "error", JSON_KIND_STRING, json_read_string, APP(error) },
	{ "oom", JSON_KIND_BOOLEAN, json_read_boolean, APP(oom) },
	{ NULL },
};

static void read_app(struct json_reader *r, json_t *value, void *member, _unused_ const void *arg)
{
	struct pod_app_status *app = member;

	app->exit = -1;
	json_read_object(r, value, app_fields, app);
}

static const struct json_list apps_list = {
	JSON_KIND_OBJECT, read_app, NULL, sizeof(struct pod_app_status), LIMIT_APPS,
};
static const struct json_list notes_list = {
	JSON_KIND_STRING, json_read_string, NULL, sizeof(char *), LIMIT_ARGS,
};

#define STATUS(member) offsetof(struct pod_status, member)

static const struct json_field status_fields[] = {
	{ "state", JSON_KIND_STRING, read_word, STATUS(state), JSON_REQUIRED, &state_words },
	{ "exit", JSON_KIND_INTEGER, read_int, STATUS(exit), 0, &exit_range },
	{ "apps", JSON_KIND_ARRAY, json_read_list, STATUS(apps), JSON_REQUIRED, &apps_list },
	{ "notes", JSON_KIND_ARRAY, json_read_list, STATUS(notes), 0, &notes_list },
	{ NULL },
};

int pod_status_from_json(struct pod_status *ret, struct json_t *json, struct error *err)
{
	_cleanup_(pod_status_deinit) struct pod_status s = { .exit = -1 };
	struct json_reader r = { .report = json_report_error, .arg = err };

	json_read_object(&r, json, status_fields, &s);
	if (json_status(&r) < 0)
		return error_prefix(err, json_status(&r), "not a pod's status");
	*ret = s;
	s = (struct pod_status){ .exit = -1 };
	return 0;
}

/* ---- of a directory -------------------------------------------------------------------------- */

enum { STATUS_BYTES = 1 << 20 };

int pod_status_load(struct pod_status *ret, int dirfd)
{
	struct json_reader reader = { .report = json_report_error };
	_json_ json_t *root = NULL;
	_free_ char *text = NULL;
	size_t len;
	int r = file_read(dirfd, "status", STATUS_BYTES, &text, &len);

	if (r == 0)
		r = json_read_text(&reader, text, len, STATUS_BYTES, &root);
	return r < 0 ? r : pod_status_from_json(ret, root, NULL);
}

/* The one note of a status that could not be read. */
static int note_damage(struct pod_status *s)
{
	_free_ char **notes = calloc(1, sizeof(*notes));

	if (!notes)
		return -ENOMEM;
	notes[0] = strdup("the status file is damaged");
	if (!notes[0])
		return -ENOMEM;
	s->notes = take_ptr(&notes);
	s->n_notes = 1;
	return 0;
}

static bool is_removed(int dirfd)
{
	struct stat st;

	return fstat(dirfd, &st) == 0 && st.st_nlink == 0;
}

int pod_status_read(struct pod_status *ret, int dirfd, struct error *err)
{
	_cleanup_(pod_status_deinit) struct pod_status s = { .exit = -1 };
	bool has_pod = faccessat(dirfd, "pod", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	int held = pod_is_held(dirfd), r;

	if (held < 0)
		return error_set(err, held, "cannot see whether the pod is alive");
	if (!has_pod && is_removed(dirfd))
		return error_set(err, -ENOENT, "the pod has just been removed.");
	r = pod_status_load(&s, dirfd);
	if (r == -ENOMEM)
		return error_set(err, r, "cannot read the pod's status");
	if (held)
		s.state = has_pod ? POD_RUNNING : POD_PREPARING;
	else if (r < 0 || !has_pod || (s.state != POD_PREPARED && s.state != POD_EXITED))
		s.state = POD_ABORTED;
	if (r < 0 && r != -ENOENT && note_damage(&s) < 0)
		return error_set(err, -ENOMEM, "cannot read the pod's status");
	*ret = s;
	s = (struct pod_status){ .exit = -1 };
	return 0;
}
