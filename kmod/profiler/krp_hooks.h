/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions from whose entry ftrace calls a handler of ours. */
#ifndef KPROF_KRP_HOOKS_H
#define KPROF_KRP_HOOKS_H

#include <linux/compiler.h>
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/types.h>

struct krp_func;
struct krp_hooks;
struct module;

/**
 * struct krp_hook - a function that is hooked
 * @addr: where; 0 in what is free of a table
 * @data: for the handler, or NULL when the function has left
 * @hooks: those it was hooked with, or NULL when it is not called from any more
 * @owner: the module that the function belongs to, or NULL
 */
struct krp_hook {
	unsigned long addr;
	void *data;
	struct krp_hooks *hooks;
	struct module *owner;
};

/**
 * struct krp_hooks - functions that were hooked together
 * @node: in the list of all
 * @ops: their ftrace_ops
 * @live: how many have not left
 * @multiplier: of the hash, which tells a place in @table
 * @shift: of the hash
 * @mask: of places in @table
 * @table: each of them, at the first place that was free from its hash on. Most
 *	of it is free.
 */
struct krp_hooks {
	struct list_head node;
	struct ftrace_ops ops;
	int live;
	u64 multiplier;
	unsigned int shift;
	u32 mask;
	struct krp_hook *table;
};

struct krp_hooks *krp_hooks_new(struct krp_func **funcs, int n,
				ftrace_func_t handler);
struct krp_hook *krp_hooks_join(struct krp_hooks *hooks, unsigned long addr,
				void *data);
int krp_hooks_start(struct krp_hooks *hooks);
void krp_hooks_leave(struct krp_hook *hook);
void krp_hooks_stop(struct list_head *stopped);
void krp_hooks_free(struct krp_hooks *hooks);

/*
 * What a handler needs of the function that ftrace calls it from, or NULL. It
 * is there as long as the handler keeps preemption off.
 */
static __always_inline void *krp_hook_data(struct ftrace_ops *ops,
					   unsigned long addr)
{
	struct krp_hooks *hooks = container_of(ops, struct krp_hooks, ops);
	u32 i = addr * hooks->multiplier >> hooks->shift;

	while (unlikely(hooks->table[i].addr != addr)) {
		if (!hooks->table[i].addr)
			return NULL;
		i = (i + 1) & hooks->mask;
	}
	return READ_ONCE(hooks->table[i].data);
}

#endif /* KPROF_KRP_HOOKS_H */
