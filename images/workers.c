#include "images/workers.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { WHAT_BYTES = 256, READ_BYTES = 64 << 10 };

enum message_kind { MESSAGE_PROGRESS, MESSAGE_RESULT, MESSAGE_ERROR, MESSAGE_END };

/* What goes through the pipe: this header, then len bytes. */
struct message {
	uint32_t kind, len;
	uint64_t done, total; /* progress */
	int32_t r;            /* end */
};

struct worker {
	pid_t pid; /* 0: none */
	int in;
	size_t index;
	struct buf input, result;
	struct error err;
	int r;
	bool has_ended; /* it said so */
};

struct pool {
	const struct workers *w;
	const struct images_progress *progress;
	struct error *err;
	struct worker workers[WORKERS_MAX];
	size_t size, running, next;
	int failure;      /* the first */
	sigset_t mask;    /* the caller's */
	bool interrupted; /* one of its signals came */
};

/* ---- in the worker --------------------------------------------------------------------------- */

static int say(int out, struct message m, const void *data, size_t len)
{
	int r;

	m.len = (uint32_t)len;
	r = write_all(out, &m, sizeof(m));
	return r == 0 && len ? write_all(out, data, len) : r;
}

static void say_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct message m = { .kind = MESSAGE_PROGRESS, .done = done, .total = total };

	(void)say(*(int *)arg, m, what, strnlen(what, WHAT_BYTES));
}

/* With everything that was started from here. */
static void end_group(int signal _unused_)
{
	kill(0, SIGKILL);
}

/* The group comes first: from there on the handler ends nobody else. */
static void guard(pid_t parent, const sigset_t *mask)
{
	const struct sigaction action = { .sa_handler = end_group };
	sigset_t set = *mask;

	setpgid(0, 0);
	sigaction(SIGTERM, &action, NULL);
	sigdelset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		end_group(SIGTERM);
}

static _noreturn_ void work(const struct pool *p, int out, pid_t parent)
{
	const struct workers *w = p->w;
	const struct images_progress progress = { say_progress, &out };
	_buf_ struct buf result = BUF_INIT(WORKERS_RESULT_BYTES);
	struct message end = { .kind = MESSAGE_END };
	struct error err = { 0 };
	int r = 0;

	guard(parent, &p->mask);
	end.r = w->run(w->arg, p->next, &progress, &result, &err);
	if (result.len)
		r = say(out, (struct message){ .kind = MESSAGE_RESULT }, result.data, result.len);
	if (r == 0 && end.r < 0)
		r = say(out, (struct message){ .kind = MESSAGE_ERROR }, &err, sizeof(err));
	if (r == 0)
		r = say(out, end, NULL, 0);
	_exit(r < 0 ? 1 : 0);
}

/* ---- in the caller --------------------------------------------------------------------------- */

static int start(struct pool *p, struct worker *worker)
{
	pid_t parent = getpid(), pid;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(p->err, -errno, "cannot make a pipe");
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		work(p, fds[1], parent);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return error_set(p->err, -errno, "cannot fork");
	}
	setpgid(pid, pid); /* whoever of us comes first */
	*worker = (struct worker){
		.pid = pid,
		.in = fds[0],
		.index = p->next++,
		.input = BUF_INIT(WORKERS_RESULT_BYTES + READ_BYTES),
		.result = BUF_INIT(WORKERS_RESULT_BYTES),
	};
	p->running++;
	return 0;
}

static void tell_progress(struct pool *p, const struct worker *worker, const struct message *m,
			  const char *text)
{
	char what[WHAT_BYTES + 1];
	size_t len = m->len < sizeof(what) ? m->len : sizeof(what) - 1;

	if (p->w->progressed) {
		p->w->progressed(p->w->arg, worker->index, m->done, m->total);
	} else if (p->progress) {
		memcpy(what, text, len);
		what[len] = '\0';
		p->progress->report(p->progress->arg, what, m->done, m->total);
	}
}

static int take_message(struct pool *p, struct worker *worker, const struct message *m,
			const char *data)
{
	switch ((enum message_kind)m->kind) {
	case MESSAGE_PROGRESS:
		tell_progress(p, worker, m, data);
		return 0;
	case MESSAGE_RESULT:
		return buf_add(&worker->result, data, m->len);
	case MESSAGE_ERROR:
		if (m->len == sizeof(worker->err))
			memcpy(&worker->err, data, sizeof(worker->err));
		return 0;
	case MESSAGE_END:
		worker->has_ended = true;
		worker->r = m->r;
		return 0;
	}
	return -EPROTO;
}

