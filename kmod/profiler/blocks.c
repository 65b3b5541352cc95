// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of blocks that are allocated now: a hash of page numbers.
 *
 * It must not hold the start address of a block as a word that a scan of
 * memory could find, or every leak would seem to be referenced by it. Page
 * numbers are no addresses that anybody could have a pointer to.
 *
 * Locking: a raw spinlock for each bucket guards its chain and the blocks on
 * it. It is taken with interrupts off, because blocks are released in
 * interrupts too, and held for the length of one chain. No other lock is taken
 * inside. A record is taken from the stock before and given back after.
 *
 * Each scan begins a generation. A record says which one it was made in, so
 * that a block can be told from a later one at the same address.
 */
#include <linux/atomic.h>
#include <linux/hash.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "blocks.h"
#include "stock.h"

#define BUCKET_BITS	15
#define NR_BUCKETS	(1U << BUCKET_BITS)

struct block {
	struct block *next;
	u64 page;
	unsigned long ip;
	u64 generation;
};

struct bucket {
	raw_spinlock_t lock;
	struct block *first;
};

static struct bucket *buckets;
static struct blocks_counts __percpu *counts;	/* without @live */
static atomic64_t current_generation = ATOMIC64_INIT(0);

static struct bucket *bucket_of(u64 page)
{
	return &buckets[hash_64(page, BUCKET_BITS)];
}

/* Where the pointer to the block is, or would be. The bucket is locked. */
static struct block **find_link(struct bucket *b, u64 page)
{
	struct block **link;

	for (link = &b->first; *link; link = &(*link)->next)
		if ((*link)->page == page)
			break;
	return link;
}
NOKPROBE_SYMBOL(find_link);

/* Takes the block off the table, if it is there. */
static struct block *unlink_block(u64 page)
{
	struct bucket *b = bucket_of(page);
	struct block **link, *old;
	unsigned long flags;

	raw_spin_lock_irqsave(&b->lock, flags);
	link = find_link(b, page);
	old = *link;
	if (old)
		*link = old->next;
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return old;
}
NOKPROBE_SYMBOL(unlink_block);

/* Puts the block on the table, or its contents into one that is there. */
static bool link_block(struct block *fresh)
{
	struct bucket *b = bucket_of(fresh->page);
	struct block *old;
	unsigned long flags;

	raw_spin_lock_irqsave(&b->lock, flags);
	old = *find_link(b, fresh->page);
	if (old) {
		old->ip = fresh->ip;
		old->generation = fresh->generation;
	} else {
		fresh->next = b->first;
		b->first = fresh;
	}
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return !old;
}
NOKPROBE_SYMBOL(link_block);

/**
 * blocks_add() - Note that a block was allocated.
 * @addr: its start
 * @ip: where it was allocated
 *
 * Context: Any but NMI.
 */
void blocks_add(unsigned long addr, unsigned long ip)
{
	struct block *old, *fresh;

	this_cpu_inc(counts->added);
	fresh = stock_take();
	if (!fresh) {
		this_cpu_inc(counts->lost);
		/* An older block at this address must not stand in for it. */
		old = unlink_block(addr >> PAGE_SHIFT);
		if (old) {
			this_cpu_inc(counts->replaced);
			stock_put(old);
		}
		return;
	}
	fresh->page = addr >> PAGE_SHIFT;
	fresh->ip = ip;
	fresh->generation = atomic64_read(&current_generation);
	if (!link_block(fresh)) {
		this_cpu_inc(counts->replaced);
		stock_put(fresh);
	}
}
NOKPROBE_SYMBOL(blocks_add);

/**
 * blocks_remove() - Note that a block is being released.
 * @addr: its start
 *
 * Context: Any but NMI.
 */
void blocks_remove(unsigned long addr)
{
	struct block *old = unlink_block(addr >> PAGE_SHIFT);

	if (old) {
		this_cpu_inc(counts->removed);
		stock_put(old);
	} else {
		this_cpu_inc(counts->unknown);
	}
}
NOKPROBE_SYMBOL(blocks_remove);

/**
 * blocks_find() - Look a block up.
 * @addr: its start
 * @ip: set to where it was allocated
 *
 * Context: Any but NMI.
 * Return: Whether there is such a block.
 */
bool blocks_find(unsigned long addr, unsigned long *ip)
{
	u64 page = addr >> PAGE_SHIFT;
	struct bucket *b = bucket_of(page);
	struct block *found;
	unsigned long flags;

	raw_spin_lock_irqsave(&b->lock, flags);
	found = *find_link(b, page);
	if (found)
		*ip = found->ip;
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return found;
}

