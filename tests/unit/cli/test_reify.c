/* From a command line and image manifests to the pod manifest, the whole way. */
#include "cmocka_all.h"

#include <jansson.h>
#include <stdlib.h>

#include "cli/request.h"

#define HEX8 "0123456789abcdef"
#define ID   "sha512-" HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8

static const char image_web[] =
	"{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"example.com/~u/web\","
	"\"labels\":[{\"name\":\"version\",\"value\":\"1\"}],"
	"\"app\":{\"exec\":[\"/bin/web\",\"-x\"],\"user\":\"www\",\"group\":\"www\",\"workingDirectory\":\"/srv\","
	"\"environment\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}],"
	"\"mountPoints\":[{\"name\":\"data\",\"path\":\"/data\"},{\"name\":\"logs\",\"path\":\"/logs/\",\"readOnly\":true}],"
	"\"isolators\":[{\"name\":\"resource/memory\",\"value\":{\"limit\":\"10M\"}},"
	"{\"name\":\"os/linux/capabilities-retain-set\",\"value\":{\"set\":[\"CAP_KILL\"]}}]}}";

static const char image_plain[] =
	"{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"example.com/base_v1.2\"}";

static const char image_far[] =
	"{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"example.com/far\","
	"\"labels\":[{\"name\":\"os\",\"value\":\"linux\"},{\"name\":\"arch\",\"value\":\"s390x\"}],"
	"\"app\":{\"exec\":[\"/x\"],\"user\":\"0\",\"group\":\"0\"}}";

/* One test's pod: filled by make(). */
struct made {
	char text[1024];
	char *argv[128];
	struct run_request request;
	struct run_image images[4];
	struct appc_pod *pod;
	struct appc_faults warnings;
	json_t *json; /* the pod as written */
	struct error err;
	int r;
};

static void made_deinit(struct made *m)
{
	run_request_deinit(&m->request);
	for (size_t i = 0; i < ARRAY_SIZE(m->images); i++)
		appc_image_free(m->images[i].manifest);
	appc_pod_free(m->pod);
	appc_faults_deinit(&m->warnings);
	json_decref(m->json);
}

#define _made_ _cleanup_(made_deinit)

/* The line's words are divided by blanks; "~" stands for a blank. */
static void make(struct made *m, const char *text, const char *const *images, const char *base)
{
	struct cli_args args = { m->argv, 0 };
	struct appc_pod *pod = NULL;
	char *rest = m->text, *word;

	*m = (struct made){ 0 };
	snprintf(m->text, sizeof(m->text), "%s", text);
	while ((word = strsep(&rest, " ")) != NULL) {
		for (char *p = word; *p; p++)
			*p = *p == '~' ? ' ' : *p;
		if (*word)
			m->argv[args.n++] = word;
	}
	m->r = run_request_parse(&m->request, &args, true, &m->err);
	assert_int_equal(m->r, 0);
	for (size_t i = 0; images[i]; i++) {
		snprintf(m->images[i].id, sizeof(m->images[i].id), "%s", ID);
		assert_int_equal(appc_image_read(&m->images[i].manifest, images[i],
						 strlen(images[i]), NULL),
				 0);
	}
	if (base)
		assert_int_equal(appc_pod_read(&pod, base, strlen(base), NULL), 0);
	m->r = reify(&m->request, pod, m->images, &m->pod, &m->warnings, &m->err);
	if (m->r == 0) {
		_free_ char *written = NULL;

		assert_int_equal(appc_pod_write(m->pod, &written), 0);
		m->json = json_loads(written, 0, NULL);
		assert_non_null(m->json);
	}
}

static void make_web(struct made *m, const char *text)
{
	static const char *const images[] = { image_web, NULL };

	make(m, text, images, NULL);
}

static void ok(const struct made *m)
{
	if (m->r != 0)
		fail_msg("%s", m->err.text);
}