/* All whole messages that have come. */
static int take_messages(struct pool *p, struct worker *worker)
{
	struct buf *in = &worker->input;
	size_t at = 0;
	int r = 0;

	while (r == 0 && in->len - at >= sizeof(struct message)) {
		struct message m;

		memcpy(&m, in->data + at, sizeof(m));
		if (m.len > WORKERS_RESULT_BYTES)
			return -EPROTO;
		if (in->len - at - sizeof(m) < m.len)
			break;
		r = take_message(p, worker, &m, in->data + at + sizeof(m));
		at += sizeof(m) + m.len;
	}
	buf_drop_front(in, at);
	return r;
}

/* Ends and reaps it, with its group. */
static int reap(struct pool *p, struct worker *worker)
{
	int status = 0;

	kill(-worker->pid,
	     SIGKILL); /* a helper may be there still; we have not waited for the leader */
	while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
		;
	cleanup_close(&worker->in);
	buf_deinit(&worker->input);
	worker->pid = 0;
	p->running--;
	return status;
}

/* The pipe is at its end: what became of the job? */
static void conclude(struct pool *p, struct worker *worker)
{
	int status = reap(p, worker), r = worker->r;

	if (!worker->has_ended)
		r = error_set(&worker->err, -EIO, "a worker of carob was killed by signal %d.",
			      WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	if (p->w->ended) {
		int e = p->w->ended(p->w->arg, worker->index, r, &worker->result, &worker->err);

		r = e < 0 ? e : r;
	}
	buf_deinit(&worker->result);
	if (r < 0 && p->failure == 0) {
		p->failure = r;
		if (p->err)
			*p->err = worker->err;
	}
}

/* What it has sent, as far as it is there; its end, when there is no more. */
static void listen(struct pool *p, struct worker *worker)
{
	char block[4096];
	ssize_t n = read(worker->in, block, sizeof(block));
	int r;

	if (n < 0 && errno == EINTR)
		return;
	r = n < 0 ? -errno : buf_add(&worker->input, block, (size_t)n);
	if (r == 0 && n > 0)
		r = take_messages(p, worker);
	if (r < 0) {
		worker->has_ended = true;
		worker->r = error_set(&worker->err, r, "cannot hear a worker of carob");
	}
	if (r < 0 || n == 0)
		conclude(p, worker);
}

static void wait_for_some(struct pool *p)
{
	struct pollfd fds[WORKERS_MAX];
	nfds_t n = 0;

	for (size_t i = 0; i < p->size; i++)
		fds[n++] = (struct pollfd){ .fd = p->workers[i].pid ? p->workers[i].in : -1,
					    .events = POLLIN };
	/* a signal that somebody catches is a wish that this should end */
	if (ppoll(fds, n, NULL, &p->mask) < 0) {
		p->interrupted = errno == EINTR;
		return;
	}
	for (size_t i = 0; i < p->size; i++)
		if (fds[i].revents && p->workers[i].pid)
			listen(p, &p->workers[i]);
}

static bool has_to_stop(const struct pool *p)
{
	return p->interrupted || (p->failure < 0 && !p->w->go_on);
}

static int fill(struct pool *p)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->size && p->next < p->w->n; i++)
		if (!p->workers[i].pid)
			r = start(p, &p->workers[i]);
	return r;
}

int workers_run(const struct workers *w, const struct images_progress *progress, struct error *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct pool p = { .w = w, .progress = progress, .err = err };
	sigset_t held;
	int r = 0;

	/* they come while we wait, and at no other time */
	sigemptyset(&held);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&held, signals[i]);
	sigprocmask(SIG_BLOCK, &held, &p.mask);
	p.size = w->parallel ? w->parallel : 1;
	if (p.size > WORKERS_MAX)
		p.size = WORKERS_MAX;
	while (r == 0 && !has_to_stop(&p) && (p.running || p.next < w->n)) {
		r = fill(&p);
		if (r == 0)
			wait_for_some(&p);
	}
	for (size_t i = 0; i < p.size; i++) {
		if (p.workers[i].pid) {
			reap(&p, &p.workers[i]);
			buf_deinit(&p.workers[i].result);
		}
	}
	sigprocmask(SIG_SETMASK, &p.mask, NULL);
	if (r == 0 && p.interrupted)
		return error_set(err, -EINTR, "interrupted by a signal.");
	return r < 0 ? r : p.failure;
}
