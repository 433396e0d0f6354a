#include "cli/stopping.h"

#include <jansson.h>

#include "cli/teardown.h"

int pod_reach(const struct cli *cli, const char *word, char ret_uuid[UUID_TEXT], int *ret_dirfd,
	      int *ret_sock, struct error *err)
{
	_cleanup_(pod_status_deinit) struct pod_status status = { .exit = -1 };
	_close_ int dirfd = -1, sock = -1;
	int r = cli_pod_open(cli, word, ret_uuid, &dirfd, err);

	if (r == 0)
		r = pod_status_read(&status, dirfd, err);
	if (r != 0)
		return r;
	if (status.state != POD_RUNNING) {
		error_set(err, -ESRCH, "pod %s is not running but %s.", word,
			  pod_state_name(status.state));
		return CLI_STATE;
	}
	sock = pod_api_connect(&cli->dirs, ret_uuid, err);
	if (sock < 0)
		return sock;
	*ret_dirfd = take_fd(&dirfd);
	*ret_sock = take_fd(&sock);
	return 0;
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
