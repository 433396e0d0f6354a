#pragma once
/*
 * The header of an image, and where things are in it. Pure.
 *
 *	0		header, 64 bytes
 *	64		block allocation table (BAT): an u32 for each cluster of the disk, which is
 *			the number of the cluster in the file that has its data; 0: nowhere
 *	data_start	clusters
 *
 * All little-endian; clusters of 1 MiB. The format lets a file be larger than its header says: the
 * images made here have room in the table for the disk to grow, and nothing is written into that
 * room before, so it is a hole.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"

enum {
	PLOOP_SECTOR = 512,
	PLOOP_HEADER = 64,
	PLOOP_CLUSTER = 1 << 20,
	PLOOP_CLUSTER_SECTORS = PLOOP_CLUSTER / PLOOP_SECTOR,
	PLOOP_IN_USE = 0x746f6e59,  /* somebody writes, or has died writing */
	PLOOP_GROWTH = 16,          /* so many times its size can an image grow, if it is */
	PLOOP_GROWTH_MIN = 1 << 18, /* not smaller than so many clusters: 256 GiB */
};

/* The largest disk: 16 TiB, whose table has 64 MiB. */
#define PLOOP_ENTRIES_MAX (1U << 24)
#define PLOOP_SIZE_MAX    ((uint64_t)PLOOP_ENTRIES_MAX * PLOOP_CLUSTER)

struct ploop_header {
	uint32_t entries;    /* of the table: clusters of the disk */
	uint32_t in_use;     /* PLOOP_IN_USE, or something else */
	uint32_t data_start; /* in sectors */
	uint64_t sectors;    /* of the disk */
};

/* -EBADMSG, with a sentence, for what is no image that we can use. */
int ploop_header_decode(const uint8_t raw[PLOOP_HEADER], struct ploop_header *ret,
			struct error *err) _must_check_;
void ploop_header_encode(const struct ploop_header *h, uint8_t raw[PLOOP_HEADER]);

/* The header of a new image for a disk of that size, a multiple of the cluster; its table has room
 * for PLOOP_GROWTH times as much, and for room_for at least. -EINVAL, -EFBIG. */
int ploop_header_new(uint64_t bytes, uint64_t room_for, struct ploop_header *ret) _must_check_;

/* How many entries there is room for before the data. */
uint32_t ploop_room(const struct ploop_header *h);

/* The first cluster of the file that may hold data. */
uint32_t ploop_first_cluster(const struct ploop_header *h);
