/*
 * Whole documents: what reading puts where, what is too large, what happens when memory is out.
 * argv[1] is tests/fixtures/manifests.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "appc/appc.h"

#define ID                                                                 \
	"sha512-0123456789abcdef0123456789abcdef0123456789abcdef"          \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
	"0123456789abcdef"

static const char *directory;

static char *load(const char *name)
{
	_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *text = NULL;

	assert_true(fd >= 0);
	assert_int_equal(file_read(fd, name, 1 << 20, &text, NULL), 0);
	return text;
}

/* ---- contents -------------------------------------------------------------------------------- */

static void test_image(void **state _unused_)
{
	_free_ char *text = load("base/image-full.json");
	_appc_image_ struct appc_image *image = NULL;
	const struct appc_isolator *iso;

	assert_int_equal(appc_image_read(&image, text, strlen(text), NULL), 0);
	assert_string_equal(image->ac_version, "0.8.11");
	assert_string_equal(image->name, "example.com/shop/web");
	assert_int_equal(image->labels.n, 4);
	assert_string_equal(appc_pairs_get(&image->labels, "arch"), "amd64");
	assert_string_equal(appc_pairs_get(&image->labels, "channel"), "");
	assert_null(appc_pairs_get(&image->labels, "none"));
	assert_int_equal(image->n_dependencies, 2);
	assert_string_equal(image->dependencies[0].image_name, "example.com/base");
	assert_null(image->dependencies[0].image_id);
	assert_int_equal(image->dependencies[0].size, 22017258);
	assert_string_equal(appc_pairs_get(&image->dependencies[0].labels, "os"), "linux");
	assert_int_equal(image->dependencies[1].size, -1);
	assert_int_equal(image->path_whitelist.n, 2);
	assert_string_equal(image->path_whitelist.list[1], "/etc/web");
	assert_null(image->path_whitelist.list[2]);
	assert_string_equal(appc_pairs_get(&image->annotations, "homepage"), "https://example.com");
	iso = appc_isolator_find(&image->app->isolators, APPC_ISOLATOR_CPU);
	assert_non_null(iso);
	assert_int_equal(iso->request_milli, 250);
	assert_int_equal(iso->limit_milli, 500);
}

static void test_app(void **state _unused_)
{
	_free_ char *text = load("base/image-full.json");
	_appc_image_ struct appc_image *image = NULL;
	const struct appc_app *app;

	assert_int_equal(appc_image_read(&image, text, strlen(text), NULL), 0);
	app = image->app;
	assert_int_equal(app->exec.n, 3);
	assert_string_equal(app->exec.list[2], "/srv/www");
	assert_null(app->exec.list[3]);
	assert_string_equal(app->user, "www-data");
	assert_string_equal(app->group, "33");
	assert_int_equal(app->n_gids, 2);
	assert_int_equal(app->gids[1], 27);
	assert_string_equal(app->working_directory, "/srv");
	assert_string_equal(appc_pairs_get(&app->environment, "LANG"), "C.UTF-8");
	assert_int_equal(app->pre_start.n, 1);
	assert_string_equal(app->post_stop.list[1], "-v");
	assert_null(app->post_stop.list[2]);
	assert_int_equal(app->n_mount_points, 2);
	assert_true(app->mount_points[0].read_only);
	assert_string_equal(app->mount_points[1].path, "/var/log/web");
	assert_false(app->mount_points[1].read_only);
	assert_int_equal(app->n_ports, 2);
	assert_int_equal(app->ports[0].port, 80);
	assert_int_equal(app->ports[0].count, 1);
	assert_true(app->ports[0].socket_activated);
	assert_string_equal(app->ports[1].protocol, "udp");
	assert_int_equal(app->ports[1].count, 1000);
	assert_int_equal(app->isolators.n, 3);
	assert_string_equal(appc_pairs_get(&app->user_annotations, "Who to call"),
			    "the night shift");
	assert_string_equal(appc_pairs_get(&app->user_labels, "tier"), "front");
}

