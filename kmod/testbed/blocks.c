// SPDX-License-Identifier: GPL-2.0-only
/*
 * Planted blocks: allocated, listed, freed, each by its number.
 *
 * Locking: tb_blocks_lock guards the table, every block in it, the places
 * where starts are kept (classes.c) and the regions (regions.c). It is taken
 * inside a session's lock. The interrupt that frees blocks uses only its own
 * array of page numbers, which the command that waits for it leaves alone.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "testbed.h"

#define TB_COUNT_MAX	1000000
#define TB_SIZE_MAX	SZ_1G
#define TB_LINE		112
#define TB_IRQ_ARRAY	512
#define TB_IRQ_BURST	16
#define TB_IRQ_GAP_NS	(20 * NSEC_PER_USEC)

enum tb_how { TB_VFREE, TB_KVFREE, TB_IRQ };

/* Guards all planted blocks and everything that holds one, see above. */
DEFINE_MUTEX(tb_blocks_lock);

/* Page numbers, never addresses: struct tb_block. */
static DEFINE_XARRAY(tb_blocks);
static unsigned long tb_next_id;
static unsigned long tb_live;

/* Stores below the stack pointer, which nothing else uses: no red zone here. */
static noinline void tb_wipe_below(unsigned long bytes)
{
	unsigned long sp = current_stack_pointer;
	unsigned long to = sp - bytes;

	for (sp -= sizeof(long); sp >= to; sp -= sizeof(long))
		WRITE_ONCE(*(unsigned long *)sp, 0);
}

/**
 * tb_scrub_stack() - wipe the unused part of this task's stack
 *
 * What vmalloc() and its callees left there would make a scan of the stack
 * find blocks that nobody holds.
 *
 * Context: process context.
 */
void tb_scrub_stack(void)
{
	unsigned long end = (unsigned long)end_of_stack(current);

	/* The last words hold the magic number that tells of an overflow. */
	tb_wipe_below((current_stack_pointer - end - 128) & ~7UL);
}

static noinline void tb_release(struct tb_block *b, enum tb_how how)
{
	void *p = (void *)(b->page << PAGE_SHIFT);

	if (b->class->release)
		b->class->release(b);
	else if (how == TB_KVFREE)
		kvfree(p);
	else
		vfree(p);
}

/*
 * The start is in this function's registers and frame only, both gone when it
 * returns and the caller scrubs.
 */
static noinline int tb_plant_one(struct tb_block *b, struct tb_span *sum)
{
	struct tb_span at;
	void *p;
	int err;

	tb_span_start(&at);
	p = b->class->site(b);
	tb_span_add(sum, &at);
	if (!p)
		return -ENOMEM;
	b->page = (unsigned long)p >> PAGE_SHIFT;
	err = b->class->keep ? b->class->keep(b, (unsigned long)p) : 0;
	if (err)
		tb_release(b, TB_KVFREE);
	return err;
}

static void tb_drop(struct tb_block *b)
{
	if (b->class->drop)
		b->class->drop(b);
}

static void tb_forget(struct tb_block *b)
{
	xa_erase(&tb_blocks, b->id);
	kfree(b);
	tb_live--;
}

static int tb_plant_block(const struct tb_class *class, unsigned long size,
			  struct tb_block **planted, struct tb_span *sum)
{
	struct tb_block *b;
	int err;

	b = kzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	b->class = class;
	b->size = size;
	b->id = tb_next_id;
	err = xa_err(xa_store(&tb_blocks, b->id, b, GFP_KERNEL));
	if (err)
		goto out_free;
	err = tb_plant_one(b, sum);
	if (err)
		goto out_erase;
	tb_next_id++;
	tb_live++;
	*planted = b;
	return 0;

out_erase:
	xa_erase(&tb_blocks, b->id);
out_free:
	kfree(b);
	return err;
}

static void tb_free_range(unsigned long first, unsigned long count,
			  enum tb_how how, struct tb_span *sum)
{
	struct tb_span at;
	struct tb_block *b;
	unsigned long id;

	if (!count)
		return;
	xa_for_each_range(&tb_blocks, id, b, first, first + count - 1) {
		tb_drop(b);
		tb_span_start(&at);
		tb_release(b, how);
		tb_span_add(sum, &at);
		tb_forget(b);
		cond_resched();
	}
}

static int tb_plant_all(const struct tb_class *class, unsigned long count,
			unsigned long size, struct tb_span *sum)
{
	unsigned long first = tb_next_id;
	struct tb_block *b, *last = NULL;
	int err = 0;

	while (tb_next_id < first + count) {
		err = tb_plant_block(class, size, &b, sum);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			break;
		if (last && tb_class_is_chain(class))
			tb_chain_link(last, b);
		last = b;
		cond_resched();
	}
	if (err)
		tb_free_range(first, tb_next_id - first, TB_KVFREE, sum);
	return err;
}

