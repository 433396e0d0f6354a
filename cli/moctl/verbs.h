#pragma once
/* The verbs, each defined in the file of its name or of its kin. */
#include "cli/moctl/moctl.h"

/* The options of those that another program has too. */
extern const struct cli_option moctl_list_options[], moctl_show_options[], moctl_create_options[],
	moctl_drop_options[], moctl_copy_options[], moctl_send_options[], moctl_receive_options[];

extern const struct moctl_verb moctl_verb_make, moctl_verb_create_pool;               /* make.c */
extern const struct moctl_verb moctl_verb_info, moctl_verb_features;                  /* info.c */
extern const struct moctl_verb moctl_verb_list;                                       /* list.c */
extern const struct moctl_verb moctl_verb_show, moctl_verb_have;                      /* show.c */
extern const struct moctl_verb moctl_verb_create, moctl_verb_drop, moctl_verb_resize; /* create.c */
extern const struct moctl_verb moctl_verb_clone, moctl_verb_snapshot,
	moctl_verb_rollback;                                         /* clone.c */
extern const struct moctl_verb moctl_verb_mount, moctl_verb_umount;  /* mount.c */
extern const struct moctl_verb moctl_verb_attach, moctl_verb_detach; /* attach.c */
extern const struct moctl_verb moctl_verb_send;                      /* send.c */
extern const struct moctl_verb moctl_verb_receive;                   /* receive.c */
extern const struct moctl_verb moctl_verb_data; /* get, set, list, rm: data.c */
extern const struct moctl_verb moctl_verb_events, moctl_verb_check;
extern const struct moctl_verb moctl_verb_check_config, moctl_verb_completion, moctl_verb_help,
	moctl_verb_version;
