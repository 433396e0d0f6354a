/*
 * Is it signed by a key that may? The signature file is taken apart here first: what is no detached
 * signature over a binary document, or hashed with what is broken, is refused before anything else
 * looks at it, and gpgv gets the binary packets that were counted here. It gets all keys of the
 * store, so that it can be said by which one an image is signed also when that may not sign this
 * name; the rule is applied to what it found.
 */
#include <fcntl.h>

#include "images/trust_parts.h"
#include "kernel/kernel.h"

void trust_verdict_deinit(struct trust_verdict *v)
{
	free(v->prefix);
	free(v->user);
	*v = (struct trust_verdict){ 0 };
}

struct job {
	const char *name;
	const struct trust_keys *keys;
	struct openpgp_signature signatures[LIMIT_SIGNATURES]; /* as the file has them */
	size_t n;
	struct error *err;
};

/* ---- words for people ------------------------------------------------------------------------ */

static bool has_subkey(const struct trust_key *k, const char *id)
{
	char fingerprint[OPENPGP_FINGERPRINT_TEXT];
	struct openpgp_packet p;
	size_t at = 0;

	while (openpgp_next(k->data, k->len, &at, &p) > 0)
		if (p.tag == OPENPGP_PUBLIC_SUBKEY && openpgp_fingerprint(&p, fingerprint) == 0 &&
		    str_ends(fingerprint, id))
			return true;
	return false;
}

/* The first key that has that fingerprint, or key ID, itself or of a subkey; or NULL. */
static const struct trust_key *find_key(const struct trust_keys *keys, const char *id)
{
	for (size_t i = 0; *id && i < keys->n; i++)
		if (str_ends(keys->list[i].fingerprint, id) || has_subkey(&keys->list[i], id))
			return &keys->list[i];
	return NULL;
}

/* May this key sign the image? A name that is not known yet is for trust_covers(). */
static bool may_sign(const struct job *j, const struct trust_key *k)
{
	return !j->name || trust_applies(k->prefix, j->name);
}

static bool has_rule(const struct job *j)
{
	for (size_t i = 0; i < j->keys->n; i++)
		if (may_sign(j, &j->keys->list[i]))
			return true;
	return false;
}

static const char *name_of(const struct job *j)
{
	return j->name ? j->name : "the image";
}

/* Appends to a text of fixed room; what has none is cut. */
static _printf_(3, 4) void add(char *dst, size_t size, const char *fmt, ...)
{
	size_t used = strlen(dst);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(dst + used, size - used, fmt, ap);
	va_end(ap);
}

/* "KEY (user)" of the first few keys that may sign the name. */
static void say_expected(const struct job *j, char *dst, size_t size)
{
	enum { A_FEW = 3 };
	size_t n = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < j->keys->n; i++) {
		const struct trust_key *k = &j->keys->list[i];

		if (!may_sign(j, k) || n++ >= A_FEW)
			continue;
		add(dst, size, "%s%s (%.40s)", n > 1 ? " or " : "", k->fingerprint, k->user);
	}
	if (n > A_FEW)
		add(dst, size, " or one of %zu more", n - A_FEW);
}

/* "KEY (user), which is trusted for a, b only". */
static void say_key(const struct job *j, const char *id, char *dst, size_t size)
{
	const struct trust_key *key = find_key(j->keys, id);
	unsigned n = 0;

	if (!key) {
		snprintf(dst, size, "key %s, which is not trusted for anything",
			 *id ? id : "that it does not name");
		return;
	}
	snprintf(dst, size, "key %s (%.40s), which is trusted for ", key->fingerprint, key->user);
	for (size_t i = 0; i < j->keys->n; i++) {
		const struct trust_key *k = &j->keys->list[i];

		if (str_eq(k->fingerprint, key->fingerprint))
			add(dst, size, "%s%.60s", n++ ? ", " : "",
			    *k->prefix ? k->prefix : "any name");
	}
	add(dst, size, " only");
}

/* ---- the file -------------------------------------------------------------------------------- */

static int refuse_file(struct error *err, const char *why)
{
	return error_set(err, -EKEYREJECTED,
			 "the signature is refused: %s What is needed is one as `carob image sign` "
			 "or gpg --armor --detach-sign make it.",
			 why);
}

