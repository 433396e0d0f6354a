#include "web.h"

#include <fcntl.h>
#include <sys/stat.h>

int web_setup(void **state)
{
	struct web *w = calloc(1, sizeof(*w));
	_free_ char *program = NULL, *path = NULL;
	const char *file = getenv("FETCH_DOUBLE");
	size_t len;

	if (!w || bench_setup((void **)&w->bench) < 0)
		return -1;
	w->libexec = open(w->bench->libexec, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_non_null(file);
	/* not a link: the program looks for its script beside itself */
	assert_int_equal(file_read(AT_FDCWD, file, 64 << 20, &program, &len), 0);
	assert_int_equal(file_write(w->libexec, "carob-fetch", program, len, 0755, 0), 0);
	assert_int_equal(mkdirat(w->libexec, "script", 0700), 0);
	assert_int_equal(mkdirat(w->libexec, "job", 0700), 0);
	path = str_printf("%s/carob.yaml", w->bench->path);
	assert_int_equal(net_config_read(&w->config, path, false, &w->err), 0);
	w->net = (struct net){ &w->bench->im, &w->policy, w->config };
	w->t = (struct transfer){ .url = "https://example.com/app",
				  .max_bytes = 1 << 20,
				  .limit = "LIMIT_APP_BYTES",
				  .what = "app" };
	*state = w;
	return 0;
}

int web_teardown(void **state)
{
	struct web *w = *state;
	void *bench = w->bench;

	transfer_result_deinit(&w->result);
	net_config_free(w->config);
	close(w->libexec);
	free(w);
	return bench_teardown(&bench);
}

void script(struct web *w, const char *text)
{
	char name[32];

	snprintf(name, sizeof(name), "script/%u", ++w->scripts);
	assert_int_equal(file_write(w->libexec, name, text, strlen(text), 0600, 0), 0);
}

unsigned asked(const struct web *w)
{
	return count_entries(w->libexec, "job");
}

/* The job of a request has this member. */
void assert_job(const struct web *w, unsigned number, const char *member, bool has)
{
	_free_ char *text = NULL, *line = str_printf("\n%s\n", member), *all = NULL;
	char name[32];

	snprintf(name, sizeof(name), "job/%u", number);
	assert_int_equal(file_read(w->libexec, name, 1 << 20, &text, NULL), 0);
	all = str_printf("\n%s", text);
	if (!strstr(all, line) == has)
		fail_msg("job %u %s %s:\n%s", number, has ? "lacks" : "has", member, text);
}

int web_run(const struct CMUnitTest *tests, size_t n, const char *name)
{
	static const char *const variables[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
						 "all_proxy", "ALL_PROXY" };

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		unsetenv(variables[i]);
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}
