/*
 * `carob volume`: the named volumes of pods, by the verbs of moctl (cli/moctl). In the mosaic the
 * volume "data" is called "volume.data", so that no root file system can be taken for one. Options,
 * output and exit codes are moctl's.
 */
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/moctl/verbs.h"
#include "cli/verbs.h"
#include "cli/volume_still.h"

#define PREFIX     "volume."
#define VOLUME_MAP "^(.*)$ " PREFIX "\\1"

/* What one call of a verb knows. */
struct volumes {
	const struct cli *cli;
	bool make;                       /* the mosaic, when there is none */
	char location[LIMIT_PATH_BYTES]; /* of the mosaic, once it is open */
	json_t *users;                   /* volume -> array of pods; NULL: not asked for yet */
	json_t *uuids;                   /* the same, by their UUIDs */
};

static int open_mosaic(const struct moctl *c, struct mosaic **ret, struct error *err)
{
	struct volumes *v = c->arg;
	struct error why = { 0 };
	struct mosaic *m;
	int r = cli_mosaic_open(v->cli, VOLUME_MAP, 0, &m, &why);

	if (r == -ENOENT && v->make)
		r = cli_mosaic_open(v->cli, VOLUME_MAP, MOSAIC_OPEN_CREATE, &m, err);
	else if (r < 0)
		*err = why;
	if (r == -ENOENT && !v->cli->mosaic_given)
		error_set(err, r, "there is no mosaic yet; `carob volume create` makes it.");
	if (r < 0)
		return r;
	snprintf(v->location, sizeof(v->location), "%s", mosaic_location(m));
	*ret = m;
	return 0;
}

/* ---- which pods use them --------------------------------------------------------------------- */

static bool is_same_place(const char *a, const char *b)
{
	struct stat x, y;

	return str_eq(a, b) || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
				x.st_ino == y.st_ino);
}

/* A pod that ended does not start again. */
static bool needs_volumes(int dirfd)
{
	_cleanup_(pod_status_deinit) struct pod_status status = { .exit = -1 };

	return pod_status_read(&status, dirfd, NULL) == 0 &&
	       (status.state == POD_RUNNING || status.state == POD_PREPARED);
}

static int add_user(json_t *users, const char *volume, const char *pod)
{
	json_t *list = json_object_get(users, volume);

	if (!list) {
		list = json_array();
		if (json_object_set_new(users, volume, list) < 0)
			return -ENOMEM;
	}
	return json_array_append_new(list, json_string(pod)) < 0 ? -ENOMEM : 0;
}

static int look_at_pod(const char *uuid, void *arg)
{
	struct volumes *v = arg;
	_cleanup_(pod_deinit) struct pod pod = { 0 };
	_close_ int dirfd = pod_open(&v->cli->dirs, uuid, NULL);
	const struct pod_launch *l = &pod.launch;
	int r = 0;

	/* what is no whole pod (yet) uses nothing */
	if (dirfd < 0 || !needs_volumes(dirfd) || pod_read(&pod, dirfd, uuid, NULL) < 0 ||
	    l->n_volumes == 0 || !is_same_place(l->mosaic, v->location))
		return 0;
	for (size_t i = 0; r == 0 && i < l->n_volumes; i++) {
		r = add_user(v->users, l->volumes[i].volume, l->name ? l->name : uuid);
		if (r == 0)
			r = add_user(v->uuids, l->volumes[i].volume, uuid);
	}
	return r;
}

/* Looked for once for all volumes. */
static int look_at_pods(struct volumes *v, struct error *err)
{
	int r;

	if (v->users && v->uuids)
		return 0;
	v->users = json_object();
	v->uuids = json_object();
	r = v->users && v->uuids ? pod_each(&v->cli->dirs, look_at_pod, v, err) : -ENOMEM;
	return r < 0 && !err->code ? error_set(err, r, "cannot look for the pods that use volumes")
				   : r;
}

static json_t *find_users(const struct moctl *c, const char *name, struct error *err)
{
	struct volumes *v = c->arg;
	_free_ char *volume = str_printf("%s%s", PREFIX, name);
	json_t *list;

	if (look_at_pods(v, err) < 0)
		return NULL;
	if (!volume) {
		error_set(err, -ENOMEM, "cannot look for the pods that use %s", name);
		return NULL;
	}
	list = json_object_get(v->users, volume);
	return list ? json_incref(list) : json_array();
}

/* ---- snapshots of what they use -------------------------------------------------------------- */

static int add_uuids(const struct volumes *v, const char *name, json_t *pods)
{
	_free_ char *volume = str_printf("%s%s", PREFIX, name);
	json_t *list = volume ? json_object_get(v->uuids, volume) : NULL;

	return volume && (!list || json_array_extend(pods, list) == 0) ? 0 : -ENOMEM;
}