static int take_signature(struct job *j, const struct openpgp_packet *p)
{
	struct openpgp_signature *s = &j->signatures[j->n];
	int r;

	if (p->tag != OPENPGP_SIGNATURE)
		return refuse_file(j->err, "there is something else than a signature in it.");
	if (j->n == LIMIT_SIGNATURES)
		return error_set(j->err, -EKEYREJECTED,
				 "the signature is refused: more than %d signatures in one file "
				 "(LIMIT_SIGNATURES).",
				 LIMIT_SIGNATURES);
	r = openpgp_signature(p, s);
	if (r == -ENOTSUP)
		return refuse_file(j->err, "it is not of version 4.");
	if (r < 0)
		return refuse_file(j->err, "it is damaged.");
	if (s->kind != 0)
		return refuse_file(j->err, "it is not over a binary document.");
	j->n++;
	return 0;
}

static int read_file(struct job *j, const void *text, size_t len, struct buf *packets)
{
	struct openpgp_packet p;
	struct error why = { 0 };
	size_t at = 0;
	int r;

	if (len > LIMIT_SIGNATURE_BYTES)
		return error_set(j->err, -EKEYREJECTED,
				 "the signature is refused: more than %d bytes "
				 "(LIMIT_SIGNATURE_BYTES).",
				 LIMIT_SIGNATURE_BYTES);
	if (openpgp_is_binary(text, len))
		return refuse_file(j->err, "it is binary, not armoured.");
	r = openpgp_dearmour(text, len, "SIGNATURE", true, packets, &why);
	if (r == -ENOMEM)
		return error_set(j->err, r, "out of memory");
	if (r < 0) {
		char sentence[sizeof(why.text) + 1];

		snprintf(sentence, sizeof(sentence), "%s.", why.text);
		return refuse_file(j->err, sentence);
	}
	while ((r = openpgp_next(packets->data, packets->len, &at, &p)) > 0) {
		r = take_signature(j, &p);
		if (r < 0)
			return r;
	}
	return r < 0 ? refuse_file(j->err, "it is damaged.") : 0;
}

/* One of a broken hash proves nothing; by itself it is refused by name, beside a better one it is
 * left to gpgv, which refuses it too. */
static int check_hashes(const struct job *j)
{
	char why[128];

	for (size_t i = 0; i < j->n; i++)
		if (openpgp_hash_is_strong(j->signatures[i].hash))
			return 0;
	snprintf(why, sizeof(why), "it is made with %s, which can be forged.",
		 openpgp_hash_name(j->signatures[0].hash));
	return refuse_file(j->err, why);
}

/* ---- gpgv ------------------------------------------------------------------------------------ */

/* All keys in one file, each once: those that may sign the name first, by the longest prefix, so
 * that of two states of a key the one counts that was meant for this name. */
static int make_keyring(const struct job *j, struct error *err)
{
	_free_ bool *done = calloc(j->keys->n + 1, sizeof(*done));
	_buf_ struct buf ring = BUF_INIT((size_t)LIMIT_TRUSTED_KEYS * (64 << 10));
	int fd, r = done ? 0 : -ENOMEM;

	for (int pass = 0; r == 0 && pass < 2; pass++)
		for (size_t i = j->keys->n; r == 0 && i-- > 0;) { /* longer ones sort last */
			const struct trust_key *k = &j->keys->list[i];
			bool again = done[i];

			if (pass == 0 && !may_sign(j, k))
				continue;
			for (size_t o = 0; !again && o < j->keys->n; o++)
				again = done[o] &&
					str_eq(j->keys->list[o].fingerprint, k->fingerprint);
			done[i] = true;
			if (!again)
				r = buf_add(&ring, k->data, k->len);
		}
	if (r < 0)
		return error_set(err, r, "cannot put the keys together");
	fd = process_sealed_bytes("keyring", ring.data, ring.len);
	return fd < 0 ? error_set(err, fd, "cannot make a file in memory") : fd;
}

/* The same file once more, at its beginning. */
static int reopen(int fd, struct error *err)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	return again < 0 ? error_set(err, -errno, "cannot open the archive again") : again;
}

