// SPDX-License-Identifier: GPL-2.0-only
/*
 * The search of memory for pointers to blocks.
 *
 * Interrupts stay on and no lock is held while memory is read, and the
 * processor is offered to others after a few pages. Page tables say what can be
 * read: holes are passed over by the level they are at, device registers
 * because reading them may do something, poisoned pages because reading them
 * is a machine check. What goes away between that check and the read is caught
 * by the exception table.
 *
 * All words that could be a pointer to a block are found by one or two
 * instructions for each word, whatever the number of blocks; only those are
 * looked up.
 *
 * There is no loop of vector instructions. AVX2 takes a third of the
 * instructions, and reads what lies in the caches two to three times as fast.
 * But nearly all of it comes from RAM, and that only by a tenth (1 GiB on an
 * EPYC: 28.6 GB/s in place of 26.2), which is not worth the preemption that
 * would have to be off.
 */
#include <linux/hash.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>
#include <asm/asm.h>
#include <asm/io.h>
#include <asm/pgtable.h>

#include "blocks.h"
#include "compat.h"
#include "idle.h"
#include "ptes.h"
#include "scan.h"
#include "vmap.h"

#ifndef CONFIG_X86_64
#error "the inner loops of the scan are written for x86-64"
#endif

#define STACK_PAGES	(THREAD_SIZE / PAGE_SIZE)

/* Words that the inner loops read in one go. */
#define GROUP		16

/* Pages after which the processor is offered to others. */
#define YIELD_PAGES	16

/**
 * struct scan - a scan under way
 * @blocks: what is looked for; BLOCK_REFERENCED is set in those found
 * @slots: open-addressed hash of page numbers: index in @blocks + 1, or 0
 * @bits: log2 of the number of slots
 * @first_page: the lowest page of a block
 * @span: number of pages from the lowest to the highest
 * @high: upper halves of all blocks' addresses, if @one_high
 * @one_high: the upper halves are all the same
 * @stack: page frames of the scanning task's own stack. Whatever lies on it is
 *	ours, left from this very search.
 * @idle: what is known of memory that is not in use
 * @pages: how many were read or passed over
 * @ignore_self: pointers to a block in the block itself do not count
 * @owners: of page frames: index in @blocks, for blocks with BLOCK_INDEXED
 * @error: why the search cannot go on, or 0
 * @report: what was done
 */
struct scan {
	struct live_block *blocks;
	u32 *slots;
	unsigned int bits;
	u64 first_page;
	u64 span;
	u32 high;
	bool one_high;
	unsigned long stack[STACK_PAGES];
	struct idle idle;
	unsigned long pages;
	bool ignore_self;
	struct xarray owners;
	int error;
	struct scan_report *report;
};

static bool stopping;

/**
 * scan_stop() - Make scans under way, and later ones, fail with -ENODEV.
 *
 * Context: Any.
 */
void scan_stop(void)
{
	WRITE_ONCE(stopping, true);
}

static int may_go_on(void)
{
	cond_resched();
	if (READ_ONCE(stopping))
		return -ENODEV;
	return fatal_signal_pending(current) ? -EINTR : 0;
}

enum found { FOUND_NOTHING, FOUND_CANDIDATE, FOUND_FAULT };

/* Reads a word of memory that may not be there. */
static __always_inline bool load(const u64 *from, u64 *word)
{
	bool ok = true;

	asm volatile("1:	mov (%[from]), %[word]\n"
		     "	jmp 3f\n"
		     "2:	xor %k[ok], %k[ok]\n"
		     "3:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [word] "=&r" (*word), [ok] "+&q" (ok)
		     : [from] "r" (from)
		     : "cc");
	return ok;
}

/*
 * A loop that reads whole groups from p up to end and stops at the first one in
 * which a word is a candidate, or is not there; p is left at that group. test
 * is for the word at \\off(p): it reads it at label 5 and goes to label 2 when
 * it is a candidate.
 */
