/*
 * One request through carob-fetch. The job, secrets included, goes in a sealed memfd; what comes
 * back is read record by record and believed no further than its form. However this ends, the
 * process is gone when it returns.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "images/transfer.h"

enum {
	JOB_BYTES = 256 << 10,
	SILENCE_S = 60, /* beyond the time-outs that carob-fetch keeps itself */
	RECORD_BYTES = sizeof(struct fetch_record) + FETCH_TEXT_BYTES,
};

/* A request being made. */
struct exchange {
	const struct request *q;
	struct answer *answer;
	int fetch; /* pidfd */
	int report;
	char in[2 * RECORD_BYTES];
	size_t have;
};

static const char *const header_names[] = { FETCH_HEADERS };

/* ---- the job --------------------------------------------------------------------------------- */

static void job_deinit(struct buf *job)
{
	if (job->data)
		explicit_bzero(job->data, job->cap);
	buf_deinit(job);
}

/* "NAME=VALUE" and the NUL. Members are told apart by NUL, headers by line ends: a value has
 * neither. */
static int add(struct buf *job, const char *name, const char *value)
{
	int r = value[strcspn(value, "\r\n")] ? -EINVAL : buf_addf(job, "%s=%s", name, value);

	return r < 0 ? r : buf_add(job, "", 1);
}

static int add_number(struct buf *job, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return add(job, name, text);
}

static const char *environment(const char *name)
{
	return getenv(name);
}

/* What curl takes for one, too: "proxy:3128". */
static int add_proxy(struct buf *job, const char *proxy)
{
	_secret_ char *url = strstr(proxy, "://") ? strdup(proxy) : str_printf("http://%s", proxy);

	return url ? add(job, "proxy", url) : -ENOMEM;
}

static int add_members(struct buf *job, const struct request *q, const char *authorization,
		       const char *proxy)
{
	const struct transfer *t = q->transfer;
	uint64_t max = t->max_bytes > INT64_MAX ? INT64_MAX : t->max_bytes;
	int r = add(job, "url", q->url);

	for (size_t i = 0; r == 0 && t->headers && t->headers[i]; i++)
		r = add(job, "header", t->headers[i]);
	if (r == 0 && authorization)
		r = add(job, "header", authorization);
	if (r == 0 && proxy)
		r = add_proxy(job, proxy);
	if (r == 0 && q->offset)
		r = add_number(job, "offset", q->offset);
	if (r == 0 && q->offset && q->validator)
		r = add(job, "validator", q->validator);
	if (r == 0)
		r = add_number(job, "max", max);
	if (r == 0)
		r = add_number(job, "connect-timeout", q->net->config->connect_timeout_s);
	if (r == 0)
		r = add_number(job, "stall-timeout", q->net->config->stall_timeout_s);
	if (r == 0)
		r = add_number(job, "min-speed", q->net->config->min_speed);
	return r < 0 ? r : add_number(job, "keep-error", ANSWER_KEEP_BYTES);
}

/* A sealed memfd at its beginning. */
static int make_job(const struct request *q, const struct net_url *url, struct error *err)
{
	_cleanup_(job_deinit) struct buf job = BUF_INIT(JOB_BYTES);
	_secret_ char *authorization = NULL;
	int fd, r = credentials_for(&authorization, q->net, q->transfer, q->url, err);

	if (r < 0)
		return r;
	r = add_members(&job, q, authorization, proxy_of(q->net->config, url, environment));
	if (r == -EINVAL)
		return error_set(err, r, "a header of the request has more than one line.");
	fd = r < 0 ? r : process_sealed_bytes("carob-fetch-job", job.data, job.len);
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, fd < 0 ? fd : -errno, "cannot write the request down");
	return fd;
}

/* ---- starting -------------------------------------------------------------------------------- */

static int open_pem(const char *path, struct error *err)
{
	_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s is no regular file.", path);
	return take_fd(&fd);
}

/* CA, certificate, key: as carob-fetch wants them at FETCH_CA_FD and behind. */
static int open_pems(const struct net_host *host, int fds[3], struct error *err)
{
	int r = 0;

	if (host && host->ca)
		r = fds[0] = open_pem(host->ca, err);
	if (r >= 0 && host && host->certificate)
		r = fds[1] = open_pem(host->certificate, err);
	if (r >= 0 && host && host->key)
		r = fds[2] = credentials_open_private(host->key, err);
	return r < 0 ? r : 0;
}