static int ask_gpgv(const struct job *j, int archive, const struct buf *packets,
		    struct trust_status *ret)
{
	static const char *const argv[] = {
		"gpgv",
		"--homedir",
		"/nonexistent",
		"--enable-special-filenames",
		"--weak-digest",
		"SHA1",
		"--weak-digest",
		"RIPEMD160",
		"--keyring",
		"/proc/self/fd/5",
		"--status-fd",
		"1",
		"--",
		"-&3",
		"-&4",
		NULL,
	};
	_trust_ran_ struct trust_ran ran = { 0 };
	_close_ int signature = -1, file = -1, ring = -1;
	struct trust_run run = { .program = "gpgv", .argv = argv, .in = -1 };
	char words[200];
	int r;

	signature = process_sealed_bytes("signature", packets->data, packets->len);
	if (signature < 0 || lseek(signature, 0, SEEK_SET) < 0)
		return error_set(j->err, signature < 0 ? signature : -errno,
				 "cannot make a file in memory");
	file = reopen(archive, j->err);
	if (file < 0)
		return file;
	ring = make_keyring(j, j->err);
	if (ring < 0)
		return ring;
	run.fds[0] = signature;
	run.fds[1] = file;
	run.fds[2] = ring;
	r = trust_run(&run, &ran, j->err);
	if (r == 0)
		r = trust_status_parse(ran.out, ret, j->err);
	if (r < 0)
		return r;
	trust_last_words(ran.says, words, sizeof(words));
	if (ret->n == 0)
		return error_set(j->err, -EKEYREJECTED,
				 "the signature is refused: gpgv cannot check it (%s).", words);
	return 0;
}

/* ---- the rule -------------------------------------------------------------------------------- */

/* The key under the longest rule that has the name. */
static const struct trust_key *rule_of(const struct job *j, const char *fingerprint)
{
	const struct trust_key *best = NULL;

	for (size_t i = 0; i < j->keys->n; i++) {
		const struct trust_key *k = &j->keys->list[i];

		if (str_eq(k->fingerprint, fingerprint) && may_sign(j, k) &&
		    (!best || strlen(k->prefix) > strlen(best->prefix)))
			best = k;
	}
	return best;
}

static int approve(const struct trust_key *k, const struct trust_signature *s,
		   struct trust_verdict *ret, struct error *err)
{
	struct trust_verdict v = { .made_ns = s->made_s * 1000000000LL };

	snprintf(v.fingerprint, sizeof(v.fingerprint), "%s", k->fingerprint);
	v.prefix = strdup(k->prefix);
	v.user = strdup(k->user);
	if (!v.prefix || !v.user) {
		trust_verdict_deinit(&v);
		return error_set(err, -ENOMEM, "out of memory");
	}
	*ret = v;
	return 0;
}

/* What came, for each signature that is not the one that was hoped for. */
static void say_came(const struct job *j, const struct trust_status *status, size_t i, char *dst,
		     size_t size)
{
	const struct trust_signature *s = &status->list[i];
	const struct openpgp_signature *file = &j->signatures[i];
	const char *id = s->primary[0] ? s->primary : s->key;
	const struct trust_key *k = find_key(j->keys, id);
	static const char *const what[] = {
		[TRUST_GOOD] = "a good one by ",
		[TRUST_BAD] = "a bad one by ",
		[TRUST_EXPIRED] = "one that has expired, by ",
		[TRUST_EXPIRED_KEY] = "one by a key that has expired: ",
		[TRUST_REVOKED_KEY] = "one by a key that was revoked: ",
		[TRUST_NO_KEY] = "one by ",
		[TRUST_UNCHECKED] = "one that gpgv cannot check, by ",
	};

	if (s->outcome == TRUST_UNCHECKED && !openpgp_hash_is_strong(file->hash))
		add(dst, size, "one made with %s, which can be forged, by ",
		    openpgp_hash_name(file->hash));
	else
		add(dst, size, "%s", what[s->outcome]);
	if (s->outcome == TRUST_GOOD || s->outcome == TRUST_NO_KEY) {
		size_t used = strlen(dst);

		say_key(j, id, dst + used, size - used);
	} else {
		add(dst, size, "key %s (%.40s)", k ? k->fingerprint : id, k ? k->user : "unknown");
	}
}

