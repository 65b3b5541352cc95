/* SPDX-License-Identifier: GPL-2.0-only */
/* The search of memory for pointers to blocks. */
#ifndef KPROF_SCAN_H
#define KPROF_SCAN_H

#include <linux/bits.h>
#include <linux/types.h>

struct live_block;

/*
 * Set in live_block.page: that a pointer to the block was found, and that a
 * scan knows which memory the block has.
 */
#define BLOCK_REFERENCED	BIT_ULL(63)
#define BLOCK_INDEXED		BIT_ULL(62)
#define BLOCK_PAGE(page)	((page) & ~(BLOCK_REFERENCED | BLOCK_INDEXED))

/**
 * struct scan_request - what to read, and what counts
 * @start: first address of the range, in the kernel's half of the canonical
 *	addresses
 * @end: the address after it, above @start
 * @ignore_self: a pointer to a block that lies in the block itself is none
 * @confirm: how often to read the range again for blocks that are not found
 */
struct scan_request {
	unsigned long start;
	unsigned long end;
	bool ignore_self;
	unsigned int confirm;
};

/**
 * struct scan_report - what a scan did
 * @scans: scans so far, this one included
 * @passes: how often the range was read
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
 * @self: pointers to blocks that were in the same block and did not count
 * @stale: blocks left out because they are not mapped any more: their release
 *	was missed
 */
struct scan_report {
	u64 scans;
	u64 passes;
	u64 ns;
	u64 read_ns;
	u64 words;
	u64 unreadable;
	u64 device;
	u64 poisoned;
	u64 free;
	u64 bookkeeping;
	u64 idle;
	u64 self;
	u64 stale;
};

int scan_memory(struct live_block *blocks, size_t nr,
		const struct scan_request *request, struct scan_report *report);
int scan_may_go_on(void);
void scan_stop(void);

#endif /* KPROF_SCAN_H */
