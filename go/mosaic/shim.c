#include "shim.h"

#include <stddef.h>

/* The functions that callback.go exports. cgo knows no const. */
int mosaicGoVolume(struct mosaic_volume *v, uintptr_t handle);
int mosaicGoMountPoint(struct mosaic_mount_point *p, uintptr_t handle);
int mosaicGoWord(char *word, uintptr_t handle);
int mosaicGoProblem(struct mosaic_problem *p, uintptr_t handle);
int mosaicGoProgress(uint64_t done, uint64_t total, uintptr_t handle);
int mosaicGoQuiesce(struct error *err, uintptr_t handle);
void mosaicGoResume(uintptr_t handle);
void mosaicGoLog(int level, char *text);

static int tell_volume(const struct mosaic_volume *v, void *arg)
{
	return mosaicGoVolume((struct mosaic_volume *)v, (uintptr_t)arg);
}

static int tell_mount_point(const struct mosaic_mount_point *p, void *arg)
{
	return mosaicGoMountPoint((struct mosaic_mount_point *)p, (uintptr_t)arg);
}

static int tell_word(const char *word, void *arg)
{
	return mosaicGoWord((char *)word, (uintptr_t)arg);
}

static int tell_problem(const struct mosaic_problem *p, void *arg)
{
	return mosaicGoProblem((struct mosaic_problem *)p, (uintptr_t)arg);
}

static int tell_progress(uint64_t done, uint64_t total, void *arg)
{
	return mosaicGoProgress(done, total, (uintptr_t)arg);
}

static int call_quiesce(void *arg, struct error *err)
{
	return mosaicGoQuiesce(err, (uintptr_t)arg);
}

static void call_resume(void *arg)
{
	mosaicGoResume((uintptr_t)arg);
}

static void tell_log(enum mosaic_log_level level, const char *text, void *arg)
{
	(void)arg;
	mosaicGoLog((int)level, (char *)text);
}

int shim_each(struct mosaic *m, uintptr_t handle, struct error *err)
{
	return mosaic_each(m, tell_volume, (void *)handle, err);
}

int shim_each_child(struct mosaic *m, const char *name, uintptr_t handle, struct error *err)
{
	return mosaic_each_child(m, name, tell_volume, (void *)handle, err);
}

int shim_each_mount_point(struct mosaic *m, const char *name, uintptr_t handle, struct error *err)
{
	return mosaic_each_mount_point(m, name, tell_mount_point, (void *)handle, err);
}

int shim_each_data(struct mosaic *m, const char *name, uintptr_t handle, struct error *err)
{
	return mosaic_each_data(m, name, tell_word, (void *)handle, err);
}

int shim_each_leftover(struct mosaic *m, uintptr_t handle, struct error *err)
{
	return mosaic_each_leftover(m, tell_word, (void *)handle, err);
}

int shim_check(struct mosaic *m, unsigned flags, uintptr_t handle, unsigned *ret_n,
	       struct error *err)
{
	return mosaic_check(m, flags, tell_problem, (void *)handle, ret_n, err);
}

void shim_progress(struct mosaic_progress *p, uintptr_t handle)
{
	*p = (struct mosaic_progress){ tell_progress, (void *)handle };
}

void shim_quiesce(struct mosaic_quiesce *q, uintptr_t handle)
{
	*q = (struct mosaic_quiesce){ call_quiesce, call_resume, (void *)handle };
}

void shim_set_copy_progress(uintptr_t handle)
{
	const struct mosaic_progress p = { tell_progress, (void *)handle };

	mosaic_set_copy_progress(handle ? &p : NULL);
}

void shim_set_log(int on, enum mosaic_log_level most)
{
	mosaic_set_log(on ? tell_log : NULL, most, NULL);
}
