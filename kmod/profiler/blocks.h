/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of blocks that are allocated now. */
#ifndef KPROF_BLOCKS_H
#define KPROF_BLOCKS_H

#include <linux/types.h>

/**
 * struct live_block - a block as a report sees it
 * @page: its start address >> PAGE_SHIFT, which no scan takes for an address;
 *	the uppermost bits are free for the user of the snapshot
 * @ip: where it was allocated: the return address of the call
 */
struct live_block {
	u64 page;
	unsigned long ip;
};

/**
 * struct blocks_counts - what happened to the table since it was made
 * @live: blocks in it
 * @added: allocations seen
 * @removed: releases of blocks in it
 * @unknown: releases of blocks that were not in it: older than the module, from
 *	other allocators, or put off in an interrupt and come to vfree() again
 * @replaced: allocations at the address of a block in it, whose release was
 *	therefore missed
 * @lost: allocations that are not in it because the stock of records was empty
 */
struct blocks_counts {
	u64 live;
	u64 added;
	u64 removed;
	u64 unknown;
	u64 replaced;
	u64 lost;
};

int blocks_init(void);
void blocks_exit(void);

void blocks_add(unsigned long addr, unsigned long ip);
void blocks_remove(unsigned long addr);
bool blocks_find(unsigned long addr, unsigned long *ip);

int blocks_snapshot(struct live_block **blocks, size_t *nr, u64 *generation);
bool blocks_alive(u64 page, u64 generation);
struct blocks_counts blocks_counts(void);
u64 blocks_gone(void);

#endif /* KPROF_BLOCKS_H */
