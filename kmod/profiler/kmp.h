/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of KMP's tracer. */
#ifndef KPROF_KMP_H
#define KPROF_KMP_H

#include <linux/errno.h>
#include <linux/types.h>

/* kmp_frees.c: releases */
int frees_start(void);
void frees_stop(void);

/* kmp_family.c: allocations by all of the vmalloc() family */
#ifdef CONFIG_KRETPROBE_ON_RETHOOK
int family_start(void);
void family_stop(void);
u64 family_missed(void);
#else
static inline int family_start(void)
{
	return -EOPNOTSUPP;
}

static inline void family_stop(void)
{
}

static inline u64 family_missed(void)
{
	return 0;
}
#endif

#endif /* KPROF_KMP_H */