static int tb_plant(struct tb_session *s, char **argv, bool other)
{
	const struct tb_class *class = tb_class_find(argv[1], other);
	struct tb_span sum = {};
	u64 count, size;
	int err;

	if (!class) {
		pr_err("%s: no class \"%s\"\n", argv[0], argv[1]);
		return -EINVAL;
	}
	err = tb_number("plant: COUNT", argv[2], 1, TB_COUNT_MAX, &count);
	if (!err)
		err = tb_number("plant: SIZE", argv[3],
				max_t(u64, class->min_size, 1), TB_SIZE_MAX,
				&size);
	if (err)
		return err;
	mutex_lock(&tb_blocks_lock);
	err = tb_plant_all(class, count, size, &sum);
	if (!err) {
		tb_print(s, "first=%lu\ncount=%llu\n", tb_next_id - (ulong)count,
			 count);
		tb_print(s, "ticks=%llu\nns=%llu\n", sum.ticks, sum.ns);
	}
	mutex_unlock(&tb_blocks_lock);
	tb_scrub_stack();
	if (err == -ENOMEM)
		pr_err("%s: no memory for %llu blocks of %llu bytes\n",
		       argv[0], count, size);
	return err;
}

/**
 * tb_cmd_plant() - command "plant CLASS COUNT SIZE"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * COUNT blocks of SIZE bytes from vmalloc(), whose starts are kept where
 * CLASS says; all of them or none. The blocks outlive the session.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_plant(struct tb_session *s, int argc, char **argv)
{
	return tb_plant(s, argv, false);
}

/**
 * tb_cmd_plantother() - command "plantother KIND COUNT SIZE"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Blocks from another allocator, or from vmalloc() beyond 2 MiB ("big"). Their
 * starts are kept nowhere.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_plantother(struct tb_session *s, int argc, char **argv)
{
	return tb_plant(s, argv, true);
}

/**
 * struct tb_irq_free - blocks to be freed from hard interrupt context
 * @timer:	fires until all are freed
 * @done:	completed then
 * @page:	page numbers, for the reason given at struct tb_block
 * @count:	how many
 * @next:	first not freed yet
 */
struct tb_irq_free {
	struct hrtimer timer;
	struct completion done;
	unsigned long page[TB_IRQ_ARRAY];
	unsigned int count;
	unsigned int next;
};

static enum hrtimer_restart tb_irq_free_fn(struct hrtimer *timer)
{
	struct tb_irq_free *f = container_of(timer, struct tb_irq_free, timer);
	unsigned int i;

	for (i = 0; i < TB_IRQ_BURST && f->next < f->count; i++)
		vfree((void *)(f->page[f->next++] << PAGE_SHIFT));
	/* Well within the interrupt stack's 16 KiB. */
	tb_wipe_below(SZ_2K);
	if (f->next < f->count) {
		hrtimer_forward_now(timer, ns_to_ktime(TB_IRQ_GAP_NS));
		return HRTIMER_RESTART;
	}
	complete(&f->done);
	return HRTIMER_NORESTART;
}

static void tb_irq_free_run(struct tb_irq_free *f)
{
	if (!f->count)
		return;
	init_completion(&f->done);
	f->next = 0;
	hrtimer_setup(&f->timer, tb_irq_free_fn, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_HARD);
	hrtimer_start(&f->timer, ns_to_ktime(TB_IRQ_GAP_NS), HRTIMER_MODE_REL_HARD);
	wait_for_completion(&f->done);
	hrtimer_cancel(&f->timer);
	f->count = 0;
}

