#include "pods.h"

#include <jansson.h>

#define UUID "11112222-0000-4000-8000-000000000001"
#define HEX8 "0123456789abcdef"
#define HEX  HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8

static const char manifest[] =
	"{\"acKind\":\"PodManifest\",\"acVersion\":\"0.8.11\",\"apps\":["
	"{\"name\":\"one\",\"image\":{\"id\":\"sha512-" HEX "\",\"name\":\"example.com/one\"},"
	"\"app\":{\"exec\":[\"/bin/one\"],\"user\":\"0\",\"group\":\"0\"}},"
	"{\"name\":\"two\",\"image\":{\"id\":\"sha512-" HEX "\"},"
	"\"app\":{\"exec\":[\"/bin/two\",\"a \\\"b\\\"\"],\"user\":\"1\",\"group\":\"1\"}}]}";

/* A pod with everything; its strings belong to it. */
static void pod_fill(struct pod *p)
{
	*p = (struct pod){ .uuid = UUID };
	assert_int_equal(appc_pod_read(&p->manifest, manifest, strlen(manifest), NULL), 0);
	p->launch = (struct pod_launch){
		.name = strdup("web"),
		.hostname = strdup("carob-11112222"),
		.mosaic = strdup("/var/lib/carob/mosaic/default"),
		.created_ns = 1790000000123456789,
		.detached = true,
		.keep = true,
		.stop_grace_s = 7,
		.ignored_isolators = calloc(1, sizeof(char *)),
		.n_ignored_isolators = 1,
		.apps = calloc(2, sizeof(struct pod_launch_app)),
		.n_apps = 2,
	};
	p->launch.ignored_isolators[0] = strdup("resource/block-iops");
	p->launch.apps[0] = (struct pod_launch_app){ strdup("one"), strdup("pod." UUID ".one"),
						     POD_STDIN_TTY };
	p->launch.apps[1] = (struct pod_launch_app){ strdup("two"), strdup("pod." UUID ".two"),
						     POD_STDIN_NULL };
}

