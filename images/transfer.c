/*
 * One transfer: as many requests as it takes. Each is one process (request.c); here it is decided
 * where the next one goes and whether there is one.
 *
 * Signals that would interrupt it are blocked but for the moments in which it waits, so that none
 * comes between two looks: the caller's handler runs, the wait ends, and nothing goes on.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "images/transfer.h"

#define DURABLE_BYTES  (32ULL << 20) /* between two times that data are made durable */
#define ADVANCE_BYTES  (1ULL << 20)  /* so much more than ever before is no failure */
#define PAUSE_NS       200000000ULL
#define PAUSE_MAX_NS   10000000000ULL
#define PAUSE_ASKED_NS 60000000000ULL /* the most that a server may ask for */

struct run {
	const struct net *n;
	const struct transfer *t;
	const struct store_partial *partial; /* NULL: into memory */
	const struct images_progress *progress;
	int file;
	sigset_t mask; /* of the caller */

	char *url;      /* where redirects have led */
	unsigned hops;  /* to it */
	unsigned tries; /* that failed since it last went on */
	unsigned asked; /* requests in all */
	bool over_http; /* one of the URLs on the way to this one */
	bool begun;     /* the body of the present request has */
	uint64_t have;  /* bytes of the file that are good */
	uint64_t furthest;
	struct transfer_state state;
};

/* What is to be done with an answer. */
enum verdict { FINAL, NEXT, AGAIN, GIVE_UP };

static int shown(const char *url)
{
	return (int)strcspn(url, "?"); /* signatures may stand behind */
}

