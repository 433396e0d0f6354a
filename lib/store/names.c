/*
 * names/: for each image name one file with a line for each image of that name. It is an index: the
 * truth is in images/, and store_names_rebuild() makes it anew. So a line whose image is gone is
 * passed over, and removing an image on a full disk may leave its line behind.
 *
 * The file's name is the image's with "=" for "/", which no App Container identifier holds.
 */
#include <fcntl.h>
#include <sys/file.h>

#include "store/internal.h"

struct line {
	char id[STORE_ID_TEXT];
	int64_t time_ns;
	const char *labels; /* up to the end of the line */
	size_t labels_len;
};

static int file_name(char dst[LIMIT_NAME_BYTES + 1], const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > LIMIT_NAME_BYTES || name[0] == '.' || strchr(name, '=') ||
	    strchr(name, '\n'))
		return -EINVAL;
	for (size_t i = 0; i <= n; i++)
		dst[i] = name[i] == '/' ? '=' : name[i];
	return 0;
}

/* The line at *at, which is moved behind it. false at the end; a bad line has an empty ID. */
static bool next_line(const char **at, struct line *line)
{
	const char *start = *at, *end = strchr(start, '\n'), *p;
	uint64_t time_ns = 0;

	if (!end)
		return false;
	*at = end + 1;
	line->id[0] = '\0';
	if (end - start < STORE_ID_TEXT || start[STORE_ID_TEXT - 1] != ' ')
		return true;
	for (p = start + STORE_ID_TEXT; p < end && *p >= '0' && *p <= '9'; p++)
		time_ns = time_ns * 10 + (uint64_t)(*p - '0');
	if (p == end || *p != ' ')
		return true;
	snprintf(line->id, sizeof(line->id), "%.*s", STORE_ID_TEXT - 1, start);
	line->time_ns = (int64_t)time_ns;
	line->labels = p + 1;
	line->labels_len = (size_t)(end - line->labels);
	return true;
}

int store_label_add(struct buf *labels, const char *name, const char *value)
{
	int r = buf_addf(labels, "%s%s=", labels->len ? "," : "", name);

	for (const unsigned char *p = (const unsigned char *)value; r == 0 && *p; p++) {
		if (*p > ' ' && *p < 0x7f && *p != '%' && *p != ',')
			r = buf_add(labels, p, 1);
		else
			r = buf_addf(labels, "%%%02X", *p);
	}
	return r;
}

/* Finds the label of that name in "k=v,k=v"; *ret_len gets the length of its value. */
static const char *find_label(const struct line *line, const char *name, size_t len,
			      size_t *ret_len)
{
	const char *end = line->labels + line->labels_len;

	for (const char *p = line->labels; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma ? comma : end;

		if ((size_t)(stop - p) > len && memcmp(p, name, len) == 0 && p[len] == '=') {
			*ret_len = (size_t)(stop - p) - len - 1;
			return p + len + 1;
		}
		p = stop + 1;
	}
	return NULL;
}

static bool labels_agree(const struct line *line, const char *wanted)
{
	while (*wanted) {
		size_t whole = strcspn(wanted, ","), name = strcspn(wanted, "=,"), len;
		bool optional = name > 0 && wanted[name - 1] == '?';
		const char *has = find_label(line, wanted, name - optional, &len);

		if (!has && !optional)
			return false;
		if (has && (name + 1 + len != whole || memcmp(has, wanted + name + 1, len) != 0))
			return false;
		wanted += whole;
		wanted += *wanted == ',';
	}
	return true;
}

static bool is_here(struct store *s, const char *id)
{
	char path[STORE_IMAGE_PATH];

	store_image_path(path, id, "manifest");
	return faccessat(s->fd, path, F_OK, 0) == 0;
}

/* The newest line before the time (of equal ones: the last) that agrees. */
static bool newest(const char *text, const char *wanted, int64_t before, struct line *ret)
{
	struct line line, best = { .time_ns = -1 };

	while (next_line(&text, &line))
		if (line.id[0] && line.time_ns < before && line.time_ns >= best.time_ns &&
		    labels_agree(&line, wanted))
			best = line;
	*ret = best;
	return best.time_ns >= 0;
}

int store_find_name(struct store *s, const char *name, const char *labels, char ret[STORE_ID_TEXT],
		    struct error *err)
{
	char path[6 + LIMIT_NAME_BYTES + 1] = "names/";
	_free_ char *text = NULL;
	struct line line;
	int r;

