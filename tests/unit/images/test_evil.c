/*
 * Archives that want to get out (S30, S32): each type of member under each shape of name behind
 * each kind of member that came before it, in the same archive or in a lower layer; then files
 * through whatever that left. Thousands of them, unconfined and as root: what stands beside the
 * tree must stay as it is. Whether an archive is refused is not asked here: many are not evil.
 */
#include "bench.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "images/unpack/reader.h"

enum { BLOCK = 512, BLOCKS = 64 };

/* ---- archives -------------------------------------------------------------------------------- */

struct tar {
	char bytes[BLOCKS * BLOCK];
	size_t len, given;
};

static void octal(char *field, size_t width, unsigned long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%0*lo", (int)width - 1, value);
	memcpy(field, text, width);
}

/* A member of that type letter; "evil" as content of regular files. */
static void add(struct tar *t, char type, const char *name, const char *link)
{
	char *h = t->bytes + t->len;
	unsigned sum = 8 * ' ';

	assert_true(t->len + 4 * BLOCK <= sizeof(t->bytes));
	memset(h, 0, 2 * BLOCK);
	memcpy(h, name, strnlen(name, 100));
	octal(h + 100, 8, 04777);
	octal(h + 108, 8, 1234);
	octal(h + 116, 8, 1234);
	octal(h + 124, 12, type == '0' ? 4 : 0);
	octal(h + 136, 12, 1);
	h[156] = type;
	memcpy(h + 157, link, strnlen(link, 100));
	memcpy(h + 257, "ustar\00000", 8);
	octal(h + 329, 8, 1);
	octal(h + 337, 8, 3);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	h[155] = ' ';
	t->len += BLOCK;
	if (type == '0') {
		memcpy(t->bytes + t->len, "evil", 4);
		t->len += BLOCK;
	}
}

static void finish(struct tar *t)
{
	memset(t->bytes + t->len, 0, 2 * BLOCK);
	t->len += 2 * BLOCK;
}

static ssize_t give(void *arg, const void **ret)
{
	struct tar *t = arg;
	size_t n = t->len - t->given;

	*ret = t->bytes + t->given;
	t->given = t->len;
	return (ssize_t)n;
}

/* ---- the tables ------------------------------------------------------------------------------ */

/* "@" in a link stands for the path of the canary. */
struct entry {
	char type;
	const char *link;
};

/* What p is before. */
static const struct entry earlier[] = {
	{ 0, "" },
	{ '0', "" },
	{ '5', "" },
	{ '3', "" },
	{ '6', "" },
	{ '2', "@" },
	{ '2', "../canary" },
	{ '2', "../canary/file" },
	{ '2', "." },
	{ '2', "p" },
	{ '2', "../../../../../../../../../../../.." },
	{ '2', "/proc/self/root" },
	{ '1', "../canary/file" },
	{ '1', "@/file" },
};

static const char *const shapes[] = {
	"p",
	"p/",
	"p/..",
	"p/x",
	"./p/./x",
	"p/dir/file",
	"p/../x",
	"p/../../canary/file",
	"p/../canary/file",
	"p/canary/file",
	"p/@/file",
	"..",
	"../canary",
	"../canary/file",
	"../canary/new",
	"./../canary/new",
	"x/../../canary/new",
	"@",
	"@/file",
	".",
	"/",
	"",
	"p\\..\\..\\canary\\file",
	"p/.wh.file",
	"p/.wh.dir",
	"p/.wh..wh..opq",
	".wh..wh..opq",
	".wh.",
	".wh...",
	".wh.../x",
	"p/.wh...",
	".wh./../canary/file",
	"../canary/.wh.file",
	"../canary/.wh..wh..opq",
	"@/.wh.file",
	"@/.wh..wh..opq",
	".wh.@",
	"p/.wh.p/.wh.file",
};

static const struct entry evils[] = {
	{ '0', "" },          { '5', "" },
	{ '3', "" },          { '6', "" },
	{ '2', "../canary" }, { '1', "p" },
	{ '1', "p/file" },    { '1', "../canary/file" },
	{ '1', "@/file" },    { '1', "rootfs/p/file" },
	{ 'Z', "" },
};

/* ---- at work --------------------------------------------------------------------------------- */

struct field {
	struct bench *b;
	char canary[96]; /* its path */
	struct stat before[3];
	int root;
};

static const char *const canaries[] = { "canary", "canary/file", "canary/dir" };

static void expand(const struct field *f, const char *text, const char *prefix, char *ret,
		   size_t size)
{
	const char *at = strchr(text, '@');

	if (at && (at == text || at[-1] == '/') && at != text + 5)
		prefix = text == at ? "" : prefix;
	if (at)
		snprintf(ret, size, "%s%.*s%s%s", prefix, (int)(at - text), text, f->canary,
			 at + 1);
	else
		snprintf(ret, size, "%s%s", prefix, text);
}

static void add_entry(const struct field *f, struct tar *t, const struct entry *e, const char *name,
		      const char *prefix)
{
	char full[256], link[256];

	expand(f, name, prefix, full, sizeof(full));
	expand(f, e->link, "", link, sizeof(link));
	add(t, e->type, full, link);
}

