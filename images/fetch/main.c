/* carob-fetch: see fetch.h. */
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include "images/fetch/confine.h"
#include "images/fetch/deadline.h"
#include "images/fetch/fetch.h"
#include "images/fetch/report.h"
#include "images/fetch/resolve.h"
#include "images/fetch/transfer.h"

static int read_job(struct job *ret, struct error *err)
{
	_free_ char *text = malloc(LIMIT_FETCH_JOB_BYTES + 1);
	ssize_t n;

	if (!text)
		return error_set(err, -ENOMEM, "out of memory");
	n = read_all(STDIN_FILENO, text, LIMIT_FETCH_JOB_BYTES + 1);
	if (n < 0)
		return error_set(err, (int)n, "cannot read the job");
	if (n > LIMIT_FETCH_JOB_BYTES)
		return error_set(err, -E2BIG, "the job is longer than LIMIT_FETCH_JOB_BYTES (%d).",
				 LIMIT_FETCH_JOB_BYTES);
	close(STDIN_FILENO);
	return job_parse(ret, take_ptr(&text), (size_t)n, err);
}

static int read_urls(const struct job *j, struct url *url, struct url *proxy, struct error *err)
{
	int r = url_parse(url, j->url, "URL", err);

	if (r == 0 && url->has_user)
		r = error_set(err, -EINVAL,
			      "the URL has a user in it: credentials are set in "
			      "carob.yaml.");
	if (r == 0 && j->proxy)
		r = url_parse(proxy, j->proxy, "URL of the proxy", err);
	return r == -EINVAL ? FETCH_FAILED : r;
}

static int run(struct tls *tls, uint64_t *ret_size, struct error *err)
{
	_job_ struct job job = { 0 };
	_url_ struct url url = { 0 }, proxy = { 0 };
	_transfer_ struct transfer t = { .job = &job, .url = &url, .tls = tls };
	const struct url *to = &url;
	int r = confine_rights(err);

	if (r == 0)
		r = read_job(&job, err);
	if (r == 0)
		r = read_urls(&job, &url, &proxy, err);
	if (r != 0)
		return r;
	if (job.proxy)
		to = t.proxy = &proxy;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(err, -ENOMEM, "cannot begin with libcurl: out of memory?");
	if (!tls->ca.data && (url.https || proxy.https))
		r = tls_read_system(tls, err);
	if (r == 0) {
		deadline_begin(to->host, job.connect_timeout_s);
		r = resolve(to, &t.addresses, err);
		deadline_end();
	}
	if (r == 0)
		r = transfer_prepare(&t, err);
	if (r == 0)
		r = confine_reach(to->port, job.max, err);
	return r ? r : transfer_run(&t, ret_size, err);
}

static void report_failure(int r, const struct error *err)
{
	char text[1024];

	error_format(err, text, sizeof(text));
	report_text(FETCH_FAILURE, r < 0 ? FETCH_LOCAL : (uint64_t)r, text, strlen(text));
}

int main(void)
{
	_tls_ struct tls tls = { 0 };
	struct error err = { 0 };
	uint64_t size = 0;
	int r;

	if (fcntl(FETCH_REPORT_FD, F_GETFD) < 0) {
		dprintf(STDERR_FILENO,
			"carob-fetch is started by carob when it fetches an image.\n");
		return EXIT_FAILURE;
	}
	/* a connection or a report without its other end is an error like others, and so is a file
	 * that may not grow further */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	r = tls_read(&tls, &err);
	if (r == 0)
		r = run(&tls, &size, &err);
	if (r == 0)
		report_value(FETCH_DONE, size);
	else
		report_failure(r, &err);
	/* at once: what libraries do at the end of a program is not on the list of calls */
	syscall(SYS_exit_group, r == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}
