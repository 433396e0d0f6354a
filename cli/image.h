#pragma once
/* The commands of `carob image`, and what they share. */
#include "cli/cli.h"

extern const struct cli_verb verb_image_import, verb_image_list, verb_image_show,
	verb_image_cat_manifest;
extern const struct cli_verb verb_image_rm, verb_image_export, verb_image_build;
extern const struct cli_verb verb_image_pin, verb_image_unpin, verb_image_gc, verb_image_check;
extern const struct cli_verb verb_image_extract, verb_image_render;
extern const struct cli_verb verb_image_sign, verb_image_verify;

/* Opens the store for a look. A store that does not exist is an empty one: CLI_MISSING. */
int image_store_open(const struct cli *cli, struct store **ret, struct error *err) _must_check_;

/* The ID of an image of the store: by ID, the beginning of one, or NAME[:VERSION][,LABEL=VALUE]...
 * 0 or an exit code. */
int image_find(struct store *store, const char *word, char ret_id[STORE_ID_TEXT], struct error *err)
	_must_check_;

/* What the store knows of an image. NULL when memory is out. */
struct json_t *image_info_json(struct store *store, const struct store_info *info);

/* One line for each fault: "FILE: PATH: text". */
int image_put_faults(const char *file, const struct appc_faults *faults, int fd);
