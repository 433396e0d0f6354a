/*
 * The user of an image, by the rules that Docker and the runtimes behind it share:
 *
 *	""		uid 0, with the groups of whoever has it in passwd
 *	USER		a name of passwd or a number, with the groups of that entry, or group 0
 *			when there is none
 *	USER:GROUP	that group, a name of the file group or a number, and no other
 *
 * The user stays as it was written and is looked up at the start like any other of appc. What
 * passwd gives it, appc has no word for, so those numbers are written out.
 */
#include "oci/document.h"

enum { FIELDS = 4 }; /* of a line, that matter: name, password, number, group or members */

struct field {
	const char *at;
	size_t len;
};

struct line {
	struct field fields[FIELDS];
	size_t n;
};

/* ---- the files ------------------------------------------------------------------------------- */

/* Takes the line at *at, which is moved behind it. False at the end. */
static bool next_line(const char **at, const char *end, struct line *ret)
{
	const char *stop;

	if (*at == end)
		return false;
	stop = memchr(*at, '\n', (size_t)(end - *at));
	stop = stop ? stop : end;
	ret->n = 0;
	for (const char *p = *at; p && ret->n < FIELDS;) {
		const char *colon = memchr(p, ':', (size_t)(stop - p));

		ret->fields[ret->n++] = (struct field){ p, (size_t)((colon ? colon : stop) - p) };
		p = colon ? colon + 1 : NULL;
	}
	*at = stop < end ? stop + 1 : end;
	return true;
}

static bool is_text(const struct field *f, const char *text)
{
	return f->len == strlen(text) && memcmp(f->at, text, f->len) == 0;
}

static bool is_id(const struct field *f, uint32_t *ret)
{
	char digits[16];
	uint64_t value;

	if (f->len >= sizeof(digits))
		return false;
	memcpy(digits, f->at, f->len);
	digits[f->len] = '\0';
	if (str_to_u64(digits, UINT32_MAX - 1, &value) < 0)
		return false;
	*ret = (uint32_t)value;
	return true;
}

struct account {
	char name[LIMIT_NAME_BYTES + 1];
	uint32_t gid;
};

/* The first entry of that name or with that number. */
static bool find_account(const struct oci_accounts *a, const char *user, struct account *ret)
{
	const char *at = a->passwd, *end = at ? at + a->passwd_len : NULL;
	struct field wanted = { user, strlen(user) };
	uint32_t number = 0, uid, gid;
	bool by_number = is_id(&wanted, &number);
	struct line line;

	while (at && next_line(&at, end, &line)) {
		const struct field *f = line.fields;

		if (line.n < 4 || f[0].len == 0 || f[0].len > LIMIT_NAME_BYTES ||
		    !is_id(&f[2], &uid) || !is_id(&f[3], &gid))
			continue;
		if (!is_text(&f[0], user) && (!by_number || uid != number))
			continue;
		memcpy(ret->name, f[0].at, f[0].len);
		ret->name[f[0].len] = '\0';
		ret->gid = gid;
		return true;
	}
	return false;
}

static bool has_member(const struct field *list, const char *name)
{
	const char *end = list->at + list->len;

	for (const char *p = list->at; p;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct field member = { p, (size_t)((comma ? comma : end) - p) };

		if (is_text(&member, name))
			return true;
		p = comma ? comma + 1 : NULL;
	}
	return false;
}

static bool has_gid(const struct oci_user *u, uint32_t gid)
{
	for (size_t i = 0; i < u->n_gids; i++)
		if (u->gids[i] == gid)
			return true;
	return false;
}

/* Every group that has the account as a member, but the account's own. */
static int add_groups(struct oci_user *u, const struct oci_accounts *a,
		      const struct account *account, struct error *err)
{
	const char *at = a->group, *end = at ? at + a->group_len : NULL;
	struct line line;
	uint32_t gid;

	u->gids = calloc(OCI_GROUPS, sizeof(*u->gids));
	if (!u->gids)
		return error_set(err, -ENOMEM, "out of memory");
	while (at && next_line(&at, end, &line)) {
		if (line.n < 4 || !is_id(&line.fields[2], &gid) ||
		    !has_member(&line.fields[3], account->name) || gid == account->gid ||
		    has_gid(u, gid))
			continue;
		if (u->n_gids == OCI_GROUPS)
			return error_set(err, -EBADMSG,
					 "its user is in more than %d groups (OCI_GROUPS).",
					 OCI_GROUPS);
		u->gids[u->n_gids++] = gid;
	}
	return 0;
}

/* ---- together -------------------------------------------------------------------------------- */

/* Names that appc would take for something else, or nobody for one. */
static int check_word(const char *word, const char *spec, struct error *err)
{
	if (*word != '/' && strlen(word) <= LIMIT_NAME_BYTES && !strchr(word, ':'))
		return 0;
	return error_set(err, -EBADMSG,
			 "config.User: \"%.64s\" must be USER or USER:GROUP, names or numbers.",
			 spec);
}

static int split(struct oci_user *u, const char *spec, struct error *err)
{
	const char *colon = strchr(spec, ':');
	size_t len = colon ? (size_t)(colon - spec) : strlen(spec);
	int r;

	u->user = len ? strndup(spec, len) : strdup("0");
	if (!u->user)
		return error_set(err, -ENOMEM, "out of memory");
	r = check_word(u->user, spec, err);
	if (r < 0 || !colon || !colon[1])
		return r;
	u->group = strdup(colon + 1);
	if (!u->group)
		return error_set(err, -ENOMEM, "out of memory");
	return check_word(u->group, spec, err);
}

static int complete(struct oci_user *u, const struct oci_accounts *accounts, struct error *err)
{
	struct account account = { .gid = 0 };
	int r = 0;

	if (u->group || !u->user)
		return 0;
	if (find_account(accounts, u->user, &account))
		r = add_groups(u, accounts, &account, err);
	u->group = str_printf("%u", account.gid);
	return u->group ? r : error_set(err, -ENOMEM, "out of memory");
}

int oci_user_read(struct oci_user *ret, const struct oci_config *config,
		  const struct oci_accounts *accounts, struct error *err)
{
	static const struct oci_accounts none = { 0 };
	const json_t *member = json_object_get(config->config, "User");
	_oci_user_ struct oci_user u = { 0 };
	int r;

	if (member && !json_is_null(member) && !json_is_string(member))
		return error_set(err, -EBADMSG, "config.User: must be a string.");
	r = split(&u, json_is_string(member) ? json_string_value(member) : "", err);
	if (r == 0)
		r = complete(&u, accounts ? accounts : &none, err);
	if (r < 0)
		return r;
	*ret = u;
	u = (struct oci_user){ 0 };
	return 0;
}

void oci_user_deinit(struct oci_user *u)
{
	free(u->user);
	free(u->group);
	free(u->gids);
	*u = (struct oci_user){ 0 };
}
