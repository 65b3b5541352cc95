// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of the arena that must not be read, or that vanish while they are.
 *
 * Whether a page was read is told by the bit that the processor sets in a page
 * table when it uses an entry, so that it does not take the reader's word.
 *
 * Locking: tb_blocks_lock guards the hazard. The timer's handler uses the
 * hazard alone, which exists as long as the timer runs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <asm/irq_regs.h>
#include <asm/pgtable.h>
#include <asm/ptrace.h>

#include "testbed.h"

#define TB_VANISH_MAX		16
#define TB_VANISH_GAP_NS	(100 * NSEC_PER_USEC)
/* The counter of the event timer: registers that nothing happens to. */
#define TB_DEVICE_PFN		(0xfed00000UL >> PAGE_SHIFT)

/**
 * struct tb_hazard - what is wrong with the arena
 * @session:	whose hazard it is
 * @kind:	name of it
 * @restore:	makes the page well again
 * @addr:	the page
 * @pte:	its entry in the page table
 * @was:	what was in the entry
 * @timer:	takes pages away
 * @gone:	the entries of those that it has taken
 * @gone_was:	what was in them
 * @nr_gone:	how many
 */
struct tb_hazard {
	const struct tb_session *session;
	const char *kind;
	void (*restore)(struct tb_hazard *h);
	unsigned long addr;
	pte_t *pte;
	pte_t was;
	struct hrtimer timer;
	pte_t *gone[TB_VANISH_MAX];
	pte_t gone_was[TB_VANISH_MAX];
	unsigned int nr_gone;
};

static struct tb_hazard *tb_hazard;	/* tb_blocks_lock */

/* There is one processor only, so that no other one has the old entry. */
static void tb_set_entry(pte_t *pte, pte_t entry, unsigned long addr)
{
	native_set_pte(pte, entry);
	asm volatile("invlpg (%0)" : : "r" (addr) : "memory");
}

static pte_t *tb_entry(unsigned long addr)
{
	unsigned int level;
	pte_t *pte = lookup_address(addr, &level);

	return pte && level == PG_LEVEL_4K && pte_present(*pte) ? pte : NULL;
}

static struct page *tb_page(const struct tb_hazard *h)
{
	return pfn_to_page(pte_pfn(h->was));
}

static void tb_watch(struct tb_hazard *h)
{
	tb_set_entry(h->pte, pte_mkold(h->was), h->addr);
}

static void tb_unwatch(struct tb_hazard *h)
{
	tb_set_entry(h->pte, h->was, h->addr);
}

static void tb_poison(struct tb_hazard *h)
{
	SetPageHWPoison(tb_page(h));
	tb_watch(h);
}

static void tb_unpoison(struct tb_hazard *h)
{
	ClearPageHWPoison(tb_page(h));
	tb_unwatch(h);
}

static void tb_offline(struct tb_hazard *h)
{
	__SetPageOffline(tb_page(h));
	tb_watch(h);
}

static void tb_online(struct tb_hazard *h)
{
	__ClearPageOffline(tb_page(h));
	tb_unwatch(h);
}

static void tb_uncache(struct tb_hazard *h)
{
	pteval_t uncached = pte_flags(h->was) | _PAGE_PCD | _PAGE_PWT;

	tb_set_entry(h->pte, pte_mkold(pfn_pte(pte_pfn(h->was), __pgprot(uncached))),
		     h->addr);
}

/* Cached, which no driver would do: only the page's number tells. */
static void tb_device(struct tb_hazard *h)
{
	tb_set_entry(h->pte,
		     pte_mkold(pfn_pte(TB_DEVICE_PFN, __pgprot(pte_flags(h->was)))),
		     h->addr);
}

/* Whether an address, or what was one, lies in the arena. */
static bool tb_in_arena(unsigned long addr)
{
	return addr - (unsigned long)tb_arena.words <
	       tb_arena.count * sizeof(*tb_arena.words);
}

/*
 * The address in the arena that interrupted code works with, or 0: the lowest
 * one, because the end of what it reads is in a register as well.
 */
static unsigned long tb_interrupted_at(const struct pt_regs *regs)
{
	const unsigned long work[] = {
		regs->di, regs->si, regs->dx, regs->cx, regs->ax, regs->r8,
		regs->r9, regs->r10, regs->r11, regs->bx, regs->bp, regs->r12,
		regs->r13, regs->r14, regs->r15,
	};
	unsigned long lowest = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(work); i++)
		if (tb_in_arena(work[i]) && (!lowest || work[i] < lowest))
			lowest = work[i];
	return lowest;
}

static enum hrtimer_restart tb_vanish_fn(struct hrtimer *timer)
{
	struct tb_hazard *h = container_of(timer, struct tb_hazard, timer);
	struct pt_regs *regs = get_irq_regs();
	unsigned long addr = 0;
	pte_t *pte = NULL;

	if (regs && !user_mode(regs))
		addr = tb_interrupted_at(regs);
	if (addr)
		pte = tb_entry(addr);
	if (pte) {
		h->gone[h->nr_gone] = pte;
		h->gone_was[h->nr_gone++] = *pte;
		tb_set_entry(pte, __pte(0), addr);
	}
	if (h->nr_gone == TB_VANISH_MAX)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(TB_VANISH_GAP_NS));
	return HRTIMER_RESTART;
}

