#pragma once
/* The verbs, each defined in the file of its name. */
#include "cli/cli.h"

extern const struct cli_verb verb_run, verb_prepare, verb_run_prepared;
extern const struct cli_verb verb_list, verb_status, verb_enter, verb_ps, verb_logs;
extern const struct cli_verb verb_stop, verb_kill, verb_wait, verb_rm, verb_gc;
extern const struct cli_verb verb_fetch, verb_discover;
extern const struct cli_verb verb_volume; /* its commands: volume_verbs.c */
extern const struct cli_verb verb_image;  /* its commands: image.c */
extern const struct cli_verb verb_trust;  /* add, list, rm */
extern const struct cli_verb verb_validate, verb_info, verb_version, verb_completion, verb_help;
