// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions from whose entry ftrace calls a handler of ours.
 *
 * Those that are hooked together share an ftrace_ops, because to be rid of one
 * takes grace periods, however many functions it has. The table in which a
 * handler finds its function does not change while the ops is registered, so
 * that it takes no lock and waits for nobody. A function that leaves early is
 * taken off the filter of the ops; whoever is in the handler already, or on the
 * way there, finds that it has no data any more.
 *
 * FTRACE_OPS_FL_PERMANENT keeps `sysctl kernel.ftrace_enabled=0` from switching
 * a hook off unseen. No recursion guard is asked for: it would lose the calls
 * that it takes for recursion, and a handler must not call what may be hooked.
 *
 * Locking: all is called under the mutex of krp.c, which guards all here.
 */
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "compat.h"
#include "krp.h"
#include "krp_hooks.h"
#include "symbols.h"

static LIST_HEAD(all_hooks);

/* Places of a table for each function. */
#define ROOM	8

/*
 * So few functions have a place each that is theirs by their hash. Among more, a
 * function may find another one there, and take a little longer than others.
 */
#define FEW	16
#define TRIALS	64

static u32 size_of(const struct krp_hooks *hooks)
{
	return hooks->mask + 1;
}

static u32 place_of(const struct krp_hooks *hooks, unsigned long addr)
{
	return addr * hooks->multiplier >> hooks->shift;
}

static bool any_share_a_place(const struct krp_hooks *hooks,
			      struct krp_func **funcs, int n)
{
	int i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			if (place_of(hooks, funcs[i]->addr) ==
			    place_of(hooks, funcs[j]->addr))
				return true;
	return false;
}

static void pick_hash(struct krp_hooks *hooks, struct krp_func **funcs, int n)
{
	unsigned int bits = ilog2(roundup_pow_of_two(n) * ROOM);
	int i;

	hooks->multiplier = GOLDEN_RATIO_64;
	hooks->shift = 64 - bits;
	hooks->mask = (1U << bits) - 1;
	if (n > FEW)
		return;
	for (i = 0; i < TRIALS && any_share_a_place(hooks, funcs, n); i++)
		hooks->multiplier += 2;
}

/**
 * krp_hooks_new() - Make a place for functions to be hooked together.
 * @funcs: those that may join
 * @n: how many
 * @handler: called from their entries
 *
 * Context: Sleeps.
 * Return: The place, for krp_hooks_free(), or NULL.
 */
struct krp_hooks *krp_hooks_new(struct krp_func **funcs, int n,
				ftrace_func_t handler)
{
	struct krp_hooks *hooks = kzalloc(sizeof(*hooks), GFP_KERNEL);

	if (!hooks)
		return NULL;
	INIT_LIST_HEAD(&hooks->node);
	hooks->ops.func = handler;
	hooks->ops.flags = FTRACE_OPS_FL_PERMANENT;
	pick_hash(hooks, funcs, n);
	hooks->table = kvcalloc(size_of(hooks), sizeof(*hooks->table), GFP_KERNEL);
	if (!hooks->table) {
		kfree(hooks);
		return NULL;
	}
	return hooks;
}

static struct krp_hook *free_place(struct krp_hooks *hooks, unsigned long addr)
{
	u32 i = place_of(hooks, addr);

	while (hooks->table[i].addr)
		i = (i + 1) & hooks->mask;
	return &hooks->table[i];
}

/**
 * krp_hooks_join() - Add a function to those that are to be hooked together.
 * @hooks: those, not started yet
 * @addr: where the function is to be hooked
 * @data: for the handler
 *
 * Context: Sleeps.
 * Return: The function, or an error as a pointer.
 */
struct krp_hook *krp_hooks_join(struct krp_hooks *hooks, unsigned long addr,
				void *data)
{
	struct module *owner = kprof_module_get(addr);
	struct krp_hook *hook;
	int ret;

	if (IS_ERR(owner))
		return ERR_CAST(owner);
	ret = ftrace_set_filter_ip(&hooks->ops, addr, 0, 0);
	if (ret) {
		module_put(owner);
		return ERR_PTR(ret);
	}
	hook = free_place(hooks, addr);
	*hook = (struct krp_hook){
		.addr = addr, .data = data, .hooks = hooks, .owner = owner,
	};
	hooks->live++;
	return hook;
}

/**
 * krp_hooks_start() - Hook functions.
 * @hooks: the functions, at least one
 *
 * Context: Sleeps.
 * Return: 0, -EBUSY when ftrace is switched off, -ENOMEM or another error.
 */
int krp_hooks_start(struct krp_hooks *hooks)
{
	int ret = register_ftrace_function(&hooks->ops);

	if (!ret)
		list_add(&hooks->node, &all_hooks);
	return ret;
}

/**
 * krp_hooks_leave() - Have a function leave those that it was hooked with.
 * @hook: the function
 *
 * Handlers find no data of it from now on. krp_hooks_stop() is to follow.
 */
void krp_hooks_leave(struct krp_hook *hook)
{
	WRITE_ONCE(hook->data, NULL);
	hook->hooks->live--;
}

/*
 * There are others, or the filter would be empty, which to ftrace means all
 * functions. One that cannot be taken off is called from in vain.
 */
static void unhook_left(struct krp_hooks *hooks)
{
	u32 i;

	for (i = 0; i < size_of(hooks); i++) {
		struct krp_hook *hook = &hooks->table[i];

		if (!hook->hooks || hook->data ||
		    ftrace_set_filter_ip(&hooks->ops, hook->addr, 1, 0))
			continue;
		hook->hooks = NULL;
		module_put(hook->owner);
		hook->owner = NULL;
	}
}

/**
 * krp_hooks_stop() - Unhook functions that have left.
 * @stopped: to this list go those that were hooked together and of which none
 *	is left, for krp_hooks_free()
 *
 * Context: Sleeps. Nobody is in the handlers of what was stopped any more.
 */
void krp_hooks_stop(struct list_head *stopped)
{
	struct krp_hooks *hooks, *next;

	list_for_each_entry_safe(hooks, next, &all_hooks, node) {
		if (hooks->live) {
			unhook_left(hooks);
		} else {
			unregister_ftrace_function(&hooks->ops);
			list_move(&hooks->node, stopped);
		}
	}
}

/**
 * krp_hooks_free() - Free what was never started, or has been stopped.
 * @hooks: that
 */
void krp_hooks_free(struct krp_hooks *hooks)
{
	u32 i;

	ftrace_free_filter(&hooks->ops);
	for (i = 0; i < size_of(hooks); i++)
		module_put(hooks->table[i].owner);
	list_del(&hooks->node);
	kvfree(hooks->table);
	kfree(hooks);
}
