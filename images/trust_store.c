/*
 * The directory of keys. What is in it decides about whose programs run here, so nothing in it is
 * taken on faith: files are opened without following links, nobody else may be able to write to
 * them, and the key in a file must be the one that its name says.
 *
 * Who changes it holds a lock on the directory. A key appears by one link of a complete, synced
 * file; names that begin with a dot are what a killed writer left, and the next one removes them.
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "images/trust_parts.h"

#define PREFIXES "prefix.d"
#define ROOT     "root.d"

/* A place below the directory, for messages: "/etc/carob/trust.d/prefix.d/example.com". */
struct place {
	char path[LIMIT_PATH_BYTES];
	int fd;
};

static int name_place(struct place *p, const char *dir, const char *name, struct error *err)
{
	p->fd = -1;
	if (snprintf(p->path, sizeof(p->path), "%s%s%s", dir, name ? "/" : "", name ? name : "") >=
	    (int)sizeof(p->path))
		return error_set(err, -ENAMETOOLONG, "%.200s/%s", dir, name ? name : "");
	return 0;
}

/* ---- what may be there ----------------------------------------------------------------------- */

static int check_owner(const char *path, const struct stat *st, struct error *err)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return error_set(err, -EPERM,
				 "%s belongs to user %u, who could change it: chown root it, or "
				 "remove it.",
				 path, st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, -EPERM,
				 "%s can be written by others than its owner (mode %04o), so its "
				 "keys are not trusted: chmod go-w %s.",
				 path, st->st_mode & 07777, path);
	return 0;
}

