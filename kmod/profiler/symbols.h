/* SPDX-License-Identifier: GPL-2.0-only */
/* Where kernel functions that are not exported lie. */
#ifndef KPROF_SYMBOLS_H
#define KPROF_SYMBOLS_H

#include <linux/types.h>

struct module;

unsigned long kprof_symbol_address(const char *name);
unsigned long kprof_symbol_rest(unsigned long addr);
unsigned long kprof_symbol_start(unsigned long addr);
unsigned long kprof_function_entry(void (*fn)(void));
struct module *kprof_module_get(unsigned long addr);

#endif /* KPROF_SYMBOLS_H */
