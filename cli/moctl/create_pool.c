#include "cli/moctl/verbs.h"

struct pool_options {
	struct cli_number size, block_size, metadata_size;
	bool force;
};

static const struct cli_option pool_options[] = {
	{ "size", 's', "SIZE", "make a file of this size, sparse", CLI_SIZE,
	  offsetof(struct pool_options, size) },
	{ "block-size", 0, "SIZE", "what the pool gives out at once; default: 64K", CLI_SIZE,
	  offsetof(struct pool_options, block_size) },
	{ "metadata-size", 0, "SIZE",
	  "of the volume with the mosaic's own data; default: a 16th, 64M to 1G", CLI_SIZE,
	  offsetof(struct pool_options, metadata_size) },
	{ "force", 'f', NULL, "also where the device holds something already", CLI_FLAG,
	  offsetof(struct pool_options, force) },
	{ NULL },
};

static int pool_run(const struct moctl *c, struct cli_args *args, struct error *err)
{
	_cleanup_(mosaic_config_free) struct mosaic_config config = { 0 };
	struct pool_options o = { 0 };
	struct mosaic_pool pool;
	int r = moctl_parse(&(struct moctl_syntax){ pool_options, 1, 1 }, &o, args, err);

	if (r == 0 && o.block_size.value > UINT32_MAX)
		return moctl_usage(err, "--block-size: at most %u bytes.", UINT32_MAX);
	if (r == 0)
		r = mosaic_config_read(c->mosaic, &config, err);
	if (r != 0)
		return r;
	pool = (struct mosaic_pool){
		.device = args->argv[0],
		.size = o.size.value,
		.block_size = (uint32_t)o.block_size.value,
		.metadata_size = o.metadata_size.value,
		.flags = o.force ? MOSAIC_POOL_FORCE : 0,
	};
	r = mosaic_create_pool(&config, &pool, err);
	return r < 0 ? error_context(err, r, "create-pool", args->argv[0]) : r;
}

const struct moctl_verb moctl_verb_create_pool = {
	.name = "create-pool",
	.operands = "DEVICE",
	.summary = "Make the pool that a mosaic of type dm-thin lies in, and the mosaic in it",
	.prose = "MOSAIC is a description. DEVICE is a block device, or a file, which is made when\n"
		 "there is none.",
	.tables = { { pool_options } },
	.complete = { CLI_COMPLETE_FILE },
	.run = pool_run,
};
