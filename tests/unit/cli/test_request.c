/* The grammar of `carob run`, and the values of its options. */
#include "cmocka_all.h"

#include "cli/request.h"

struct line {
	char text[1024];
	char *argv[128];
	struct cli_args args;
};

static struct cli_args *line(struct line *l, const char *text)
{
	char *rest = l->text, *word;

	snprintf(l->text, sizeof(l->text), "%s", text);
	l->args = (struct cli_args){ l->argv, 0 };
	while ((word = strsep(&rest, " ")) != NULL)
		if (*word)
			l->argv[l->args.n++] = word;
	return &l->args;
}

#define _request_ _cleanup_(run_request_deinit)

static void one_image(void **state _unused_)
{
	_request_ struct run_request r;
	struct error err = { 0 };
	struct line l;

	assert_int_equal(run_request_parse(&r, line(&l, "example.com/web"), true, &err), 0);
	assert_int_equal(r.n_apps, 1);
	assert_string_equal(r.apps[0].image, "example.com/web");
	assert_int_equal(r.apps[0].n_args, 0);
}

static void what_follows_the_image_is_the_apps(void **state _unused_)
{
	_request_ struct run_request r;
	struct error err = { 0 };
	struct line l;

	assert_int_equal(run_request_parse(&r,
					   line(&l, "--memory 64M -d img sh -c --memory -- --help"),
					   true, &err),
			 0);
	assert_true(r.start.detach);
	assert_int_equal(r.apps[0].memory.value, 64 << 20);
	assert_int_equal(r.apps[0].n_args, 5);
	assert_string_equal(r.apps[0].args[0], "sh");
	assert_string_equal(r.apps[0].args[2], "--memory");
	assert_string_equal(r.apps[0].args[3], "--");
	assert_string_equal(r.apps[0].args[4], "--help");
}

static void two_dashes_behind_the_image_are_skipped(void **state _unused_)
{
	_request_ struct run_request r, q;
	struct error err = { 0 };
	struct line l, m;

	assert_int_equal(run_request_parse(&r, line(&l, "img -- -v"), true, &err), 0);
	assert_int_equal(r.apps[0].n_args, 1);
	assert_string_equal(r.apps[0].args[0], "-v");
	assert_int_equal(run_request_parse(&q, line(&m, "-- img -- --"), true, &err), 0);
	assert_string_equal(q.apps[0].image, "img");
	assert_int_equal(q.apps[0].n_args, 1);
	assert_string_equal(q.apps[0].args[0], "--");
}

static void three_dashes_begin_the_next_app(void **state _unused_)
{
	_request_ struct run_request r;
	struct error err = { 0 };
	struct line l;

	assert_int_equal(
		run_request_parse(
			&r,
			line(&l,
			     "--name pod -e A=1 one x y --- -e B=2 --app-name b two --- three z"),
			true, &err),
		0);
	assert_string_equal(r.pod.name, "pod");
	assert_int_equal(r.n_apps, 3);
	assert_string_equal(r.apps[0].image, "one");
	assert_int_equal(r.apps[0].n_args, 2);
	assert_string_equal(r.apps[0].environment.items[0], "A=1");
	assert_string_equal(r.apps[1].image, "two");
	assert_string_equal(r.apps[1].name, "b");
	assert_int_equal(r.apps[1].n_args, 0);
	assert_string_equal(r.apps[1].environment.items[0], "B=2");
	assert_string_equal(r.apps[2].image, "three");
	assert_string_equal(r.apps[2].args[0], "z");
}

static void wrong_command_lines(void **state _unused_)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "", "an image is missing" },
		{ "--rm", "an image is missing" },
		{ "---", "an image is missing" },
		{ "--- img", "an image is missing" },
		{ "img ---", "an image is missing" },
		{ "img --- --- img", "an image is missing" },
		{ "img --- --name x img", "app 2" },
		{ "img --- --name x img", "there is no option --name" },
		{ "img --- -d img", "no option -d" },
		{ "--pod-manifest f img", "one or the other" },
		{ "--pod-manifest f --memory 5M", "the manifest says everything" },
		{ "--pod-manifest f --user 0", "the manifest says everything" },
		{ "-t -T img", "one or the other" },
		{ "-d -i img", "no standard input" },
		{ "-d -t img", "no standard input" },
		{ "-i img --- -t img", "only one app" },
		{ "--stop-grace 86401 img", "no number from 0 to 86400" },
		{ "--volume", "--volume needs a value" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_request_ struct run_request r;
		struct error err = { 0 };
		struct line l;

		assert_int_equal(run_request_parse(&r, line(&l, cases[i].line), true, &err),
				 CLI_USAGE);
		assert_says(&err, cases[i].says);
	}
}

static void a_manifest_stands_for_images(void **state _unused_)
{
	_request_ struct run_request r;
	struct error err = { 0 };
	struct line l;

	assert_int_equal(run_request_parse(&r,
					   line(&l, "--pod-manifest f --volume a,kind=empty --rm"),
					   true, &err),
			 0);
	assert_int_equal(r.n_apps, 0);
	assert_string_equal(r.pod.manifest, "f");
}

static void prepare_has_nothing_of_the_start(void **state _unused_)
{
	static const char *const lines[] = { "-d img", "-t img", "-i img", "-T img" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_request_ struct run_request r;
		struct error err = { 0 };
		struct line l;

		assert_int_equal(run_request_parse(&r, line(&l, lines[i]), false, &err), CLI_USAGE);
	}
}