static int refuse_bad(const struct job *j, const struct trust_signature *s)
{
	const struct trust_key *k = find_key(j->keys, s->key);

	return error_set(j->err, -EKEYREJECTED,
			 "%s is not what was signed: the signature by key %s (%.60s) is bad. Either "
			 "was changed, or they do not belong together; fetch both again.",
			 name_of(j), k ? k->fingerprint : s->key, k ? k->user : "unknown");
}

static int refuse(const struct job *j, const struct trust_status *status)
{
	char expected[300], came[400] = "";
	bool stranger = false;

	say_expected(j, expected, sizeof(expected));
	for (size_t i = 0; i < status->n; i++) {
		add(came, sizeof(came), "%s", i ? "; " : "");
		say_came(j, status, i, came, sizeof(came));
		stranger |= status->list[i].outcome == TRUST_GOOD ||
			    status->list[i].outcome == TRUST_NO_KEY;
	}
	return error_set(j->err, -EKEYREJECTED, "%s: expected a signature by %s; came %s. %s.",
			 name_of(j), expected, came,
			 stranger
				 ? "If that is right, trust it: `carob trust add --prefix NAME FILE`"
				 : "Ask for a signature by a key that is valid now");
}

static int decide(const struct job *j, const struct trust_status *status, struct trust_verdict *ret)
{
	for (size_t i = 0; i < status->n; i++)
		if (status->list[i].outcome == TRUST_BAD)
			return refuse_bad(j, &status->list[i]);
	if (status->n != j->n)
		return error_set(j->err, -EKEYREJECTED,
				 "the signature is refused: gpgv saw %zu signatures of %zu.",
				 status->n, j->n);
	for (size_t i = 0; i < status->n; i++) {
		const struct trust_key *k = status->list[i].outcome == TRUST_GOOD
						    ? rule_of(j, status->list[i].primary)
						    : NULL;

		if (k)
			return approve(k, &status->list[i], ret, j->err);
	}
	return refuse(j, status);
}

/* Nobody may sign that name. */
static int refuse_name(const struct job *j, const char *issuer)
{
	char came[400];

	say_key(j, issuer, came, sizeof(came));
	return error_set(j->err, -ENOKEY,
			 "no key is trusted for %s; the signature names %s. `carob trust add "
			 "--prefix NAME FILE` trusts a key for names that begin with NAME.",
			 name_of(j), came);
}

int trust_verify(const char *dir, const struct trust_signed *what, struct trust_verdict *ret,
		 struct error *err)
{
	_trust_keys_ struct trust_keys keys = { 0 };
	_buf_ struct buf packets = BUF_INIT(LIMIT_SIGNATURE_BYTES);
	struct job j = { .name = what->name, .keys = &keys, .err = err };
	struct trust_status status = { .n = 0 };
	int r = read_file(&j, what->signature, what->signature_len, &packets);

	if (r == 0)
		r = trust_list(dir, &keys, err);
	if (r == 0)
		r = check_hashes(&j);
	if (r < 0)
		return r;
	if (!has_rule(&j))
		return refuse_name(&j, j.signatures[0].issuer);
	r = ask_gpgv(&j, what->archive, &packets, &status);
	return r < 0 ? r : decide(&j, &status, ret);
}

int trust_covers(const char *dir, const char *name, struct trust_verdict *verdict,
		 struct error *err)
{
	_trust_keys_ struct trust_keys keys = { 0 };
	const struct job j = { .name = name, .keys = &keys, .err = err };
	struct trust_status status = { .n = 1, .list = { { .outcome = TRUST_GOOD } } };
	const struct trust_key *k;
	char *prefix;
	int r = trust_list(dir, &keys, err);

	if (r < 0)
		return r;
	if (!has_rule(&j))
		return refuse_name(&j, verdict->fingerprint);
	k = rule_of(&j, verdict->fingerprint);
	if (!k) {
		memcpy(status.list[0].primary, verdict->fingerprint, TRUST_FINGERPRINT_TEXT);
		return refuse(&j, &status);
	}
	prefix = strdup(k->prefix);
	if (!prefix)
		return error_set(err, -ENOMEM, "out of memory");
	free(verdict->prefix);
	verdict->prefix = prefix;
	return 0;
}