#define READ_GROUPS(test)						\
	"1:	.irp off, 0,8,16,24,32,40,48,56,64,72,80,88,96,104,112,120\n" \
	test								\
	_ASM_EXTABLE(5b, 3f)						\
	"	.endr\n"						\
	"	sub $-128, %[p]\n"					\
	"	cmp %[end], %[p]\n"					\
	"	jb 1b\n"						\
	"	jmp 4f\n"						\
	"2:	mov %[candidate], %k[found]\n"				\
	"	jmp 4f\n"						\
	"3:	mov %[fault], %k[found]\n"				\
	"4:\n"

/* A candidate is a word whose upper half is high. */
static noinline enum found read_high(const u64 **p, const u64 *end, u32 high)
{
	enum found found = FOUND_NOTHING;

	asm volatile(READ_GROUPS("5:	cmp %[high], 4+\\off(%[p])\n"
				 "	je 2f\n")
		     : [p] "+r" (*p), [found] "+r" (found)
		     : [end] "r" (end), [high] "r" (high),
		       [candidate] "i" (FOUND_CANDIDATE), [fault] "i" (FOUND_FAULT)
		     : "cc", "memory");
	return found;
}

/*
 * The same for blocks whose upper halves differ. A candidate is page-aligned
 * and lies in the span of pages from base on. ror brings the low 12 bits, which
 * must be 0, to the top, so that one comparison tests both.
 */
static noinline enum found read_span(const u64 **p, const u64 *end, u64 base,
				     u64 span)
{
	enum found found = FOUND_NOTHING;
	u64 word;

	asm volatile(READ_GROUPS("5:	mov \\off(%[p]), %[word]\n"
				 "	sub %[base], %[word]\n"
				 "	ror $12, %[word]\n"
				 "	cmp %[span], %[word]\n"
				 "	jb 2f\n")
		     : [p] "+r" (*p), [found] "+r" (found), [word] "=&r" (word)
		     : [end] "r" (end), [base] "r" (base), [span] "r" (span),
		       [candidate] "i" (FOUND_CANDIDATE), [fault] "i" (FOUND_FAULT)
		     : "cc", "memory");
	return found;
}

static struct live_block *find_block(const struct scan *s, u64 page)
{
	u32 mask = (1U << s->bits) - 1;
	u32 slot = hash_64(page, s->bits);

	for (; s->slots[slot]; slot = (slot + 1) & mask) {
		struct live_block *b = &s->blocks[s->slots[slot] - 1];

		if (BLOCK_PAGE(b->page) == page)
			return b;
	}
	return NULL;
}

static bool on_own_stack(const struct scan *s, unsigned long pfn)
{
	int i;

	for (i = 0; i < STACK_PAGES; i++)
		if (s->stack[i] == pfn)
			return true;
	return false;
}

/* Notes which page frames the block has, up to the guard page behind it. */
static int index_frames(struct scan *s, struct live_block *b)
{
	unsigned long addr = BLOCK_PAGE(b->page) << PAGE_SHIFT;
	void *owner = xa_mk_value(b - s->blocks);
	struct page *page;
	int i, ret;

	for (i = 0; (page = vmalloc_to_page((void *)addr)); i++) {
		ret = xa_err(xa_store(&s->owners, page_to_pfn(page), owner,
				      GFP_KERNEL));
		if (!ret && i % 256 == 0)
			ret = may_go_on();
		if (ret)
			return ret;
		addr += PAGE_SIZE;
	}
	b->page |= BLOCK_INDEXED;
	return 0;
}

/*
 * Whether a page frame is the block's. By what address it is read says nothing:
 * the direct map has all blocks in it a second time.
 */
static bool has_frame(struct scan *s, struct live_block *b, unsigned long pfn)
{
	if (!(b->page & BLOCK_INDEXED) && !s->error)
		s->error = index_frames(s, b);
	return xa_load(&s->owners, pfn) == xa_mk_value(b - s->blocks);
}

/* A word that could be a pointer to a block, and the page frame it lies in. */
static void examine(struct scan *s, u64 word, const u64 *at, unsigned long pfn)
{
	struct live_block *b;
	unsigned long where;

	if (word & ~PAGE_MASK || (word >> PAGE_SHIFT) - s->first_page >= s->span)
		return;
	b = find_block(s, word >> PAGE_SHIFT);
	if (!b || b->page & BLOCK_REFERENCED || on_own_stack(s, pfn))
		return;

	/* The allocator's words are known by their address in the direct map. */
	where = (unsigned long)pfn_to_kaddr(pfn) + offset_in_page(at);
	if (vmap_is_bookkeeping(where, BLOCK_PAGE(b->page)))
		s->report->bookkeeping++;
	else if (idle_word(&s->idle, pfn_to_page(pfn), offset_in_page(at)))
		s->report->idle++;
	else if (s->ignore_self && has_frame(s, b, pfn))
		s->report->self++;
	else
		b->page |= BLOCK_REFERENCED;
}

