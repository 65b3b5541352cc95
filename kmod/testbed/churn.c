// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks that come and go, by the hundred and in every way, for those who watch
 * them from another processor.
 *
 * Locking: a session's batch is guarded by the session's lock. An interrupt
 * that frees blocks uses a batch that the task waits with.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>

#include "testbed.h"

#define TB_BATCH_MAX	128
/* A third goes in each way. */
#define TB_CHURN_BATCH	96
#define TB_PAIRS_MAX	100000000

/**
 * struct tb_batch - blocks that live for a while
 * @count:	how many
 * @page:	page numbers, for the reason given at struct tb_block
 */
struct tb_batch {
	unsigned int count;
	unsigned long page[TB_BATCH_MAX];
};

/* The call is no jump, so that its caller is known: see TB_SITE. */
static noinline __noclone void *tb_churn_alloc(unsigned long size)
{
	void *p = vmalloc(size);

	asm volatile("" : "+r" (p));
	return p;
}

static void *tb_start(const struct tb_batch *b, unsigned int i)
{
	return (void *)(b->page[i] << PAGE_SHIFT);
}

static void tb_batch_free(struct tb_batch *b)
{
	while (b->count)
		vfree(tb_start(b, --b->count));
}

static int tb_batch_fill(struct tb_batch *b, unsigned int count,
			 unsigned long size)
{
	while (b->count < count) {
		void *p = tb_churn_alloc(size);

		if (!p) {
			tb_batch_free(b);
			return -ENOMEM;
		}
		b->page[b->count++] = (unsigned long)p >> PAGE_SHIFT;
	}
	return 0;
}

/**
 * struct tb_irq_third - blocks to be freed in an interrupt
 * @work:	the interrupt
 * @batch:	whose blocks
 * @first:	the first of them
 * @end:	the one behind the last
 * @freed:	how many an interrupt has freed
 */
struct tb_irq_third {
	struct irq_work work;
	const struct tb_batch *batch;
	unsigned int first;
	unsigned int end;
	u64 freed;
};

static void tb_free_in_irq(struct irq_work *work)
{
	struct tb_irq_third *t = container_of(work, struct tb_irq_third, work);
	unsigned int i;

	for (i = t->first; i < t->end; i++)
		vfree(tb_start(t->batch, i));
	if (in_hardirq())
		t->freed += t->end - t->first;
}

/* May be called by the idle task, which looks for such calls by itself. */
static void tb_interrupt_this(void *arg)
{
	struct tb_irq_third *t = arg;

	irq_work_queue(&t->work);
}

/* On another processor, where it falls into whatever goes on there, if it can. */
static void tb_interrupt(struct tb_irq_third *t, bool elsewhere)
{
	unsigned int other = nr_cpu_ids;

	if (elsewhere)
		other = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	init_irq_work(&t->work, tb_free_in_irq);
	if (other >= nr_cpu_ids ||
	    smp_call_function_single(other, tb_interrupt_this, t, true))
		tb_interrupt_this(t);
	irq_work_sync(&t->work);
}

/* The last third goes in interrupts. */
static void tb_free_thirds(struct tb_batch *b, struct tb_irq_third *t)
{
	unsigned int i, third = b->count / 3, last = b->count - third;

	for (i = 0; i < third; i++)
		vfree(tb_start(b, i));
	for (; i < last; i++)
		kvfree(tb_start(b, i));
	t->batch = b;
	t->first = last;
	t->end = last + third / 2;
	tb_interrupt(t, false);
	t->first = t->end;
	t->end = b->count;
	tb_interrupt(t, true);
	b->count = 0;
}

static int tb_churn(struct tb_batch *b, struct tb_irq_third *t, u64 pairs,
		    unsigned long size)
{
	int err = 0;

	while (pairs && !err) {
		u64 n = min_t(u64, pairs, TB_CHURN_BATCH);

		err = tb_batch_fill(b, n, size);
		if (!err)
			tb_free_thirds(b, t);
		if (fatal_signal_pending(current))
			err = -EINTR;
		pairs -= n;
		cond_resched();
	}
	return err;
}

/**
 * tb_cmd_churn() - command "churn PAIRS SIZE"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * PAIRS blocks from vmalloc() that are freed again: a third by vfree(), a third
 * by kvfree(), and a third in hard interrupt context, half of those on this
 * processor and half on another one, if there is one. Prints how many went in
 * interrupts.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_churn(struct tb_session *s, int argc, char **argv)
{
	struct tb_irq_third *third;
	struct tb_batch *batch;
	u64 pairs, size;
	int err;

	err = tb_number("churn: PAIRS", argv[1], 1, TB_PAIRS_MAX, &pairs);
	if (!err)
		err = tb_number("churn: SIZE", argv[2], 1, SZ_64K, &size);
	if (err)
		return err;
	batch = kzalloc(sizeof(*batch), GFP_KERNEL);
	third = kzalloc(sizeof(*third), GFP_KERNEL);
	err = batch && third ? tb_churn(batch, third, pairs, size) : -ENOMEM;
	if (!err)
		tb_print(s, "pairs=%llu\nirq=%llu\n", pairs, third->freed);
	kfree(third);
	kfree(batch);
	tb_scrub_stack();
	return err;
}

static void tb_print_batch(struct tb_session *s, const struct tb_batch *b)
{
	unsigned int i;

	BUILD_BUG_ON(PAGE_SHIFT != 12);
	for (i = 0; i < b->count; i++)
		tb_print(s, "%lx000\n", b->page[i]);
}

/**
 * tb_batch_end() - free the session's batch
 * @s: session, locked or unused
 *
 * Context: process context, may sleep. Does nothing if there is none.
 */
void tb_batch_end(struct tb_session *s)
{
	if (!s->batch)
		return;
	tb_batch_free(s->batch);
	kfree(s->batch);
	s->batch = NULL;
}

/**
 * tb_cmd_batch() - command "batch COUNT SIZE" or "batch off"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * COUNT blocks that live until the session's next batch has been allocated, so
 * that at no moment blocks of more than two are alive. Prints their starts.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_batch(struct tb_session *s, int argc, char **argv)
{
	struct tb_batch *batch;
	u64 count, size;
	int err;

	if (argc == 2 && !strcmp(argv[1], "off")) {
		tb_batch_end(s);
		return 0;
	}
	err = tb_number("batch: COUNT", argv[1], 1, TB_BATCH_MAX, &count);
	if (!err)
		err = tb_number("batch: SIZE", argc == 3 ? argv[2] : "", 1, SZ_1M,
				&size);
	if (err)
		return err;
	batch = kzalloc(sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	err = tb_batch_fill(batch, count, size);
	if (err) {
		kfree(batch);
		return err;
	}
	tb_batch_end(s);
	s->batch = batch;
	tb_print_batch(s, batch);
	tb_scrub_stack();
	return 0;
}
