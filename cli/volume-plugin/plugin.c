#include "cli/volume-plugin/plugin.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>

#include "cli/volume-plugin/volumes.h"
#include "mosaic/mosaic.h"

/* ---- calls ----------------------------------------------------------------------------------- */

static int activate(_unused_ struct plugin *p, _unused_ const struct plugin_request *q,
		    json_t **ret, _unused_ struct error *err)
{
	*ret = json_pack("{s:[s]}", "Implements", "VolumeDriver");
	return 0;
}

/* A volume is this machine's; other machines of a swarm have others by the same name. */
static int capabilities(_unused_ struct plugin *p, _unused_ const struct plugin_request *q,
			json_t **ret, _unused_ struct error *err)
{
	*ret = json_pack("{s:{s:s}}", "Capabilities", "Scope", "local");
	return 0;
}

/* What runs for a path. *ret is an object, or NULL when memory is out. */
static const struct call {
	const char *path;
	unsigned needs;
	int (*run)(struct plugin *p, const struct plugin_request *q, json_t **ret,
		   struct error *err);
} calls[] = {
	{ "/Plugin.Activate", 0, activate },
	{ "/VolumeDriver.Create", PLUGIN_NAME | PLUGIN_OPTIONS, volumes_create },
	{ "/VolumeDriver.Remove", PLUGIN_NAME, volumes_remove },
	{ "/VolumeDriver.Mount", PLUGIN_NAME | PLUGIN_ID, volumes_mount },
	{ "/VolumeDriver.Unmount", PLUGIN_NAME | PLUGIN_ID, volumes_unmount },
	{ "/VolumeDriver.Path", PLUGIN_NAME, volumes_path },
	{ "/VolumeDriver.Get", PLUGIN_NAME, volumes_get },
	{ "/VolumeDriver.List", 0, volumes_list },
	{ "/VolumeDriver.Capabilities", 0, capabilities },
};

static const struct call *find_call(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (str_eq(calls[i].path, path))
			return &calls[i];
	return NULL;
}

/* 0, or the status of an error. *answer is NULL when memory is out. */
static unsigned answer_call(struct plugin *p, const struct call *call, const char *body, size_t len,
			    json_t **answer, struct error *err)
{
	_plugin_request_ struct plugin_request q = { 0 };
	json_t *said = NULL;
	int r = plugin_request_read(body, len, call->needs, &q, err);

	if (r < 0)
		return r == -EBADMSG ? 400 : 500;
	r = call->run(p, &q, &said, err);
	if (r < 0) {
		json_decref(said);
		return 500;
	}
	if (said)
		json_object_set_new(said, "Err", json_string(""));
	*answer = said;
	return 0;
}

unsigned plugin_call(struct plugin *p, const char *path, const char *body, size_t len, char **ret,
		     struct error *err)
{
	const struct call *call = find_call(path);
	_json_ json_t *answer = NULL;
	char text[1024];
	unsigned status;

	if (call) {
		status = answer_call(p, call, body, len, &answer, err);
	} else {
		status = 404;
		error_set(err, -ENOENT, "there is no call %s.", path);
	}
	if (status) {
		error_format(err, text, sizeof(text));
		answer = json_pack("{s:s}", "Err", text);
	}
	*ret = NULL;
	if (answer && json_write_text(answer, ret) < 0)
		*ret = NULL;
	return status ? status : 200;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_dir(struct plugin *p, const char *dir, struct error *err)
{
	_free_ char *real = NULL;
	int r = make_dirs(dir, 0700);

	if (r < 0)
		return error_set(err, r, "cannot make the directory %s", dir);
	real = realpath(dir, NULL);
	if (!real)
		return error_set(err, -errno, "cannot find the directory %s", dir);
	if (strlen(real) >= sizeof(p->dir))
		return error_set(err, -ENAMETOOLONG, "the directory %s", real);
	snprintf(p->dir, sizeof(p->dir), "%s", real);
	p->dirfd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return p->dirfd < 0 ? error_set(err, -errno, "cannot open the directory %s", real) : 0;
}

static int lock_dir(struct plugin *p, struct error *err)
{
	p->lock_fd = openat(p->dirfd, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (p->lock_fd < 0)
		return error_set(err, -errno, "cannot open %s/.lock", p->dir);
	if (flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return error_set(err, -EBUSY, "another carob-volume-plugin runs with %s.", p->dir);
	return error_set(err, -errno, "cannot lock %s", p->dir);
}

/* Where `carob` has it, and made as `carob` makes it. */
static int open_own(struct mosaic **ret, struct error *err)
{
	const char *root = getenv("CAROB_ROOT");
	_free_ char *path = NULL;
	int r;

	if (!root || !*root)
		root = "/var/lib/carob";
	path = str_printf("%s/mosaic/default", root);
	if (!path)
		return error_set(err, -ENOMEM, "the mosaic");
	r = make_dirs(root, 0700); /* root file systems hold set-user-ID programs */
	if (r < 0)
		return error_set(err, r, "cannot make %s", root);
	return mosaic_open(ret, path, NULL, MOSAIC_OPEN_CREATE, err);
}

int plugin_open(struct plugin *p, const char *mosaic, const char *dir, struct error *err)
{
	int r = open_dir(p, dir, err);

	if (r == 0)
		r = lock_dir(p, err);
	if (r == 0)
		r = mosaic ? mosaic_open_named(&p->mosaic, mosaic, 0, err)
			   : open_own(&p->mosaic, err);
	if (r == 0)
		r = users_load(&p->users, p->dirfd, err);
	return r == 0 ? volumes_recover(p, err) : r;
}

void plugin_close(struct plugin *p)
{
	users_deinit(&p->users);
	mosaic_close(p->mosaic);
	if (p->dirfd >= 0)
		close(p->dirfd);
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	*p = (struct plugin)PLUGIN_CLOSED;
}