static void an_end_to_apps(void **state _unused_)
{
	_request_ struct run_request r;
	struct error err = { 0 };
	char *argv[2 * LIMIT_APPS + 1];
	char image[] = "img", next[] = "---";
	struct cli_args args = { argv, 2 * LIMIT_APPS - 1 };

	for (size_t i = 0; i <= 2 * LIMIT_APPS; i++)
		argv[i] = i % 2 ? next : image;
	assert_int_equal(run_request_parse(&r, &args, true, &err), 0);
	assert_int_equal(r.n_apps, LIMIT_APPS);
	run_request_deinit(&r);
	args = (struct cli_args){ argv, 2 * LIMIT_APPS + 1 };
	assert_int_equal(run_request_parse(&r, &args, true, &err), CLI_USAGE);
	assert_says(&err, "too many apps");
}

/* ---- values ---------------------------------------------------------------------------------- */

static void volumes(void **state _unused_)
{
	struct error err = { 0 };
	struct appc_volume v;

	assert_int_equal(volume_parse("data,kind=empty", &v, &err), 0);
	assert_string_equal(v.name, "data");
	assert_int_equal(v.kind, APPC_VOLUME_EMPTY);
	assert_int_equal(v.mode, 0755);
	assert_int_equal(v.recursive, -1);
	assert_null(v.source);
	volume_deinit(&v);
	assert_int_equal(volume_parse("data,kind=empty,mode=1777,uid=5,gid=4294967294", &v, &err),
			 0);
	assert_int_equal(v.mode, 01777);
	assert_int_equal(v.uid, 5);
	assert_int_equal(v.gid, 4294967294);
	volume_deinit(&v);
	assert_int_equal(volume_parse("d,source=/srv/x,kind=host,readOnly=true,recursive=false", &v,
				      &err),
			 0);
	assert_int_equal(v.kind, APPC_VOLUME_HOST);
	assert_string_equal(v.source, "/srv/x");
	assert_true(v.read_only);
	assert_int_equal(v.recursive, 0);
	volume_deinit(&v);
}

static void wrong_volumes(void **state _unused_)
{
	static const char *const bad[] = {
		"",
		"data",
		",kind=empty",
		"Data,kind=empty",
		"a/b,kind=empty",
		"d,kind=disk",
		"d,kind",
		"d,kind=",
		"d,kind=host",
		"d,kind=host,source=",
		"d,kind=host,source=relative",
		"d,kind=host,source=/a/../b",
		"d,kind=host,source=/a,mode=0755",
		"d,kind=host,source=/a,uid=0",
		"d,kind=empty,source=/a",
		"d,kind=empty,mode=banana",
		"d,kind=empty,mode=8",
		"d,kind=empty,mode=07777777",
		"d,kind=empty,mode=-1",
		"d,kind=empty,uid=-1",
		"d,kind=empty,uid=4294967295",
		"d,kind=empty,uid=0x0",
		"d,kind=empty,readOnly=yes",
		"d,kind=empty,readOnly",
		"d,kind=empty,,",
		"d,kind=empty,bogus=1",
	};
	struct appc_volume v;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = { 0 };

		assert_int_equal(volume_parse(bad[i], &v, &err), -EINVAL);
		assert_says(&err, "--volume ");
	}
}

static void mounts_and_binds(void **state _unused_)
{
	static const char *const bad_mounts[] = { "",
						  "volume=a",
						  "target=/x",
						  "volume=a,target=x",
						  "volume=A,target=/x",
						  "volume=a,target=/x/../y",
						  "a:/x",
						  "volume=a,target=/x,ro=true" };
	static const char *const bad_binds[] = {
		"", "a", ":/x", "a:", "a:x", "a:/x:", "a:/x:rx", "a:/x:ro:", "a:/x/..", "a:/x//y"
	};
	struct error err = { 0 };
	struct bind_words b;
	struct appc_mount m;

	assert_int_equal(mount_parse("target=/var/lib/x,volume=data", &m, &err), 0);
	assert_string_equal(m.volume, "data");
	assert_string_equal(m.path, "/var/lib/x");
	mount_deinit(&m);
	assert_int_equal(bind_parse("./here:/there:ro", &b, &err), 0);
	assert_string_equal(b.source, "./here");
	assert_string_equal(b.target, "/there");
	assert_true(b.read_only);
	bind_deinit(&b);
	assert_int_equal(bind_parse("/a:/b", &b, &err), 0);
	assert_false(b.read_only);
	bind_deinit(&b);
	for (size_t i = 0; i < ARRAY_SIZE(bad_mounts); i++)
		assert_int_equal(mount_parse(bad_mounts[i], &m, &err), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(bad_binds); i++)
		assert_int_equal(bind_parse(bad_binds[i], &b, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_image),
		cmocka_unit_test(what_follows_the_image_is_the_apps),
		cmocka_unit_test(two_dashes_behind_the_image_are_skipped),
		cmocka_unit_test(three_dashes_begin_the_next_app),
		cmocka_unit_test(wrong_command_lines),
		cmocka_unit_test(a_manifest_stands_for_images),
		cmocka_unit_test(prepare_has_nothing_of_the_start),
		cmocka_unit_test(an_end_to_apps),
		cmocka_unit_test(volumes),
		cmocka_unit_test(wrong_volumes),
		cmocka_unit_test(mounts_and_binds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
