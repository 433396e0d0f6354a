/* Who holds a device and how often it is kept, on a driver that only notes what it is told: no
 * privileges, no devices needed. */
#include "scratch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "mosaic/driver.h"

/* The device is up while it is kept or a hold is open: the holds are the writing ends of a pipe. */
static struct {
	int pipe[2];
	bool kept;
	unsigned flags;
	int fail_keep;
	char path[96];
} device;

static bool is_up(void)
{
	char c;

	/* EAGAIN: there are writers; 0: none */
	return device.kept || (read(device.pipe[0], &c, 1) < 0 && errno == EAGAIN);
}

static int fake_attach(struct mosaic *m, const struct volume *v, unsigned flags,
		       char path[MOSAIC_DEVICE_MAX], int *ret_hold, struct error *err)
{
	char link[32];

	(void)m;
	(void)v;
	(void)err;
	device.flags = flags;
	snprintf(path, MOSAIC_DEVICE_MAX, "%s", device.path);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", device.pipe[0]);
	*ret_hold = open(link, O_WRONLY | O_CLOEXEC);
	return 0;
}

static int fake_keep(struct mosaic *m, const struct volume *v, bool on, struct error *err)
{
	(void)m;
	(void)v;
	if (device.fail_keep)
		return error_set(err, device.fail_keep, "no.");
	device.kept = on;
	return 0;
}

static int fake_device(struct mosaic *m, const struct volume *v, char path[MOSAIC_DEVICE_MAX],
		       struct error *err)
{
	(void)m;
	(void)v;
	(void)err;
	if (!is_up())
		return MOSAIC_NO_DEVICE;
	snprintf(path, MOSAIC_DEVICE_MAX, "%s", device.path);
	return 0;
}

static struct mosaic_driver fake;

static int setup(void **state)
{
	struct error err = { 0 };
	struct scratch *s;

	scratch_setup(state);
	s = *state;
	assert_ok(mosaic_open(&s->mosaic, s->location, "plain", MOSAIC_OPEN_CREATE, &err), &err);
	assert_ok(mosaic_create(s->mosaic, "vol", NULL, &err), &err);
	commit_hello(s, "tree");
	memset(&device, 0, sizeof(device));
	assert_int_equal(pipe2(device.pipe, O_CLOEXEC | O_NONBLOCK), 0);
	close(device.pipe[1]);
	put(s->dirfd, "device", "");
	snprintf(device.path, sizeof(device.path), "%s/device", s->path);
	fake = *s->mosaic->driver;
	fake.attach = fake_attach;
	fake.keep = fake_keep;
	fake.device = fake_device;
	s->mosaic->driver = &fake;
	return 0;
}

static int teardown(void **state)
{
	int r = scratch_teardown(state);

	close(device.pipe[0]);
	return r;
}

static int attach(struct scratch *s, const char *name, unsigned flags)
{
	char path[MOSAIC_DEVICE_MAX] = "";
	struct error err = { 0 };
	int r = mosaic_attach(s->mosaic, name, flags, path, &err);

	if (r == 0)
		assert_string_equal(path, device.path);
	return r;
}

static int detach(struct scratch *s)
{
	struct error err = { 0 };

	return mosaic_detach(s->mosaic, "vol", &err);
}

static int get(struct scratch *s)
{
	char path[MOSAIC_DEVICE_MAX];
	struct error err = { 0 };

	return mosaic_get_device(s->mosaic, "vol", path, &err);
}

static void last_hold_ends_the_device(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(get(s), MOSAIC_NO_DEVICE);
	assert_int_equal(attach(s, "vol", 0), 0);
	assert_int_equal(attach(s, "vol", MOSAIC_ATTACH_READONLY), 0);
	assert_int_equal(device.flags, MOSAIC_ATTACH_READONLY);
	assert_int_equal(get(s), 0);
	assert_int_equal(detach(s), 0);
	assert_true(is_up());
	assert_int_equal(detach(s), 0);
	assert_false(is_up());
	assert_int_equal(detach(s), -EINVAL);
	assert_int_equal(get(s), MOSAIC_NO_DEVICE);
}

static void closing_lets_go(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(attach(s, "vol", 0), 0);
	assert_true(is_up());
	mosaic_close(s->mosaic);
	s->mosaic = NULL;
	assert_false(is_up());
}

