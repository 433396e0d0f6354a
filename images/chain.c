/*
 * An image and all that it depends on, in the order in which they are laid down: depth first, the
 * dependencies of each in the order of its list, itself behind them (appc spec, "dependency
 * matching"). An image that two others need is laid down twice, for the later one wins.
 */
#include "images/internal.h"

enum { LABELS_BYTES = 64 << 10 };

struct walk {
	const struct images *im;
	struct chain chain;
	const char *os, *arch;                                    /* what the image itself is for */
	int (*missing)(const struct chain_missing *m, void *arg); /* NULL: it is an error */
	void *arg;
	struct error *err;
	/* the images from the root of the walk down to the present one */
	struct {
		char id[STORE_ID_TEXT];
		const char *name;
	} above[LIMIT_DEPENDENCY_DEPTH];
	size_t depth;
};

bool chain_is_simple(const struct appc_image *image)
{
	return image->n_dependencies == 0 && image->path_whitelist.n == 0;
}

void chain_deinit(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		appc_image_free(c->links[i].image);
	free(c->links);
	*c = (struct chain){ 0 };
}

static int read_image(struct walk *w, const char *id, struct appc_image **ret)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_free_ char *manifest = NULL;
	size_t len;
	int r = store_manifest(w->im->store, id, &manifest, &len, w->err);

	if (r < 0)
		return r;
	r = appc_image_read(ret, manifest, len, &faults);
	if (r == -EBADMSG)
		return images_faults_error(&faults, "the manifest", w->err);
	return r < 0 ? error_set(w->err, r, "cannot read the manifest of %s", id) : 0;
}

/* ---- which image a dependency means ---------------------------------------------------------- */

/* What is asked of a dependency: its labels, and where it leaves them open, the system of the
 * image. */
static int wanted_labels(const struct walk *w, const struct appc_dependency *d, struct buf *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->labels.n; i++)
		r = store_label_add(ret, d->labels.list[i].name, d->labels.list[i].value);
	if (r == 0 && !appc_pairs_get(&d->labels, "os"))
		r = store_label_add(ret, "os?", w->os);
	if (r == 0 && !appc_pairs_get(&d->labels, "arch"))
		r = store_label_add(ret, "arch?", w->arch);
	return r;
}

static int find_image(const struct walk *w, const struct appc_dependency *d,
		      char ret[STORE_ID_TEXT])
{
	_buf_ struct buf labels = BUF_INIT(LABELS_BYTES);
	int r;

	if (d->image_id)
		return store_find_id(w->im->store, d->image_id, ret, w->err);
	r = wanted_labels(w, d, &labels);
	if (r < 0)
		return error_set(w->err, r, "the labels of dependency %s take too much room",
				 d->image_name);
	return store_find_name(w->im->store, d->image_name, labels.data ? labels.data : "", ret,
			       w->err);
}