static int tb_free_range_irq(unsigned long first, unsigned long count)
{
	struct tb_irq_free *f;
	struct tb_block *b;
	unsigned long id;

	f = kzalloc(sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	xa_for_each_range(&tb_blocks, id, b, first, first + count - 1) {
		tb_drop(b);
		f->page[f->count++] = b->page;
		tb_forget(b);
		if (f->count == TB_IRQ_ARRAY)
			tb_irq_free_run(f);
	}
	tb_irq_free_run(f);
	kfree(f);
	return 0;
}

/* Nothing is freed unless all of it can be. */
static int tb_check_free(unsigned long first, unsigned long count,
			 enum tb_how how)
{
	unsigned long id;

	for (id = first; id < first + count; id++) {
		struct tb_block *b = xa_load(&tb_blocks, id);

		if (!b) {
			pr_err("free: there is no block %lu\n", id);
			return -ENOENT;
		}
		if (how != TB_KVFREE && b->class->release) {
			pr_err("free: block %lu is from %s, want kvfree\n", id,
			       b->class->name);
			return -EINVAL;
		}
	}
	return 0;
}

static int tb_free(struct tb_session *s, unsigned long first,
		   unsigned long count, enum tb_how how)
{
	struct tb_span sum = {};
	int err;

	err = tb_check_free(first, count, how);
	if (err)
		return err;
	if (how == TB_IRQ)
		err = tb_free_range_irq(first, count);
	else
		tb_free_range(first, count, how, &sum);
	if (!err)
		tb_print(s, "count=%lu\nticks=%llu\nns=%llu\n", count,
			 sum.ticks, sum.ns);
	return err;
}

/**
 * tb_cmd_free() - command "free FIRST COUNT HOW"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * HOW is vfree, kvfree, or irq: vfree() from hard interrupt context, which the
 * kernel finishes in a worker a little later. What was mapped with vmap() goes
 * by vunmap() and is asked for with kvfree.
 *
 * Return: 0 or a negative errno; -ENOENT when one of the blocks is not there.
 */
int tb_cmd_free(struct tb_session *s, int argc, char **argv)
{
	static const char * const hows[] = { "vfree", "kvfree", "irq" };
	u64 first, count;
	int err, how;

	err = tb_number("free: FIRST", argv[1], 0, ULONG_MAX >> 1, &first);
	if (!err)
		err = tb_number("free: COUNT", argv[2], 1, TB_COUNT_MAX, &count);
	if (err)
		return err;
	how = match_string(hows, ARRAY_SIZE(hows), argv[3]);
	if (how < 0) {
		pr_err("free: HOW is \"%s\", want vfree, kvfree or irq\n",
		       argv[3]);
		return -EINVAL;
	}
	mutex_lock(&tb_blocks_lock);
	err = tb_free(s, first, count, how);
	mutex_unlock(&tb_blocks_lock);
	tb_scrub_stack();
	return err;
}

/**
 * tb_direct() - find memory in the direct map
 * @addr: where else it is mapped, or its address there
 *
 * Context: any, while the memory stays where it is.
 * Return: its address in the direct map.
 */
unsigned long tb_direct(unsigned long addr)
{
	if (is_vmalloc_addr((void *)addr) ||
	    (addr >= MODULES_VADDR && addr < MODULES_END))
		return (unsigned long)pfn_to_kaddr(vmalloc_to_pfn((void *)addr)) +
		       offset_in_page(addr);
	return (unsigned long)__va(__pa(addr));
}

static void tb_print_block(struct tb_session *s, const struct tb_block *b)
{
	unsigned long word = b->class->word ? b->class->word(b) : 0;

	tb_print(s, "%lu %s %lx000 %lx %lu %lx %lx\n", b->id, b->class->name,
		 b->page, (unsigned long)b->class->site, b->size,
		 word, word ? tb_direct(word << 3) >> 3 : 0);
}

/**
 * tb_cmd_blocks() - command "blocks"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Prints "id class start site size word direct" for each live block. The site
 * is the function that called the allocator. A start is printed as the page
 * number with three zeros behind it, so that it does not pass through the
 * stack. The aligned word that holds the start is given by its address >> 3,
 * and again by that in the direct map; both are 0 if there is none.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_blocks(struct tb_session *s, int argc, char **argv)
{
	struct tb_block *b;
	unsigned long id;
	int err;

	BUILD_BUG_ON(PAGE_SHIFT != 12);
	mutex_lock(&tb_blocks_lock);
	err = tb_text_reserve(s, tb_live * TB_LINE);
	xa_for_each(&tb_blocks, id, b) {
		if (err)
			break;
		if (fatal_signal_pending(current))
			err = -EINTR;
		tb_print_block(s, b);
		cond_resched();
	}
	mutex_unlock(&tb_blocks_lock);
	/* The word that holds a start may be the first one of another block. */
	tb_scrub_stack();
	return err;
}

static int tb_print_frames(struct tb_session *s, const struct tb_block *b)
{
	unsigned long count = PAGE_ALIGN(b->size) >> PAGE_SHIFT, i;
	int err = tb_text_reserve(s, count * TB_LINE);

	for (i = 0; i < count && !err; i++) {
		void *at = (void *)((b->page + i) << PAGE_SHIFT);

		tb_print(s, "%lx\n", (unsigned long)page_address(vmalloc_to_page(at)));
	}
	return err;
}

/**
 * tb_cmd_frames() - command "frames ID"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Prints where in the direct map the pages of a block are, in their order.
 *
 * Return: 0 or a negative errno; -ENOENT when there is no such block.
 */
int tb_cmd_frames(struct tb_session *s, int argc, char **argv)
{
	struct tb_block *b;
	u64 id;
	int err;

	err = tb_number("frames: ID", argv[1], 0, ULONG_MAX >> 1, &id);
	if (err)
		return err;
	mutex_lock(&tb_blocks_lock);
	b = xa_load(&tb_blocks, id);
	err = b ? tb_print_frames(s, b) : -ENOENT;
	mutex_unlock(&tb_blocks_lock);
	tb_scrub_stack();
	if (!b)
		pr_err("frames: there is no block %llu\n", id);
	return err;
}

/**
 * tb_blocks_exit() - free every block
 *
 * Context: process context, may sleep.
 */
void tb_blocks_exit(void)
{
	struct tb_span ignored = {};

	mutex_lock(&tb_blocks_lock);
	tb_free_range(0, tb_next_id, TB_KVFREE, &ignored);
	mutex_unlock(&tb_blocks_lock);
	xa_destroy(&tb_blocks);
	tb_scrub_stack();
}
