/* SPDX-License-Identifier: GPL-2.0-only */
/* The words in which the vmalloc allocator itself keeps a block's address. */
#ifndef KPROF_VMAP_H
#define KPROF_VMAP_H

#include <linux/types.h>

void vmap_init(void);
bool vmap_known(void);
bool vmap_is_bookkeeping(unsigned long where, u64 page);

#endif /* KPROF_VMAP_H */
