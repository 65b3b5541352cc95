/* SPDX-License-Identifier: GPL-2.0-only */
/* The search of memory for pointers to blocks. */
#ifndef KPROF_SCAN_H
#define KPROF_SCAN_H

#include <linux/bits.h>
#include <linux/types.h>

struct live_block;

/* Set in live_block.page when a pointer to the block was found. */
#define BLOCK_REFERENCED	BIT_ULL(63)
#define BLOCK_PAGE(page)	((page) & ~BLOCK_REFERENCED)

/**
 * struct scan_report - what a scan did
 * @scans: scans so far, this one included
 * @ns: how long the reader of `memleaks` waited for it
 * @read_ns: how long the words were read, without all that is done for each
 *	block
 * @words: words read
 * @unreadable: pages that vanished while they were read
 * @device: pages passed over because reading them may have side effects
 * @poisoned: pages passed over because their memory is broken or not there
 * @free: pages passed over because they are free
 * @bookkeeping: pointers to blocks that were the allocator's own
 * @idle: pointers to blocks in memory that nobody will use any more
 * @stale: blocks left out because they are not mapped any more: their release
 *	was missed
 */
struct scan_report {
	u64 scans;
	u64 ns;
	u64 read_ns;
	u64 words;
	u64 unreadable;
	u64 device;
	u64 poisoned;
	u64 free;
	u64 bookkeeping;
	u64 idle;
	u64 stale;
};

int scan_memory(struct live_block *blocks, size_t nr, unsigned long start,
		unsigned long end, struct scan_report *report);
int scan_may_go_on(void);
void scan_stop(void);

#endif /* KPROF_SCAN_H */
