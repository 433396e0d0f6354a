#pragma once
/* What every fuzzer of this directory defines: libFuzzer or replay_main.c calls it. An input that
 * must not be accepted is found by assert() or a sanitizer; the return value is always 0. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