static void what_is_written_is_read(void **state)
{
	const struct scratch *s = *state;
	_cleanup_(pod_deinit) struct pod p, q = { 0 };
	struct error err = { 0 };
	struct stat st;

	pod_fill(&p);
	for (int sync = 0; sync < 2; sync++) {
		assert_ok(pod_write(&p, s->fd, sync, &err), &err);
		assert_ok(pod_read(&q, s->fd, UUID, &err), &err);
		assert_string_equal(q.uuid, UUID);
		assert_int_equal(q.manifest->n_apps, 2);
		assert_string_equal(q.manifest->apps[1].app->exec.list[1], "a \"b\"");
		assert_string_equal(q.launch.name, "web");
		assert_string_equal(q.launch.hostname, "carob-11112222");
		assert_string_equal(q.launch.mosaic, "/var/lib/carob/mosaic/default");
		assert_int_equal(q.launch.created_ns, 1790000000123456789);
		assert_true(q.launch.detached);
		assert_true(q.launch.keep);
		assert_int_equal(q.launch.stop_grace_s, 7);
		assert_int_equal(q.launch.n_ignored_isolators, 1);
		assert_string_equal(q.launch.ignored_isolators[0], "resource/block-iops");
		assert_int_equal(q.launch.n_apps, 2);
		assert_string_equal(q.launch.apps[0].volume, "pod." UUID ".one");
		assert_int_equal(q.launch.apps[0].input, POD_STDIN_TTY);
		assert_int_equal(q.launch.apps[1].input, POD_STDIN_NULL);
		pod_deinit(&q);
	}
	assert_int_equal(fstatat(s->fd, "pod", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_pod_without_a_name_has_none(void **state)
{
	const struct scratch *s = *state;
	_cleanup_(pod_deinit) struct pod p, q = { 0 };
	struct error err = { 0 };

	pod_fill(&p);
	free(take_ptr(&p.launch.name));
	assert_ok(pod_write(&p, s->fd, false, &err), &err);
	assert_ok(pod_read(&q, s->fd, UUID, &err), &err);
	assert_null(q.launch.name);
}

/* Cut at every length, with every byte changed: an error or a whole pod, never anything else. */
static void a_damaged_file_is_an_error(void **state)
{
	const struct scratch *s = *state;
	_cleanup_(pod_deinit) struct pod p;
	_free_ char *text = NULL;
	size_t len;

	pod_fill(&p);
	assert_int_equal(pod_write(&p, s->fd, false, NULL), 0);
	assert_int_equal(file_read(s->fd, "pod", 1 << 20, &text, &len), 0);
	for (size_t cut = 0; cut < len - 2; cut += 3) { /* without the newline it is whole */
		_cleanup_(pod_deinit) struct pod q = { 0 };
		struct error err = { 0 };

		assert_int_equal(file_write(s->fd, "pod", text, cut, 0600, 0), 0);
		assert_true(pod_read(&q, s->fd, UUID, &err) < 0);
		assert_non_null(strstr(err.text, UUID));
	}
	for (size_t at = 0; at < len; at += 5) {
		_cleanup_(pod_deinit) struct pod q = { 0 };
		char kept = text[at];

		text[at] = '{';
		assert_int_equal(file_write(s->fd, "pod", text, len, 0600, 0), 0);
		if (pod_read(&q, s->fd, UUID, NULL) == 0)
			assert_int_equal(q.launch.n_apps, q.manifest->n_apps);
		text[at] = kept;
	}
}

/* Members of the launch that are wrong, each by itself. */
static void a_wrong_launch_is_an_error(void **state)
{
	static const struct {
		const char *key, *value; /* value NULL: without the member */
	} cases[] = {
		{ "version", "2" },
		{ "version", NULL },
		{ "hostname", NULL },
		{ "hostname", "5" },
		{ "mosaic", NULL },
		{ "created", "\"now\"" },
		{ "stopGrace", "-1" },
		{ "stopGrace", "\"1\"" },
		{ "stopGrace", "99999999999" },
		{ "apps", "[]" },
		{ "apps", "{}" },
		{ "name", "5" },
		{ "apps",
		  "[{\"name\":\"one\",\"volume\":\"v\",\"stdin\":\"null\"}]" }, /* one of two */
		{ "apps", "[{\"name\":\"two\",\"volume\":\"v\",\"stdin\":\"null\"},"
			  "{\"name\":\"one\",\"volume\":\"v\",\"stdin\":\"null\"}]" },
		{ "apps", "[{\"name\":\"one\",\"volume\":\"v\",\"stdin\":\"file\"},"
			  "{\"name\":\"two\",\"volume\":\"v\",\"stdin\":\"null\"}]" },
		{ "apps",
		  "[{\"name\":\"one\",\"stdin\":\"null\"},{\"name\":\"two\",\"volume\":\"v\",\"stdin\":\"null\"}]" },
		{ "ignoredIsolators", "[1]" },
	};
	const struct scratch *s = *state;
	_cleanup_(pod_deinit) struct pod p;

	pod_fill(&p);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(pod_deinit) struct pod q = { 0 };
		_free_ char *text = NULL, *changed = NULL;
		json_t *root, *launch;
		size_t len;

		assert_int_equal(pod_write(&p, s->fd, false, NULL), 0);
		assert_int_equal(file_read(s->fd, "pod", 1 << 20, &text, &len), 0);
		root = json_loadb(text, len, 0, NULL);
		launch = json_object_get(root, "carob");
		if (cases[i].value)
			json_object_set_new(launch, cases[i].key,
					    json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		else
			json_object_del(launch, cases[i].key);
		changed = json_dumps(root, 0);
		json_decref(root);
		assert_int_equal(file_write(s->fd, "pod", changed, strlen(changed), 0600, 0), 0);
		assert_true(pod_read(&q, s->fd, UUID, NULL) < 0);
	}
}

/* A link or a fifo in the place of the file is not followed and not waited for. */
static void only_a_regular_file_is_read(void **state)
{
	const struct scratch *s = *state;
	_cleanup_(pod_deinit) struct pod q = { 0 };

	assert_int_equal(symlinkat("/etc/passwd", s->fd, "pod"), 0);
	assert_true(pod_read(&q, s->fd, UUID, NULL) < 0);
	assert_int_equal(unlinkat(s->fd, "pod", 0), 0);
	assert_int_equal(mkfifoat(s->fd, "pod", 0600), 0);
	assert_true(pod_read(&q, s->fd, UUID, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(what_is_written_is_read),
		scratch_test(a_pod_without_a_name_has_none),
		scratch_test(a_damaged_file_is_an_error),
		scratch_test(a_wrong_launch_is_an_error),
		scratch_test(only_a_regular_file_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
