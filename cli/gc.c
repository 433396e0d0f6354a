/*
 * `carob gc`: what ended, what crashed, and what nobody knows any more. Everything of a pod is
 * named after its UUID, so what is left over is found by going through the few places where such
 * names are and asking whether the pod still exists.
 */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cli/teardown.h"
#include "cli/verbs.h"
#include "kernel/kernel.h"

enum { GRACE_DEFAULT = 30 * 60 };

struct gc_options {
	struct cli_number grace;
	bool dry_run, json;
};

#define GC(member) offsetof(struct gc_options, member)

static const struct cli_option gc_options[] = {
	{ "grace-period", 0, "DURATION",
	  "keep pods that ended and downloads that stopped less long ago; default: 30m",
	  CLI_DURATION, GC(grace) },
	{ "dry-run", 0, NULL, "only say what would be removed", CLI_FLAG, GC(dry_run) },
	{ "json", 0, NULL, "as JSON", CLI_FLAG, GC(json) },
	{ NULL },
};

/* One sweep: what it is looking for and what it did. */
struct sweep {
	const struct cli *cli;
	const struct gc_options *o;
	json_t *removed; /* {"kind", "name", "why"} */
	int result;      /* first failure */
};

static int note(struct sweep *s, const char *kind, const char *name, const char *why)
{
	return json_array_append_new(s->removed, json_pack("{s:s, s:s, s:s}", "kind", kind, "name",
							   name, "why", why)) < 0
		       ? -ENOMEM
		       : 0;
}

static void failed(struct sweep *s, int r, struct error *err)
{
	s->result = cli_next_failure(s->result, r, err);
}

/* ---- pods ------------------------------------------------------------------------------------ */

/* When the pod ended: by its apps, else by its file's own time. */
static int64_t ended_ns(const struct pod_status *status, int dirfd)
{
	struct stat st;
	int64_t latest = 0;

	for (size_t i = 0; i < status->n_apps; i++)
		if (status->apps[i].ended_ns > latest)
			latest = status->apps[i].ended_ns;
	if (latest == 0 && fstatat(dirfd, "status", &st, AT_SYMLINK_NOFOLLOW) == 0)
		latest = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
	return latest;
}

static int64_t grace_ns(const struct gc_options *o)
{
	return (int64_t)(o->grace.given ? o->grace.value : GRACE_DEFAULT) * 1000000000;
}

/* Why the pod can go; NULL when it stays. The caller has its lock. */
static const char *reason(const struct gc_options *o, int dirfd)
{
	_cleanup_(pod_status_deinit) struct pod_status status = { .exit = -1 };
	int64_t grace = grace_ns(o), ended;
	bool has_pod = faccessat(dirfd, "pod", F_OK, AT_SYMLINK_NOFOLLOW) == 0;

	if (pod_status_load(&status, dirfd) < 0 || !has_pod)
		return "aborted";
	if (status.state == POD_PREPARED)
		return NULL;
	if (status.state != POD_EXITED)
		return "aborted";
	ended = ended_ns(&status, dirfd);
	/* one that ended in the future says that the clock was wrong, not that it is old */
	return time_now_ns() >= ended && time_now_ns() - ended >= grace ? "exited" : NULL;
}

static int sweep_pod(const char *uuid, void *arg)
{
	struct sweep *s = arg;
	_close_ int dirfd = pod_open(&s->cli->dirs, uuid, NULL);
	struct error err = { 0 };
	const char *why;
	int r;

	if (dirfd < 0 || pod_lock(dirfd, false, NULL) != 0)
		return 0; /* gone, or alive */
	why = reason(s->o, dirfd);
	if (!why)
		return 0;
	r = s->o->dry_run ? 0 : teardown_pod(s->cli, uuid, dirfd, &err);
	if (r < 0) {
		error_context(&err, r, "gc", uuid);
		failed(s, r, &err);
		return 0;
	}
	return note(s, "pod", uuid, why);
}

/* ---- what has no pod any more ---------------------------------------------------------------- */

/* Whether this UUID belongs to a pod of our root. */
static bool is_known(const struct cli *cli, const char *uuid)
{
	char path[LIMIT_PATH_BYTES];

	snprintf(path, sizeof(path), "%s/pods/%s", cli->dirs.root, uuid);
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* "pod.UUID.app" of no pod of this root. Another root may share the mosaic: its volumes are left
 * alone. */
static bool is_orphan(const struct cli *cli, const char *volume)
{
	char uuid[UUID_TEXT];

	if (!str_starts(volume, "pod.") || strlen(volume) < 4 + UUID_TEXT ||
	    volume[4 + UUID_TEXT - 1] != '.')
		return false;
	memcpy(uuid, volume + 4, UUID_TEXT - 1);
	uuid[UUID_TEXT - 1] = '\0';
	return uuid_is(uuid) && !is_known(cli, uuid);
}

struct orphans {
	const struct cli *cli;
	struct mosaic *mosaic;
	json_t *names;
};

static int orphan_note(const struct mosaic_volume *v, void *arg)
{
	struct orphans *o = arg;

	if (!is_orphan(o->cli, v->name) || mosaic_is_foreign(o->mosaic, v->name, NULL) != 0)
		return 0;
	return json_array_append_new(o->names, json_string(v->name)) < 0 ? -ENOMEM : 0;
}

static int sweep_volumes(struct sweep *s, struct mosaic *mosaic, struct error *err)
{
	struct orphans o = { s->cli, mosaic, json_array() };
	int r = o.names ? mosaic_each(mosaic, orphan_note, &o, err) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < json_array_size(o.names); i++) {
		const char *name = json_string_value(json_array_get(o.names, i));
		struct error why = { 0 };
		int dropped = s->o->dry_run
				      ? 0
				      : mosaic_drop(mosaic, name, MOSAIC_DROP_UNCHECKED, &why);

		if (dropped < 0)
			failed(s, dropped, &why);
		else
			r = note(s, "volume", name, "its pod is gone");
	}
	json_decref(o.names);
	return r;
}

