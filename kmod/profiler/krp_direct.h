/* SPDX-License-Identifier: GPL-2.0-only */
/* The trampolines of the direct backend; see krp_trampolines.S. */
#ifndef KPROF_KRP_DIRECT_H
#define KPROF_KRP_DIRECT_H

#include <linux/types.h>

#include "krp_layout.h"

/* Labels and code, never called from C. */
extern const u8 krp_any0[], krp_any1[];
extern const u8 krp_syscall0[], krp_syscall1[];
extern const u8 krp_any_hist0[], krp_any_hist1[];
extern const u8 krp_syscall_hist0[], krp_syscall_hist1[];
extern const u8 krp_any0_return[], krp_any1_return[];
extern const u8 krp_syscall0_return[], krp_syscall1_return[];
extern const u8 krp_any_hist0_return[], krp_any_hist1_return[];
extern const u8 krp_syscall_hist0_return[], krp_syscall_hist1_return[];
extern const u8 krp_sample_return[];

/* Counters of the functions in each slot, as %gs wants them. */
extern unsigned long krp_table0[KRP_SLOTS], krp_table1[KRP_SLOTS];

/* Ticks that the trampolines with a histogram take from each duration. */
extern u64 krp_bias_any, krp_bias_syscall;

#endif /* KPROF_KRP_DIRECT_H */
