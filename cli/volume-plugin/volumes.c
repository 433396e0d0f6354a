#include "cli/volume-plugin/volumes.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/volume-plugin/begun.h"
#include "kernel/kernel.h"
#include "mosaic/mosaic.h"

/* ---- names and places ------------------------------------------------------------------------ */

/* The mosaic's name of a volume, and where it is mounted. */
struct place {
	char volume[MOSAIC_NAME_MAX + 1];
	char path[sizeof(((struct plugin *)NULL)->dir) + PLUGIN_NAME_MAX + 1];
};

_Static_assert(sizeof(PLUGIN_PREFIX) - 1 + PLUGIN_NAME_MAX == MOSAIC_NAME_MAX, "names that fit");

static struct place place_of(const struct plugin *p, const char *name)
{
	struct place at;

	snprintf(at.volume, sizeof(at.volume), PLUGIN_PREFIX "%.*s", PLUGIN_NAME_MAX, name);
	snprintf(at.path, sizeof(at.path), "%s/%.*s", p->dir, PLUGIN_NAME_MAX, name);
	return at;
}

static int need(struct plugin *p, const char *name, struct error *err)
{
	if (mosaic_have(p->mosaic, place_of(p, name).volume))
		return 0;
	return error_set(err, -ENOENT, "there is no volume %s in %s.", name,
			 mosaic_location(p->mosaic));
}

/* 1, 0, or a negative errno. */
static int is_mounted(const struct place *at, struct error *err)
{
	_free_ char *text = NULL;
	struct mountinfo info;
	int r = mountinfo_at(at->path, &text, &info);

	if (r == -EINVAL || r == -ENOENT)
		return 0;
	return r < 0 ? error_set(err, r, "cannot find out what is mounted at %s", at->path) : 1;
}

/* ---- create and remove ----------------------------------------------------------------------- */

/* A volume of this plugin, or whatever the mosaic has by that name: a snapshot. */
static void find_source(struct plugin *p, const char *from, char ret[MOSAIC_NAME_MAX + 1])
{
	snprintf(ret, MOSAIC_NAME_MAX + 1, PLUGIN_PREFIX "%.*s", PLUGIN_NAME_MAX, from);
	if (strlen(from) > PLUGIN_NAME_MAX || !mosaic_have(p->mosaic, ret))
		snprintf(ret, MOSAIC_NAME_MAX + 1, "%s", from);
}

/* Until this returns nothing is promised; what cannot be removed after an error is listed. */
static int clone_sized(struct plugin *p, const char *volume, const char *from, uint64_t size,
		       struct error *err)
{
	int r = mosaic_clone(p->mosaic, volume, from, err);

	if (r < 0)
		return r;
	if (size)
		r = mosaic_resize(p->mosaic, volume, size, err);
	if (r == 0)
		r = mosaic_sync(p->mosaic, err);
	if (r < 0)
		(void)!mosaic_drop(p->mosaic, volume, 0, NULL);
	return r;
}

static int clone_from(struct plugin *p, const char *volume, const struct plugin_request *q,
		      struct error *err)
{
	_begun_ struct begun begun = BEGUN_CLOSED;
	char from[MOSAIC_NAME_MAX + 1];
	int r = 0;

	if (strlen(q->from) > MOSAIC_NAME_MAX)
		return error_set(err, -ENAMETOOLONG, "option from: a name has at most %d bytes.",
				 MOSAIC_NAME_MAX);
	find_source(p, q->from, from);
	if (q->size)
		r = begun_note(&begun, p->mosaic, volume, from, q->size, err);
	if (r < 0)
		return r;
	r = clone_sized(p, volume, from, q->size, err);
	if (q->size)
		begun_forget(&begun, volume);
	return r;
}

