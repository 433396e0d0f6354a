#pragma once
/* What the verbs share that end pods. */
#include "cli/cli.h"

/* Finds a living pod and connects to its API. 0 or an exit code: CLI_STATE for a dead one. */
int pod_reach(const struct cli *cli, const char *word, char ret_uuid[UUID_TEXT], int *ret_dirfd,
	      int *ret_sock, struct error *err) _must_check_;

/* 0 when app is NULL or an app of the pod, else CLI_MISSING. word: the pod as it was called. */
int pod_want_app(int dirfd, const char *word, const char *app, struct error *err) _must_check_;

/* Its apps have ended and carob-stage1 is about to go. */
bool pod_is_ending(int dirfd);

/* Kills everything in a living pod and waits until nobody holds it any more. Asks carob-stage1;
 * when that does not answer, empties the pod's groups and so ends it as a crash would. */
int pod_kill_now(const struct cli *cli, const char *uuid, int dirfd, struct error *err)
	_must_check_;