static void test_pod(void **state _unused_)
{
	_free_ char *text = load("base/pod-full.json");
	_appc_pod_ struct appc_pod *pod = NULL;

	assert_int_equal(appc_pod_read(&pod, text, strlen(text), NULL), 0);
	assert_int_equal(pod->n_apps, 2);
	assert_string_equal(pod->apps[0].name, "web");
	assert_string_equal(pod->apps[0].image_id, ID);
	assert_string_equal(pod->apps[0].image_name, "example.com/shop/web");
	assert_string_equal(appc_pairs_get(&pod->apps[0].image_labels, "version"), "2.1.0");
	assert_true(pod->apps[0].read_only_rootfs);
	assert_string_equal(pod->apps[0].mounts[0].volume, "pages");
	assert_string_equal(pod->apps[0].mounts[0].path, "/srv/www");
	assert_null(pod->apps[0].mounts[0].app_volume);
	assert_string_equal(appc_pairs_get(&pod->apps[0].annotations, "role"), "front");
	assert_null(pod->apps[1].image_name);
	assert_false(pod->apps[1].read_only_rootfs);
	assert_string_equal(pod->apps[1].app->working_directory, "/");
	assert_int_equal(pod->n_volumes, 2);
	assert_int_equal(pod->volumes[0].kind, APPC_VOLUME_HOST);
	assert_string_equal(pod->volumes[0].source, "/srv/tenant1");
	assert_true(pod->volumes[0].read_only);
	assert_int_equal(pod->volumes[0].recursive, 0);
	assert_int_equal(pod->volumes[1].kind, APPC_VOLUME_EMPTY);
	assert_null(pod->volumes[1].source);
	assert_int_equal(pod->volumes[1].mode, 01777);
	assert_int_equal(pod->volumes[1].uid, 1000);
	assert_int_equal(pod->volumes[1].gid, 100);
	assert_int_equal(pod->volumes[1].recursive, -1);
	assert_int_equal(pod->n_ports, 2);
	assert_int_equal(pod->ports[0].host_port, 8080);
	assert_string_equal(pod->ports[0].host_ip, "203.0.113.23");
	assert_null(pod->ports[0].pod_port);
	assert_int_equal(pod->ports[1].pod_port->port, 53);
	assert_null(pod->ports[1].host_ip);
	assert_string_equal(appc_pairs_get(&pod->user_labels, "stage"), "test");
}

/* A pod whose only app has these isolators. */
static struct appc_pod *pod_with(const char *isolators)
{
	_free_ char *text = str_printf(
		"{\"acKind\":\"PodManifest\",\"acVersion\":\"0.8.11\",\"apps\":[{\"name\":\"a\","
		"\"image\":{\"id\":\"%s\"},\"app\":{\"exec\":[\"/a\"],\"user\":\"0\","
		"\"group\":\"0\",\"isolators\":%s}}]}",
		ID, isolators);
	struct appc_pod *pod = NULL;

	assert_non_null(text);
	assert_int_equal(appc_pod_read(&pod, text, strlen(text), NULL), 0);
	return pod;
}

