/* SPDX-License-Identifier: GPL-2.0-only */
/* Where kernel functions that are not exported lie. */
#ifndef KPROF_SYMBOLS_H
#define KPROF_SYMBOLS_H

#include <linux/types.h>

unsigned long kprof_symbol_address(const char *name);
unsigned long kprof_symbol_size(unsigned long addr);

#endif /* KPROF_SYMBOLS_H */
