/*
 * Several images with all that they depend on. What an image depends on is known when it is there;
 * so it goes in rounds: everything that is wanted and known at once, then what turned out to be
 * missing, until nothing is. Each image comes in a process of its own (workers.h).
 */
#include <stdlib.h>

#include "images/fetch_image.h"
#include "images/oci.h"
#include "images/workers.h"

enum { NET_HOST_TEXT = 272 };

/* One image that is to come. Several references may need the same one. */
struct order {
	struct want want;
	bool done;
	int result; /* 0, STORE_EXISTS, or a negative errno with err */
	struct error err;
	char id[STORE_ID_TEXT];
};

struct orders {
	const struct net *net;
	const struct images_progress *progress;
	struct order **list;
	size_t n;
	size_t *running; /* of the present round: indices in list */
	size_t n_running;
};

static void order_free(struct order *o)
{
	if (o)
		want_deinit(&o->want);
	free(o);
}

static void orders_deinit(struct orders *all)
{
	for (size_t i = 0; i < all->n; i++)
		order_free(all->list[i]);
	free(all->list);
	free(all->running);
}

/* Takes the want over in any case. */
static int add_order(struct orders *all, struct want *want_consumed, struct error *err)
{
	struct order *o = calloc(1, sizeof(*o));
	struct order **list = o ? reallocarray(all->list, all->n + 1, sizeof(struct order *))
				: NULL;

	if (!list) {
		free(o);
		want_deinit(want_consumed);
		return error_set(err, -ENOMEM, "out of memory");
	}
	o->want = *want_consumed;
	*want_consumed = (struct want){ 0 };
	all->list = list;
	list[all->n++] = o;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? str_eq(a, b) : a == b;
}

static struct order *find_order(const struct orders *all, const struct want *w)
{
	for (size_t i = 0; i < all->n; i++)
		if (str_eq(all->list[i]->want.text, w->text) &&
		    same_text(all->list[i]->want.id, w->id))
			return all->list[i];
	return NULL;
}

/* ---- a round --------------------------------------------------------------------------------- */

/* In a process of its own. */
static int work(void *arg, size_t index, const struct images_progress *progress, struct buf *result,
		struct error *err)
{
	const struct orders *all = arg;
	const struct order *o = all->list[all->running[index]];
	char id[STORE_ID_TEXT];
	int r = fetch_image(all->net, &o->want, id, progress, err);

	if (r < 0)
		return r;
	return buf_add(result, id, sizeof(id)) < 0 ? error_set(err, -ENOMEM, "out of memory") : r;
}

/* One that the store has is no work, unless it is to be fetched whatever the store has. */
static void look_up(const struct orders *all, struct order *o)
{
	const struct images_policy *policy = all->net->policy;
	int r;

	if (policy->pull == IMAGES_PULL_ALWAYS && o->want.kind != REFERENCE_ID &&
	    !o->want.dependent)
		return;
	r = want_find(all->net->im, &o->want, o->id, &o->err);
	if (r == STORE_MISSING && policy->pull != IMAGES_PULL_NEVER)
		return;
	if (r == STORE_MISSING)
		r = error_set(&o->err, -ENOENT,
			      "%s is not in the store, and --pull never forbids fetching it.",
			      o->want.text);
	o->done = true;
	o->result = r == 0 ? STORE_EXISTS : r == STORE_AMBIGUOUS ? -EINVAL : r;
}

static int ended(void *arg, size_t index, int r, const struct buf *result, struct error *err)
{
	struct orders *all = arg;
	struct order *o = all->list[all->running[index]];

	o->done = true;
	o->result = r;
	if (r < 0)
		o->err = *err;
	else if (result->len == sizeof(o->id))
		memcpy(o->id, result->data, sizeof(o->id));
	else
		o->result = error_set(&o->err, -EPROTO, "fetch %s: no image came of it",
				      o->want.text);
	return r == -EINTR ? r : 0;
}

static int run_round(struct orders *all, struct error *err)
{
	size_t *running = reallocarray(all->running, all->n + 1, sizeof(*running));
	struct workers w = {
		.run = work,
		.ended = ended,
		.arg = all,
		.parallel = all->net->config->parallel,
		.go_on = true,
	};
	int r;

	if (!running)
		return error_set(err, -ENOMEM, "out of memory");
	all->running = running;
	all->n_running = 0;
	for (size_t i = 0; i < all->n; i++) {
		if (!all->list[i]->done)
			look_up(all, all->list[i]);
		if (!all->list[i]->done)
			running[all->n_running++] = i;
	}
	w.n = all->n_running;
	if (w.n == 0)
		return 0;
	r = workers_run(&w, all->progress, err);
	/* what failed was noted; what was told to end ends it all */
	for (size_t i = 0; i < w.n; i++)
		if (!all->list[running[i]]->done)
			return r < 0 ? r : error_set(err, -EIO, "a worker got lost");
	return r == -EINTR ? r : 0;
}

/* ---- dependencies ---------------------------------------------------------------------------- */

/* What one reference still needs. */
struct needs {
	struct orders *all;
	struct error *err;
	bool waiting;               /* something is on order */
	const struct order *failed; /* something will not come */
};

static int need(const struct chain_missing *m, void *arg)
{
	struct needs *needs = arg;
	struct want w = { 0 };
	const struct order *o;
	int r = want_from_dependency(&w, m, needs->err);

	if (r < 0)
		return r;
	o = find_order(needs->all, &w);
	if (o) {
		want_deinit(&w);
		/* one that came and is not found is not what the dependency asks for */
		if (o->done)
			needs->failed = o;
		else
			needs->waiting = true;
		return 0;
	}
	if (needs->all->n >= LIMIT_DEPENDENCIES) {
		want_deinit(&w);
		return error_set(needs->err, -E2BIG,
				 "there are more than %d images to fetch (LIMIT_DEPENDENCIES).",
				 LIMIT_DEPENDENCIES);
	}
	needs->waiting = true;
	return add_order(needs->all, &w, needs->err);
}

