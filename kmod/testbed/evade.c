// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pointer that is moved while memory is searched for it: from a page that is
 * still to be read to one that was read already.
 *
 * Whoever searches the arena looks up where the page tables map it, some pages
 * at once. A kprobe on lookup_address() sees that. When it is for others than the
 * first, which was read then, it moves the pointer from the arena's end to its
 * beginning. It does so once; after that the pointer stays.
 *
 * Locking: tb_blocks_lock guards all but the two words. The probe's handler runs
 * without it. It is only registered while the words are the block's.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/mm.h>

#include "testbed.h"

/* Words of the arena. */
static unsigned long *tb_evade_from, *tb_evade_to;

static int tb_evade(struct kprobe *kp, struct pt_regs *regs)
{
	unsigned long addr = regs_get_kernel_argument(regs, 0);
	unsigned long start;

	if (addr < (unsigned long)tb_evade_to + PAGE_SIZE ||
	    addr > (unsigned long)tb_evade_from)
		return 0;
	start = READ_ONCE(*tb_evade_from);
	if (start) {
		WRITE_ONCE(*tb_evade_to, start);
		WRITE_ONCE(*tb_evade_from, 0);
	}
	return 0;
}
NOKPROBE_SYMBOL(tb_evade);

static struct kprobe tb_evade_probe;

static int tb_evade_start(void)
{
	memset(&tb_evade_probe, 0, sizeof(tb_evade_probe));
	tb_evade_probe.symbol_name = "lookup_address";
	tb_evade_probe.pre_handler = tb_evade;
	return register_kprobe(&tb_evade_probe);
}

/* The arena's first word and its last, if they are free and pages apart. */
static int tb_evade_take(void)
{
	struct tb_region *r = &tb_arena;
	unsigned long last = r->count - 1;

	if (r->count * sizeof(*r->words) <= PAGE_SIZE || test_bit(0, r->used) ||
	    test_bit(last, r->used)) {
		pr_err("plant: the arena's first and last word, on two pages, are not free\n");
		return -EBUSY;
	}
	bitmap_set(r->used, 0, 1);
	bitmap_set(r->used, last, 1);
	r->held += 2;
	tb_evade_to = &r->words[0];
	tb_evade_from = &r->words[last];
	return 0;
}

static void tb_evade_put(void)
{
	tb_region_put(&tb_arena, 1, 0);
	tb_region_put(&tb_arena, 1, tb_arena.count - 1);
}

/**
 * tb_keep_evading() - keep a start in the arena's last word, from where it moves
 * @b: block
 * @start: its start
 *
 * Context: process context, may sleep, tb_blocks_lock held.
 * Return: 0, -EBUSY after a message when there is another such block or no
 * arena of two pages or more, or an error of the probe.
 */
int tb_keep_evading(struct tb_block *b, unsigned long start)
{
	int err;

	err = tb_evade_take();
	if (err)
		return err;
	WRITE_ONCE(*tb_evade_from, start);
	err = tb_evade_start();
	if (err)
		tb_evade_put();
	return err;
}

/**
 * tb_drop_evading() - clear the words of the block that evades
 * @b: block
 *
 * Context: process context, may sleep, tb_blocks_lock held.
 */
void tb_drop_evading(struct tb_block *b)
{
	unregister_kprobe(&tb_evade_probe);
	tb_evade_put();
}