/* Returns how many were copied, or -ENOSPC if there are more than @room. */
static ssize_t copy_blocks(struct live_block *to, size_t room, u64 generation)
{
	size_t n = 0;
	int i;

	for (i = 0; i < NR_BUCKETS; i++) {
		struct bucket *b = &buckets[i];
		const struct block *from;
		unsigned long flags;

		if (i % 256 == 0)
			cond_resched();
		if (!READ_ONCE(b->first))
			continue;
		raw_spin_lock_irqsave(&b->lock, flags);
		for (from = b->first; from; from = from->next) {
			if (from->generation >= generation)
				continue;
			if (n < room) {
				to[n].page = from->page;
				to[n].ip = from->ip;
			}
			n++;
		}
		raw_spin_unlock_irqrestore(&b->lock, flags);
		if (n > room)
			return -ENOSPC;
	}
	return n;
}

/**
 * blocks_snapshot() - Begin a generation and copy the blocks from before it.
 * @blocks: set to the copies, for kvfree()
 * @nr: set to their number
 * @generation: set to the new generation, for blocks_alive()
 *
 * Context: Sleeps.
 * Return: 0 or -ENOMEM.
 */
int blocks_snapshot(struct live_block **blocks, size_t *nr, u64 *generation)
{
	struct live_block *to;
	ssize_t n = -ENOSPC;
	size_t room;

	*generation = atomic64_inc_return(&current_generation);
	while (n == -ENOSPC) {
		room = blocks_counts().live;
		room += room / 8 + 64;
		to = kvmalloc_array(room, sizeof(*to), GFP_KERNEL);
		if (!to)
			return -ENOMEM;
		n = copy_blocks(to, room, *generation);
		if (n < 0)
			kvfree(to);
	}
	*blocks = to;
	*nr = n;
	return 0;
}

/**
 * blocks_alive() - Tell whether a block of a snapshot is still the same one.
 * @page: its page
 * @generation: the generation that the snapshot began
 *
 * Context: Any but NMI.
 */
bool blocks_alive(u64 page, u64 generation)
{
	struct bucket *b = bucket_of(page);
	const struct block *found;
	unsigned long flags;
	bool alive;

	raw_spin_lock_irqsave(&b->lock, flags);
	found = *find_link(b, page);
	alive = found && found->generation < generation;
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return alive;
}

/**
 * blocks_counts() - Sum up what happened so far.
 *
 * Context: Any.
 * Return: The counts. While blocks come and go they are of slightly different
 * moments.
 */
struct blocks_counts blocks_counts(void)
{
	struct blocks_counts sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct blocks_counts *c = per_cpu_ptr(counts, cpu);

		sum.added += READ_ONCE(c->added);
		sum.removed += READ_ONCE(c->removed);
		sum.unknown += READ_ONCE(c->unknown);
		sum.replaced += READ_ONCE(c->replaced);
		sum.lost += READ_ONCE(c->lost);
	}
	sum.live = sum.added - sum.removed - sum.replaced - sum.lost;
	if ((s64)sum.live < 0)
		sum.live = 0;
	return sum;
}

/**
 * blocks_gone() - Count blocks that have left the table, in whatever way.
 *
 * Context: Any.
 * Return: The count. While it stays the same, all blocks that were there are.
 */
u64 blocks_gone(void)
{
	struct blocks_counts c = blocks_counts();

	return c.removed + c.replaced + c.lost;
}

/**
 * blocks_init() - Make an empty table.
 *
 * Context: Sleeps.
 * Return: 0 or -ENOMEM.
 */
int blocks_init(void)
{
	int i, ret;

	counts = alloc_percpu(struct blocks_counts);
	buckets = kvcalloc(NR_BUCKETS, sizeof(*buckets), GFP_KERNEL);
	ret = stock_init("kprof_block", sizeof(struct block));
	if (!counts || !buckets || ret) {
		blocks_exit();
		return -ENOMEM;
	}
	for (i = 0; i < NR_BUCKETS; i++)
		raw_spin_lock_init(&buckets[i].lock);
	return 0;
}

/**
 * blocks_exit() - Forget all blocks.
 *
 * Context: Sleeps. Nobody uses the table any more.
 */
void blocks_exit(void)
{
	int i;

	for (i = 0; buckets && i < NR_BUCKETS; i++) {
		struct block *block = buckets[i].first;

		while (block) {
			struct block *next = block->next;

			stock_put(block);
			block = next;
		}
	}
	stock_exit();
	kvfree(buckets);
	buckets = NULL;
	free_percpu(counts);
	counts = NULL;
}