	if (file_name(path + 6, name) < 0)
		return STORE_MISSING;
	r = file_read(s->fd, path, STORE_NAMES_BYTES, &text, NULL);
	if (r == -ENOENT)
		return STORE_MISSING;
	if (r < 0)
		return error_set(err, r, "cannot read %s/%s", s->path, path);
	for (int64_t before = INT64_MAX; newest(text, labels, before, &line);
	     before = line.time_ns) {
		if (!is_here(s, line.id))
			continue;
		memcpy(ret, line.id, STORE_ID_TEXT);
		return 0;
	}
	return STORE_MISSING;
}

/* names/, locked: for the replacement of a file in it. Somebody may have removed it all. */
static int open_locked(struct store *s, struct error *err)
{
	_close_ int fd = openat(s->fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && mkdirat(s->fd, "names", 0755) == 0)
		fd = openat(s->fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "cannot open %s/names", s->path);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_set(err, -errno, "cannot lock %s/names", s->path);
	return take_fd(&fd);
}

/* Copies the lines of text to lines, without those of id. */
static int copy_others(struct buf *lines, const char *text, const char *id)
{
	const char *at = text, *start = text;
	struct line line;
	int r = 0;

	for (; r == 0 && next_line(&at, &line); start = at)
		if (line.id[0] && !str_eq(line.id, id))
			r = buf_add(lines, start, (size_t)(at - start));
	return r;
}

static int add_line(struct buf *lines, const struct store_info *info)
{
	return buf_addf(lines, "%s %lld %s\n", info->id, (long long)info->imported_ns,
			info->labels);
}

/* Replaces the file by lines, or removes it when there are none. */
static int replace(struct store *s, int names, const char *file, const struct buf *lines,
		   struct error *err)
{
	int r;

	if (lines->len == 0) {
		if (unlinkat(names, file, 0) < 0 && errno != ENOENT)
			return error_set(err, -errno, "cannot remove %s/names/%s", s->path, file);
		r = sync_dir(names);
	} else {
		r = file_write(names, file, lines->data, lines->len, 0644, FILE_SYNC);
	}
	return r < 0 ? error_set(err, r, "cannot write %s/names/%s", s->path, file) : 0;
}

/* Takes the line of id out and, with info, puts that one in. */
static int update(struct store *s, const char *name, const char *id, const struct store_info *info,
		  struct error *err)
{
	_buf_ struct buf lines = BUF_INIT(STORE_NAMES_BYTES);
	char file[LIMIT_NAME_BYTES + 1];
	_free_ char *text = NULL;
	_close_ int names = -1;
	int r;

	r = file_name(file, name);
	if (r < 0)
		return error_set(err, r, "%s is no image name.", name);
	names = open_locked(s, err);
	if (names < 0)
		return names;
	r = file_read(names, file, STORE_NAMES_BYTES, &text, NULL);
	if (r < 0 && r != -ENOENT)
		return error_set(err, r, "cannot read %s/names/%s", s->path, file);
	r = text ? copy_others(&lines, text, id) : 0;
	if (r == 0 && info)
		r = add_line(&lines, info);
	if (r < 0)
		return error_set(err, r, "too many images of the name %s", name);
	return replace(s, names, file, &lines, err);
}

int store_names_add(struct store *s, const struct store_info *info, struct error *err)
{
	return update(s, info->name, info->id, info, err);
}

int store_names_remove(struct store *s, const char *name, const char *id, struct error *err)
{
	return update(s, name, id, NULL, err);
}

/* ---- making all of it anew ------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct store_info *const *x = a, *const *y = b;
	int order = strcmp((*x)->name, (*y)->name);

	if (order)
		return order;
	return (*x)->imported_ns < (*y)->imported_ns ? -1 : (*x)->imported_ns > (*y)->imported_ns;
}

/* What the file for the first of n images should hold, all those of its name that follow included;
 * their number. *ret_right: it does, or it cannot be told. */
static size_t compose_group(int names, const struct store_info **images, size_t n,
			    char file[LIMIT_NAME_BYTES + 1], struct buf *lines, bool *ret_right)
{
	_free_ char *text = NULL;
	size_t count;
	int r = file_name(file, images[0]->name);

	for (count = 0; count < n && str_eq(images[count]->name, images[0]->name); count++)
		if (r == 0)
			r = add_line(lines, images[count]);
	/* an info file that somebody changed: that image is found by ID only */
	*ret_right = r < 0 || (file_read(names, file, STORE_NAMES_BYTES, &text, NULL) == 0 &&
			       str_eq(text, lines->data));
	return count;
}

