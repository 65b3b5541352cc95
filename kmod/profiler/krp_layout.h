/* SPDX-License-Identifier: GPL-2.0-only */
/* What the assembly of the trampolines and the C code must agree on. */
#ifndef KPROF_KRP_LAYOUT_H
#define KPROF_KRP_LAYOUT_H

/* Offsets in struct krp_counts. */
#define KRP_ENTERED	0
#define KRP_RETURNED	8
#define KRP_TOTAL	16
#define KRP_MIN		24
#define KRP_MAX		32
#define KRP_BUCKETS	40

/*
 * The trampolines find a function's counters by the address they were called
 * from. Its lower half, times a constant, gives the slot in a table; functions
 * that meet in one table are told apart in the other, by another constant.
 * (2^32 divided by the golden ratio, and by the square root of 3: any odd
 * number that spreads well would do.)
 */
#define KRP_SLOT_BITS	12
#define KRP_SLOTS	(1 << KRP_SLOT_BITS)
#define KRP_TABLES	2
#define KRP_MULTIPLIER0	0x9e3779b1
#define KRP_MULTIPLIER1	0x93cd3a2d

/* Words of a frame: return label, start, counters; the caller is next. */
#define KRP_FRAME_WORDS	3

#endif /* KPROF_KRP_LAYOUT_H */