/* The member at path, such as "apps/0/app/user", as compact JSON. */
static void assert_json(const struct made *m, const char *path, const char *expected)
{
	_free_ char *copy = strdup(path), *text = NULL;
	json_t *at = m->json, *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
	char *rest = copy, *word;

	while (at && (word = strsep(&rest, "/")) != NULL)
		at = json_is_array(at) ? json_array_get(at, strtoul(word, NULL, 10))
				       : json_object_get(at, word);
	assert_non_null(wanted);
	text = at ? json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT) : strdup("nothing");
	if (!json_equal(at, wanted))
		fail_msg("%s is %s, not %s", path, text, expected);
	json_decref(wanted);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void the_images_app_is_taken(void **state _unused_)
{
	_made_ struct made m;

	make_web(&m, "--volume data,kind=host,source=/srv/data web");
	ok(&m);
	assert_json(&m, "apps/0/name", "\"web\"");
	assert_json(&m, "apps/0/image/id", "\"" ID "\"");
	assert_json(&m, "apps/0/image/name", "\"example.com/~u/web\"");
	assert_json(&m, "apps/0/app/exec", "[\"/bin/web\",\"-x\"]");
	assert_json(&m, "apps/0/app/user", "\"www\"");
	assert_json(&m, "volumes/0/source", "\"/srv/data\"");
	/* data by the volume of that name, logs by an empty one, with a warning */
	assert_json(&m, "apps/0/mounts/0/volume", "\"data\"");
	assert_json(&m, "apps/0/mounts/0/path", "\"/data\"");
	assert_json(&m, "apps/0/mounts/1/volume", "\"web-logs\"");
	assert_json(&m, "volumes/1/name", "\"web-logs\"");
	assert_json(&m, "volumes/1/kind", "\"empty\"");
	assert_int_equal(m.warnings.n, 1);
	assert_non_null(strstr(m.warnings.list[0].text, "logs"));
}

static void arguments_are_the_whole_command(void **state _unused_)
{
	_made_ struct made a, b, c;

	make_web(&a, "web /bin/true");
	ok(&a);
	assert_json(&a, "apps/0/app/exec", "[\"/bin/true\"]");
	make_web(&b, "--exec /bin/sh web -c echo~hi");
	ok(&b);
	assert_json(&b, "apps/0/app/exec", "[\"/bin/sh\",\"-c\",\"echo hi\"]");
	make_web(&c, "--exec /bin/sh web");
	ok(&c);
	assert_json(&c, "apps/0/app/exec", "[\"/bin/sh\"]");
}

static void options_replace_what_the_image_says(void **state _unused_)
{
	_made_ struct made m;

	make_web(
		&m,
		"-u 5 -g staff --supplementary-gids 7,8 -w /tmp -e B=3 -e C= -e D=a=b --read-only web");
	ok(&m);
	assert_json(&m, "apps/0/app/user", "\"5\"");
	assert_json(&m, "apps/0/app/group", "\"staff\"");
	assert_json(&m, "apps/0/app/supplementaryGIDs", "[7,8]");
	assert_json(&m, "apps/0/app/workingDirectory", "\"/tmp\"");
	assert_json(&m, "apps/0/app/environment",
		    "[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"3\"},"
		    "{\"name\":\"C\",\"value\":\"\"},{\"name\":\"D\",\"value\":\"a=b\"}]");
	assert_json(&m, "apps/0/readOnlyRootFS", "true");
}

static const struct appc_isolator *isolator(const struct made *m, enum appc_isolator_kind kind)
{
	return appc_isolator_find(&m->pod->apps[0].app->isolators, kind);
}

static void limits_become_isolators(void **state _unused_)
{
	_made_ struct made m;

	make_web(
		&m,
		"--memory 64M --cpus 0.5 --pids-limit 20 --rlimit nofile=100:200 --rlimit core=unlimited "
		"--no-new-privileges --cap-remove net_raw,CAP_MKNOD --seccomp remove:swapon,swapoff web");
	ok(&m);
	assert_int_equal(isolator(&m, APPC_ISOLATOR_MEMORY)->limit_milli, (64LL << 20) * 1000);
	assert_int_equal(isolator(&m, APPC_ISOLATOR_CPU)->limit_milli, 500);
	assert_int_equal(isolator(&m, APPC_ISOLATOR_PIDS)->number, 20);
	assert_true(isolator(&m, APPC_ISOLATOR_NO_NEW_PRIVS)->flag);
	assert_int_equal(isolator(&m, APPC_ISOLATOR_RLIMITS)->n_rlimits, 2);
	/* takes the place of the image's retain set: both together are an error */
	assert_null(isolator(&m, APPC_ISOLATOR_CAPS_RETAIN));
	assert_int_equal(isolator(&m, APPC_ISOLATOR_CAPS_REMOVE)->set.n, 2);
	assert_string_equal(isolator(&m, APPC_ISOLATOR_CAPS_REMOVE)->set.list[0], "CAP_NET_RAW");
	assert_string_equal(isolator(&m, APPC_ISOLATOR_CAPS_REMOVE)->set.list[1], "CAP_MKNOD");
	assert_int_equal(isolator(&m, APPC_ISOLATOR_SECCOMP_REMOVE)->set.n, 2);
	/* memory once: the image's is gone */
	assert_int_equal(m.pod->apps[0].app->isolators.n, 7);
}

