/* SPDX-License-Identifier: GPL-2.0-only */
/* Copies of entries of the kernel's page tables. */
#ifndef KPROF_PTES_H
#define KPROF_PTES_H

#include <linux/mm.h>

#define PTES_MAX	64

/**
 * struct ptes - what the page tables say of some addresses
 * @last: the last one. The first one is not here: it might be the start of a
 *	block, which must not lie in memory
 * @level: of the entries
 * @nr: how many entries there are, each for the addresses behind those of the
 *	one before; 0 if there is none
 * @entry: the entries. If there are several they are of single pages
 */
struct ptes {
	unsigned long last;
	unsigned int level;
	unsigned int nr;
	pte_t entry[PTES_MAX];
};

void ptes_copy(struct ptes *to, unsigned long addr, unsigned long last);

#endif /* KPROF_PTES_H */
