// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies of entries of the kernel's page tables, many at once: to walk through
 * the tables takes much longer than to read the next entry.
 *
 * Interrupts are off meanwhile. The kernel frees a page table only after all
 * processors have answered an interrupt that has them forget what was in it.
 */
#include <linux/irqflags.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <asm/pgtable.h>

#include "compat.h"
#include "ptes.h"

/* What an entry at some level maps, or leaves unmapped. */
static unsigned long entry_size(unsigned int level)
{
	switch (level) {
	case PG_LEVEL_4K:
		return PAGE_SIZE;
	case PG_LEVEL_2M:
		return PMD_SIZE;
	case PG_LEVEL_1G:
		return PUD_SIZE;
	default:
		return P4D_SIZE;
	}
}

/**
 * ptes_copy() - Copy the entries for some addresses.
 * @to: where to. It ends with the table, with the large page or the hole that
 *	@addr is in, and after PTES_MAX entries at the latest
 * @addr: the first address
 * @last: the last one that is wanted
 *
 * Context: Any.
 */
void ptes_copy(struct ptes *to, unsigned long addr, unsigned long last)
{
	unsigned long flags, end;
	unsigned int i, nr = 1;
	const pte_t *entry;

	local_irq_save(flags);
	entry = lookup_address(addr, &to->level);
	end = addr | (entry_size(to->level) - 1);
	if (entry && to->level == PG_LEVEL_4K) {
		nr = min_t(unsigned long, PTES_MAX,
			   PTRS_PER_PTE - pte_index(addr));
		nr = min_t(unsigned long, nr, (last >> PAGE_SHIFT) - (addr >> PAGE_SHIFT) + 1);
		end += (nr - 1) * PAGE_SIZE;
	}
	for (i = 0; entry && i < nr; i++)
		to->entry[i] = entry[i];
	local_irq_restore(flags);

	to->nr = entry ? nr : 0;
	to->last = min(last, end);
}