static void test_isolators(void **state _unused_)
{
	_appc_pod_ struct appc_pod *pod = pod_with(
		"[{\"name\":\"resource/memory\",\"value\":{\"limit\":\"1\"}},"
		"{\"name\":\"resource/memory\",\"value\":{\"limit\":\"8Ei\"}},"
		"{\"name\":\"os/linux/seccomp-remove-set\",\"value\":{\"set\":[\"reboot\"],\"errno\":\"EPERM\"}},"
		"{\"name\":\"os/linux/no-new-privileges\",\"value\":true},"
		"{\"name\":\"os/linux/oom-score-adj\",\"value\":-7},"
		"{\"name\":\"os/linux/apparmor-profile\",\"value\":{\"profile\":\"p\"}},"
		"{\"name\":\"os/linux/selinux-context\",\"value\":{\"user\":\"u\",\"role\":\"r\",\"type\":\"t\","
		"\"level\":\"s0:c1\"}},"
		"{\"name\":\"carob/pids\",\"value\":{\"limit\":9}},"
		"{\"name\":\"carob/rlimits\",\"value\":{\"nofile\":[1,\"unlimited\"],\"core\":0}},"
		"{\"name\":\"x/y\",\"value\":[1, 2]}]");
	const struct appc_isolators *set = &pod->apps[0].app->isolators;
	const struct appc_isolator *iso = appc_isolator_find(set, APPC_ISOLATOR_MEMORY);

	assert_int_equal(set->n, 10);
	assert_ptr_equal(iso, &set->list[1]); /* the last one counts */
	assert_int_equal(iso->request_milli, -1);
	assert_int_equal(iso->limit_milli, INT64_MAX);
	iso = appc_isolator_find(set, APPC_ISOLATOR_SECCOMP_REMOVE);
	assert_string_equal(iso->set.list[0], "reboot");
	assert_string_equal(iso->error, "EPERM");
	assert_true(appc_isolator_find(set, APPC_ISOLATOR_NO_NEW_PRIVS)->flag);
	assert_int_equal(appc_isolator_find(set, APPC_ISOLATOR_OOM_SCORE_ADJ)->number, -7);
	assert_string_equal(appc_isolator_find(set, APPC_ISOLATOR_APPARMOR)->text, "p");
	assert_string_equal(appc_isolator_find(set, APPC_ISOLATOR_SELINUX)->selinux, "u:r:t:s0:c1");
	assert_int_equal(appc_isolator_find(set, APPC_ISOLATOR_PIDS)->number, 9);
	iso = appc_isolator_find(set, APPC_ISOLATOR_RLIMITS);
	assert_int_equal(iso->n_rlimits, 2);
	assert_int_equal(iso->rlimits[0].resource, RLIMIT_NOFILE);
	assert_int_equal(iso->rlimits[0].soft, 1);
	assert_true(iso->rlimits[0].hard == UINT64_MAX);
	assert_int_equal(iso->rlimits[1].resource, RLIMIT_CORE);
	iso = appc_isolator_find(set, APPC_ISOLATOR_UNKNOWN);
	assert_string_equal(iso->name, "x/y");
	assert_string_equal(iso->value, "[1,2]");
	assert_null(appc_isolator_find(set, APPC_ISOLATOR_CPU));
}

static void test_seccomp_without_errno(void **state _unused_)
{
	_appc_pod_ struct appc_pod *pod = pod_with(
		"[{\"name\":\"os/linux/seccomp-retain-set\",\"value\":{\"set\":[\"read\"]}}]");

	assert_string_equal(pod->apps[0].app->isolators.list[0].error, "");
}

static void test_labels_of_an_image(void **state _unused_)
{
	_free_ char *text = load("base/image-full.json");
	_appc_image_ struct appc_image *image = NULL;
	struct appc_pair asked[] = { { "os", "linux" }, { "version", "2.1.0" } };
	struct appc_pairs labels = { asked, 2 };

	assert_int_equal(appc_image_read(&image, text, strlen(text), NULL), 0);
	assert_true(appc_image_has_labels(image, &labels));
	asked[1].value = "2.1";
	assert_false(appc_image_has_labels(image, &labels));
	asked[1] = (struct appc_pair){ "missing", "" };
	assert_false(appc_image_has_labels(image, &labels));
	labels.n = 0;
	assert_true(appc_image_has_labels(image, &labels));
}

/* ---- writing --------------------------------------------------------------------------------- */

static void test_text_that_is_not_utf8_cannot_be_written(void **state _unused_)
{
	_appc_pod_ struct appc_pod *pod = pod_with("[]");
	char *text = NULL;

	pod->apps[0].app->exec.list[0][1] = '\xff';
	assert_int_equal(appc_pod_write(pod, &text), -EILSEQ);
	assert_null(text);
}

