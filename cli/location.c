/* Where things are: paths that are typed, and the mosaic. */
#include "cli/cli.h"

#include <fcntl.h>
#include <string.h>

int cli_path_set(char *dst, size_t size, const char *path, struct error *err)
{
	char clean[LIMIT_PATH_BYTES];
	_free_ char *cwd = *path == '/' ? NULL : getcwd(NULL, 0);
	int n, r;

	if (*path != '/' && !cwd)
		return error_set(err, -errno,
				 "%s is relative, and the current directory is unknown", path);
	r = path_clean(clean, path);
	n = r < 0 ? 0 : snprintf(dst, size, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", clean);
	if (r < 0 || (size_t)n >= size)
		return error_set(err, -ENAMETOOLONG, "%s: at most %zu bytes", path, size - 1);
	return 0;
}

static bool is_path(const char *word)
{
	return strchr(word, '/') || str_ends(word, ".mos");
}

int cli_mosaic_set(struct cli *cli, const char *word, struct error *err)
{
	char usual[sizeof(cli->dirs.root) + 16];
	size_t size = sizeof(cli->mosaic);

	cli->mosaic_given = word != NULL;
	snprintf(usual, sizeof(usual), "%s/mosaic/default", cli->dirs.root);
	if (!word || is_path(word))
		return cli_path_set(cli->mosaic, size, word ? word : usual, err);
	if (snprintf(cli->mosaic, size, "%s", word) >= (int)size)
		return error_set(err, -ENAMETOOLONG, "%s: at most %zu bytes", word, size - 1);
	return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_at(const char *location, const char *volume_map, unsigned flags,
		   struct mosaic **ret, struct error *err)
{
	const struct mosaic_config config = { .location = (char *)location,
					      .volume_map = (char *)volume_map };

	return mosaic_open_config(ret, &config, flags, err);
}

/* MISSING: there is no such description. */
enum { MISSING = 1 };

static int open_described(const char *what, const char *volume_map, unsigned flags,
			  struct mosaic **ret, struct error *err)
{
	struct mosaic_config config = { 0 };
	struct error why = { 0 };
	int r = mosaic_config_read(what, &config, &why);

	if (r < 0) {
		*err = why;
		return r == -ENOENT ? MISSING : r;
	}
	free(config.volume_map);
	config.volume_map = volume_map ? strdup(volume_map) : NULL;
	r = volume_map && !config.volume_map ? error_set(err, -ENOMEM, "%s", what)
					     : mosaic_open_config(ret, &config, flags, err);
	mosaic_config_free(&config);
	return r;
}

static int open_given(const struct cli *cli, const char *volume_map, unsigned flags,
		      struct mosaic **ret, struct error *err)
{
	int r;

	if (strchr(cli->mosaic, '/') && !str_ends(cli->mosaic, ".mos"))
		return open_at(cli->mosaic, volume_map, flags, ret, err);
	r = open_described(cli->mosaic, volume_map, flags, ret, err);
	return r == MISSING ? -EINVAL : r;
}

/* First without making it: so a description is looked for only where there is none. */
static int open_usual(const struct cli *cli, const char *volume_map, unsigned flags,
		      struct mosaic **ret, struct error *err)
{
	struct error why = { 0 }, not_described = { 0 };
	int r = open_at(cli->mosaic, volume_map, 0, ret, &why), described;

	if (r == -ENOENT) {
		described = open_described("default", volume_map, flags, ret, &not_described);
		if (described < 0)
			*err = not_described;
		if (described != MISSING)
			return described;
		if (flags & MOSAIC_OPEN_CREATE)
			return open_at(cli->mosaic, volume_map, flags, ret, err);
	}
	if (r < 0)
		*err = why;
	return r;
}

/* What a root is known by in a mosaic that several share: ROOT/id, a UUID, made when it is first
 * wanted. -ENOENT: there is no root. */
static int read_id(int root, char id[UUID_TEXT])
{
	_free_ char *text = NULL;
	int r = file_read(root, "id", UUID_TEXT, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (!uuid_is(text))
		return -EBADMSG;
	memcpy(id, text, UUID_TEXT);
	return 0;
}

static int root_id(const char *path, char id[UUID_TEXT])
{
	_close_ int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[UUID_TEXT + 1], made[UUID_TEXT];
	int r = root < 0 ? -errno : read_id(root, id);

	if (root < 0 || r != -ENOENT)
		return r;
	r = uuid_new(made);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%s\n", made);
	r = file_write(root, "id", text, UUID_TEXT, 0644, FILE_SYNC | FILE_EXCLUSIVE);
	return r < 0 && r != -EEXIST ? r : read_id(root, id);
}

/* Without a root, or where it cannot be written to, nothing is ours. */
static int own(const struct cli *cli, struct mosaic *m, struct error *err)
{
	char id[UUID_TEXT];
	int r = root_id(cli->dirs.root, id);

	if (r == -ENOENT || r == -EROFS || r == -EACCES)
		return 0;
	return r < 0 ? error_set(err, r, "cannot read %s/id", cli->dirs.root)
		     : mosaic_set_owner(m, id, err);
}

int cli_mosaic_open(const struct cli *cli, const char *volume_map, unsigned flags,
		    struct mosaic **ret, struct error *err)
{
	_mosaic_ struct mosaic *m = NULL;
	int r = 0;

	/* root file systems hold set-user-ID programs */
	if (flags & MOSAIC_OPEN_CREATE)
		r = make_dirs(cli->dirs.root, 0700);
	if (r < 0)
		return error_set(err, r, "cannot make %s", cli->dirs.root);
	r = cli->mosaic_given ? open_given(cli, volume_map, flags, &m, err)
			      : open_usual(cli, volume_map, flags, &m, err);
	if (r == 0)
		r = own(cli, m, err);
	if (r < 0)
		return r;
	*ret = take_ptr(&m);
	return 0;
}
