#include <jansson.h>

#include "cli/cli.h"
#include "cli/image.h"
#include "cli/verbs.h"

struct validate_options {
	bool json, quiet;
};

static const struct cli_option validate_options[] = {
	{ "json", 0, NULL, "as JSON", CLI_FLAG, offsetof(struct validate_options, json) },
	{ "quiet", 'q', NULL, "only say what is wrong", CLI_FLAG,
	  offsetof(struct validate_options, quiet) },
	{ NULL },
};

static json_t *faults_json(const char *file, const char *kind, const struct appc_faults *faults)
{
	json_t *list = json_array();

	for (size_t i = 0; i < faults->n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:b}", "path", faults->list[i].path,
						"text", faults->list[i].text, "warning",
						faults->list[i].warning));
	return json_pack("{s:s, s:s?, s:b, s:o}", "file", file, "kind", kind, "valid",
			 faults->n_errors == 0, "faults", list);
}

/* 0 valid, 1 not, or negative. */
static int validate_one(const struct images *im, const char *file, const struct validate_options *o,
			json_t *all, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	const char *kind = NULL;
	int r = images_validate(im, file, &kind, &faults, err);

	if (r < 0 && r != -EBADMSG)
		return error_context(err, r, "validate", file);
	if (r == -EBADMSG && faults.n_errors == 0) /* unreadable as anything: the error says why */
		return error_context(err, r, "validate", file);
	*err = (struct error){ 0 };
	if (o->json)
		return json_array_append_new(all, faults_json(file, kind, &faults)) < 0
			       ? error_set(err, -ENOMEM, "%s", file)
			       : faults.n_errors > 0;
	r = image_put_faults(file, &faults, STDOUT_FILENO);
	if (r < 0)
		return error_set(err, r, "cannot write to standard output");
	if (faults.n_errors > 0)
		return 1;
	return o->quiet ? 0 : cli_print(err, "%s: valid %s\n", file, kind ? kind : "document");
}

static int validate_run(const struct cli *cli, struct cli_args *args, struct error *err)
{
	struct validate_options o = { 0 };
	struct cli_set set = { validate_options, &o };
	const struct images im = { .libexec = cli->libexec };
	int result = 0, r = cli_parse(&set, 1, args, err);
	json_t *all;

	if (r == 0)
		r = cli_want_operands(args, 1, SIZE_MAX, err);
	if (r != 0)
		return r;
	all = json_array();
	for (size_t i = 0; i < args->n; i++)
		result = cli_next_failure(result, validate_one(&im, args->argv[i], &o, all, err),
					  err);
	if (!o.json) {
		json_decref(all);
		return result;
	}
	r = cli_put_json(all, err);
	return r < 0 ? r : result;
}

const struct cli_verb verb_validate = {
	.name = "validate",
	.operands = "FILE...",
	.summary = "Check images, image directories and manifests against the specification",
	.tables = { { validate_options } },
	.complete = CLI_COMPLETE_FILE,
	.run = validate_run,
};