/* Two roots should not share a runtime directory; where they do, their living pods stay alive. */
static bool is_answering(const struct cli *cli, const char *uuid)
{
	_close_ int sock = pod_api_connect(&cli->dirs, uuid, NULL);

	return sock >= 0;
}

/* RUN/pods/UUID of pods that are gone, with the control groups of that name. */
static int sweep_runtime_one(int dirfd, const char *name, void *arg)
{
	struct sweep *s = arg;
	struct error err = { 0 };
	int r = 0;

	if (!uuid_is(name) || is_known(s->cli, name) || is_answering(s->cli, name))
		return 0;
	if (!s->o->dry_run)
		r = teardown_cgroups(name, &err);
	if (r == 0 && !s->o->dry_run) {
		r = path_remove_tree(dirfd, name);
		if (r < 0)
			error_set(&err, r, "cannot remove %s/pods/%s", s->cli->dirs.run, name);
	}
	if (r < 0) {
		failed(s, r, &err);
		return 0;
	}
	return note(s, "runtime directory", name, "its pod is gone");
}

static int sweep_runtime(struct sweep *s, struct error *err)
{
	char path[LIMIT_PATH_BYTES];
	_close_ int fd = -1;
	int r;

	snprintf(path, sizeof(path), "%s/pods", s->cli->dirs.run);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(err, -errno, "cannot open %s", path);
	r = dir_each(fd, sweep_runtime_one, s);
	return r < 0 ? error_set(err, r, "cannot go through %s", path) : 0;
}

static int sweep_names(struct sweep *s, struct error *err)
{
	unsigned n;
	int r = pod_names_collect(&s->cli->dirs, s->o->dry_run, &n, err);
	char count[32];

	snprintf(count, sizeof(count), "%u", r < 0 ? 0 : n);
	return r < 0 || n == 0 ? r : note(s, "names", count, "their pods are gone");
}

/* What the parts collect themselves: each says only how many. */
static int collected(struct sweep *s, const char *kind, unsigned n)
{
	char count[32];

	snprintf(count, sizeof(count), "%u", n);
	return n ? note(s, kind, count, "nothing needs them") : 0;
}

static int sweep_storage(struct sweep *s, struct error *err)
{
	_images_ struct images im = { 0 };
	unsigned n = 0;
	int r;

	if (faccessat(AT_FDCWD, s->cli->dirs.root, F_OK, 0) < 0)
		return 0;
	r = cli_images_open(s->cli, &im, err);
	if (r == 0)
		r = sweep_volumes(s, im.mosaic, err);
	if (r < 0 || s->o->dry_run)
		return r;
	/* first of all: it needs no room, and makes some for the others */
	r = store_partial_collect(im.store, grace_ns(s->o), &n, err);
	if (r == 0)
		r = collected(s, "unfinished downloads", n);
	n = 0;
	if (r == 0)
		r = images_collect(&im, &n, err);
	if (r == 0)
		r = collected(s, "rendered volumes", n);
	n = 0;
	if (r == 0)
		r = store_collect(im.store, &n, err);
	if (r == 0)
		r = collected(s, "unfinished images", n);
	n = 0;
	if (r == 0)
		r = mosaic_collect(im.mosaic, &n, err);
	return r < 0 ? r : collected(s, "unfinished volumes", n);
}

static int print(const struct gc_options *o, json_t *removed, struct error *err)
{
	static const struct table_column columns[] = {
		{ "KIND", "kind" }, { "NAME", "name" }, { "WHY", "why" }, { NULL }
	};

	return table_print(json_incref(removed), columns,
			   &(struct table_options){ .json = o->json, .no_legend = true }, err);
}

static int gc_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct gc_options o = { 0 };
	struct cli_set set = { gc_options, &o };
	struct sweep s = { .cli = cli, .o = &o };
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 0, 0, err);
	if (r != 0)
		return r;
	s.removed = json_array();
	r = s.removed ? pod_each(&cli->dirs, sweep_pod, &s, err) : -ENOMEM;
	if (r == 0)
		r = sweep_runtime(&s, err);
	if (r == 0)
		r = sweep_names(&s, err);
	if (r == 0)
		r = sweep_storage(&s, err);
	if (r == 0)
		r = print(&o, s.removed, err);
	json_decref(s.removed);
	if (r < 0 && !err->code)
		error_set(err, r, "gc");
	return r < 0 ? r : s.result;
}

const struct cli_verb verb_gc = {
	.name = "gc",
	.summary = "Remove pods that ended some time ago, and what crashes left",
	.tables = { { gc_options } },
	.run = gc_run,
};