/* Reads words one by one. Returns whether all of them were there. */
static bool read_words(struct scan *s, const u64 *p, const u64 *end,
		       unsigned long pfn)
{
	u64 word;

	for (; p < end; p++) {
		if (!load(p, &word))
			return false;
		examine(s, word, p, pfn);
	}
	return true;
}

/* Reads words that lie in one page. */
static bool read_page(struct scan *s, const u64 *p, const u64 *end,
		      unsigned long pfn)
{
	const u64 *groups_end = p + round_down(end - p, GROUP);
	/* Never a block's address itself, which might be spilled to memory. */
	u64 base = (s->first_page - 1) << PAGE_SHIFT;
	enum found found;

	while (p < groups_end) {
		if (s->one_high)
			found = read_high(&p, groups_end, s->high);
		else
			found = read_span(&p, groups_end, base, s->span + 1);
		if (found == FOUND_NOTHING)
			break;
		if (found == FOUND_FAULT || !read_words(s, p, p + GROUP, pfn))
			return false;
		p += GROUP;
	}
	return read_words(s, groups_end, end, pfn);
}

/* The page frame that an entry maps an address to. */
static unsigned long leaf_pfn(const pte_t *pte, unsigned int level,
			      unsigned long addr)
{
	switch (level) {
	case PG_LEVEL_4K:
		return pte_pfn(*pte);
	case PG_LEVEL_2M:
		return pmd_pfn(*(const pmd_t *)pte) + (addr & ~PMD_MASK) / PAGE_SIZE;
	default:
		return pud_pfn(*(const pud_t *)pte) + (addr & ~PUD_MASK) / PAGE_SIZE;
	}
}

/* The page to read, or NULL after counting why it is passed over. */
static struct page *readable_page(struct scan *s, unsigned long pfn,
				  pteval_t flags)
{
	struct page *page = NULL;

	/* Registers are mapped uncached, and have no struct page. */
	if (!(flags & (_PAGE_PCD | _PAGE_PWT)))
		page = pfn_to_online_page(pfn);
	if (!page) {
		s->report->device++;
		return NULL;
	}
	if (PageHWPoison(page) || PageOffline(page)) {
		s->report->poisoned++;
		return NULL;
	}
	if (idle_is_free(page)) {
		s->report->free++;
		return NULL;
	}
	return page;
}

/**
 * scan_may_go_on() - Offer the processor to others.
 *
 * For all that a scan does, and what leads to it: call it every few
 * milliseconds.
 *
 * Context: Sleeps.
 * Return: 0, -EINTR when the task is to die, -ENODEV after scan_stop().
 */
int scan_may_go_on(void)
{
	cond_resched();
	if (READ_ONCE(stopping))
		return -ENODEV;
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* Reads [from, last], which one page-table entry maps to pfn and on. */
static int read_leaf(struct scan *s, unsigned long from, unsigned long last,
		     unsigned long pfn, pteval_t flags)
{
	int ret = 0;

	for (; from - 1 < last && !ret; pfn++) {
		unsigned long end = min(last, from | ~PAGE_MASK) + 1;

		if (readable_page(s, pfn, flags)) {
			s->report->words += (end - from) / sizeof(u64);
			if (!read_page(s, (const u64 *)from, (const u64 *)end, pfn))
				s->report->unreadable++;
		}
		from = end;
		ret = s->error;
		if (!ret && ++s->pages % YIELD_PAGES == 0)
			ret = scan_may_go_on();
	}
	return ret;
}

/* Reads what the entries map, from an address in the first one on. */
static int read_entries(struct scan *s, const struct ptes *p, unsigned long from)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < p->nr && !ret; i++) {
		unsigned long last = p->last;
		const pte_t *pte = &p->entry[i];

		if (p->nr > 1)
			last = min(last, from | ~PAGE_MASK);
		if (pte_flags(*pte) & _PAGE_PRESENT)
			ret = read_leaf(s, from, last, leaf_pfn(pte, p->level, from),
					pte_flags(*pte));
		from = last + 1;
	}
	return ret;
}

