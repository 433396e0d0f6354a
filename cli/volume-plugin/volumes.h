#pragma once
/* What the calls do with volumes. Each returns 0 and what its answer says, or a negative errno. */
#include "cli/volume-plugin/plugin.h"
#include "cli/volume-plugin/protocol.h"

struct json_t;

int volumes_create(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		   struct error *err) _must_check_;
int volumes_remove(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		   struct error *err) _must_check_;
int volumes_mount(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		  struct error *err) _must_check_;
int volumes_unmount(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		    struct error *err) _must_check_;
int volumes_path(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		 struct error *err) _must_check_;
int volumes_get(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		struct error *err) _must_check_;
int volumes_list(struct plugin *p, const struct plugin_request *q, struct json_t **ret,
		 struct error *err) _must_check_;

/* After a start: users whose volumes are not mounted are forgotten, mounts without users end,
 * volumes that were half made are finished (begun.h). What is still busy stays and is said. */
int volumes_recover(struct plugin *p, struct error *err) _must_check_;
