/* SPDX-License-Identifier: GPL-2.0-only */
/* Names to addresses, many at once. */
#ifndef KPROF_RESOLVE_H
#define KPROF_RESOLVE_H

#include <linux/types.h>

/**
 * struct kprof_lookup - a name that is looked up
 * @name: as the user spelled it
 * @symbol: set to what kallsyms calls it, for kfree()
 * @addr: set to where it can be probed, or would be if that were allowed, or 0
 * @error: set to 0, -ENOENT when there is no such symbol, or why it cannot be
 *	probed
 */
struct kprof_lookup {
	const char *name;
	char *symbol;
	unsigned long addr;
	int error;
};

int kprof_resolve(struct kprof_lookup *lookups, int n);

#endif /* KPROF_RESOLVE_H */
