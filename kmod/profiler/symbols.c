// SPDX-License-Identifier: GPL-2.0-only
/* Where kernel functions that are not exported lie. */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "symbols.h"

/**
 * kprof_symbol_address() - Find a function by name.
 * @name: its name in kallsyms
 *
 * kallsyms_lookup_name() is not exported, but a kprobe is given by name and
 * tells its address. It is never armed, so that no code is changed.
 *
 * Context: Sleeps.
 * Return: The address of its entry, or 0 if it does not exist or cannot be
 * probed.
 */
unsigned long kprof_symbol_address(const char *name)
{
	struct kprobe kp = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};

	if (register_kprobe(&kp))
		return 0;
	unregister_kprobe(&kp);
	return (unsigned long)kp.addr;
}

/**
 * kprof_symbol_size() - How long a function is.
 * @addr: the address of its entry
 *
 * kallsyms tells it in no other exported way than in text, as name+offset/size.
 *
 * Context: Sleeps.
 * Return: Bytes, or 0 if there is no function.
 */
unsigned long kprof_symbol_size(unsigned long addr)
{
	unsigned long size = 0;
	char *text, *slash;

	text = kmalloc(KSYM_SYMBOL_LEN, GFP_KERNEL);
	if (!text)
		return 0;
	sprint_symbol(text, addr);
	slash = strrchr(text, '/');
	if (!slash || sscanf(slash, "/0x%lx", &size) != 1)
		size = 0;
	kfree(text);
	return size;
}
