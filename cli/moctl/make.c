/* `moctl MOSAIC make`: how a mosaic comes into being. */
#include <string.h>

#include "cli/moctl/parse.h"
#include "cli/moctl/verbs.h"

struct make_options {
	const char *type, *default_fs;
	struct cli_list options;
};

static const struct cli_option make_options[] = {
	{ "type", 't', "DRIVER",
	  "plain, overlay, btrfs, fsimg, ploop, dm-thin or zfs; default: the best that works there",
	  CLI_STRING, offsetof(struct make_options, type) },
	{ "default-fs", 0, "FS", "what its volumes are made with", CLI_STRING,
	  offsetof(struct make_options, default_fs) },
	{ "option", 'o', "KEY=VALUE", "an option of the driver (mosaic.mos(5)); may be repeated",
	  CLI_LIST, offsetof(struct make_options, options) },
	{ NULL },
};

/* What a description would say. */
static int config_of(const char *location, const struct make_options *o, struct mosaic_config *ret,
		     struct error *err)
{
	int r = 0;

	if (!o->type)
		return moctl_usage(err, "--default-fs and --option need --type.");
	ret->type = strdup(o->type);
	ret->location = strdup(location);
	ret->default_fs = o->default_fs ? strdup(o->default_fs) : NULL;
	ret->options = calloc(o->options.n + 1, sizeof(*ret->options));
	if (!ret->type || !ret->location || !ret->options || (o->default_fs && !ret->default_fs))
		return error_set(err, -ENOMEM, "cannot make %s", location);
	for (size_t i = 0; r == 0 && i < o->options.n; i++) {
		const char *pair = o->options.items[i];
		struct mosaic_option *option = &ret->options[ret->n_options];
		size_t len;

		r = moctl_read_pair(pair, &len, err);
		if (r != 0)
			break;
		*option = (struct mosaic_option){ strndup(pair, len), strdup(pair + len + 1) };
		ret->n_options++;
		if (!option->key || !option->value)
			r = error_set(err, -ENOMEM, "cannot make %s", location);
	}
	return r;
}

/* The library takes what is there already; who says make means that there is none. */
static int make_new(const char *word, const struct mosaic_config *config, struct mosaic **ret,
		    struct error *err)
{
	int r = config ? mosaic_open_config(ret, config, 0, err)
		       : mosaic_open(ret, word, NULL, 0, err);

	if (r == 0)
		return error_set(err, -EEXIST, "there is a mosaic at %s already, of type %s.",
				 mosaic_location(*ret), mosaic_type(*ret));
	if (r != -ENOENT)
		return r;
	*err = (struct error){ 0 };
	return config ? mosaic_open_config(ret, config, MOSAIC_OPEN_CREATE, err)
		      : mosaic_open(ret, word, NULL, MOSAIC_OPEN_CREATE, err);
}

static int make(const char *word, const struct make_options *o, struct error *err)
{
	_cleanup_(mosaic_config_free) struct mosaic_config config = { 0 };
	_mosaic_ struct mosaic *m = NULL;
	bool more = o->type || o->default_fs || o->options.n;
	int r;

	if (moctl_is_location(word)) {
		r = more ? config_of(word, o, &config, err) : 0;
		return r ? r : make_new(word, more ? &config : NULL, &m, err);
	}
	if (more)
		return moctl_usage(err, "%s is a description: it says the type and all options.",
				   word);
	r = mosaic_config_read(word, &config, err);
	return r < 0 ? r : make_new(word, &config, &m, err);
}

static int make_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	struct make_options o = { 0 };
	int r = moctl_parse(&(struct moctl_syntax){ make_options, 0, 0 }, &o, args, err);

	if (r == 0)
		r = make(c->mosaic, &o, err);
	cli_options_deinit(make_options, &o);
	return r < 0 ? error_context(err, r, "make", c->mosaic) : r;
}

const struct moctl_verb moctl_verb_make = {
	.name = "make",
	.summary = "Make the mosaic itself, where its description says, or in a directory",
	.prose = "MOSAIC is a description, which says everything, or a directory (written with a\n"
		 "slash unless it exists), for which the options say it. What else the directory\n"
		 "holds stays.",
	.tables = { { make_options } },
	.run = make_run,
};