static int dependency_failed(const struct order *o, struct error *err)
{
	if (o->result >= 0)
		return error_set(err, -ENOENT,
				 "%s came and is not what %s depends on: the labels differ.",
				 o->want.text, o->want.dependent);
	*err = o->err;
	return error_prefix(err, o->result, "%s, which %s needs", o->want.text, o->want.dependent);
}

/* The reference's image is there: all that it depends on too? 1 when it is complete, 0 when
 * something is on order. */
static int is_complete(struct orders *all, const struct order *o, struct error *err)
{
	struct needs needs = { .all = all, .err = err };
	int r = chain_each_missing(all->net->im, o->id, need, &needs, err);

	if (r < 0)
		return r;
	if (needs.failed)
		return dependency_failed(needs.failed, err);
	return !needs.waiting;
}

/* ---- all ------------------------------------------------------------------------------------- */

struct list {
	struct images_fetched *images;
	const struct order **orders;
	bool *told;
	size_t n;
	int (*each)(const struct images_fetched *f, const struct error *err, void *arg);
	void *arg;
	int first; /* failure */
	struct error first_err;
};

static int tell(struct list *l, size_t i, int result, const struct error *failure)
{
	struct images_fetched *f = &l->images[i];

	l->told[i] = true;
	f->was_there = result >= 0 && l->orders[i] && l->orders[i]->result == STORE_EXISTS;
	if (result >= 0)
		memcpy(f->id, l->orders[i]->id, STORE_ID_TEXT);
	else if (!l->first) {
		l->first = result;
		l->first_err = *failure;
	}
	return l->each ? l->each(f, result < 0 ? failure : NULL, l->arg) : 0;
}

/* After a round: what became of each. *ret_open: references that wait for more. */
static int review(struct orders *all, struct list *l, size_t *ret_open)
{
	int r = 0;

	*ret_open = 0;
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		const struct order *o = l->orders[i];
		struct error err = { 0 };
		int state;

		if (l->told[i])
			continue;
		if (o->result < 0) {
			r = tell(l, i, o->result, &o->err);
			continue;
		}
		state = is_complete(all, o, &err);
		if (state == 0)
			++*ret_open;
		else
			r = tell(l, i, state, &err);
	}
	return r;
}

static int fetch_all(struct orders *all, struct list *l, struct error *err)
{
	size_t open = 1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++) {
		struct want w = { 0 };
		struct error bad = { 0 };

		l->images[i].id[0] = '\0';
		r = want_parse(&w, l->images[i].reference, &bad);
		if (r < 0) {
			r = r == -ENOMEM ? r : tell(l, i, r, &bad);
			continue;
		}
		l->orders[i] = find_order(all, &w);
		if (l->orders[i]) {
			want_deinit(&w);
			continue;
		}
		r = add_order(all, &w, err);
		if (r == 0)
			l->orders[i] = all->list[all->n - 1];
	}
	while (r == 0 && open) {
		r = run_round(all, err);
		if (r == 0)
			r = review(all, l, &open);
	}
	if (r == 0 && l->first) {
		*err = l->first_err;
		r = l->first;
	}
	return r;
}

/* ---- http ------------------------------------------------------------------------------------ */

/* The host that a reference is asked of; "" when it is none of the network's. */
static int host_of(const char *reference, char ret[NET_HOST_TEXT])
{
	struct oci_reference oci;
	struct net_url url;

	*ret = '\0';
	if (str_starts(reference, "docker://")) {
		int r = oci_reference_parse(&oci, reference + strlen("docker://"), NULL);

		if (r == 0)
			snprintf(ret, NET_HOST_TEXT, "%s", oci.host);
		return r;
	}
	if (reference_kind(reference) == REFERENCE_NAME)
		snprintf(ret, NET_HOST_TEXT, "%.*s", (int)strcspn(reference, "/:,"), reference);
	else if (net_url_parse(&url, reference, NULL) == 0)
		snprintf(ret, NET_HOST_TEXT, "%s:%u", url.host, url.port);
	return 0;
}

static int allow_hosts(struct allowed *a, const struct images_fetching *f, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->n; i++) {
		char host[NET_HOST_TEXT];

		if (host_of(f->list[i].reference, host) == 0 && host[0])
			r = allowed_add_host(a, host, strlen(host), err);
	}
	return r;
}

int images_fetch(const struct images *im, const struct images_policy *policy,
		 const struct images_fetching *f, const struct images_progress *progress,
		 struct error *err)
{
	_cleanup_(orders_deinit) struct orders all = { .progress = progress };
	_free_ const struct order **orders = calloc(f->n + 1, sizeof(*orders));
	_free_ bool *told = calloc(f->n + 1, sizeof(*told));
	struct list l = { f->list, orders, told, f->n, f->each, f->arg, 0, { 0 } };
	_allowed_ struct allowed allowed = { 0 };
	_net_ struct net net = { 0 };
	int r;

	if (!orders || !told)
		return error_set(err, -ENOMEM, "out of memory");
	allowed_init(&allowed, policy);
	r = allow_hosts(&allowed, f, err);
	if (r == 0)
		r = net_open(&net, im, &allowed.policy, err);
	if (r < 0)
		return r;
	all.net = &net;
	return fetch_all(&all, &l, err);
}