static void attached_volumes_are_used(void **state)
{
	struct scratch *s = *state;
	struct error err = { 0 };

	assert_int_equal(mosaic_is_used(s->mosaic, "vol", &err), 0);
	assert_int_equal(attach(s, "vol", 0), 0);
	assert_int_equal(mosaic_is_used(s->mosaic, "vol", &err), 1);
	assert_int_equal(mosaic_drop(s->mosaic, "vol", 0, &err), -EBUSY);
	assert_non_null(strstr(err.text, "it is attached as "));
	assert_non_null(strstr(err.text, device.path));
	assert_int_equal(detach(s), 0);
	assert_ok(mosaic_drop(s->mosaic, "vol", 0, &err), &err);
}

static void kept_ones_are_counted(void **state)
{
	struct scratch *s = *state;
	struct mosaic *second = NULL;
	struct error err = { 0 };

	assert_int_equal(attach(s, "vol", MOSAIC_ATTACH_KEEP), 0);
	assert_int_equal(attach(s, "vol", MOSAIC_ATTACH_KEEP), 0);
	assert_true(device.kept);
	assert_null(s->mosaic->uses);
	/* from anywhere */
	assert_ok(mosaic_open(&second, s->location, NULL, 0, &err), &err);
	second->driver = &fake;
	assert_ok(mosaic_detach(second, "vol", &err), &err);
	mosaic_close(second);
	assert_true(device.kept);
	assert_int_equal(detach(s), 0);
	assert_false(device.kept);
	assert_int_equal(detach(s), -EINVAL);
}

static void own_hold_goes_before_a_kept_one(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(attach(s, "vol", MOSAIC_ATTACH_KEEP), 0);
	assert_int_equal(attach(s, "vol", 0), 0);
	assert_int_equal(detach(s), 0);
	assert_true(device.kept);
	assert_null(s->mosaic->uses);
	assert_int_equal(detach(s), 0);
	assert_false(is_up());
}

static void count_of_another_boot_is_none(void **state)
{
	struct scratch *s = *state;
	char text[64];

	snprintf(text, sizeof(text), "%s %11d\n", "01234567-89ab-4def-8123-456789abcdef", 3);
	put(s->mosaic->dirfd, "volumes/vol/kept", text);
	assert_int_equal(detach(s), -EINVAL);
	assert_int_equal(attach(s, "vol", MOSAIC_ATTACH_KEEP), 0);
	assert_int_equal(detach(s), 0);
	assert_int_equal(detach(s), -EINVAL);
	/* cut off by a power cut */
	put(s->mosaic->dirfd, "volumes/vol/kept", "0123");
	assert_int_equal(detach(s), -EINVAL);
}

static void failing_to_keep_counts_nothing(void **state)
{
	struct scratch *s = *state;

	device.fail_keep = -EIO;
	assert_int_equal(attach(s, "vol", MOSAIC_ATTACH_KEEP), -EIO);
	assert_false(is_up());
	device.fail_keep = 0;
	assert_int_equal(detach(s), -EINVAL);
}

static void read_only_volumes_are_read_only_devices(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(attach(s, "tree", 0), 0);
	assert_int_equal(device.flags, MOSAIC_ATTACH_READONLY);
	assert_int_equal(attach(s, "no", 0), -ENOENT);
}

static void refused_where_there_are_no_devices(void **state)
{
	struct scratch *s = *state;

	fake.keep = NULL;
	assert_int_equal(attach(s, "vol", MOSAIC_ATTACH_KEEP), -EOPNOTSUPP);
	fake.attach = NULL;
	assert_int_equal(attach(s, "vol", 0), -EOPNOTSUPP);
	assert_int_equal(detach(s), -EOPNOTSUPP);
	assert_int_equal(get(s), -EOPNOTSUPP);
}

#define FAKE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE(last_hold_ends_the_device),
		FAKE(closing_lets_go),
		FAKE(attached_volumes_are_used),
		FAKE(kept_ones_are_counted),
		FAKE(own_hold_goes_before_a_kept_one),
		FAKE(count_of_another_boot_is_none),
		FAKE(failing_to_keep_counts_nothing),
		FAKE(read_only_volumes_are_read_only_devices),
		FAKE(refused_where_there_are_no_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