/* The last address of a range, unlike its end, never wraps around to 0. */
static int read_range(struct scan *s, unsigned long from, unsigned long last)
{
	struct ptes ptes;
	int ret;

	do {
		ptes_copy(&ptes, from, last);
		ret = read_entries(s, &ptes, from);
		if (!ret)
			ret = scan_may_go_on();
		from = ptes.last + 1;
	} while (!ret && ptes.last != last);
	return ret;
}

/* Makes an index of the blocks that are still to be found. */
static int index_blocks(struct scan *s, size_t nr)
{
	u64 last = 0;
	u32 mask;
	size_t i;

	s->bits = max(order_base_2(2 * nr), 4);
	s->slots = kvcalloc(1UL << s->bits, sizeof(*s->slots), GFP_KERNEL);
	if (!s->slots)
		return -ENOMEM;

	mask = (1U << s->bits) - 1;
	s->first_page = U64_MAX;
	for (i = 0; i < nr; i++) {
		u64 page = s->blocks[i].page;
		u32 slot;

		if (page & BLOCK_REFERENCED)
			continue;
		page = BLOCK_PAGE(page);
		slot = hash_64(page, s->bits);
		while (s->slots[slot])
			slot = (slot + 1) & mask;
		s->slots[slot] = i + 1;
		s->first_page = min(s->first_page, page);
		last = max(last, page);
	}
	s->span = last - s->first_page + 1;
	s->high = s->first_page >> (32 - PAGE_SHIFT);
	s->one_high = s->high == last >> (32 - PAGE_SHIFT);
	return 0;
}

static void find_own_stack(struct scan *s)
{
	char *stack = task_stack_page(current);
	int i;

	for (i = 0; i < STACK_PAGES; i++, stack += PAGE_SIZE)
		s->stack[i] = is_vmalloc_addr(stack) ? vmalloc_to_pfn(stack) :
						       virt_to_phys(stack) >> PAGE_SHIFT;
}

static int read_once(struct scan *s, size_t nr, unsigned long from,
		     unsigned long last)
{
	int ret = index_blocks(s, nr);
	u64 began;

	if (ret)
		return ret;
	s->report->passes++;
	began = ktime_get_ns();
	ret = read_range(s, from, last);
	s->report->read_ns += ktime_get_ns() - began;
	kvfree(s->slots);
	return ret;
}

static bool all_found(const struct live_block *blocks, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!(blocks[i].page & BLOCK_REFERENCED))
			return false;
	return true;
}

/**
 * scan_memory() - Find out to which blocks there are pointers.
 * @blocks: the blocks; BLOCK_REFERENCED is set in the @page of those to which
 *	an aligned word in the range points, unless it is the allocator's own or
 *	the request says that it does not count
 * @nr: how many
 * @request: what to read
 * @report: where to add up what was done
 *
 * A pointer may be moved, from memory that is still to be read to memory that
 * was read already. Each further pass is one more chance to find it; what one
 * pass has found the next does not look for.
 *
 * Context: Sleeps.
 * Return: 0, -EINTR when the task is to die, -ENODEV after scan_stop(),
 * -ENOMEM.
 */
int scan_memory(struct live_block *blocks, size_t nr,
		const struct scan_request *request, struct scan_report *report)
{
	struct scan s = { .blocks = blocks, .report = report,
			  .ignore_self = request->ignore_self };
	unsigned long start = round_up(request->start, sizeof(u64));
	unsigned long end = round_down(request->end, sizeof(u64));
	int ret;

	/* What begins in the last word of all is rounded up to 0. */
	if (!nr || !start || start >= end)
		return scan_may_go_on();

	xa_init(&s.owners);
	find_own_stack(&s);
	do {
		ret = read_once(&s, nr, start, end - 1);
	} while (!ret && report->passes <= request->confirm &&
		 !all_found(blocks, nr));
	idle_exit(&s.idle);
	xa_destroy(&s.owners);
	return ret;
}