/* Writes the file for the first of n images unless it is right already; the number of its
 * images. */
static int write_group(struct store *s, int names, const struct store_info **images, size_t n,
		       struct error *err)
{
	_buf_ struct buf lines = BUF_INIT(STORE_NAMES_BYTES);
	char file[LIMIT_NAME_BYTES + 1];
	bool right;
	size_t count = compose_group(names, images, n, file, &lines, &right);
	int r = right ? 0 : replace(s, names, file, &lines, err);

	return r < 0 ? r : (int)count;
}

static int compare_to_info(const void *key, const void *element)
{
	const struct store_info *const *info = element;
	char file[LIMIT_NAME_BYTES + 1];
	char name[LIMIT_NAME_BYTES + 1];
	size_t i = 0;

	snprintf(file, sizeof(file), "%s", (const char *)key);
	for (; file[i]; i++)
		name[i] = file[i] == '=' ? '/' : file[i];
	name[i] = '\0';
	return strcmp(name, (*info)->name);
}

struct known {
	const struct store_info **images;
	size_t n;
};

static bool is_known(const struct known *known, const char *file)
{
	return known->n &&
	       bsearch(file, known->images, known->n, sizeof(known->images[0]), compare_to_info);
}

/* Removes a file of names/ that no image has, which includes what a killed writer left beside. */
static int remove_unknown(int names, const char *file, void *arg)
{
	if (is_known(arg, file))
		return 0;
	return path_remove_tree(names, file);
}

/* All images with a name, in its order. known->images is to be freed. */
static int read_known(struct store *s, struct store_list *all, struct known *known,
		      struct error *err)
{
	int r = store_list_read(s, all, err);

	if (r < 0)
		return r;
	known->images = calloc(all->n + 1, sizeof(known->images[0]));
	if (!known->images)
		return error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i].name[0])
			known->images[known->n++] = &all->list[i];
	qsort(known->images, known->n, sizeof(known->images[0]), by_name);
	return 0;
}

static void known_deinit(struct known *known)
{
	free(known->images);
}

int store_names_rebuild(struct store *s, struct error *err)
{
	_cleanup_(known_deinit) struct known known = { 0 };
	_store_list_ struct store_list all = { 0 };
	_close_ int names = -1;
	int r = read_known(s, &all, &known, err);

	if (r < 0)
		return r;
	names = open_locked(s, err);
	if (names < 0)
		return names;
	for (size_t i = 0; i < known.n; i += (size_t)r) {
		r = write_group(s, names, known.images + i, known.n - i, err);
		if (r < 0)
			return r;
	}
	r = dir_each(names, remove_unknown, &known);
	return r < 0 ? error_set(err, r, "cannot clean %s/names", s->path) : 0;
}

/* ---- looking at it --------------------------------------------------------------------------- */

struct look {
	struct known known;
	int (*fn)(const char *file, const char *why, void *arg);
	void *arg;
};

static int tell_unknown(_unused_ int names, const char *file, void *arg)
{
	const struct look *look = arg;

	return is_known(&look->known, file) ? 0
					    : look->fn(file, "no image has this name", look->arg);
}

static int tell_wrong(const struct look *look, int names)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < look->known.n;) {
		_buf_ struct buf lines = BUF_INIT(STORE_NAMES_BYTES);
		char file[LIMIT_NAME_BYTES + 1];
		bool right;

		i += compose_group(names, look->known.images + i, look->known.n - i, file, &lines,
				   &right);
		if (!right)
			r = look->fn(file, "it does not say which images have this name",
				     look->arg);
	}
	return r;
}

int store_names_check(struct store *s, int (*fn)(const char *file, const char *why, void *arg),
		      void *arg, struct error *err)
{
	_store_list_ struct store_list all = { 0 };
	struct look look = { .fn = fn, .arg = arg };
	_close_ int names = -1;
	int r = read_known(s, &all, &look.known, err);

	if (r == 0) {
		names = open_locked(s, err);
		r = names < 0 ? names : tell_wrong(&look, names);
	}
	if (r == 0)
		r = dir_each(names, tell_unknown, &look);
	known_deinit(&look.known);
	return r;
}
