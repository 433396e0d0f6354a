/*
 * Keys out of files that anybody may have written. The packets are counted and sorted here first,
 * so that no secret key gets as far as gpg, which would start an agent for it. Then gpg sees one
 * key at a time, twice: it writes down what it accepts of it, and tells what that is.
 */
#include "images/trust_parts.h"
#include "kernel/kernel.h"

enum { GPG_CPU_SECONDS = 60 };

void trust_key_deinit(struct trust_key *k)
{
	free(k->prefix);
	free(k->user);
	free(k->path);
	free(k->data);
	*k = (struct trust_key){ 0 };
}

void trust_keys_deinit(struct trust_keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		trust_key_deinit(&k->list[i]);
	for (size_t i = 0; i < k->n_remarks; i++)
		free(k->remarks[i]);
	free(k->list);
	free(k->remarks);
	*k = (struct trust_keys){ 0 };
}

struct trust_key *trust_keys_grow(struct trust_keys *k)
{
	struct trust_key *more = reallocarray(k->list, k->n + 1, sizeof(*more));

	if (!more)
		return NULL;
	k->list = more;
	more[k->n] = (struct trust_key){ 0 };
	return &more[k->n++];
}

/* ---- one key --------------------------------------------------------------------------------- */

static char *escaped(const char *text, size_t len)
{
	_free_ char *raw = strndup(text, len);
	char *dst = raw ? malloc(4 * len + 1) : NULL;

	if (dst)
		str_escape(dst, 4 * len + 1, raw);
	return dst;
}

static int take_packet(struct trust_key *k, const struct openpgp_packet *p, struct error *err)
{
	switch (p->tag) {
	case OPENPGP_PUBLIC_KEY:
		if (k->fingerprint[0])
			return error_set(err, -EBADMSG, "there is more than one key in it.");
		if (openpgp_fingerprint(p, k->fingerprint) < 0)
			return error_set(err, -EBADMSG,
					 "it is a key of version %d; only version 4 is known.",
					 p->body_len ? p->body[0] : 0);
		return 0;
	case OPENPGP_SECRET_KEY:
	case OPENPGP_SECRET_SUBKEY:
		return error_set(err, -EBADMSG, "there is a secret key in it.");
	case OPENPGP_USER_ID:
		if (k->user)
			return 0;
		k->user = escaped((const char *)p->body, p->body_len);
		return k->user ? 0 : error_set(err, -ENOMEM, "out of memory");
	default:
		return 0;
	}
}

static int take_data(struct trust_key *k, const void *data, size_t len)
{
	k->data = malloc(len);
	if (!k->user)
		k->user = strdup("");
	if (!k->data || !k->user)
		return -ENOMEM;
	memcpy(k->data, data, len);
	k->len = len;
	return 0;
}

int trust_key_read(struct trust_key *ret, const void *data, size_t len, struct error *err)
{
	_cleanup_(trust_key_deinit) struct trust_key k = { 0 };
	struct openpgp_packet p;
	size_t at = 0;
	int r;

	while ((r = openpgp_next(data, len, &at, &p)) > 0) {
		if (p.start == 0 && p.tag != OPENPGP_PUBLIC_KEY && p.tag != OPENPGP_SECRET_KEY)
			r = -EBADMSG;
		else
			r = take_packet(&k, &p, err);
		if (r < 0)
			break;
	}
	if (r < 0 && err && err->code)
		return r;
	if (r < 0 || !k.fingerprint[0])
		return error_set(err, -EBADMSG, "it is no OpenPGP key.");
	r = take_data(&k, data, len);
	if (r < 0)
		return error_set(err, r, "out of memory");
	*ret = k;
	k = (struct trust_key){ 0 };
	return 0;
}

/* ---- gpg ------------------------------------------------------------------------------------- */

/* --no-keyring and a home that does not exist: there is nothing that it could read or leave. In its
 * fast mode it tells whether a key is expired or revoked without a data base of trust. */