static void test_order_of_keys(void **state _unused_)
{
	_appc_pod_ struct appc_pod *pod = pod_with(
		"[{\"name\":\"carob/pids\",\"value\":{\"limit\":9}}]");
	_free_ char *text = NULL;

	assert_int_equal(appc_pod_write(pod, &text), 0);
	assert_string_equal(
		text,
		"{\"acVersion\":\"0.8.11\",\"acKind\":\"PodManifest\",\"apps\":[{\"name\":\"a\",\"image\":"
		"{\"id\":\"" ID "\"},\"app\":{\"exec\":[\"/a\"],\"user\":\"0\",\"group\":\"0\","
		"\"workingDirectory\":\"/\",\"isolators\":[{\"name\":\"carob/pids\",\"value\":"
		"{\"limit\":9}}]}}],\"annotations\":[]}");
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* HEAD, then n times PART with commas between, then TAIL. %zu in part becomes a number. */
static char *repeat(const char *head, const char *part, size_t n, const char *tail)
{
	_buf_ struct buf b = BUF_INIT(8 << 20);

	assert_int_equal(buf_add(&b, head, strlen(head)), 0);
	for (size_t i = 0; i < n; i++) {
		const char *hash = strchr(part, '#');

		if (i > 0)
			assert_int_equal(buf_add(&b, ",", 1), 0);
		if (hash)
			assert_int_equal(buf_addf(&b, "%.*s%zu%s", (int)(hash - part), part, i,
						  hash + 1),
					 0);
		else
			assert_int_equal(buf_add(&b, part, strlen(part)), 0);
	}
	assert_int_equal(buf_add(&b, tail, strlen(tail)), 0);
	return buf_take(&b);
}

#define IMAGE "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"a\""
#define POD   "{\"acKind\":\"PodManifest\",\"acVersion\":\"0.8.11\""

/* Reads, and expects one fault at that path, or none for NULL. */
static void check_document(char *text, const char *path)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	enum appc_document kind;
	int r = appc_validate(text, strlen(text), &kind, &faults);

	free(text);
	assert_int_equal(r, path ? -EBADMSG : 0);
	assert_int_equal(faults.n, path ? 1 : 0);
	if (path)
		assert_string_equal(faults.list[0].path, path);
}

static void test_apps(void **state _unused_)
{
	const char *app = "{\"name\":\"a#\",\"image\":{}}";

	check_document(repeat(POD ",\"apps\":[", app, LIMIT_APPS, "]}"), NULL);
	check_document(repeat(POD ",\"apps\":[", app, LIMIT_APPS + 1, "]}"), "apps");
}

static void test_mounts(void **state _unused_)
{
	const char *head = POD ",\"apps\":[{\"name\":\"a\",\"image\":{},\"mounts\":[";
	const char *mount = "{\"volume\":\"v\",\"path\":\"/#\"}";

	check_document(repeat(head, mount, LIMIT_MOUNTS, "]}]}"), NULL);
	check_document(repeat(head, mount, LIMIT_MOUNTS + 1, "]}]}"), "apps[0].mounts");
}

static void test_dependencies(void **state _unused_)
{
	const char *dependency = "{\"imageName\":\"a#\"}";

	check_document(repeat(IMAGE ",\"dependencies\":[", dependency, LIMIT_DEPENDENCIES, "]}"),
		       NULL);
	check_document(repeat(IMAGE ",\"dependencies\":[", dependency, LIMIT_DEPENDENCIES + 1,
			      "]}"),
		       "dependencies");
}

/* A long list of labels, all alike, must not take time by its square, nor memory for each fault. */
static void test_many_labels_alike(void **state _unused_)
{
	char *text = repeat(IMAGE ",\"labels\":[", "{\"name\":\"a\",\"value\":\"\"}", 65536, "]}");
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_appc_image_ struct appc_image *image = NULL;

	assert_int_equal(appc_image_read(&image, text, strlen(text), &faults), -EBADMSG);
	free(text);
	assert_int_equal(faults.n_errors, 65535);
	assert_int_equal(faults.n, LIMIT_FAULTS + 1);
}