static void close_pems(int (*fds)[3])
{
	for (size_t i = 0; i < ARRAY_SIZE(*fds); i++)
		cleanup_close(&(*fds)[i]);
}

static int start(struct exchange *x, struct error *err)
{
	_cleanup_(close_pems) int pems[3] = { -1, -1, -1 };
	_close_ int job = -1, say = -1;
	struct helper h = {
		.program = "carob-fetch",
		.stdio = { -1, -1, -1 },
		.fd3 = x->q->file,
		.more_fds = pems,
		.n_more_fds = ARRAY_SIZE(pems),
	};
	struct net_url url;
	int r = net_url_parse(&url, x->q->url, err);

	if (r == 0)
		r = open_pems(net_host_of(x->q->net->config, &url), pems, err);
	if (r == 0)
		r = job = make_job(x->q, &url, err);
	if (r >= 0)
		r = helper_pipe(&x->report, &say, err);
	if (r < 0)
		return r;
	h.stdio[0] = job;
	h.fd4 = say;
	x->fetch = helper_start(x->q->net->im, &h, err);
	return x->fetch < 0 ? x->fetch : 0;
}

/* ---- the report ------------------------------------------------------------------------------ */

static void fail(struct answer *a, enum fetch_failure failure, const char *why)
{
	a->failure = failure;
	snprintf(a->why, sizeof(a->why), "%.*s", (int)sizeof(a->why) - 1, why);
}

static int take_header(struct answer *a, const char *text)
{
	const char *colon = strstr(text, ": ");
	char *more;

	for (size_t i = 0; colon && i < ARRAY_SIZE(header_names); i++) {
		if (strlen(header_names[i]) != (size_t)(colon - text) ||
		    !str_starts(text, header_names[i]))
			continue;
		if (a->headers[i] && i != ANSWER_AUTHENTICATE)
			return 0;
		if (a->headers[i] && strlen(a->headers[i]) > FETCH_TEXT_BYTES)
			return -EPROTO;
		more = a->headers[i] ? str_printf("%s, %s", a->headers[i], colon + 2)
				     : strdup(colon + 2);
		if (!more)
			return -ENOMEM;
		free(a->headers[i]);
		a->headers[i] = more;
		return 0;
	}
	return -EPROTO;
}

/* What does not fit any more is not kept. */
static int take_body(struct answer *a, const char *text, size_t len)
{
	size_t left = a->body.max - a->body.len;

	return buf_add(&a->body, text, len < left ? len : left);
}

static int take_record(struct exchange *x, const struct fetch_record *record, const char *text,
		       struct error *err)
{
	struct answer *a = x->answer;
	uint64_t value = record->value;
	bool is_progress = false;
	int r = 0;

	switch ((enum fetch_kind)record->kind) {
	case FETCH_STATUS:
		a->status = value >= 100 && value <= 999 ? (int)value : 0;
		return a->status ? 0 : -EPROTO;
	case FETCH_HEADER:
		return take_header(a, text);
	case FETCH_START:
		a->started = is_progress = true;
		a->start = a->bytes = value;
		r = a->status == 200 || a->status == 206 ? 0 : -EPROTO;
		break;
	case FETCH_TOTAL:
		a->total = value;
		break;
	case FETCH_PROGRESS:
		a->bytes = value;
		is_progress = a->started;
		break;
	case FETCH_BODY:
		return take_body(a, text, record->text_len);
	case FETCH_DONE:
		if (!a->status || a->started != (a->status == 200 || a->status == 206))
			return -EPROTO;
		a->done = true;
		a->bytes = value;
		is_progress = a->started;
		break;
	case FETCH_FAILURE:
		fail(a,
		     value >= FETCH_FAILED && value <= FETCH_LOCAL ? (enum fetch_failure)value
								   : FETCH_FAILED,
		     text);
		break;
	default:
		r = -EPROTO;
	}
	if (r == 0 && is_progress && x->q->on_progress)
		r = x->q->on_progress(a, x->q->arg, err);
	return r;
}

