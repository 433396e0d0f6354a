/* The driver dm-thin where the pool fails. What would ask device mapper answers as it is told here.
 */
#include "scratch.h"

#include <fcntl.h>
#include <string.h>

#include "mosaic/thin.h"

#define MIB (1ULL << 20)

enum { OWN_ID = 7 };

int __wrap_thin_pool_up(struct thin *t, struct error *err);
int __wrap_thin_need_room(struct thin *t, uint64_t bytes, struct error *err);
int __wrap_thin_make(struct thin *t, uint32_t id, struct error *err);
int __wrap_thin_delete(struct thin *t, uint32_t id, struct error *err);
int __wrap_thin_down(struct thin *t, uint32_t id, struct error *err);
int __wrap_volume_need_unused(struct mosaic *m, const struct volume *v, const char *what,
			      struct error *err);

static int room; /* or the reason why there is none */
static unsigned n_made, n_deleted;

int __wrap_thin_pool_up(struct thin *t, struct error *err)
{
	(void)t;
	(void)err;
	return 0;
}

int __wrap_thin_need_room(struct thin *t, uint64_t bytes, struct error *err)
{
	(void)t;
	(void)bytes;
	return room < 0 ? error_set(err, room, "the pool is full") : 0;
}

int __wrap_thin_make(struct thin *t, uint32_t id, struct error *err)
{
	(void)t;
	(void)id;
	(void)err;
	n_made++;
	return 0;
}

int __wrap_thin_delete(struct thin *t, uint32_t id, struct error *err)
{
	(void)t;
	(void)id;
	(void)err;
	n_deleted++;
	return 0;
}

int __wrap_thin_down(struct thin *t, uint32_t id, struct error *err)
{
	(void)t;
	(void)id;
	(void)err;
	return 0;
}

int __wrap_volume_need_unused(struct mosaic *m, const struct volume *v, const char *what,
			      struct error *err)
{
	(void)m;
	(void)v;
	(void)what;
	(void)err;
	return 0;
}

struct pool {
	struct mosaic mosaic;
	struct thin thin;
	struct volume volume;
};

/* A mosaic whose one volume is in the test's directory. */
static void pool_begin(struct pool *p, const struct scratch *s)
{
	const struct thin_record record = { .id = OWN_ID, .bytes = 64 * MIB, .fs = "ext4" };

	*p = (struct pool){
		.mosaic = { .dirfd = s->dirfd, .location = (char *)s->location },
		.thin = { .control = -1, .pool = -1, .path = (char *)"pool" },
		.volume = { .name = "v", .kind = VOLUME_DATA, .dirfd = s->dirfd },
	};
	p->thin.header.block = 128;
	p->thin.device = openat(s->dirfd, "pool", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(p->thin.device >= 0);
	p->mosaic.priv = &p->thin;
	assert_int_equal(thin_record_write(s->dirfd, "data", &record), 0);
	room = 0;
	n_made = n_deleted = 0;
}

static void what_cannot_be_made_smaller_stays(void **state)
{
	struct error err = { 0 };
	struct thin_record record;
	struct scratch *s = *state;
	struct pool p;

	pool_begin(&p, s);
	room = -ENOSPC;
	assert_int_equal(thin_resize(&p.mosaic, &p.volume, 32 * MIB, &err), -ENOSPC);
	assert_int_equal(n_deleted, 0);
	assert_int_equal(thin_record_read(s->dirfd, "data", &record), 0);
	assert_int_equal(record.id, OWN_ID);
	assert_int_equal(record.bytes, 64 * MIB);
	assert_missing(s->dirfd, "next");
	close(p.thin.device);
}

static void a_size_has_a_limit(void **state)
{
	const struct mosaic_create how = { .flags = MOSAIC_CREATE_RAW, .size = UINT64_MAX - 1 };
	struct error err = { 0 };
	struct thin_record record;
	struct scratch *s = *state;
	struct pool p;

	pool_begin(&p, s);
	assert_int_equal(thin_resize(&p.mosaic, &p.volume, UINT64_MAX - 1, &err), -EFBIG);
	assert_int_equal(thin_create(&p.mosaic, s->dirfd, &how, &err), -EFBIG);
	assert_int_equal(n_made, 0);
	assert_int_equal(thin_record_read(s->dirfd, "data", &record), 0);
	assert_int_equal(record.bytes, 64 * MIB);
	close(p.thin.device);
}

/* There is no mount to be closed, and descriptor 0 is the caller's. */
static void a_raw_volume_costs_no_descriptor(void **state)
{
	const struct mosaic_create how = { .flags = MOSAIC_CREATE_RAW, .size = 64 * MIB };
	struct error err = { 0 };
	struct thin_record record;
	struct scratch *s = *state;
	struct pool p;

	pool_begin(&p, s);
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0 ||
		    open("/dev/null", O_RDONLY | O_CLOEXEC) == STDIN_FILENO);
	assert_ok(thin_create(&p.mosaic, s->dirfd, &how, &err), &err);
	assert_int_equal(n_made, 1);
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
	assert_int_equal(thin_record_read(s->dirfd, "data", &record), 0);
	assert_int_equal(record.fs[0], '\0');
	close(p.thin.device);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_cannot_be_made_smaller_stays, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_size_has_a_limit, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_raw_volume_costs_no_descriptor, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