static int remark(struct trust_keys *keys, const char *path, const char *what)
{
	char **more = reallocarray(keys->remarks, keys->n_remarks + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	keys->remarks = more;
	more[keys->n_remarks] = str_printf("%s %s", path, what);
	if (!more[keys->n_remarks])
		return -ENOMEM;
	keys->n_remarks++;
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reading {
	struct trust_keys *keys;
	struct error *err;
	const struct place *place; /* the directory that is read */
	const char *prefix;
};

static int out_of_memory(const struct reading *r)
{
	return error_set(r->err, -ENOMEM, "out of memory");
}

static int read_file(const struct reading *r, int fd, const char *path, const char *name)
{
	_free_ char *data = NULL;
	struct trust_key *k;
	struct stat st;
	size_t len;
	int e;

	if (fstat(fd, &st) < 0)
		return error_set(r->err, -errno, "cannot read %s", path);
	e = check_owner(path, &st, r->err);
	if (e < 0)
		return e;
	e = file_read_fd(fd, LIMIT_KEY_BYTES, &data, &len);
	if (e < 0)
		return error_set(r->err, e, "cannot read %s", path);
	if (r->keys->n == LIMIT_TRUSTED_KEYS)
		return error_set(r->err, -E2BIG, "more than %d keys (LIMIT_TRUSTED_KEYS)",
				 LIMIT_TRUSTED_KEYS);
	k = trust_keys_grow(r->keys);
	if (!k)
		return out_of_memory(r);
	e = trust_key_read(k, data, len, r->err);
	if (e < 0)
		return error_prefix(r->err, e, "%s", path);
	if (!str_eq(k->fingerprint, name))
		return error_set(r->err, -EBADMSG,
				 "%s is not the key that its name says but %s: remove it, and add "
				 "the right one with `carob trust add`.",
				 path, k->fingerprint);
	k->added_ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
	k->prefix = strdup(r->prefix);
	k->path = strdup(path);
	return k->prefix && k->path ? 0 : out_of_memory(r);
}

/* 1 and a remark for what is passed over. */
static int is_foreign(const struct reading *r, int dirfd, const char *name, const char *path,
		      bool directory)
{
	struct stat st;
	const char *what;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : error_set(r->err, -errno, "cannot read %s", path);
	if (S_ISLNK(st.st_mode))
		what = "is a symbolic link: it is not followed";
	else if (directory ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		what = directory ? "is no directory: it is not used"
				 : "is no regular file: it is not used";
	else if (!directory && !trust_is_fingerprint(name))
		what = "is not named like a key (40 digits, upper case): it is not used";
	else
		return 0;
	return remark(r->keys, path, what) < 0 ? out_of_memory(r) : 1;
}

static int read_key(int dirfd, const char *name, void *arg)
{
	const struct reading *r = arg;
	struct place file;
	_close_ int fd = -1;
	int e;

	if (name[0] == '.')
		return 0;
	e = name_place(&file, r->place->path, name, r->err);
	if (e == 0)
		e = is_foreign(r, dirfd, name, file.path, false);
	if (e != 0)
		return e < 0 ? e : 0;
	fd = path_open(dirfd, name, PATH_NO_LINKS, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd == -ENOENT) /* removed meanwhile */
		return 0;
	return fd < 0 ? error_set(r->err, fd, "cannot open %s", file.path)
		      : read_file(r, fd, file.path, name);
}

/* Opens and checks a directory. 1 when it is not there. */
static int open_place(struct place *p, int dirfd, const char *name, struct error *err)
{
	_close_ int fd = path_open(dirfd, name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;
	int r;

	if (fd == -ENOENT)
		return 1;
	if (fd < 0)
		return error_set(err, fd, "cannot open %s", p->path);
	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot read %s", p->path);
	r = check_owner(p->path, &st, err);
	if (r == 0)
		p->fd = take_fd(&fd);
	return r;
}

/* All keys of one directory. */
static int read_rule(const struct reading *above, int dirfd, const char *name, const char *prefix)
{
	struct reading r = *above;
	struct place p;
	int e = name_place(&p, above->place->path, name, r.err);

	if (e == 0)
		e = is_foreign(above, dirfd, name, p.path, true);
	if (e == 0)
		e = open_place(&p, dirfd, name, r.err);
	if (e != 0)
		return e < 0 ? e : 0;
	r.place = &p;
	r.prefix = prefix;
	e = dir_each(p.fd, read_key, &r);
	cleanup_close(&p.fd);
	return e < 0 && !r.err->code ? error_set(r.err, e, "cannot read %s", p.path) : e;
}

static int read_prefix(int dirfd, const char *name, void *arg)
{
	const struct reading *r = arg;
	char prefix[LIMIT_NAME_BYTES + 1];
	struct place p;

	if (name[0] == '.')
		return 0;
	if (trust_unescape(prefix, name) == 0)
		return read_rule(r, dirfd, name, prefix);
	if (name_place(&p, r->place->path, name, r->err) < 0)
		return r->err->code;
	return remark(r->keys, p.path,
		      "is not named like a prefix (with \"=\" for \"/\"): it is not used") < 0
		       ? out_of_memory(r)
		       : 0;
}

static int read_top(int dirfd, const char *name, void *arg)
{
	const struct reading *r = arg;
	struct reading below = *r;
	struct place p;
	int e;

	if (name[0] == '.')
		return 0;
	if (str_eq(name, ROOT))
		return read_rule(r, dirfd, name, "");
	e = name_place(&p, r->place->path, name, r->err);
	if (e < 0)
		return e;
	if (!str_eq(name, PREFIXES))
		return remark(r->keys, p.path,
			      "is neither " PREFIXES " nor " ROOT ": it is not used") < 0
			       ? out_of_memory(r)
			       : 0;
	e = is_foreign(r, dirfd, name, p.path, true);
	if (e == 0)
		e = open_place(&p, dirfd, name, r->err);
	if (e != 0)
		return e < 0 ? e : 0;
	below.place = &p;
	e = dir_each(p.fd, read_prefix, &below);
	cleanup_close(&p.fd);
	return e;
}

static int by_rule(const void *a, const void *b)
{
	const struct trust_key *x = a, *y = b;
	int order = strcmp(x->prefix, y->prefix);

	return order ? order : strcmp(x->fingerprint, y->fingerprint);
}

/* The directory itself may be a link: where it is was the caller's choice. 1: not there. */
static int open_top(struct place *p, const char *dir, struct error *err)
{
	struct stat st;
	int r = name_place(p, dir, NULL, err);

	if (r < 0)
		return r;
	p->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->fd < 0)
		return errno == ENOENT ? 1 : error_set(err, -errno, "cannot open %s", dir);
	r = fstat(p->fd, &st) < 0 ? error_set(err, -errno, "cannot read %s", dir)
				  : check_owner(dir, &st, err);
	if (r < 0)
		cleanup_close(&p->fd);
	return r;
}

static int list_open(const struct place *top, struct trust_keys *ret, struct error *err)
{
	_trust_keys_ struct trust_keys keys = { 0 };
	struct error ours = { 0 };
	struct reading reading = { .keys = &keys, .err = err ? err : &ours, .place = top };
	int r = dir_each(top->fd, read_top, &reading);

	if (r < 0)
		return reading.err->code ? r : error_set(err, r, "cannot read %s", top->path);
	if (keys.n)
		qsort(keys.list, keys.n, sizeof(keys.list[0]), by_rule);
	*ret = keys;
	keys = (struct trust_keys){ 0 };
	return 0;
}

int trust_list(const char *dir, struct trust_keys *ret, struct error *err)
{
	struct place top;
	int r = open_top(&top, dir, err);

	if (r < 0)
		return r;
	if (r > 0) {
		*ret = (struct trust_keys){ 0 };
		return 0;
	}
	r = list_open(&top, ret, err);
	cleanup_close(&top.fd);
	return r;
}

/* ---- changing -------------------------------------------------------------------------------- */

static void close_place(struct place *p)
{
	cleanup_close(&p->fd);
}
#define _place_ _cleanup_(close_place)

/* The names on the way to a directory that was just made survive a power cut too. */
static int sync_parents(const char *dir)
{
	_free_ char *path = strdup(dir);
	char *slash;
	int r = path ? 0 : -ENOMEM;

	while (r == 0 && (slash = strrchr(path, '/')) != NULL && slash != path) {
		_close_ int fd = -1;

		*slash = '\0';
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno : sync_dir(fd);
	}
	return r;
}

/* Opens the directory, made where it is missing, and takes its lock. 1: it is not there. */
static int open_locked(struct place *p, const char *dir, bool create, struct error *err)
{
	int r = open_top(p, dir, err);

	if (r == 1 && create) {
		r = make_dirs(dir, 0755);
		if (r == 0)
			r = sync_parents(dir);
		if (r < 0)
			return error_set(err, r, "cannot make %s", dir);
		r = open_top(p, dir, err);
	}
	if (r != 0)
		return r;
	while (flock(p->fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_set(err, -errno, "cannot lock %s", dir);
	return 0;
}

/* A directory below one, made where it is missing; its name is on the disk when this returns. */
static int make_place(struct place *ret, const struct place *in, const char *name,
		      struct error *err)
{
	int r = name_place(ret, in->path, name, err);

	if (r < 0)
		return r;
	r = mkdirat(in->fd, name, 0755) < 0 ? -errno : sync_dir(in->fd);
	if (r < 0 && r != -EEXIST)
		return error_set(err, r, "cannot make %s", ret->path);
	r = open_place(ret, in->fd, name, err);
	return r > 0 ? error_set(err, -ENOENT, "cannot open %s", ret->path) : r;
}

/* What a killed writer left: file_write() names what it makes ".NAME.PID". */
static int remove_leftover(int dirfd, const char *name, _unused_ void *arg)
{
	return name[0] == '.' && unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int refuse_state(const struct place *p, const struct trust_key *k, enum trust_order order,
			struct error *err)
{
	static const char *const why[] = {
		[TRUST_OLDER] = "in a newer state than this one",
		[TRUST_LOST_REVOCATION] = "with a revocation that this one lacks",
		[TRUST_BESIDE] = "in another state, and which is the newer cannot be told",
	};

	return error_set(err, -EEXIST,
			 "%s/%s is there %s, and is not replaced: to do it all the same, first "
			 "`carob trust rm %s`.",
			 p->path, k->fingerprint, why[order], k->fingerprint);
}

/* The key is there: its newer state takes its place. */
static int succeed(const struct place *p, struct trust_key *k, struct error *err)
{
	_trust_keys_ struct trust_keys was = { 0 };
	_free_ char *old = NULL;
	enum trust_order order;
	size_t len;
	int r = file_read(p->fd, k->fingerprint, LIMIT_KEY_BYTES, &old, &len);

	if (r < 0)
		return error_set(err, r, "cannot read %s/%s", p->path, k->fingerprint);
	if (len == k->len && memcmp(old, k->data, len) == 0)
		return sync_dir(p->fd); /* whoever wrote it may not have come as far */
	r = trust_read_keys(old, len, &was, err);
	if (r == 0 && (was.n != 1 || !str_eq(was.list[0].fingerprint, k->fingerprint)))
		r = error_set(err, -EBADMSG, "it is not the key that its name says.");
	if (r < 0)
		return error_prefix(err, r, "%s/%s", p->path, k->fingerprint);
	order = trust_key_order(k, &was.list[0]);
	if (order == TRUST_SAME)
		return 0;
	if (order != TRUST_NEWER)
		return refuse_state(p, k, order, err);
	r = file_write(p->fd, k->fingerprint, k->data, k->len, 0644, FILE_SYNC);
	k->replaced = r == 0;
	return r < 0 ? error_set(err, r, "cannot write %s/%s", p->path, k->fingerprint) : 0;
}

static int add_one(const struct place *p, struct trust_key *k, struct error *err)
{
	int r = file_write(p->fd, k->fingerprint, k->data, k->len, 0644,
			   FILE_SYNC | FILE_EXCLUSIVE);

	if (r == -EEXIST)
		return succeed(p, k, err);
	return r < 0 ? error_set(err, r, "cannot write %s/%s", p->path, k->fingerprint) : 0;
}

/* Opens the directory of the rule. */
static int make_rule(struct place *ret, const struct place *top, const char *prefix,
		     struct error *err)
{
	_place_ struct place prefixes = { .fd = -1 };
	char name[LIMIT_NAME_BYTES + 1];
	int r;

	if (prefix[0] == '\0')
		return make_place(ret, top, ROOT, err);
	r = trust_escape(name, prefix);
	if (r < 0)
		return error_set(err, r,
				 "%s is no image name or beginning of one (like example.com/app).",
				 prefix);
	r = make_place(&prefixes, top, PREFIXES, err);
	return r < 0 ? r : make_place(ret, &prefixes, name, err);
}

int trust_add(const char *dir, const char *prefix, const void *data, size_t len,
	      struct trust_keys *ret, struct error *err)
{
	_trust_keys_ struct trust_keys keys = { 0 };
	_place_ struct place top = { .fd = -1 }, rule = { .fd = -1 };
	char name[LIMIT_NAME_BYTES + 1];
	int r = prefix[0] ? trust_escape(name, prefix) : 0;

	if (r < 0)
		return error_set(err, r,
				 "%s is no image name or beginning of one (like example.com/app).",
				 prefix);
	r = trust_read_keys(data, len, &keys, err);
	if (r == 0)
		r = open_locked(&top, dir, true, err);
	if (r == 0)
		r = make_rule(&rule, &top, prefix, err);
	if (r < 0)
		return r;
	r = dir_each(rule.fd, remove_leftover, NULL);
	if (r < 0)
		return error_set(err, r, "cannot clean %s", rule.path);
	for (size_t i = 0; r == 0 && i < keys.n; i++) {
		struct trust_key *k = &keys.list[i];

		r = add_one(&rule, k, err);
		free(k->path);
		free(k->prefix);
		k->path = str_printf("%s/%s", rule.path, k->fingerprint);
		k->prefix = strdup(prefix);
		if (r == 0 && (!k->path || !k->prefix))
			r = error_set(err, -ENOMEM, "out of memory");
	}
	if (r < 0)
		return r;
	if (ret) {
		*ret = keys;
		keys = (struct trust_keys){ 0 };
	}
	return 0;
}

/* ---- removing -------------------------------------------------------------------------------- */

static bool is_meant(const struct trust_key *k, const char *wanted, const char *prefix)
{
	return str_ends(k->fingerprint, wanted) && (!prefix || str_eq(k->prefix, prefix));
}

/* The end of a fingerprint must be that of one key only. */
static int check_unique(const struct trust_keys *keys, const char *wanted, const char *prefix,
			struct error *err)
{
	const char *found = NULL;

	for (size_t i = 0; i < keys->n; i++) {
		if (!is_meant(&keys->list[i], wanted, prefix))
			continue;
		if (found && !str_eq(found, keys->list[i].fingerprint))
			return error_set(err, -ENOTUNIQ, "%s is the end of %s and of %s.", wanted,
					 found, keys->list[i].fingerprint);
		found = keys->list[i].fingerprint;
	}
	return 0;
}

/* Removes the file, and the directory of a prefix that has no more key. */
static int remove_one(const struct place *top, const struct trust_key *k, struct error *err)
{
	_place_ struct place above = { .fd = -1 }, rule = { .fd = -1 };
	char name[LIMIT_NAME_BYTES + 1] = ROOT;
	int r = k->prefix[0] ? trust_escape(name, k->prefix) : 0;

	if (r == 0 && k->prefix[0])
		r = make_place(&above, top, PREFIXES, err);
	if (r == 0)
		r = make_place(&rule, k->prefix[0] ? &above : top, name, err);
	if (r < 0)
		return r;
	if (unlinkat(rule.fd, k->fingerprint, 0) < 0 && errno != ENOENT)
		return error_set(err, -errno, "cannot remove %s", k->path);
	r = dir_each(rule.fd, remove_leftover, NULL);
	if (r == 0)
		r = sync_dir(rule.fd);
	if (r == 0 && k->prefix[0] && unlinkat(above.fd, name, AT_REMOVEDIR) == 0)
		r = sync_dir(above.fd);
	return r < 0 ? error_set(err, r, "cannot remove %s", k->path) : 0;
}

int trust_remove(const char *dir, const char *fingerprint, const char *prefix, unsigned *ret_n,
		 struct error *err)
{
	_trust_keys_ struct trust_keys keys = { 0 };
	_place_ struct place top = { .fd = -1 };
	char wanted[TRUST_FINGERPRINT_TEXT];
	unsigned n = 0;
	int r;

	if (trust_read_fingerprint(wanted, fingerprint) < 0)
		return error_set(err, -EINVAL,
				 "%s is no fingerprint, nor 16 digits and more of its end.",
				 fingerprint);
	r = open_locked(&top, dir, false, err);
	if (r == 0)
		r = list_open(&top, &keys, err);
	if (r == 0)
		r = check_unique(&keys, wanted, prefix, err);
	for (size_t i = 0; r == 0 && i < keys.n; i++)
		if (is_meant(&keys.list[i], wanted, prefix)) {
			r = remove_one(&top, &keys.list[i], err);
			n += r == 0;
		}
	if (r < 0)
		return r;
	*ret_n = n;
	return 0;
}
