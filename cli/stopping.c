#include "cli/stopping.h"

#include <jansson.h>
#include <time.h>

#include "cli/teardown.h"

enum { REACH_TRIES = 300 };

/* 0 when the pod runs, else an exit code. */
static int want_running(int dirfd, const char *word, struct error *err)
{
	_cleanup_(pod_status_deinit) struct pod_status status = { .exit = -1 };
	int r = pod_status_read(&status, dirfd, err);

	if (r == -ENOENT)
		return CLI_MISSING;
	if (r < 0 || status.state == POD_RUNNING)
		return r;
	error_set(err, -ESRCH, "pod %s is not running but %s.", word, pod_state_name(status.state));
	return CLI_STATE;
}

int pod_reach(const struct cli *cli, const char *word, char ret_uuid[UUID_TEXT], int *ret_dirfd,
	      int *ret_sock, struct error *err)
{
	static const struct timespec moment = { .tv_nsec = 10000000 };
	_close_ int dirfd = -1, sock = -1;
	int r = cli_pod_open(cli, word, ret_uuid, &dirfd, err);

	/* the socket comes a moment after the pod and goes a moment before it */
	for (int i = 0; r == 0 && sock < 0; i++) {
		r = want_running(dirfd, word, err);
		if (r != 0)
			break;
		sock = pod_api_connect(&cli->dirs, ret_uuid, err);
		if (sock >= 0)
			break;
		if ((sock != -ENOENT && sock != -ECONNREFUSED) || i == REACH_TRIES)
			r = sock;
		else
			nanosleep(&moment, NULL);
	}
	if (r != 0)
		return r;
	*err = (struct error){ 0 };
	*ret_dirfd = take_fd(&dirfd);
	*ret_sock = take_fd(&sock);
	return 0;
}

int pod_want_app(int dirfd, const char *word, const char *app, struct error *err)
{
	_cleanup_(pod_deinit) struct pod pod = { 0 };
	int r = app ? pod_read(&pod, dirfd, word, err) : 0;

	if (r < 0 || !app)
		return r;
	for (size_t i = 0; i < pod.manifest->n_apps; i++)
		if (str_eq(pod.manifest->apps[i].name, app))
			return 0;
	error_set(err, -ENOENT, "pod %s has no app %s.", word, app);
	return CLI_MISSING;
}

bool pod_is_ending(int dirfd)
{
	_cleanup_(pod_status_deinit) struct pod_status status = { .exit = -1 };

	return pod_status_load(&status, dirfd) == 0 && status.state == POD_EXITED;
}

static int ask_to_stop(const struct cli *cli, const char *uuid, unsigned grace)
{
	_cleanup_(pod_api_message_deinit) struct pod_api_message reply = { .fd = -1 };
	_close_ int sock = pod_api_connect(&cli->dirs, uuid, NULL);

	return sock < 0 ? sock
			: pod_api_call(sock, "stop", json_pack("{s:i}", "grace", grace), NULL,
				       &reply, NULL);
}

int pod_kill_now(const struct cli *cli, const char *uuid, int dirfd, struct error *err)
{
	int r = 0;

	if (ask_to_stop(cli, uuid, 0) < 0)
		r = teardown_cgroups(uuid, err);
	return r < 0 ? r : pod_wait_free(dirfd, err);
}
