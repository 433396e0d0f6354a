/* carob-unpack: see unpack.h. */
#include <fcntl.h>
#include <iconv.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "images/unpack/confine.h"
#include "images/unpack/decompress.h"
#include "images/unpack/reader.h"
#include "images/unpack/unpack.h"
#include "kernel/kernel.h"

/* ---- where the bytes come from --------------------------------------------------------------- */

/* The other side judges by how much came in how much a decompressor may give, so it sees a bomb so
 * much later as this is large; smaller blocks cost gzip some 6 % of an import, in calls and in
 * copies of the window. */
static ssize_t next_of_stdin(_unused_ void *arg, const void **ret)
{
	static char buffer[256 << 10];
	size_t len = 0;
	ssize_t n = 1;

	/* a pipe gives little at a time; what goes on in large pieces goes on faster */
	while (len < sizeof(buffer) / 2 && n != 0) {
		n = read(STDIN_FILENO, buffer + len, sizeof(buffer) - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	*ret = buffer;
	return (ssize_t)len;
}

static ssize_t next_of_ring(void *arg, const void **ret)
{
	return ring_next(arg, ret);
}

static struct ring_reader ring_from;
static struct source source = { .next = next_of_stdin };

/* The memory is mapped while that can still be done: its descriptor is not kept. */
static int take_from_ring(int memory, struct error *err)
{
	const struct ring_ends ends = { .sock = STDIN_FILENO, .memory = memory };
	int r = ring_open(&ring_from, &ends);

	source = (struct source){ .next = next_of_ring, .arg = &ring_from };
	return r < 0 ? error_set(err, r, "cannot share memory with who started this") : 0;
}

/* ---- where the decompressed one goes --------------------------------------------------------- */

static struct ring ring_to;

/* No more at a time than the other side should wait for. */
static int room_of_ring(void *arg, unsigned char **ret, size_t *ret_size, struct error *err)
{
	enum { PIECE = 512 << 10 };
	int r = 0;

	while (r == 0 && (*ret_size = ring_room(arg, ret)) == 0)
		r = ring_hear(arg);
	if (*ret_size > PIECE)
		*ret_size = PIECE;
	return r < 0 ? error_set(err, r, "cannot pass on the decompressed archive") : 0;
}

static int put_into_ring(void *arg, size_t n, struct error *err)
{
	int r = ring_written(arg, n);

	return r < 0 ? error_set(err, r, "cannot pass on the decompressed archive") : 0;
}

static int give_to_ring(struct error *err)
{
	const struct ring_ends ends = { .sock = STDOUT_FILENO, .memory = UNPACK_RING_FD };
	int r = ring_join(&ring_to, &ends);

	return r < 0 ? error_set(err, r, "cannot share memory with who started this") : 0;
}

static bool shared, fed, small_window;

static int share(bool decompresses, struct error *err)
{
	int r;

	if (!decompresses)
		return take_from_ring(UNPACK_RING_FD, err);
	r = give_to_ring(err);
	return r == 0 && fed ? take_from_ring(UNPACK_FEED_FD, err) : r;
}

/* ---- what is done with it -------------------------------------------------------------------- */

static int extract(struct report *report, struct error *err)
{
	return reader_run(&image_rules, &source, UNPACK_TREE_FD, report, err);
}

static int check(struct report *report, struct error *err)
{
	return reader_run(&image_rules, &source, -1, report, err);
}

static int layer(struct report *report, struct error *err)
{
	return reader_run(&layer_rules, &source, UNPACK_TREE_FD, report, err);
}

static int files(struct report *report, struct error *err)
{
	return reader_run(&bundle_rules, &source, UNPACK_TREE_FD, report, err);
}

static int decompress(struct report *report, struct error *err)
{
	const struct decompress_sink sink = { room_of_ring, put_into_ring, &ring_to, small_window };
	int r = shared ? decompress_run(&source, &sink, err)
		       : decompress_to_fd(&source, STDOUT_FILENO, err);

	return r < 0 ? r : report_add(report, UNPACK_DONE, "", "", 0, 0);
}

enum { WITH_TREE = 1 << 0 | 1 << UNPACK_TREE_FD | 1 << UNPACK_REPORT_FD };

static const struct mode {
	const char *option;
	struct confinement confinement;
	int (*run)(struct report *report, struct error *err);
} modes[] = {
	{ "--decompress", { .keep_fds = 1 << 0 | 1 << 1 | 1 << UNPACK_REPORT_FD }, decompress },
	{ "--extract", { .keep_fds = WITH_TREE, .tree = true }, extract },
	{ "--check", { .keep_fds = 1 << 0 | 1 << UNPACK_REPORT_FD }, check },
	{ "--layer", { .keep_fds = WITH_TREE, .tree = true, .change = true }, layer },
	{ "--files", { .keep_fds = WITH_TREE, .tree = true }, files },
};

/* The C library opens a file of its own when it first converts between character sets; later it
 * could not. */
static void prepare_conversion(void)
{
	iconv_t cd = iconv_open("ANSI_X3.4-1968", "UTF-8");

	if (cd != (iconv_t)-1)
		iconv_close(cd);
}

static int add_failure(struct report *report, const struct error *err, int code)
{
	char text[1024];

	error_format(err, text, sizeof(text));
	return report_add(report, UNPACK_FAILURE, "", text, strlen(text), (uint64_t)-code);
}

/* With room for a record or two from the beginning. */
static struct report last_words = REPORT_INIT;

/* libarchive ends the program where it gets no memory for a string. We end without exit(), so
 * whoever calls that is a library. */
static void say_given_up(void)
{
	struct error err = { 0 };
	int r = error_set(
		&err, -ENOMEM,
		"the archive needs more than %d MiB of memory to be read (LIMIT_UNPACK_MEMORY), or there is none left",
		LIMIT_UNPACK_MEMORY >> 20);

	close(STDIN_FILENO);
	last_words.records.len = 0;
	if (add_failure(&last_words, &err, r) == 0)
		(void)!report_send(&last_words, UNPACK_REPORT_FD);
	syscall(SYS_exit_group, EXIT_FAILURE);
}

static int run(const struct mode *mode)
{
	_report_ struct report report = REPORT_INIT;
	struct confinement confinement = mode->confinement;
	struct error err = { 0 };
	int r;

	confinement.memory = mode->run == decompress ? LIMIT_DECOMPRESS_MEMORY
						     : LIMIT_UNPACK_MEMORY;
	umask(0); /* files are made with their mode */
	/* when memory has run out there must be some left to say so */
	if (report_reserve(&report) < 0 || report_reserve(&last_words) < 0 ||
	    atexit(say_given_up) != 0)
		return EXIT_FAILURE;
	r = shared ? share(mode->run == decompress, &err) : 0;
	if (r == 0)
		r = confine(&confinement, &err);
	if (r == 0)
		r = mode->run(&report, &err);
	if (r < 0) {
		if (!err.code)
			error_set(&err, r,
				  r == -EBADMSG ? "the archive is no image." : "cannot unpack");
		r = add_failure(&report, &err, r);
	}
	/* the other side may be waiting to send more */
	close(STDIN_FILENO);
	return r == 0 && report_send(&report, UNPACK_REPORT_FD) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What follows the mode: in this order, and with --shared alone. */
static bool take_options(int argc, char **argv)
{
	int i = 2;

	shared = i < argc && str_eq(argv[i], "--shared");
	i += shared;
	fed = shared && i < argc && str_eq(argv[i], "--fed");
	i += fed;
	small_window = shared && i < argc && str_eq(argv[i], "--small-window");
	i += small_window;
	return argc >= 2 && i == argc;
}

int main(int argc, char **argv)
{
	bool good = take_options(argc, argv);

	prepare_conversion();
	for (size_t i = 0; good && i < ARRAY_SIZE(modes); i++)
		if (str_eq(argv[1], modes[i].option))
			/* at once: what libraries do at the end of a program is not on the list
			 * of calls */
			syscall(SYS_exit_group, run(&modes[i]));
	dprintf(STDERR_FILENO, "carob-unpack is started by carob when it imports an image.\n");
	return EXIT_FAILURE;
}