static void without_options_the_images_isolators_stay(void **state _unused_)
{
	_made_ struct made m;

	make_web(&m, "--isolator os/linux/oom-score-adj=100 web");
	ok(&m);
	assert_int_equal(isolator(&m, APPC_ISOLATOR_MEMORY)->limit_milli, 10000000000);
	assert_int_equal(isolator(&m, APPC_ISOLATOR_CAPS_RETAIN)->set.n, 1);
	assert_int_equal(isolator(&m, APPC_ISOLATOR_OOM_SCORE_ADJ)->number, 100);
}

static void binds_and_mounts(void **state _unused_)
{
	_made_ struct made m;

	make_web(
		&m,
		"-v /etc/hosts:/etc/hosts:ro -v /srv:/data --volume logs,kind=empty --mount volume=logs,target=/x web");
	ok(&m);
	assert_json(
		&m, "apps/0/mounts",
		"[{\"volume\":\"logs\",\"path\":\"/x\"},{\"volume\":\"bind\",\"path\":\"/etc/hosts\"},"
		"{\"volume\":\"bind-2\",\"path\":\"/data\"},{\"volume\":\"logs\",\"path\":\"/logs/\"}]");
	assert_json(&m, "volumes/1/source", "\"/etc/hosts\"");
	assert_json(&m, "volumes/1/readOnly", "true");
	assert_json(&m, "volumes/2/source", "\"/srv\"");
	assert_int_equal(m.warnings.n, 0);
}

static void several_apps_have_several_names(void **state _unused_)
{
	static const char *const images[] = { image_web, image_web, image_plain, NULL };
	_made_ struct made m;

	make(&m, "web --- web /x --- base /bin/sh", images, NULL);
	ok(&m);
	assert_json(&m, "apps/0/name", "\"web\"");
	assert_json(&m, "apps/1/name", "\"web-2\"");
	assert_json(&m, "apps/2/name", "\"base-v1-2\"");
	assert_json(&m, "apps/2/app/user",
		    "\"0\""); /* an image without an app, with a command: as root */
	assert_json(&m, "apps/2/app/exec", "[\"/bin/sh\"]");
	assert_json(&m, "volumes/0/name", "\"web-data\"");
	assert_json(&m, "volumes/2/name", "\"web-2-data\"");
}

static void what_cannot_run_is_refused(void **state _unused_)
{
	static const struct {
		const char *line;
		int code;
		const char *says;
	} cases[] = {
		{ "-e =x web", CLI_USAGE, "--env =x is no NAME=VALUE" },
		{ "-e PATH web", CLI_USAGE, "--env PATH" },
		{ "-e *=x web", CLI_USAGE, "--env" },
		{ "-e 1A=x web", CLI_USAGE, "--env" },
		{ "--user= web", CLI_USAGE, "cannot be empty" },
		{ "--working-dir tmp web", CLI_USAGE, "no absolute path" },
		{ "--supplementary-gids 1,,2 web", CLI_USAGE, "no group number" },
		{ "--supplementary-gids -1 web", CLI_USAGE, "no group number" },
		{ "--supplementary-gids 4294967295 web", CLI_USAGE, "no group number" },
		{ "--app-name Web web", CLI_USAGE, "--app-name" },
		{ "--app-name a --exec /x web --- --app-name a web", CLI_USAGE,
		  "two apps are called a" },
		{ "--volume a,kind=empty --volume a,kind=empty web", CLI_USAGE,
		  "two volumes are called a" },
		{ "--mount volume=nothere,target=/x web", -EBADMSG, "nothere is no volume" },
		{ "-v relative:/x web", -EINVAL, "no absolute path" },
		{ "-v /a:/data -v /b:/data web", -EBADMSG, "" },
		{ "--cpus lots web", CLI_USAGE, "isolator resource/cpu" },
		{ "--rlimit nofile web", CLI_USAGE, "--rlimit nofile" },
		{ "--rlimit nofiles=5 web", CLI_USAGE, "isolator carob/rlimits" },
		{ "--seccomp read web", CLI_USAGE, "--seccomp read" },
		{ "--seccomp allow:read web", CLI_USAGE, "--seccomp" },
		{ "--isolator x web", CLI_USAGE, "--isolator x is no NAME=JSON" },
		{ "--isolator x=y web", CLI_USAGE, "no NAME=JSON" },
		{ "--isolator resource/memory={} --isolator resource/memory={\"limit\":\"x\"} web",
		  CLI_USAGE, "isolator resource/memory" },
		{ "--cap-retain kill --cap-remove kill web", CLI_USAGE, "exclude" },
	};
	static const char *const images[] = { image_web, image_web, NULL };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_made_ struct made m;

		make(&m, cases[i].line, images, NULL);
		if (m.r != cases[i].code)
			fail_msg("%s: %d, %s", cases[i].line, m.r, m.err.text);
		assert_says(&m.err, cases[i].says);
		assert_null(m.pod);
	}
}