/* Takes what is whole. */
static int take_records(struct exchange *x, struct error *err)
{
	char text[FETCH_TEXT_BYTES + 1];
	struct fetch_record record;
	size_t at = 0;
	int r = 0;

	while (r == 0 && x->have - at >= sizeof(record) && !x->answer->done &&
	       !x->answer->failure) {
		memcpy(&record, x->in + at, sizeof(record));
		if (record.text_len > FETCH_TEXT_BYTES) {
			r = -EPROTO;
			break;
		}
		if (x->have - at < sizeof(record) + record.text_len)
			break;
		memcpy(text, x->in + at + sizeof(record), record.text_len);
		text[record.text_len] = '\0';
		at += sizeof(record) + record.text_len;
		r = take_record(x, &record, text, err);
	}
	memmove(x->in, x->in + at, x->have - at);
	x->have -= at;
	return r == -EPROTO ? error_set(err, r, "carob-fetch says what makes no sense") : r;
}

/* It has gone without a last word. */
static int ended(struct exchange *x, struct error *err)
{
	int status = 0, r = helper_wait(&x->fetch, &status);
	char why[64];

	if (r < 0)
		return error_set(err, r, "cannot wait for carob-fetch");
	snprintf(why, sizeof(why), "carob-fetch %s %d",
		 status > 128 ? "was killed by signal" : "ended with status",
		 status > 128 ? status - 128 : status);
	fail(x->answer, FETCH_FAILED_NOW, why);
	return 0;
}

/* 1: there is something to read (or the end). */
static int wait_for_report(const struct exchange *x, struct error *err)
{
	const struct net_config *c = x->q->net->config;
	struct timespec patience = { .tv_sec = c->connect_timeout_s + c->stall_timeout_s +
					       SILENCE_S };
	struct pollfd poll_report = { .fd = x->report, .events = POLLIN };
	int r = ppoll(&poll_report, 1, &patience, x->q->mask);

	if (r < 0 && errno == EINTR)
		return error_set(err, -EINTR, "interrupted by a signal.");
	if (r < 0)
		return error_set(err, -errno, "cannot wait for carob-fetch");
	if (r == 0)
		fail(x->answer, FETCH_FAILED_NOW, "carob-fetch does not say anything any more");
	return r;
}

static int listen(struct exchange *x, struct error *err)
{
	struct answer *a = x->answer;
	int r = 0;

	while (r == 0 && !a->done && !a->failure) {
		ssize_t n;

		r = wait_for_report(x, err);
		if (r <= 0)
			return r;
		n = read(x->report, x->in + x->have, sizeof(x->in) - x->have);
		if (n < 0)
			return error_set(err, -errno, "cannot read what carob-fetch says");
		if (n == 0)
			return ended(x, err);
		x->have += (size_t)n;
		r = take_records(x, err);
	}
	return r;
}

/* ---- together -------------------------------------------------------------------------------- */

void answer_deinit(struct answer *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->headers); i++)
		free(a->headers[i]);
	buf_deinit(&a->body);
	*a = (struct answer){ 0 };
}

const char *answer_text(const struct answer *a, unsigned which)
{
	const char *text = a->headers[which];

	for (const char *p = text ? text : ""; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > 126)
			return NULL;
	return text && *text && strlen(text) < ANSWER_TEXT_BYTES ? text : NULL;
}

const char *answer_validator(const struct answer *a)
{
	const char *etag = answer_text(a, ANSWER_ETAG);

	/* W/"..." says that it means about the same, which is no use for half a file */
	return etag && *etag == '"' ? etag : answer_text(a, ANSWER_LAST_MODIFIED);
}

static void exchange_freep(struct exchange **x)
{
	if (!*x)
		return;
	helper_reap(&(*x)->fetch);
	cleanup_close(&(*x)->report);
	explicit_bzero((*x)->in, sizeof((*x)->in)); /* a token may have come */
	free(*x);
}

int request_run(const struct request *q, struct answer *ret, struct error *err)
{
	_answer_ struct answer a = { .body = BUF_INIT(ANSWER_KEEP_BYTES) };
	_cleanup_(exchange_freep) struct exchange *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return error_set(err, -ENOMEM, "out of memory");
	x->q = q;
	x->answer = &a;
	x->fetch = x->report = -1;
	r = start(x, err);
	if (r == 0)
		r = listen(x, err);
	if (r < 0)
		return r;
	*ret = a;
	a = (struct answer){ 0 };
	return 0;
}