/* The dependency may say what it must be, beyond how it is found. */
static int check_image(const struct walk *w, const struct appc_dependency *d, const char *id,
		       const struct appc_image *image)
{
	_store_info_ struct store_info info = { 0 };
	int r;

	if (!str_eq(image->name, d->image_name))
		return error_set(w->err, -EBADMSG, "dependency %s has the name %s.", id,
				 image->name);
	if (!appc_image_has_labels(image, &d->labels))
		return error_set(w->err, -EBADMSG,
				 "dependency %s (%s) does not have the labels that are asked for.",
				 id, image->name);
	if (d->size < 0)
		return 0;
	r = store_info(w->im->store, id, &info, w->err);
	if (r == 0 && info.archive_size != (uint64_t)d->size)
		r = error_set(w->err, -EBADMSG,
			      "dependency %s has %llu bytes and should have %lld.", image->name,
			      (unsigned long long)info.archive_size, (long long)d->size);
	return r;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static int check_cycle(const struct walk *w, const char *id)
{
	for (size_t i = 0; i < w->depth; i++)
		if (str_eq(w->above[i].id, id))
			return error_set(w->err, -ELOOP, "image %s depends on itself, through %s.",
					 w->above[i].name, w->above[w->depth - 1].name);
	return 0;
}

/* Takes the image over in any case. */
static int append(struct walk *w, const char *id, struct appc_image *image, size_t first)
{
	struct chain *c = &w->chain;
	struct chain_link *links;

	if (c->n >= LIMIT_DEPENDENCIES) {
		appc_image_free(image);
		return error_set(w->err, -E2BIG,
				 "it depends on more than %d images (LIMIT_DEPENDENCIES).",
				 LIMIT_DEPENDENCIES);
	}
	links = reallocarray(c->links, c->n + 1, sizeof(*links));
	if (!links) {
		appc_image_free(image);
		return error_set(w->err, -ENOMEM, "out of memory");
	}
	c->links = links;
	links[c->n] = (struct chain_link){ .image = image, .parent = c->n };
	memcpy(links[c->n].id, id, STORE_ID_TEXT);
	/* those since first that nobody claimed are its own dependencies */
	for (size_t i = first; i < c->n; i++)
		if (links[i].parent == i)
			links[i].parent = c->n;
	c->n++;
	return 0;
}

static int visit(struct walk *w, const char *id, const struct appc_dependency *as);

static int visit_dependency(struct walk *w, const struct appc_dependency *d)
{
	const char *dependent = w->above[w->depth - 1].name;
	const struct chain_missing missing = { d, dependent, w->os, w->arch };
	char id[STORE_ID_TEXT];
	int r = find_image(w, d, id);

	if (r != STORE_MISSING)
		return r == 0 ? visit(w, id, d) : r;
	if (w->missing)
		return w->missing(&missing, w->arg);
	return error_set(w->err, -ENOENT,
			 "%s needs %s%s%s, which is not in the store; fetch or import it first.",
			 dependent, d->image_name, d->image_id ? " " : "",
			 d->image_id ? d->image_id : "");
}

/* The image at the root of the walk decides for which system its dependencies are. */
static void take_system(struct walk *w, const struct appc_image *image)
{
	const char *os = appc_pairs_get(&image->labels, "os");
	const char *arch = appc_pairs_get(&image->labels, "arch");

	w->os = os ? os : appc_host_os();
	w->arch = arch ? arch : appc_host_arch();
}

static int visit(struct walk *w, const char *id, const struct appc_dependency *as)
{
	struct appc_image *image = NULL;
	size_t first = w->chain.n;
	int r = check_cycle(w, id);

	if (r == 0 && w->depth == LIMIT_DEPENDENCY_DEPTH)
		r = error_set(
			w->err, -E2BIG,
			"its dependencies go more than %d images deep (LIMIT_DEPENDENCY_DEPTH).",
			LIMIT_DEPENDENCY_DEPTH);
	if (r == 0)
		r = read_image(w, id, &image);
	if (r < 0)
		return r;
	if (!as)
		take_system(w, image);
	else
		r = check_image(w, as, id, image);
	memcpy(w->above[w->depth].id, id, STORE_ID_TEXT);
	w->above[w->depth++].name = image->name;
	for (size_t i = 0; r == 0 && i < image->n_dependencies; i++)
		r = visit_dependency(w, &image->dependencies[i]);
	w->depth--;
	if (r < 0) {
		appc_image_free(image);
		return r;
	}
	return append(w, id, image, first);
}

static int walk(struct chain *ret, const struct walk *how, const char *id)
{
	_free_ struct walk *w = malloc(sizeof(*w));
	int r;

	if (!w)
		return error_set(how->err, -ENOMEM, "out of memory");
	*w = *how;
	r = visit(w, id, NULL);
	if (r < 0) {
		chain_deinit(&w->chain);
		return r;
	}
	*ret = w->chain;
	return 0;
}

int chain_resolve(struct chain *ret, const struct images *im, const char *id, struct error *err)
{
	const struct walk how = { .im = im, .err = err };

	return walk(ret, &how, id);
}

int chain_each_missing(const struct images *im, const char *id,
		       int (*fn)(const struct chain_missing *m, void *arg), void *arg,
		       struct error *err)
{
	const struct walk how = { .im = im, .missing = fn, .arg = arg, .err = err };
	_chain_ struct chain chain = { 0 };

	return walk(&chain, &how, id);
}

/* ---- what can be found of it ----------------------------------------------------------------- */

static int reach(struct walk *w, const char *id, bool (*fn)(const char *id, void *arg), void *arg)
{
	_appc_image_ struct appc_image *image = NULL;
	int r = read_image(w, id, &image);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || w->depth == LIMIT_DEPENDENCY_DEPTH)
		return 0;
	if (w->depth++ == 0)
		take_system(w, image);
	r = 0;
	for (size_t i = 0; r == 0 && i < image->n_dependencies; i++) {
		char found[STORE_ID_TEXT];

		r = find_image(w, &image->dependencies[i], found);
		if (r == 0 && fn(found, arg))
			r = reach(w, found, fn, arg);
		r = r == -ENOMEM ? r : 0;
	}
	if (--w->depth == 0)
		w->os = w->arch = NULL; /* the image's */
	return r;
}

int chain_reach(const struct images *im, const char *id, bool (*fn)(const char *id, void *arg),
		void *arg, struct error *err)
{
	_free_ struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return error_set(err, -ENOMEM, "out of memory");
	w->im = im;
	return reach(w, id, fn, arg) < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
}

void chain_volume_name(char *dst, const struct chain *c)
{
	unsigned char digest[SHA512_DIGEST_SIZE];
	struct sha512_ctx ctx;
	char line[STORE_ID_TEXT + 32];

	sha512_init(&ctx);
	for (size_t i = 0; i < c->n; i++) {
		int len = snprintf(line, sizeof(line), "%s %zu\n", c->links[i].id,
				   c->links[i].parent);

		sha512_update(&ctx, (size_t)len, (const unsigned char *)line);
	}
	sha512_digest(&ctx, sizeof(digest), digest);
	memcpy(dst, "chain.", 6);
	hex_encode(dst + 6, digest, 32);
}