static void run(struct field *f, const struct rules *rules, struct tar *t)
{
	_report_ struct report report = REPORT_INIT;
	const struct source source = { give, t };
	struct error err = { 0 };
	int r;

	finish(t);
	r = reader_run(rules, &source, f->root, &report, &err);
	/* what is wrong with an archive is never an error of the system */
	if (r < 0 && r != -EBADMSG)
		fail_msg("an error: %s", err.text);
	assert_true(r == 0 || report.records.len || err.code);
}

static void begin(struct field *f)
{
	assert_int_equal(mkdirat(f->b->dirfd, "tree", 0755), 0);
	f->root = openat(f->b->dirfd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->root >= 0);
}

static void end(struct field *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(canaries); i++) {
		const struct stat *old = &f->before[i];
		struct stat st;

		assert_int_equal(fstatat(f->b->dirfd, canaries[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_memory_equal(&st.st_ctim, &old->st_ctim, sizeof(st.st_ctim));
		assert_memory_equal(&st.st_mtim, &old->st_mtim, sizeof(st.st_mtim));
		assert_int_equal(st.st_ino, old->st_ino);
		assert_int_equal(st.st_nlink, old->st_nlink);
		assert_int_equal(st.st_mode, old->st_mode);
	}
	cleanup_close(&f->root);
	assert_int_equal(path_remove_tree(f->b->dirfd, "tree"), 0);
}

/* p as it is before, with a file below it if it can. */
static void add_before(const struct field *f, struct tar *t, const struct entry *before,
		       const char *prefix)
{
	static const struct entry file = { '0', "" }, directory = { '5', "" };

	if (!before->type)
		return;
	add_entry(f, t, before, "p", prefix);
	if (before->type == '5') {
		add_entry(f, t, &file, "p/file", prefix);
		add_entry(f, t, &directory, "p/dir", prefix);
	}
}

static void add_after(const struct field *f, struct tar *t, const char *shape, const char *prefix)
{
	static const struct entry file = { '0', "" };
	char below[128];

	add_entry(f, t, &file, "p/file", prefix);
	snprintf(below, sizeof(below), "%s/file", shape);
	add_entry(f, t, &file, below, prefix);
}

static void attack_image(struct field *f, const struct entry *before, const char *shape,
			 const struct entry *evil)
{
	static const struct entry root = { '5', "" };
	struct tar t = { .len = 0 };

	begin(f);
	add_entry(f, &t, &root, "rootfs/", "");
	add_before(f, &t, before, "rootfs/");
	add_entry(f, &t, evil, shape, "rootfs/");
	add_after(f, &t, shape, "rootfs/");
	run(f, &image_rules, &t);
	end(f);
}

static void attack_layer(struct field *f, const struct entry *before, const char *shape,
			 const struct entry *evil)
{
	struct tar lower = { .len = 0 }, same = { .len = 0 }, upper = { .len = 0 };

	/* in one layer */
	begin(f);
	add_before(f, &same, before, "");
	add_entry(f, &same, evil, shape, "");
	add_after(f, &same, shape, "");
	run(f, &layer_rules, &same);
	end(f);
	/* in two */
	begin(f);
	add_before(f, &lower, before, "");
	run(f, &layer_rules, &lower);
	add_entry(f, &upper, evil, shape, "");
	add_after(f, &upper, shape, "");
	run(f, &layer_rules, &upper);
	end(f);
}

static void attack_bundle(struct field *f, const struct entry *before, const char *shape,
			  const struct entry *evil)
{
	struct tar t = { .len = 0 };

	begin(f);
	add_before(f, &t, before, "");
	add_entry(f, &t, evil, shape, "");
	add_after(f, &t, shape, "");
	run(f, &bundle_rules, &t);
	end(f);
}

static void attack_all(void **state, void (*attack)(struct field *, const struct entry *,
						    const char *, const struct entry *))
{
	struct field f = { .b = *state };
	unsigned entries;

	umask(0);
	put(f.b->dirfd, "canary/file", "alive");
	put(f.b->dirfd, "canary/dir/file", "alive");
	snprintf(f.canary, sizeof(f.canary), "%s/canary", f.b->path);
	for (size_t i = 0; i < ARRAY_SIZE(canaries); i++)
		assert_int_equal(fstatat(f.b->dirfd, canaries[i], &f.before[i], 0), 0);
	entries = count_entries(f.b->dirfd, ".");
	for (size_t i = 0; i < ARRAY_SIZE(earlier); i++)
		for (size_t j = 0; j < ARRAY_SIZE(shapes); j++)
			for (size_t k = 0; k < ARRAY_SIZE(evils); k++)
				attack(&f, &earlier[i], shapes[j], &evils[k]);
	assert_int_equal(count_entries(f.b->dirfd, "."), entries);
	assert_int_equal(count_entries(f.b->dirfd, "canary"), 2);
	assert_int_equal(count_entries(f.b->dirfd, "canary/dir"), 1);
	assert_file(f.b->dirfd, "canary/file", "alive");
	assert_file(f.b->dirfd, "canary/dir/file", "alive");
}

static void test_image(void **state)
{
	attack_all(state, attack_image);
}

static void test_layer(void **state)
{
	attack_all(state, attack_layer);
}

static void test_bundle(void **state)
{
	attack_all(state, attack_bundle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_image, bench_setup, bench_teardown),
		cmocka_unit_test_setup_teardown(test_layer, bench_setup, bench_teardown),
		cmocka_unit_test_setup_teardown(test_bundle, bench_setup, bench_teardown),
	};

	return cmocka_run_group_tests_name("evil", tests, NULL, NULL);
}
