/*
 * carob-volume-plugin: Docker's volume plugin protocol over a mosaic, so that Docker and podman can
 * use its volumes.
 */
#include <signal.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/help_text.h"
#include "cli/volume-plugin/plugin.h"
#include "cli/volume-plugin/server.h"
#include "mosaic/mosaic.h"

const char cli_program[] = "carob-volume-plugin";

struct plugin_options {
	const char *mosaic, *socket, *dir;
	bool debug, version;
};

#define OPTION(member) offsetof(struct plugin_options, member)

static const struct cli_option options[] = {
	{ "mosaic", 0, "MOSAIC", "the mosaic whose volumes are served (carob's own)", CLI_STRING,
	  OPTION(mosaic) },
	{ "socket", 0, "PATH", "where to listen (/run/docker/plugins/carob.sock)", CLI_STRING,
	  OPTION(socket) },
	{ "run-dir", 0, "DIR", "where volumes are mounted (/run/carob/volume-plugin)", CLI_STRING,
	  OPTION(dir) },
	{ "debug", 0, NULL, "say what is done, step by step", CLI_FLAG, OPTION(debug) },
	{ "version", 0, NULL, "print the version", CLI_FLAG, OPTION(version) },
	{ NULL },
};

static int help(struct error *err)
{
	_buf_ struct buf b = BUF_INIT(64 << 10);
	int r = buf_addf(&b, "usage: carob-volume-plugin [OPTION]...\n\n"
			     "Serves the volumes of a mosaic to Docker and podman, as a volume\n"
			     "plugin, until SIGTERM. carob-volume-plugin(8) has everything.\n\n"
			     "Options:\n");

	if (r == 0)
		r = help_options(&b, options);
	return r < 0 ? error_set(err, r, "cannot make the help") : cli_puts(b.data, err);
}

static void put_log(_unused_ enum mosaic_log_level level, const char *text, _unused_ void *arg)
{
	cli_complain("%s", text);
}

static int serve(const struct plugin_options *o, struct error *err)
{
	const char *mosaic = o->mosaic ? o->mosaic : getenv("CAROB_MOSAIC");
	const char *path = o->socket ? o->socket : "/run/docker/plugins/carob.sock";
	_plugin_ struct plugin p = PLUGIN_CLOSED;
	_close_ int signals = -1;
	sigset_t set;
	int r;

	if (geteuid() != 0)
		return error_set(err, -EPERM, "only root can mount volumes.");
	mosaic_set_log(put_log, o->debug ? MOSAIC_LOG_DEBUG : MOSAIC_LOG_WARNING, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signals = loop_signalfd(&set);
	if (signals < 0)
		return error_set(err, signals, "cannot catch signals");
	r = plugin_open(&p, mosaic && *mosaic ? mosaic : NULL,
			o->dir ? o->dir : "/run/carob/volume-plugin", err);
	return r < 0 ? r : server_run(&p, path, signals, err);
}

static int run(struct cli_args *args, struct error *err)
{
	struct plugin_options o = { 0 };
	int r = cli_parse(&(struct cli_set){ options, &o }, 1, args, err);

	if (r == CLI_HELP)
		return help(err);
	if (r == 0)
		r = cli_want_operands(args, 0, 0, err);
	if (r != 0)
		return r;
	return o.version ? cli_puts("carob-volume-plugin " CAROB_VERSION "\n", err)
			 : serve(&o, err);
}

int main(int argc, char **argv)
{
	struct cli_args args = { argv + 1, argc > 0 ? (size_t)argc - 1 : 0 };
	struct error err = { 0 };
	char text[1024];
	int r = cli_set_up();

	json_seed();
	if (r < 0)
		error_set(&err, r, "cannot set up standard input, output and error");
	else
		r = run(&args, &err);
	if (err.code) {
		error_format(&err, text, sizeof(text));
		cli_complain("%s", text);
	}
	if (r == CLI_USAGE)
		cli_complain("see `carob-volume-plugin --help`");
	return r < 0 ? CLI_FAILED : r;
}
