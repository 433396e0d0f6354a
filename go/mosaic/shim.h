#pragma once
/*
 * What Go cannot say to libmosaic by itself: pointers to C functions that call Go. A Go value is
 * known to them by its handle (runtime/cgo).
 */
#include <stdint.h>

#include "mosaic/mosaic.h"

int shim_each(struct mosaic *m, uintptr_t handle, struct error *err);
int shim_each_child(struct mosaic *m, const char *name, uintptr_t handle, struct error *err);
int shim_each_mount_point(struct mosaic *m, const char *name, uintptr_t handle, struct error *err);
int shim_each_data(struct mosaic *m, const char *name, uintptr_t handle, struct error *err);
int shim_each_leftover(struct mosaic *m, uintptr_t handle, struct error *err);
int shim_check(struct mosaic *m, unsigned flags, uintptr_t handle, unsigned *ret_n,
	       struct error *err);

void shim_progress(struct mosaic_progress *p, uintptr_t handle);
void shim_quiesce(struct mosaic_quiesce *q, uintptr_t handle);

/* handle 0: none */
void shim_set_copy_progress(uintptr_t handle);
void shim_set_log(int on, enum mosaic_log_level most);