static void test_a_manifest_that_is_too_long(void **state _unused_)
{
	check_document(repeat(IMAGE ",\"labels\":[", "{\"name\":\"a#\",\"value\":\"\"}", 1, "]}"),
		       NULL);
	check_document(repeat(IMAGE ",\"labels\":[", "{\"name\":\"a#\",\"value\":\"\"}", 200000,
			      "]}"),
		       "");
}

static void test_nesting(void **state _unused_)
{
	_buf_ struct buf b = BUF_INIT(4096);

	assert_int_equal(buf_add(&b, IMAGE ",\"x\":", strlen(IMAGE ",\"x\":")), 0);
	for (int i = 0; i < LIMIT_JSON_DEPTH; i++)
		assert_int_equal(buf_add(&b, "[", 1), 0);
	check_document(strdup(b.data), "");
}

/* Can a pod run whose app has this member with n times this entry? The fault is at its path. */
static int check_runnable(const char *member, const char *entry, size_t n)
{
	_free_ char *head = str_printf(POD ",\"apps\":[{\"name\":\"a\",\"image\":{\"id\":\"" ID
					   "\"},\"app\":{\"user\":\"0\",\"group\":\"0\",%s[",
				       member);
	_free_ char *text = NULL;
	_appc_pod_ struct appc_pod *pod = NULL;
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	int r;

	assert_non_null(head);
	text = repeat(head, entry, n, "]}}]}");
	assert_int_equal(appc_pod_read(&pod, text, strlen(text), &faults), 0);
	r = appc_pod_check_runnable(pod, &faults);
	assert_int_equal(faults.n, r < 0);
	if (r < 0)
		assert_non_null(strstr(member, strrchr(faults.list[0].path, '.') + 1));
	return r;
}

static void test_arguments(void **state _unused_)
{
	char argument[1024 + 3];

	assert_int_equal(check_runnable("\"exec\":", "\"a\"", LIMIT_ARGS), 0);
	assert_int_equal(check_runnable("\"exec\":", "\"a\"", LIMIT_ARGS + 1), -EBADMSG);
	memset(argument, 'x', sizeof(argument));
	argument[0] = argument[1024] = '"';
	argument[1025] = '\0';
	assert_int_equal(check_runnable("\"exec\":", argument, 1024), 0);
	argument[1024] = 'x';
	argument[1025] = '"';
	argument[1026] = '\0';
	assert_int_equal(check_runnable("\"exec\":", argument, 1024), -EBADMSG);
}

static void test_environment(void **state _unused_)
{
	const char *member = "\"exec\":[\"/a\"],\"environment\":";
	const char *entry = "{\"name\":\"A#\",\"value\":\"\"}";

	assert_int_equal(check_runnable(member, entry, LIMIT_ARGS), 0);
	assert_int_equal(check_runnable(member, entry, LIMIT_ARGS + 1), -EBADMSG);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_app),
		cmocka_unit_test(test_pod),
		cmocka_unit_test(test_isolators),
		cmocka_unit_test(test_seccomp_without_errno),
		cmocka_unit_test(test_labels_of_an_image),
		cmocka_unit_test(test_text_that_is_not_utf8_cannot_be_written),
		cmocka_unit_test(test_order_of_keys),
		cmocka_unit_test(test_apps),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_dependencies),
		cmocka_unit_test(test_many_labels_alike),
		cmocka_unit_test(test_a_manifest_that_is_too_long),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_environment),
	};

	if (argc != 2) {
		fprintf(stderr,
			"usage: test-appc-documents DIRECTORY (tests/fixtures/manifests)\n");
		return 1;
	}
	directory = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
