#include <sys/mount.h>
#include <errno.h>

#define ERROR_STEP_MAX 32
#define ERROR_TEXT     256

struct error {
	int code;         /* negative errno */
	const char *step; /* what was being done */
	char object[160];
};

static const struct json_field fields[] = {
	{ "acKind", JSON_STRING, parse_kind, offsetof(struct image, kind), FIELD_REQUIRED },
	{ "labels", JSON_ARRAY, parse_labels, offsetof(struct image, labels), 0 },
};

static const handler_fn handlers[STATES][EVENTS] = {
	[APP_UP][EVENT_EXITED] = app_finish,
	[APP_UP][EVENT_STOP] = app_stop,
};

const struct volume_driver volume_driver_btrfs = {
	.name = "btrfs",
	.create = btrfs_create,
};

static inline void error_nothing(void) {}

int error_set(struct error *err, int code, const char *step, const char *object, const char *text,
	      ...)
{
	_free_ char *copy = NULL;
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT,
	};

	if (code == 0)
		return error_set(err, -EINVAL, "set", "the code of an error",
				 "this message is one string, so it may stick out");
	TAILQ_FOREACH(item, &list, entry) {
		call(&(struct request){ .name = "x", .flags = 1 });
	}
	return code;
}
