/* An archive of appc through carob-unpack: see passage.h. */
#include <unistd.h>

#include "images/behind.h"
#include "images/digest.h"
#include "images/passage.h"

void unpacked_deinit(struct unpacked *u)
{
	free(u->manifest);
	u->manifest = NULL;
	buf_deinit(&u->implied);
}

/* What carob-unpack --decompress takes. */
static bool is_compressed(int archive)
{
	static const struct {
		const char *bytes;
		size_t len;
	} magics[] = {
		{ "\x1f\x8b", 2 },
		{ "BZh", 3 },
		{ "\xfd"
		  "7zXZ",
		  5 },
		{ "\x28\xb5\x2f\xfd", 4 },
		{ "\x50\x2a\x4d\x18", 4 }, /* of zstd too: a frame to be skipped comes first */
	};
	char head[6];
	ssize_t n = pread(archive, head, sizeof(head), 0);

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (n >= (ssize_t)magics[i].len &&
		    memcmp(head, magics[i].bytes, magics[i].len) == 0)
			return true;
	return false;
}

/* OpenPGP with a pass phrase, as the specification allows for image archives: a packet with the key
 * of the session (RFC 4880, 5.3; tag 3, old or new format), or the same armoured. */
static bool is_encrypted(int archive)
{
	static const char armour[] = "-----BEGIN PGP MESSAGE-----";
	unsigned char head[sizeof(armour)] = { 0 };
	ssize_t n = pread(archive, head, sizeof(head), 0);
	bool packet = (head[0] & 0xfc) == 0x8c || head[0] == 0xc3;

	if (n >= (ssize_t)sizeof(armour) - 1 && memcmp(head, armour, sizeof(armour) - 1) == 0)
		return true;
	/* behind the length: the version of the packet, which is 4 */
	return packet && n >= 3 && head[2] == 4;
}

static int pass(struct passage *p, const struct unpacking *u, int tree)
{
	int r = passage_begin(p, u->archive, u->feed, is_compressed(u->archive));

	if (u->feed)
		p->stream.archive_size = u->archive_size;
	return r == 0 ? passage_run(p, tree < 0 ? "--check" : "--extract", tree) : r;
}

int images_unpack(const struct images *im, int archive, int tree, struct unpacked *ret,
		  const struct images_progress *progress, struct error *err)
{
	const struct unpacking u = { .archive = archive, .progress = progress };

	return images_unpack_fed(im, &u, tree, ret, err);
}

int images_unpack_fed(const struct images *im, const struct unpacking *u, int tree,
		      struct unpacked *ret, struct error *err)
{
	_unpacked_ struct unpacked unpacked = { .faults = ret->faults,
						.implied = BUF_INIT(UNPACK_REPORT_BYTES) };
	struct behind behind = BEHIND_NONE;
	struct passage p;
	int r;

	if (is_encrypted(u->archive)) {
		r = appc_fault(ret->faults, "",
			       "it is encrypted (OpenPGP); decrypt it first: gpg --decrypt");
		return r < 0 ? r : images_faults_error(ret->faults, "the archive", err);
	}
	passage_init(&p, im, &unpacked, &digest_sha512, err);
	p.stream.progress = u->progress;
	p.stream.behind = &behind;
	behind.tree = tree;
	behind.archive = u->feed ? -1 : u->archive;
	r = pass(&p, u, tree);
	passage_end(&p);
	behind_end(&behind);
	if (r < 0)
		return r;
	if (unpacked.faults->n_errors)
		return images_faults_error(unpacked.faults, "the archive", err);
	stream_id(&p.stream, unpacked.id);
	*ret = unpacked;
	unpacked = (struct unpacked){ 0 };
	return 0;
}