static void images_of_other_machines_and_without_command(void **state _unused_)
{
	static const char *const far[] = { image_far, NULL }, *const plain[] = { image_plain,
										 NULL };
	_made_ struct made a, b;

	make(&a, "far", far, NULL);
	assert_int_equal(a.r, -ENOEXEC);
	assert_says(&a.err, "linux/s390x");
	make(&b, "base", plain, NULL);
	assert_int_equal(b.r, -EBADMSG);
	assert_says(&b.err, "exec");
}

#define POD(app)                                                           \
	"{\"acKind\":\"PodManifest\",\"acVersion\":\"0.8.11\","            \
	"\"apps\":[{\"name\":\"a\",\"image\":{\"id\":\"" ID "\"" app "}]," \
	"\"volumes\":[{\"name\":\"data\",\"kind\":\"empty\"}]}"

static void a_given_manifest_is_filled_in(void **state _unused_)
{
	static const char *const images[] = { image_web, NULL };
	_made_ struct made m, n, o;

	make(&m, "--pod-manifest x --volume data,kind=host,source=/d", images, POD("}"));
	ok(&m);
	assert_json(&m, "apps/0/name", "\"a\"");
	assert_json(&m, "apps/0/app/user", "\"www\"");
	assert_json(&m, "apps/0/image/name", "\"example.com/~u/web\"");
	assert_json(&m, "apps/0/mounts/0/volume", "\"data\"");
	assert_json(&m, "volumes/0/kind",
		    "\"host\""); /* the command line comes after the manifest */
	assert_json(&m, "volumes/1/name", "\"a-logs\"");

	/* the pod's app replaces the image's whole */
	make(&n, "--pod-manifest x", images,
	     POD("},\"app\":{\"exec\":[\"/y\"],\"user\":\"9\",\"group\":\"9\"}"));
	ok(&n);
	assert_json(&n, "apps/0/app/exec", "[\"/y\"]");
	assert_json(&n, "apps/0/app/user", "\"9\"");
	assert_int_equal(n.pod->apps[0].app->environment.n, 0);

	make(&o, "--pod-manifest x", images, POD(",\"name\":\"example.com/other\"}"));
	assert_int_equal(o.r, -EINVAL);
	assert_says(&o.err, "not example.com/other");
}

static void a_manifest_says_the_labels_it_wants(void **state _unused_)
{
	static const char *const images[] = { image_web, NULL };
	_made_ struct made m, n;

	make(&m, "--pod-manifest x", images,
	     POD(",\"labels\":[{\"name\":\"version\",\"value\":\"1\"}]}"));
	ok(&m);
	make(&n, "--pod-manifest x", images,
	     POD(",\"labels\":[{\"name\":\"version\",\"value\":\"2\"}]}"));
	assert_int_equal(n.r, -EINVAL);
	assert_says(&n.err, "labels");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_images_app_is_taken),
		cmocka_unit_test(arguments_are_the_whole_command),
		cmocka_unit_test(options_replace_what_the_image_says),
		cmocka_unit_test(limits_become_isolators),
		cmocka_unit_test(without_options_the_images_isolators_stay),
		cmocka_unit_test(binds_and_mounts),
		cmocka_unit_test(several_apps_have_several_names),
		cmocka_unit_test(what_cannot_run_is_refused),
		cmocka_unit_test(images_of_other_machines_and_without_command),
		cmocka_unit_test(a_given_manifest_is_filled_in),
		cmocka_unit_test(a_manifest_says_the_labels_it_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