static int snapshot_still(const struct moctl *c, struct mosaic *m, const struct mosaic_pair *pairs,
			  size_t n, struct error *err)
{
	struct volumes *v = c->arg;
	_json_ json_t *pods = json_array();
	struct still still = { .m = m, .pairs = pairs, .n = n, .pods = pods };
	const struct mosaic_quiesce q = { still_begin, still_end, &still };
	int r = look_at_pods(v, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = pods ? add_uuids(v, pairs[i].from, pods) : -ENOMEM;
	if (r < 0)
		return err->code ? r : error_set(err, r, "cannot make the snapshots");
	return mosaic_snapshot_set(m, pairs, n, &q, err);
}

static const struct moctl_host host = {
	.prefix = PREFIX,
	.open = open_mosaic,
	.users = find_users,
	.snapshot = snapshot_still,
};

/* ---- the verbs ------------------------------------------------------------------------------- */

/* The library says what the volume is called in the mosaic: nobody here has typed that. */
static void shorten_names(char *text)
{
	static const char named[] = "volume " PREFIX;
	size_t keep = strlen("volume "), skip = strlen(PREFIX);

	while ((text = strstr(text, named)) != NULL) {
		text += keep;
		memmove(text, text + skip, strlen(text + skip) + 1);
	}
}

static int call(const struct cli *cli, const struct moctl_verb *verb, bool make,
		struct cli_args *args, struct error *err)
{
	struct volumes v = { .cli = cli, .make = make };
	const struct moctl c = { .mosaic = v.location, .host = &host, .arg = &v };
	int r = verb->run(&c, args, err);

	json_decref(v.users);
	json_decref(v.uuids);
	shorten_names(err->text);
	if (r < 0 && !err->code)
		error_set(err, r, "carob volume %s", verb->name);
	return moctl_exit_code(r < 0 ? err->code : r);
}

#define VERB(name, make)                                                                       \
	static int run_##name(const struct cli *cli, struct cli_args *args, struct error *err) \
	{                                                                                      \
		return call(cli, &moctl_verb_##name, make, args, err);                         \
	}

VERB(create, true)
VERB(list, false)
VERB(show, false)
VERB(clone, false)
VERB(snapshot, false)
VERB(rollback, false)
VERB(resize, false)
VERB(drop, false)
VERB(send, false)
VERB(receive, true)

static const struct cli_verb volume_create = {
	.name = "create",
	.operands = "VOLUME",
	.summary = "Make an empty volume, and the mosaic if there is none",
	.tables = { { moctl_create_options } },
	.run = run_create,
};

static const struct cli_verb volume_list = {
	.name = "list",
	.summary = "List the volumes, and which pods use them",
	.tables = { { moctl_list_options } },
	.run = run_list,
};

static const struct cli_verb volume_show = {
	.name = "show",
	.operands = "VOLUME...",
	.summary = "Tell everything about volumes",
	.tables = { { moctl_show_options } },
	.complete = CLI_COMPLETE_VOLUME,
	.run = run_show,
};

static const struct cli_verb volume_clone = {
	.name = "clone",
	.operands = "VOLUME NEW",
	.summary = "Make a writable copy of a volume",
	.tables = { { moctl_copy_options } },
	.complete = CLI_COMPLETE_VOLUME,
	.run = run_clone,
};

static const struct cli_verb volume_snapshot = {
	.name = "snapshot",
	.operands = "VOLUME SNAPSHOT [VOLUME SNAPSHOT]...",
	.summary = "Make a read-only copy of a volume, or of several at one instant",
	.prose = "Of several, all snapshots are made or none.",
	.tables = { { moctl_copy_options } },
	.complete = CLI_COMPLETE_VOLUME,
	.run = run_snapshot,
};

static const struct cli_verb volume_rollback = {
	.name = "rollback",
	.operands = "VOLUME SNAPSHOT",
	.summary = "Give a volume the content of a snapshot again; what it had is gone",
	.tables = { { moctl_copy_options } },
	.complete = CLI_COMPLETE_VOLUME,
	.run = run_rollback,
};

static const struct cli_verb volume_resize = {
	.name = "resize",
	.operands = "VOLUME [+|-]SIZE",
	.summary = "Change the size of a volume, or its quota",
	.prose = "With + or - by so much. Where sizes are quotas, none takes the quota away.",
	.complete = CLI_COMPLETE_VOLUME,
	.run = run_resize,
};

static const struct cli_verb volume_rm = {
	.name = "rm",
	.operands = "VOLUME...",
	.summary = "Remove volumes that no pod uses",
	.tables = { { moctl_drop_options } },
	.complete = CLI_COMPLETE_VOLUME,
	.run = run_drop,
};

static const struct cli_verb volume_send = {
	.name = "send",
	.operands = "VOLUME [FILE|-]",
	.summary = "Write a volume as a stream to a file, or to standard output",
	.tables = { { moctl_send_options } },
	.complete = CLI_COMPLETE_VOLUME,
	.run = run_send,
};

static const struct cli_verb volume_receive = {
	.name = "receive",
	.operands = "VOLUME [FILE|-]",
	.summary = "Make a volume of a stream from a file, or from standard input",
	.prose = "What came of a stream that broke off is kept, for one that is sent with --resume.",
	.tables = { { moctl_receive_options } },
	.complete = CLI_COMPLETE_FILE,
	.run = run_receive,
};

static const struct cli_verb *const volume_verbs[] = {
	&volume_create,   &volume_list,     &volume_show,   &volume_clone,
	&volume_snapshot, &volume_rollback, &volume_resize, &volume_rm,
	&volume_send,     &volume_receive,  NULL,
};

const struct cli_verb verb_volume = {
	.name = "volume",
	.summary = "Make and keep volumes that outlive pods",
	.verbs = volume_verbs,
};