static int run_gpg(const char *options, const void *key, size_t len, struct trust_ran *ret,
		   struct error *err)
{
	const char *const argv[] = {
		"gpg",
		"--homedir",
		"/nonexistent",
		"--no-options",
		"--batch",
		"--no-tty",
		"--no-keyring",
		"--no-autostart",
		"--lock-never",
		"--trust-model",
		"always",
		"--no-auto-check-trustdb",
		"--weak-digest",
		"SHA1",
		"--with-colons",
		"--with-sig-check",
		"--fast-list-mode",
		"--output",
		"-",
		"--import-options",
		options,
		"--import",
		NULL,
	};
	_close_ int in = process_sealed_bytes("key", key, len);
	struct trust_run run = {
		.program = "gpg",
		.argv = argv,
		.fds = { -1, -1, -1 },
		.max_cpu = GPG_CPU_SECONDS,
	};

	if (in < 0)
		return error_set(err, in, "cannot make a file in memory");
	if (lseek(in, 0, SEEK_SET) < 0)
		return error_set(err, -errno, "cannot read a file in memory");
	run.in = in;
	return trust_run(&run, ret, err);
}

/* What gpg does to a user ID in a list: \xNN for what is not printable, for ":" and "\". */
static void unescape(char *s)
{
	char *out = s;
	unsigned byte;

	while (*s) {
		if (s[0] == '\\' && s[1] == 'x' && s[2] && s[3] &&
		    sscanf(s + 2, "%2x", &byte) == 1 && byte) {
			*out++ = (char)byte;
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* One line of the list: "pub:VALIDITY:::ID:MADE:EXPIRES:...", "fpr:::::::::FINGERPRINT:", "uid:...",
 * "sig:VALIDITY:::ID:MADE:..." and "rev:..." of the same form. */
struct listing {
	char fingerprint[TRUST_FINGERPRINT_TEXT]; /* the first one: that of the primary key */
	char *user;
	unsigned keys;
};

/* A signature by the key itself that gpg found good ("!"). */
static int take_signature(struct trust_key *k, char *const *fields)
{
	uint64_t made = 0;

	if (!str_eq(fields[1], "!") || !*fields[4] || !str_ends(k->fingerprint, fields[4]))
		return 0;
	if (str_to_u64(fields[5], UINT32_MAX, &made) < 0)
		return -EBADMSG;
	if ((int64_t)made > k->changed_s)
		k->changed_s = (int64_t)made;
	return 0;
}

static int take_line(struct listing *l, struct trust_key *k, char *line)
{
	enum { FIELDS = 10 };
	char *fields[FIELDS], *word;
	uint64_t expires = 0;
	size_t n = 0;

	while (n < FIELDS && (word = strsep(&line, ":")) != NULL)
		fields[n++] = word;
	if (n < FIELDS)
		return 0;
	if (str_eq(fields[0], "sec"))
		return -EBADMSG;
	if (str_eq(fields[0], "sig") || str_eq(fields[0], "rev"))
		return take_signature(k, fields);
	if (str_eq(fields[0], "pub")) {
		l->keys++;
		k->expired = fields[1][0] == 'e';
		k->revoked = fields[1][0] == 'r';
		if (fields[6][0] && str_to_u64(fields[6], UINT32_MAX, &expires) < 0)
			return -EBADMSG;
		k->expires_s = (int64_t)expires;
	}
	if (str_eq(fields[0], "fpr") && !l->fingerprint[0])
		snprintf(l->fingerprint, sizeof(l->fingerprint), "%s", fields[9]);
	if (str_eq(fields[0], "uid") && !l->user) {
		unescape(fields[9]);
		l->user = escaped(fields[9], strlen(fields[9]));
		return l->user ? 0 : -ENOMEM;
	}
	return 0;
}

/* What gpg tells of the key must be about the key that we see. */
static int describe(struct trust_key *k, struct error *err)
{
	_trust_ran_ struct trust_ran ran = { 0 };
	struct listing l = { .keys = 0 };
	char *at, *line;
	int r = run_gpg("show-only", k->data, k->len, &ran, err);

	if (r < 0)
		return r;
	at = ran.out;
	while (r == 0 && (line = strsep(&at, "\n")) != NULL)
		r = take_line(&l, k, line);
	if (r == 0 && ran.status == 0 && l.keys == 1 && l.user &&
	    str_eq(l.fingerprint, k->fingerprint)) {
		free(k->user);
		k->user = l.user;
		return 0;
	}
	free(l.user);
	return error_set(err, r < 0 ? r : -EBADMSG, "gpg does not know what to make of key %s.",
			 k->fingerprint);
}

/* gpg's word for what is wrong is not much of one: most often it just takes nothing. */
static int nothing_left(const void *data, size_t len, const struct trust_ran *ran,
			struct error *err)
{
	_cleanup_(trust_key_deinit) struct trust_key k = { 0 };
	int r = trust_key_read(&k, data, len, err);

	if (r < 0)
		return r;
	return error_set(err, -EBADMSG,
			 "gpg accepts nothing of key %s (%s): it has no user ID that it has signed "
			 "itself with more than MD5 or SHA-1%s.",
			 k.fingerprint, k.user, ran->status ? ", or is damaged" : "");
}

static int read_one(struct trust_keys *keys, const void *data, size_t len, struct error *err)
{
	_trust_ran_ struct trust_ran ran = { 0 };
	struct trust_key *k;
	int r = run_gpg("import-export", data, len, &ran, err);

	if (r < 0)
		return r;
	if (ran.out_len == 0)
		return nothing_left(data, len, &ran, err);
	k = trust_keys_grow(keys);
	if (!k)
		return error_set(err, -ENOMEM, "out of memory");
	r = trust_key_read(k, ran.out, ran.out_len, err);
	if (r < 0)
		return r;
	k->prefix = strdup("");
	k->path = strdup("");
	if (!k->prefix || !k->path)
		return error_set(err, -ENOMEM, "out of memory");
	return describe(k, err);
}

/* ---- a file of keys -------------------------------------------------------------------------- */

/* Where the keys begin: at each packet of a public key. */
static int find_keys(const struct buf *all, size_t starts[LIMIT_KEYS + 1], size_t *ret_n,
		     struct error *err)
{
	struct openpgp_packet p;
	size_t at = 0, n = 0;
	int r;

	while ((r = openpgp_next(all->data, all->len, &at, &p)) > 0) {
		if (p.tag == OPENPGP_SECRET_KEY || p.tag == OPENPGP_SECRET_SUBKEY)
			return error_set(err, -EBADMSG,
					 "there is a secret key in it: export the public one "
					 "(gpg --export), and keep this file to yourself.");
		if (p.tag == OPENPGP_PUBLIC_KEY && n == LIMIT_KEYS)
			return error_set(err, -E2BIG, "more than %d keys (LIMIT_KEYS)", LIMIT_KEYS);
		if (p.tag == OPENPGP_PUBLIC_KEY)
			starts[n++] = p.start;
		else if (n == 0)
			return error_set(err, -EBADMSG, "there is no OpenPGP public key in it.");
	}
	if (r < 0 || n == 0)
		return error_set(err, -EBADMSG, "there is no OpenPGP public key in it%s.",
				 n ? " that is whole" : "");
	starts[n] = all->len;
	*ret_n = n;
	return 0;
}

static int to_binary(const void *data, size_t len, struct buf *ret, struct error *err)
{
	int r;

	if (len > LIMIT_KEY_BYTES)
		return error_set(err, -EFBIG, "more than %d bytes (LIMIT_KEY_BYTES)",
				 LIMIT_KEY_BYTES);
	if (openpgp_is_binary(data, len)) {
		r = buf_add(ret, data, len);
		return r < 0 ? error_set(err, r, "out of memory") : 0;
	}
	r = openpgp_dearmour(data, len, "PUBLIC KEY BLOCK", false, ret, err);
	return r == -ENOMSG ? error_set(err, -EBADMSG, "there is no OpenPGP public key in it.") : r;
}

static bool has_key(const struct trust_keys *keys, const char *fingerprint)
{
	for (size_t i = 0; i + 1 < keys->n; i++)
		if (str_eq(keys->list[i].fingerprint, fingerprint))
			return true;
	return false;
}

int trust_read_keys(const void *data, size_t len, struct trust_keys *ret, struct error *err)
{
	_buf_ struct buf all = BUF_INIT(LIMIT_KEY_BYTES);
	_trust_keys_ struct trust_keys keys = { 0 };
	size_t starts[LIMIT_KEYS + 1], n = 0;
	int r = to_binary(data, len, &all, err);

	if (r == 0)
		r = find_keys(&all, starts, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = read_one(&keys, all.data + starts[i], starts[i + 1] - starts[i], err);
		if (r == 0 && has_key(&keys, keys.list[keys.n - 1].fingerprint))
			r = error_set(err, -EBADMSG, "key %s is in it twice.",
				      keys.list[keys.n - 1].fingerprint);
	}
	if (r < 0)
		return r;
	*ret = keys;
	keys = (struct trust_keys){ 0 };
	return 0;
}