static void tb_vanish(struct tb_hazard *h)
{
	hrtimer_setup(&h->timer, tb_vanish_fn, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_HARD);
	hrtimer_start(&h->timer, ns_to_ktime(TB_VANISH_GAP_NS), HRTIMER_MODE_REL_HARD);
}

/* An entry that was not present is cached nowhere. */
static void tb_reappear(struct tb_hazard *h)
{
	hrtimer_cancel(&h->timer);
	while (h->nr_gone--)
		native_set_pte(h->gone[h->nr_gone], h->gone_was[h->nr_gone]);
}

static const struct {
	const char *kind;
	void (*make)(struct tb_hazard *h);
	void (*restore)(struct tb_hazard *h);
} tb_hazards[] = {
	{ "none", tb_watch, tb_unwatch },
	{ "poisoned", tb_poison, tb_unpoison },
	{ "offline", tb_offline, tb_online },
	{ "uncached", tb_uncache, tb_unwatch },
	{ "device", tb_device, tb_unwatch },
	{ "vanishing", tb_vanish, tb_reappear },
};

static void tb_hazard_stop(void)
{
	struct tb_hazard *h = tb_hazard;

	if (!h)
		return;
	h->restore(h);
	tb_arena.held--;
	kfree(h);
	tb_hazard = NULL;
}

/**
 * tb_hazard_end() - make the arena well again, if the session made it unwell
 * @s: session, locked or unused
 *
 * Context: process context, may sleep.
 */
void tb_hazard_end(struct tb_session *s)
{
	mutex_lock(&tb_blocks_lock);
	if (tb_hazard && tb_hazard->session == s)
		tb_hazard_stop();
	mutex_unlock(&tb_blocks_lock);
}

static int tb_hazard_start(struct tb_session *s, int kind, u64 page)
{
	struct tb_hazard *h;

	if (tb_hazard) {
		pr_err("hazard: the arena has one, %s\n", tb_hazard->kind);
		return -EBUSY;
	}
	if (!tb_in_arena((unsigned long)tb_arena.words + page * PAGE_SIZE)) {
		pr_err("hazard: the arena has no page %llu\n", page);
		return -EINVAL;
	}
	h = kzalloc(sizeof(*h), GFP_KERNEL);
	if (!h)
		return -ENOMEM;
	h->session = s;
	h->kind = tb_hazards[kind].kind;
	h->restore = tb_hazards[kind].restore;
	h->addr = (unsigned long)tb_arena.words + page * PAGE_SIZE;
	h->pte = tb_entry(h->addr);
	if (!h->pte) {
		kfree(h);
		return -ENXIO;
	}
	h->was = *h->pte;
	tb_hazards[kind].make(h);
	/* The arena stays. */
	tb_arena.held++;
	tb_hazard = h;
	return 0;
}

static int tb_hazard_state(struct tb_session *s)
{
	const struct tb_hazard *h = tb_hazard;

	if (!h) {
		pr_err("hazard: there is none\n");
		return -ENXIO;
	}
	tb_print(s, "read=%d\nvanished=%u\n", !!pte_young(READ_ONCE(*h->pte)),
		 READ_ONCE(h->nr_gone));
	return 0;
}

static int tb_hazard_kind(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(tb_hazards); i++)
		if (!strcmp(tb_hazards[i].kind, name))
			return i;
	pr_err("hazard: there is no \"%s\"\n", name);
	return -EINVAL;
}

static int tb_hazard_run(struct tb_session *s, int argc, char **argv)
{
	u64 page = 0;
	int err, kind;

	if (!strcmp(argv[1], "state"))
		return tb_hazard_state(s);
	if (!strcmp(argv[1], "off")) {
		tb_hazard_stop();
		return 0;
	}
	kind = tb_hazard_kind(argv[1]);
	if (kind < 0)
		return kind;
	err = tb_number("hazard: PAGE", argc == 3 ? argv[2] : "", 0, ULONG_MAX >> PAGE_SHIFT,
			&page);
	return err ? err : tb_hazard_start(s, kind, page);
}

/**
 * tb_cmd_hazard() - command "hazard KIND PAGE", "hazard state" or "hazard off"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * PAGE of the arena becomes: poisoned or offline, by what the kernel notes of
 * it; uncached, or a device's registers, by what maps it. With "none" nothing
 * is wrong with it. "state" tells whether it was read since. With "vanishing"
 * a timer takes away the pages of the arena, PAGE or others, that it finds
 * being read. The kernel must not use any of them until "off" or the end of
 * the session, and other sessions must leave the arena alone.
 *
 * Return: 0 or a negative errno; -EBUSY when there is a hazard, -EOPNOTSUPP
 * with more than one processor, -ENXIO for "state" when there is none.
 */
int tb_cmd_hazard(struct tb_session *s, int argc, char **argv)
{
	int err;

	if (num_online_cpus() > 1) {
		pr_err("hazard: not with more than one processor\n");
		return -EOPNOTSUPP;
	}
	mutex_lock(&tb_blocks_lock);
	err = tb_hazard_run(s, argc, argv);
	mutex_unlock(&tb_blocks_lock);
	return err;
}