static void run_deinit(struct run *run)
{
	free(run->url);
	transfer_state_deinit(&run->state);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* text may be NULL. */
static int set_text(char **member, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	free(*member);
	*member = copy;
	return 0;
}

/* Nothing of what is there is good. */
static int start_over(struct run *run, struct error *err)
{
	run->have = 0;
	run->state.durable = 0;
	return ftruncate(run->file, 0) < 0 ? error_set(err, -errno, "cannot cut a download") : 0;
}

/* The server goes on with what it began, or begins with something. */
static int note_begin(struct run *run, const struct answer *a, struct error *err)
{
	struct transfer_state *s = &run->state;
	const char *validator = answer_validator(a);
	int r;

	if (a->start > 0 && validator && s->validator && !str_eq(validator, s->validator) &&
	    !run->t->immutable)
		return error_set(err, -ESTALE,
				 "%.*s: the server goes on with something else than it began with.",
				 shown(run->url), run->url);
	s->over_http = run->over_http || (a->start > 0 && s->over_http);
	if (a->start == 0)
		s->durable = s->total = 0;
	r = set_text(&s->final_url, run->url);
	if (r == 0 && (a->start == 0 || !s->validator))
		r = set_text(&s->validator, validator);
	if (r == 0)
		r = set_text(&s->content_type, answer_text(a, ANSWER_CONTENT_TYPE));
	if (r == 0)
		r = set_text(&s->digest, answer_text(a, ANSWER_DIGEST));
	if (r < 0)
		return error_set(err, r, "out of memory");
	return transfer_state_save(s, run->partial, err);
}

static int on_progress(const struct answer *a, void *arg, struct error *err)
{
	struct run *run = arg;
	int r = 0;

	if (run->partial && !run->begun)
		r = note_begin(run, a, err);
	run->begun = true;
	if (a->total)
		run->state.total = a->total;
	if (r == 0 && run->partial && a->bytes >= run->state.durable + DURABLE_BYTES) {
		run->state.durable = a->bytes;
		r = transfer_state_save(&run->state, run->partial, err);
	}
	if (r == 0 && run->progress)
		run->progress->report(run->progress->arg, run->t->what ? run->t->what : run->t->url,
				      a->bytes, a->total);
	return r;
}

/* All is there. */
static int complete(struct run *run, const struct answer *a, struct error *err)
{
	struct stat st;

	if (fstat(run->file, &st) < 0)
		return error_set(err, -errno, "cannot look at what was downloaded");
	if ((uint64_t)st.st_size != a->bytes || (a->total && a->total != a->bytes))
		return error_set(err, -EPROTO, "%.*s: carob-fetch took %llu bytes, and %lld came.",
				 shown(run->url), run->url, (unsigned long long)a->bytes,
				 (long long)st.st_size);
	run->have = a->bytes;
	if (!run->partial)
		return 0;
	run->state.complete = true;
	run->state.total = run->state.durable = a->bytes;
	return transfer_state_save(&run->state, run->partial, err);
}

/* How far it came before it failed. */
static int look_at_file(struct run *run, struct error *err)
{
	struct stat st;

	if (!run->partial || (!run->state.validator && !run->t->immutable))
		return start_over(run, err);
	if (fstat(run->file, &st) < 0)
		return error_set(err, -errno, "cannot look at what was downloaded");
	run->have = (uint64_t)st.st_size;
	if (run->have >= run->furthest + ADVANCE_BYTES) {
		run->furthest = run->have;
		run->tries = 0;
	}
	return 0;
}

/* ---- redirects ------------------------------------------------------------------------------- */

static bool is_redirect(const struct answer *a)
{
	return (a->status == 301 || a->status == 302 || a->status == 303 || a->status == 307 ||
		a->status == 308) &&
	       a->headers[ANSWER_LOCATION];
}

static int go_to(struct run *run, const char *url, struct error *err)
{
	struct net_url parts;
	int r = net_url_parse(&parts, url, err);

	if (r < 0)
		return r;
	run->over_http |= !parts.https;
	return set_text(&run->url, url) < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
}

/* From the beginning: what a redirect says may hold for a while only. */
static int go_to_first(struct run *run, struct error *err)
{
	run->hops = 0;
	run->over_http = false;
	return go_to(run, run->t->url, err);
}

static int follow(struct run *run, const struct answer *a, struct error *err)
{
	_free_ char *url = NULL;
	struct net_url from, to;
	int r;

	if (++run->hops > LIMIT_REDIRECTS)
		return error_set(err, -ELOOP, "%.*s: more than %d redirects (LIMIT_REDIRECTS).",
				 shown(run->t->url), run->t->url, LIMIT_REDIRECTS);
	r = net_url_join(&url, run->url, a->headers[ANSWER_LOCATION], err);
	if (r == 0)
		r = net_url_parse(&from, run->url, err);
	if (r == 0)
		r = net_url_parse(&to, url, err);
	if (r == 0 && from.https && !to.https)
		r = error_set(err, -EACCES, "%.*s: from https to http is no way to go.", shown(url),
			      url);
	if (r == 0)
		r = net_allows(run->n, url, err);
	if (r < 0)
		return error_prefix(err, r, "%.*s redirects",
				    shown(run->url) < 160 ? shown(run->url) : 160, run->url);
	return go_to(run, url, err);
}

/* ---- pauses ---------------------------------------------------------------------------------- */

/* Retry-After: seconds, or a date. 0: nothing of use. */
static uint64_t asked_pause(const struct answer *a)
{
	const char *text = answer_text(a, ANSWER_RETRY_AFTER), *end;
	int64_t seconds = 0;
	uint64_t number;
	struct tm tm = { 0 };

	if (!text)
		return 0;
	if (str_to_u64(text, INT32_MAX, &number) == 0) {
		seconds = (int64_t)number;
	} else {
		end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		if (end && !*end)
			seconds = timegm(&tm) - time_now_ns() / 1000000000;
	}
	if (seconds <= 0)
		return 0;
	return seconds > 60 ? PAUSE_ASKED_NS : (uint64_t)seconds * 1000000000;
}

/* Twice as long each time, and never quite as long as that of others who failed with us. */
static uint64_t own_pause(unsigned tries)
{
	uint64_t ns = PAUSE_MAX_NS;
	uint32_t random = 0;

	if (tries < 6)
		ns = PAUSE_NS << (tries ? tries - 1 : 0);
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = 0;
	return ns * 3 / 4 + ns / 2 * (random % 1024) / 1024;
}

static int pause_for(const struct run *run, const struct answer *a, struct error *err)
{
	uint64_t ns = own_pause(run->tries), asked = asked_pause(a);
	struct timespec t;

	if (asked > ns)
		ns = asked;
	t = (struct timespec){ (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	return ppoll(NULL, 0, &t, &run->mask) < 0
		       ? error_set(err, -EINTR, "interrupted by a signal.")
		       : 0;
}

/* ---- one request after the other ------------------------------------------------------------- */

static int ask(struct run *run, struct answer *ret, struct error *err)
{
	struct request q = {
		.net = run->n,
		.transfer = run->t,
		.url = run->url,
		.file = run->file,
		.offset = run->have,
		.validator = run->state.validator,
		.mask = &run->mask,
		.on_progress = on_progress,
		.arg = run,
	};

	/* of what may be whole the last byte is asked for: the server says whether it still is */
	if (run->state.total && q.offset >= run->state.total)
		q.offset = run->state.total - 1;
	run->asked++;
	run->begun = false;
	return request_run(&q, ret, err);
}

static bool is_momentary(int status)
{
	return status == 408 || status == 429 || status >= 500;
}

static enum verdict judge(const struct run *run, const struct answer *a)
{
	bool may_retry = run->tries < run->n->config->retries;

	if (a->status && !(a->status == 200 || a->status == 206)) {
		if (is_redirect(a))
			return NEXT;
		if (a->status == 416 && run->have > 0 && may_retry)
			return AGAIN;
		return is_momentary(a->status) && may_retry ? AGAIN : FINAL;
	}
	if (a->done)
		return FINAL;
	return a->failure == FETCH_FAILED_NOW && may_retry ? AGAIN : GIVE_UP;
}

/* Nothing came of it. */
static int give_up(const struct run *run, const struct answer *a, struct error *err)
{
	static const int codes[] = {
		[FETCH_FAILED] = -EPROTO,
		[FETCH_FAILED_NOW] = -EHOSTUNREACH,
		[FETCH_TOO_LARGE] = -EFBIG,
		[FETCH_LOCAL] = -EIO,
	};
	char times[32] = "";

	if (a->failure == FETCH_TOO_LARGE)
		return error_set(err, -EFBIG, "%.*s: the body is longer than %llu bytes%s%s%s.",
				 shown(run->url), run->url, (unsigned long long)run->t->max_bytes,
				 run->t->limit ? " (" : "", run->t->limit ? run->t->limit : "",
				 run->t->limit ? ")" : "");
	if (run->asked > 1)
		snprintf(times, sizeof(times), " (asked %u times)", run->asked);
	return error_set(err, codes[a->failure ? a->failure : FETCH_FAILED], "%.*s: %s%s.",
			 shown(run->url), run->url, *a->why ? a->why : "there was no answer",
			 times);
}

/* Once more, from where it came to. A server that goes on with something else (-ESTALE) has been
 * left in the middle of it. */
static int try_again(struct run *run, const struct answer *a, bool from_zero, struct error *err)
{
	int r;

	run->tries++;
	if (a->status == 416 && a->total && a->total == run->have && a->total != run->state.total)
		run->state.total = a->total; /* it was all there: ask() makes sure */
	else
		from_zero |= a->status == 416;
	r = from_zero ? start_over(run, err) : look_at_file(run, err);
	if (r == 0)
		r = pause_for(run, a, err);
	return r < 0 ? r : go_to_first(run, err);
}

/* Until there is nothing left to be asked; the last answer is ret. */
static int go(struct run *run, struct answer *ret, struct error *err)
{
	int r = go_to_first(run, err);

	if (r == 0)
		r = net_allows(run->n, run->url, err);
	while (r == 0) {
		_answer_ struct answer a = { 0 };
		enum verdict verdict;

		r = ask(run, &a, err);
		if (r == -ESTALE && run->tries < run->n->config->retries) {
			r = try_again(run, &a, true, err);
			continue;
		}
		if (r < 0)
			break;
		verdict = judge(run, &a);
		if (verdict == NEXT) {
			r = follow(run, &a, err);
		} else if (verdict == AGAIN) {
			r = try_again(run, &a, false, err);
		} else if (verdict == GIVE_UP) {
			r = give_up(run, &a, err);
		} else {
			*ret = a;
			a = (struct answer){ 0 };
			return 0;
		}
	}
	return r;
}

/* ---- what came ------------------------------------------------------------------------------- */

void transfer_result_deinit(struct transfer_result *r)
{
	free(r->url);
	free(r->content_type);
	free(r->validator);
	free(r->authenticate);
	free(r->digest);
	free(r->body);
	*r = (struct transfer_result){ 0 };
}

static int fill(struct transfer_result *ret, const struct run *run, const struct answer *a)
{
	int r = set_text(&ret->url, run->url);

	ret->status = a->status == 206 ? 200 : a->status;
	ret->bytes = a->done && a->started ? a->bytes : 0;
	ret->over_http = run->over_http;
	if (r == 0)
		r = set_text(&ret->content_type, answer_text(a, ANSWER_CONTENT_TYPE));
	if (r == 0)
		r = set_text(&ret->validator, answer_validator(a));
	if (r == 0)
		r = set_text(&ret->authenticate, a->headers[ANSWER_AUTHENTICATE]);
	if (r == 0)
		r = set_text(&ret->digest, answer_text(a, ANSWER_DIGEST));
	if (r == 0 && ret->status != 200) {
		ret->body = malloc(a->body.len + 1);
		if (!ret->body)
			return -ENOMEM;
		if (a->body.len)
			memcpy(ret->body, a->body.data, a->body.len);
		ret->body[a->body.len] = '\0';
		ret->body_len = a->body.len;
	}
	return r;
}

/* A file that is whole: some of it may have come earlier. */
static int fill_from_state(struct transfer_result *ret, const struct transfer_state *s)
{
	int r = set_text(&ret->url, s->final_url);

	ret->status = 200;
	ret->bytes = s->total;
	ret->over_http = s->over_http;
	if (r == 0)
		r = set_text(&ret->content_type, s->content_type);
	if (r == 0)
		r = set_text(&ret->validator, s->validator);
	return r < 0 ? r : set_text(&ret->digest, s->digest);
}

/* ---- the two ways ---------------------------------------------------------------------------- */

static int transfer(struct run *run, struct transfer_result *ret, struct error *err)
{
	_answer_ struct answer a = { 0 };
	sigset_t interrupts;
	int r;

	sigemptyset(&interrupts);
	sigaddset(&interrupts, SIGINT);
	sigaddset(&interrupts, SIGTERM);
	sigaddset(&interrupts, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &interrupts, &run->mask) < 0)
		return error_set(err, -errno, "cannot block signals");
	r = go(run, &a, err);
	if (r == 0 && a.started)
		r = complete(run, &a, err);
	sigprocmask(SIG_SETMASK, &run->mask, NULL);
	if (r < 0)
		return r;
	r = run->state.complete ? fill_from_state(ret, &run->state) : fill(ret, run, &a);
	return r < 0 ? error_set(err, r, "out of memory") : 0;
}

int transfer_get(const struct net *n, const struct transfer *t, struct transfer_result *ret,
		 struct error *err)
{
	_cleanup_(run_deinit) struct run run = { .n = n, .t = t };
	_transfer_result_ struct transfer_result result = { 0 };
	_close_ int file = memfd_create("carob-transfer", MFD_CLOEXEC);
	int r;

	if (file < 0)
		return error_set(err, -errno, "cannot make a file in memory");
	run.file = file;
	r = transfer(&run, &result, err);
	if (r < 0)
		return r;
	if (result.status == 200) {
		r = file_read_fd(file, t->max_bytes, &result.body, &result.body_len);
		if (r < 0)
			return error_set(err, r, "cannot read what was downloaded");
	}
	*ret = result;
	result = (struct transfer_result){ 0 };
	return 0;
}

int transfer_file(const struct net *n, const struct transfer *t, struct store_partial *partial,
		  struct transfer_result *ret, const struct images_progress *progress,
		  struct error *err)
{
	_cleanup_(run_deinit) struct run run = {
		.n = n, .t = t, .partial = partial, .progress = progress
	};
	_transfer_result_ struct transfer_result result = { 0 };
	int r = 0;

	/* what is an image by now is as old as the image */
	if (!t->immutable && store_partial_is_taken(partial))
		r = store_partial_fresh(partial, err);
	run.file = partial->data;
	if (r == 0)
		r = transfer_state_load(&run.state, t, partial, &run.have, err);
	if (r < 0)
		return r;
	run.furthest = run.have;
	if (!run.state.complete)
		r = transfer(&run, &result, err);
	else if (fill_from_state(&result, &run.state) < 0)
		r = error_set(err, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	*ret = result;
	result = (struct transfer_result){ 0 };
	return 0;
}