int volumes_create(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		   struct error *err)
{
	const struct mosaic_create how = { .size = q->size, .fs = q->fs };
	struct place at = place_of(p, q->name);
	int r;

	if (mosaic_have(p->mosaic, at.volume))
		return error_set(err, -EEXIST, "there is a volume %s already.", q->name);
	if (q->from && q->fs)
		return error_set(err, -EINVAL,
				 "option fs: a clone has the file system of what it "
				 "is made from.");
	r = q->from ? clone_from(p, at.volume, q, err)
		    : mosaic_create(p->mosaic, at.volume, &how, err);
	if (r == 0)
		*ret = json_object();
	return r;
}

int volumes_remove(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		   struct error *err)
{
	size_t n = users_count(&p->users, q->name);
	int r = need(p, q->name, err);

	if (r < 0)
		return r;
	if (n > 0)
		return error_set(err, -EBUSY, "volume %s is mounted for %zu user%s.", q->name, n,
				 n == 1 ? "" : "s");
	r = mosaic_drop(p->mosaic, place_of(p, q->name).volume, 0, err);
	if (r == 0)
		*ret = json_object();
	return r;
}

/* ---- mount and unmount ----------------------------------------------------------------------- */

static int bring_up(struct plugin *p, const char *name, struct error *err)
{
	struct place at = place_of(p, name);
	int r = is_mounted(&at, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (mkdirat(p->dirfd, name, 0700) < 0 && errno != EEXIST)
		return error_set(err, -errno, "cannot make %s", at.path);
	r = mosaic_mount_at(p->mosaic, at.volume, at.path, NULL, err);
	if (r < 0)
		unlinkat(p->dirfd, name, AT_REMOVEDIR);
	return r;
}

static int take_down(struct plugin *p, const char *name, struct error *err)
{
	struct place at = place_of(p, name);
	int r = is_mounted(&at, err);

	if (r > 0)
		r = mosaic_umount(p->mosaic, at.volume, at.path, err);
	if (r == 0)
		/* a directory with something in it is as good for the next mount */
		unlinkat(p->dirfd, name, AT_REMOVEDIR);
	return r;
}

int volumes_mount(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		  struct error *err)
{
	bool known = users_has(&p->users, q->name, q->id);
	int r = need(p, q->name, err);

	if (r == 0)
		r = users_add(&p->users, q->name, q->id, err);
	if (r < 0)
		return r;
	r = bring_up(p, q->name, err);
	if (r == 0)
		return volumes_path(p, q, ret, err);
	if (!known)
		/* if this fails as well, the next start forgets the user */
		(void)!users_remove(&p->users, q->name, q->id, NULL);
	return r;
}

/* The last user's volume goes down. */
static int leave(struct plugin *p, const char *name, const char *id, struct error *err)
{
	int r = users_remove(&p->users, name, id, err);

	if (r < 0 || users_count(&p->users, name) > 0)
		return r;
	r = take_down(p, name, err);
	if (r < 0)
		/* still mounted, so still had; if this fails, the next start ends the mount */
		(void)!users_add(&p->users, name, id, NULL);
	return r;
}

/* Somebody who does not have it mounted may say so again: an answer may have been lost. */
int volumes_unmount(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		    struct error *err)
{
	int r = need(p, q->name, err);

	if (r == 0 && users_has(&p->users, q->name, q->id))
		r = leave(p, q->name, q->id, err);
	if (r == 0)
		*ret = json_object();
	return r;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* "" while nobody has it. */
static const char *mount_point(struct plugin *p, const char *name, struct place *at)
{
	*at = place_of(p, name);
	return users_count(&p->users, name) > 0 ? at->path : "";
}

int volumes_path(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		 struct error *err)
{
	int r = need(p, q->name, err);
	struct place at;

	if (r == 0)
		*ret = json_pack("{s:s}", "Mountpoint", mount_point(p, q->name, &at));
	return r;
}

int volumes_get(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		struct error *err)
{
	int r = need(p, q->name, err);
	struct mosaic_volume v;
	char created[TIME_TEXT], from[4 * MOSAIC_NAME_MAX + 1];
	struct place at;

	if (r == 0)
		r = mosaic_info(p->mosaic, place_of(p, q->name).volume, &v, err);
	if (r < 0)
		return r;
	time_format(created, v.created_ns);
	str_escape(from, sizeof(from), v.parent); /* it may be no UTF-8 */
	*ret = json_pack("{s:{s:s, s:s, s:s, s:{s:s, s:s, s:I, s:s, s:b, s:i}}}", "Volume", "Name",
			 q->name, "Mountpoint", mount_point(p, q->name, &at), "CreatedAt", created,
			 "Status", "type", mosaic_type(p->mosaic), "fs", v.fs, "size",
			 (json_int_t)v.size, "from", from, "readOnly", v.read_only, "users",
			 (int)users_count(&p->users, q->name));
	return 0;
}

struct listing {
	struct plugin *p;
	json_t *list;
	size_t n;
};

static int add_volume(const struct mosaic_volume *v, void *arg)
{
	const char *name = v->name + strlen(PLUGIN_PREFIX);
	struct listing *l = arg;
	struct place at;
	json_t *shown;

	if (!str_starts(v->name, PLUGIN_PREFIX) || !plugin_is_name(name))
		return 0;
	shown = json_string(name);
	if (!shown)
		return 0; /* no UTF-8: no engine can say that name */
	l->n++;
	return json_array_append_new(l->list, json_pack("{s:o, s:s}", "Name", shown, "Mountpoint",
							mount_point(l->p, name, &at))) < 0
		       ? -ENOMEM
		       : 0;
}

int volumes_list(struct plugin *p, _unused_ const struct plugin_request *q, struct json_t **ret,
		 struct error *err)
{
	struct listing l = { .p = p, .list = json_array() };
	int r = mosaic_each(p->mosaic, add_volume, &l, err);

	if (r < 0) {
		json_decref(l.list);
		return r == -ENOMEM ? error_set(err, r, "the list") : r;
	}
	*ret = json_pack("{s:o}", "Volumes", l.list);
	return 0;
}

/* ---- after a start --------------------------------------------------------------------------- */

static int forget_unmounted(struct plugin *p, struct error *err)
{
	size_t i = 0;

	while (i < p->users.n) {
		struct place at = place_of(p, p->users.list[i].name);
		int r = is_mounted(&at, err);

		if (r == 0) {
			_free_ char *name = strdup(p->users.list[i].name);

			r = name ? users_remove_all(&p->users, name, err)
				 : error_set(err, -ENOMEM, "who has what mounted");
			i = 0;
		} else {
			i++;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int end_unused(_unused_ int dirfd, const char *name, void *arg)
{
	struct plugin *p = arg;
	struct error err = { 0 };
	char text[1024];

	if (!plugin_is_name(name) || users_count(&p->users, name) > 0 ||
	    take_down(p, name, &err) == 0)
		return 0;
	error_format(&err, text, sizeof(text));
	cli_complain("nobody has volume %s, but it stays mounted: %s", name, text);
	return 0;
}

static void complain_unfinished(const char *volume, const struct error *why)
{
	char text[1024];

	error_format(why, text, sizeof(text));
	cli_complain("volume %s was made, but does not have the size that was asked for: %s",
		     volume + strlen(PLUGIN_PREFIX), text);
}

/* What cannot be finished is no reason not to serve the others. */
static void finish_begun(struct plugin *p)
{
	struct error err = { 0 };
	char text[1024];

	if (begun_finish(p->mosaic, complain_unfinished, &err) == 0)
		return;
	error_format(&err, text, sizeof(text));
	cli_complain("cannot look for volumes that were half made: %s", text);
}

int volumes_recover(struct plugin *p, struct error *err)
{
	int r = forget_unmounted(p, err);

	if (r < 0)
		return r;
	finish_begun(p);
	r = dir_each(p->dirfd, end_unused, p);
	return r < 0 ? error_set(err, r, "cannot list %s", p->dir) : 0;
}
