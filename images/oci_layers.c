/*
 * Layers into one tree. Each goes the way of passage.h, one after the other, as each changes what
 * those before it have made; but the decompressors of the next ones work ahead, as far as the ring
 * behind each has room. What comes out of a blob is checked against its diff ID: the blob's own
 * digest was checked when it arrived, and one that was damaged since does not come to its diff ID.
 */
#include <fcntl.h>
#include <nettle/nettle-meta.h>
#include <sys/stat.h>

#include "images/behind.h"
#include "images/digest.h"
#include "images/oci.h"
#include "images/passage.h"

enum { AHEAD = 2, WHAT_BYTES = 64 };

/* One layer while it is being worked on. */
struct layer {
	struct passage passage;
	struct unpacked unpacked;
	char what[WHAT_BYTES]; /* "layer 2 of 7" */
	int blob;
};

struct laying {
	const struct oci_laying *job;
	struct error *err;
	struct layer layers[1 + AHEAD]; /* that of number i: i modulo their number */
	struct behind behind;
	size_t begun, done;
	uint64_t bytes, archive, members, size; /* of those that are done */
};

static struct layer *layer_at(struct laying *l, size_t number)
{
	return &l->layers[number % ARRAY_SIZE(l->layers)];
}

static void end_layer(struct layer *layer)
{
	passage_end(&layer->passage);
	unpacked_deinit(&layer->unpacked);
	cleanup_close(&layer->blob);
}

/* ---- one of them ----------------------------------------------------------------------------- */

void oci_blob_name(char dst[OCI_BLOB_NAME], const char *digest)
{
	snprintf(dst, OCI_BLOB_NAME, "blob.%s", digest);
	*strchr(dst, ':') = '-';
}

static int open_blob(const struct laying *l, size_t number)
{
	const struct oci_descriptor *d = &l->job->image->manifest.layers[number];
	char name[OCI_BLOB_NAME];
	_close_ int fd = -1;
	struct stat st;

	oci_blob_name(name, d->digest);
	if (l->job->id)
		fd = store_open_file(l->job->im->store, l->job->id, name, l->err);
	else
		fd = openat(l->job->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(l->err, fd < -1 ? fd : -errno, "cannot open layer %s", d->digest);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != d->size)
		return error_set(l->err, -EBADMSG,
				 "layer %s is damaged: it has %lld bytes in place of %llu.",
				 d->digest, (long long)st.st_size, (unsigned long long)d->size);
	return take_fd(&fd);
}

static const struct nettle_hash *hash_of(const char *digest)
{
	return str_starts(digest, "sha512:") ? &digest_sha512 : &nettle_sha256;
}

/* Starts to decompress the next layer. */
static int begin(struct laying *l)
{
	const struct oci_image *image = l->job->image;
	size_t number = l->begun;
	struct layer *layer = layer_at(l, number);

	layer->unpacked = (struct unpacked){ .faults = l->job->faults,
					     .implied = BUF_INIT(UNPACK_REPORT_BYTES) };
	snprintf(layer->what, sizeof(layer->what), "layer %zu of %zu", number + 1,
		 image->manifest.n_layers);
	passage_init(&layer->passage, l->job->im, &layer->unpacked,
		     hash_of(image->config.diff_ids[number]), l->err);
	layer->passage.stream.what = layer->what;
	layer->passage.stream.progress = l->job->progress;
	layer->passage.stream.behind = &l->behind;
	layer->passage.among_others = true;
	layer->passage.stream.others_follow = l->begun + 1 < image->manifest.n_layers;
	layer->blob = open_blob(l, number);
	l->begun++;
	if (layer->blob < 0)
		return layer->blob;
	return passage_begin(&layer->passage, layer->blob, NULL,
			     image->manifest.compressions[number] != OCI_PLAIN);
}

static int check_digest(const struct laying *l, struct layer *layer)
{
	const struct stream *s = &layer->passage.stream;
	const char *expected = l->job->image->config.diff_ids[l->done];
	unsigned char raw[SHA512_DIGEST_SIZE];
	char came[OCI_DIGEST_TEXT];

	stream_digest(&layer->passage.stream, raw);
	snprintf(came, sizeof(came), "%.7s", expected);
	hex_encode(came + 7, raw, s->hash->digest_size);
	if (str_eq(came, expected))
		return 0;
	return error_set(
		l->err, -EBADMSG,
		"%s is not what the image's configuration says: it should unpack to %s and comes to %s.",
		layer->what, expected, came);
}

/* What all layers share: the limits of one archive hold for their sum. */
static int add_up(struct laying *l, const struct layer *layer)
{
	l->bytes += layer->passage.stream.bytes;
	l->archive += layer->passage.stream.archive_size;
	l->members += layer->unpacked.members;
	l->size += layer->unpacked.size;
	if (l->members <= LIMIT_ARCHIVE_MEMBERS)
		return 0;
	return error_set(l->err, -EFBIG,
			 "its layers have more than %d members (LIMIT_ARCHIVE_MEMBERS).",
			 LIMIT_ARCHIVE_MEMBERS);
}

/* A stream that was read to its end and is not the one that was promised matters more than what is
 * wrong in it. */
static int lay(struct laying *l, int tree)
{
	struct layer *layer = layer_at(l, l->done);
	struct stream *s = &layer->passage.stream;
	int r;

	s->bytes_before = l->bytes;
	s->archive_before = l->archive;
	r = passage_run(&layer->passage, "--layer", tree);
	if (r == 0 && !s->cut)
		r = check_digest(l, layer);
	if (r == 0 && l->job->faults->n_errors)
		r = images_faults_error(l->job->faults, layer->what, l->err);
	if (r == 0)
		r = add_up(l, layer);
	if (r < 0)
		return r;
	end_layer(layer);
	l->done++;
	return 0;
}

/* ---- all ------------------------------------------------------------------------------------- */

static int lay_all(struct laying *l, int tree)
{
	/* what no layer describes is the same whenever it is unpacked */
	static const struct timespec epoch[2] = { 0 };
	size_t n = l->job->image->manifest.n_layers;
	int r = 0;

	if (futimens(tree, epoch) < 0)
		return error_set(l->err, -errno, "cannot prepare the directory to unpack into");
	while (r == 0 && l->done < n) {
		while (r == 0 && l->begun < n && l->begun <= l->done + AHEAD)
			r = begin(l);
		if (r == 0)
			r = lay(l, tree);
	}
	return r;
}

int oci_lay_layers(const struct oci_laying *job, int tree, uint64_t *ret_size, struct error *err)
{
	struct laying l = { .job = job, .err = err, .behind = BEHIND_NONE };
	int r;

	if (job->image->manifest.n_layers != job->image->config.n_diff_ids)
		return error_set(err, -EBADMSG,
				 "the image has %zu layers and its configuration %zu diff IDs.",
				 job->image->manifest.n_layers, job->image->config.n_diff_ids);
	l.behind.tree = tree;
	r = lay_all(&l, tree);
	behind_end(&l.behind);
	for (; l.done < l.begun; l.done++)
		end_layer(layer_at(&l, l.done));
	if (r == 0)
		*ret_size = l.size;
	return r;
}
