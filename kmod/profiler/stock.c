// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for records, at hand where none can be allocated.
 *
 * Probes run with preemption off, or in interrupts. On a kernel with PREEMPT_RT
 * the allocators sleep on their locks, whatever the flags, so that there they
 * can neither be asked for memory nor be given any. Records come from a stock
 * and go back to it, and a work item keeps its size within bounds.
 *
 * The work item is queued by an irq_work, because a probe may be hit by whoever
 * holds the locks that queueing takes.
 *
 * Locking: a raw spinlock guards the stock. It is taken with interrupts off and
 * for a few instructions; no other lock is taken inside.
 */
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "stock.h"

/*
 * Records that there should be, and how few and how many there may. The work
 * item has as long to come as LEAST records last.
 */
#define WANTED	8192
#define LEAST	(WANTED / 2)
#define MOST	(WANTED * 2)

struct spare {
	struct spare *next;
};

static DEFINE_RAW_SPINLOCK(lock);
static struct spare *first;
static unsigned int nr;
static bool asked;	/* for the work item, which has not begun since */

static struct kmem_cache *cache;

static void balance(struct work_struct *unused);
static DECLARE_WORK(balance_work, balance);

/* On any CPU: a task of high priority may keep this one to itself. */
static void ask(struct irq_work *unused)
{
	queue_work(system_unbound_wq, &balance_work);
}

static DEFINE_IRQ_WORK(ask_work, ask);

/* Whether to ask for the work item. The stock is locked. */
static bool must_ask(void)
{
	if (asked || (nr >= LEAST && nr <= MOST))
		return false;
	asked = true;
	return true;
}
NOKPROBE_SYMBOL(must_ask);

static struct spare *pop(void)
{
	struct spare *s = first;

	if (s) {
		first = s->next;
		nr--;
	}
	return s;
}
NOKPROBE_SYMBOL(pop);

static void push(struct spare *s)
{
	s->next = first;
	first = s;
	nr++;
}
NOKPROBE_SYMBOL(push);

/**
 * stock_take() - Take a record.
 *
 * Context: Any but NMI.
 * Return: The record, or NULL if there is none left.
 */
void *stock_take(void)
{
	unsigned long flags;
	struct spare *s;
	bool low;

	raw_spin_lock_irqsave(&lock, flags);
	s = pop();
	low = must_ask();
	raw_spin_unlock_irqrestore(&lock, flags);
	if (low)
		irq_work_queue(&ask_work);
	return s;
}
NOKPROBE_SYMBOL(stock_take);

/**
 * stock_put() - Give a record back.
 * @record: from stock_take()
 *
 * Context: Any but NMI.
 */
void stock_put(void *record)
{
	unsigned long flags;
	bool high;

	raw_spin_lock_irqsave(&lock, flags);
	push(record);
	high = must_ask();
	raw_spin_unlock_irqrestore(&lock, flags);
	if (high)
		irq_work_queue(&ask_work);
}
NOKPROBE_SYMBOL(stock_put);

static struct spare *take_quietly(void)
{
	struct spare *s;

	raw_spin_lock_irq(&lock);
	s = pop();
	raw_spin_unlock_irq(&lock);
	return s;
}

static void put_quietly(struct spare *s)
{
	raw_spin_lock_irq(&lock);
	push(s);
	raw_spin_unlock_irq(&lock);
}

/* Rather no records than to have a process killed for them. */
static int fill(void)
{
	while (READ_ONCE(nr) < WANTED) {
		struct spare *s = kmem_cache_alloc(cache, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);

		if (!s)
			return -ENOMEM;
		put_quietly(s);
		cond_resched();
	}
	return 0;
}

static void shrink_to(unsigned int most)
{
	while (READ_ONCE(nr) > most) {
		struct spare *s = take_quietly();

		if (!s)
			return;
		kmem_cache_free(cache, s);
		cond_resched();
	}
}

static void balance(struct work_struct *unused)
{
	raw_spin_lock_irq(&lock);
	asked = false;
	raw_spin_unlock_irq(&lock);
	/* Without memory the next one who takes a record asks again. */
	fill();
	shrink_to(WANTED);
}

/**
 * stock_init() - Lay in a stock.
 * @name: of its slab cache
 * @size: of a record, in bytes, a pointer's or more
 *
 * Context: Sleeps.
 * Return: 0 or -ENOMEM.
 */
int stock_init(const char *name, size_t size)
{
	int ret;

	cache = kmem_cache_create(name, size, 0, 0, NULL);
	if (!cache)
		return -ENOMEM;
	ret = fill();
	if (ret)
		stock_exit();
	return ret;
}

/**
 * stock_exit() - Free the stock. All records are in it. Does nothing if there
 * is none.
 *
 * Context: Sleeps. Nobody takes or puts records any more.
 */
void stock_exit(void)
{
	if (!cache)
		return;
	irq_work_sync(&ask_work);
	cancel_work_sync(&balance_work);
	shrink_to(0);
	kmem_cache_destroy(cache);
	cache = NULL;
}
