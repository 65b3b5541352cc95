// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups of functions that ftrace calls one trampoline from, and the slots in
 * which the trampolines find their counters.
 *
 * Functions are hooked in groups, each an ftrace_ops, because to unhook a group
 * takes grace periods whatever its size. A function that leaves its group early
 * is taken off the filter of the ops, so that it is not called any more; but to
 * ftrace it stays ours until the group is gone, and then it must be in the filter
 * again for ftrace to forget it. Until then its slot is kept, and leads to
 * counters that nobody reads. The module that a hooked function belongs to is
 * kept in the kernel as long, because ftrace does not forget a direct call from
 * a function that goes away.
 *
 * Locking: all is called under the mutex of krp.c, which guards all here.
 */
#include <linux/err.h>
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "krp.h"
#include "krp_direct.h"
#include "krp_group.h"
#include "symbols.h"

unsigned long krp_table0[KRP_SLOTS], krp_table1[KRP_SLOTS];

static const struct table {
	unsigned long *slots;
	u32 multiplier;
} tables[KRP_TABLES] = {
	{ krp_table0, KRP_MULTIPLIER0 },
	{ krp_table1, KRP_MULTIPLIER1 },
};

/**
 * struct group - functions that ftrace calls one trampoline from
 * @node: in the list of groups
 * @ops: their ftrace_ops
 * @trampoline: what is called
 * @probes: struct probe of each, those that have left included
 * @live: how many have not left
 */
struct group {
	struct list_head node;
	struct ftrace_ops ops;
	unsigned long trampoline;
	struct list_head probes;
	int live;
};

/**
 * struct probe - a function in a group
 * @node: in the group's list
 * @group: the group
 * @addr: where the function is hooked
 * @slot: the function's slot
 * @owner: the module that the function belongs to, or NULL
 * @left: it has left the group
 */
struct probe {
	struct list_head node;
	struct group *group;
	struct module *owner;
	unsigned long addr;
	unsigned long *slot;
	bool left;
};

static LIST_HEAD(groups);

/*
 * Stands for no function. Its counters, which nobody reads, are in all slots that
 * are free: of functions that have left their group, too. A probe of somebody
 * else's may have a call go on elsewhere than in the function it was made to, and
 * then a trampoline does not find the function it was called from.
 */
struct krp_func krp_nobody;

static bool is_free(const unsigned long *slot)
{
	return *slot == (unsigned long)krp_nobody.counts;
}

static void set_free(unsigned long *slot)
{
	*slot = (unsigned long)krp_nobody.counts;
}

/* The trampolines see the address behind the five bytes of the call. */
static unsigned long *slot_in(const struct table *t, unsigned long addr)
{
	u32 hash = (u32)(addr + 5) * t->multiplier;

	return &t->slots[hash >> (32 - KRP_SLOT_BITS)];
}

static struct group *new_group(unsigned long trampoline)
{
	struct group *g = kzalloc(sizeof(*g), GFP_KERNEL);

	if (!g)
		return NULL;
	g->trampoline = trampoline;
	INIT_LIST_HEAD(&g->probes);
	return g;
}

static void free_probe(struct probe *p)
{
	module_put(p->owner);
	kfree(p);
}

/* Puts a function into a group that is not registered yet. */
static int join(struct group *g, struct krp_func *f, const struct table *t)
{
	struct probe *p = kzalloc(sizeof(*p), GFP_KERNEL);
	int ret;

	if (!p)
		return -ENOMEM;
	p->owner = kprof_module_get(f->addr);
	if (IS_ERR(p->owner)) {
		ret = PTR_ERR(p->owner);
		kfree(p);
		return ret;
	}
	ret = ftrace_set_filter_ip(&g->ops, f->addr, 0, 0);
	if (ret) {
		free_probe(p);
		return ret;
	}
	p->group = g;
	p->addr = f->addr;
	p->slot = slot_in(t, f->addr);
	list_add_tail(&p->node, &g->probes);
	f->probe = p;
	g->live++;
	return 0;
}

/* Frees a group that is not, or no longer, registered. */
static void free_group(struct group *g)
{
	struct probe *p, *next;

	ftrace_free_filter(&g->ops);
	list_for_each_entry_safe(p, next, &g->probes, node)
		free_probe(p);
	kfree(g);
}

static void forget_probes(struct krp_func **funcs, int n)
{
	int i;

	for (i = 0; i < n; i++)
		funcs[i]->probe = NULL;
}

/* Hooks functions that have free slots in one table, all or none. */
static int hook(struct krp_func **funcs, int n, const struct table *t,
		const u8 *trampoline)
{
	struct group *g = new_group((unsigned long)trampoline);
	int i, ret = 0;

	if (!g)
		return -ENOMEM;
	for (i = 0; i < n && !ret; i++)
		ret = join(g, funcs[i], t);
	if (!ret)
		ret = register_ftrace_direct(&g->ops, g->trampoline);
	if (ret) {
		forget_probes(funcs, n);
		free_group(g);
		return ret;
	}
	list_add(&g->node, &groups);
	for (i = 0; i < n; i++)
		funcs[i]->backend = &krp_direct;
	return 0;
}

/*
 * Hooks as many as it can. One that somebody else has a direct call from keeps
 * all of its group from being hooked, so the group is halved until that one is
 * alone.
 */
static int hook_most(struct krp_func **funcs, int n, const struct table *t,
		     const u8 *trampoline)
{
	int ret = hook(funcs, n, t, trampoline);

	if (!ret || ret == -ENOMEM)
		return ret;
	if (n == 1) {
		set_free(slot_in(t, funcs[0]->addr));
		funcs[0]->error = ret;
		funcs[0]->why = ret == -EBUSY ?
				"somebody else has a direct call from it" :
				"ftrace refuses a direct call from it";
		return 0;
	}
	ret = hook_most(funcs, n / 2, t, trampoline);
	return ret ?: hook_most(funcs + n / 2, n - n / 2, t, trampoline);
}

/* Whether a function that has left may have to be unhooked by this slot yet. */
static bool is_reserved(const unsigned long *slot)
{
	struct group *g;
	struct probe *p;

	list_for_each_entry(g, &groups, node)
		list_for_each_entry(p, &g->probes, node)
			if (p->left && p->slot == slot)
				return true;
	return false;
}

/* Moves those whose slots are free to the front. Returns how many. */
static int take_slots(struct krp_func **funcs, int n, const struct table *t)
{
	int i, taken = 0;

	for (i = 0; i < n; i++) {
		unsigned long *slot = slot_in(t, funcs[i]->addr);

		if (!is_free(slot) || is_reserved(slot))
			continue;
		*slot = (unsigned long)funcs[i]->counts;
		swap(funcs[taken], funcs[i]);
		taken++;
	}
	return taken;
}

static void give_slots_back(struct krp_func **funcs, int n,
			    const struct table *t)
{
	int i;

	for (i = 0; i < n; i++)
		if (!funcs[i]->backend)
			set_free(slot_in(t, funcs[i]->addr));
}

/**
 * krp_hook() - Hook functions with one kind of trampoline.
 * @funcs: the functions, which may be in another order afterwards
 * @n: how many
 * @trampolines: one for each table of slots
 *
 * Sets @backend and @probe of those that are hooked, and @error and @why of the
 * others.
 *
 * Context: Sleeps.
 * Return: 0, or -ENOMEM with some of them hooked.
 */
int krp_hook(struct krp_func **funcs, int n, const u8 *const *trampolines)
{
	int i, ret, taken;

	for (i = 0; i < KRP_TABLES; i++) {
		taken = take_slots(funcs, n, &tables[i]);
		if (!taken)
			continue;
		ret = hook_most(funcs, taken, &tables[i], trampolines[i]);
		if (ret) {
			give_slots_back(funcs, taken, &tables[i]);
			return ret;
		}
		funcs += taken;
		n -= taken;
	}
	for (i = 0; i < n; i++) {
		funcs[i]->error = -EBUSY;
		funcs[i]->why = "no slot is free for it";
	}
	return 0;
}

static struct probe *find_left(unsigned long addr)
{
	struct group *g;
	struct probe *p;

	list_for_each_entry(g, &groups, node)
		list_for_each_entry(p, &g->probes, node)
			if (p->left && p->addr == addr)
				return p;
	return NULL;
}

/**
 * krp_rejoin() - Hook a function that has left its group, and is still in it.
 * @f: the function
 *
 * Context: Sleeps.
 * Return: Whether it was there, and is hooked now.
 */
bool krp_rejoin(struct krp_func *f)
{
	struct probe *p = find_left(f->addr);

	if (!p)
		return false;
	*p->slot = (unsigned long)f->counts;
	if (ftrace_set_filter_ip(&p->group->ops, p->addr, 0, 0)) {
		set_free(p->slot);
		return false;
	}
	p->left = false;
	p->group->live++;
	f->probe = p;
	f->backend = &krp_direct;
	return true;
}

/**
 * krp_leave_quietly() - Forget a function that is called no more.
 * @f: the function
 *
 * It stays hooked until its group is gone: to unhook it would take a grace
 * period.
 */
void krp_leave_quietly(struct krp_func *f)
{
	struct probe *p = f->probe;

	if (!p)
		return;
	p->left = true;
	p->group->live--;
	set_free(p->slot);
	f->probe = NULL;
}

/* Ends a group: nobody enters a trampoline from its functions any more. */
static void unhook_group(struct group *g)
{
	struct probe *p;

	list_for_each_entry(p, &g->probes, node)
		if (p->left)
			ftrace_set_filter_ip(&g->ops, p->addr, 0, 0);
	unregister_ftrace_direct(&g->ops, g->trampoline, false);
}

/**
 * krp_unhook() - Have functions leave their groups.
 * @funcs: the functions
 * @n: how many
 * @ended: groups that are empty go to this list, for krp_end_groups()
 *
 * Afterwards the functions call no trampoline, but tasks may still be in one, and
 * in the functions.
 *
 * Context: Sleeps.
 */
void krp_unhook(struct krp_func **funcs, int n, struct list_head *ended)
{
	struct group *g, *next;
	int i;

	for (i = 0; i < n; i++)
		((struct probe *)funcs[i]->probe)->group->live--;
	list_for_each_entry_safe(g, next, &groups, node) {
		if (g->live)
			continue;
		unhook_group(g);
		list_move(&g->node, ended);
	}
	for (i = 0; i < n; i++) {
		struct probe *p = funcs[i]->probe;

		p->left = true;
		if (p->group->live)
			ftrace_set_filter_ip(&p->group->ops, p->addr, 1, 0);
	}
}

/**
 * krp_end_groups() - Let go of what krp_unhook() has left.
 * @funcs: the same functions, in which no task is that has a frame of ours
 * @n: how many
 * @ended: the same list
 */
void krp_end_groups(struct krp_func **funcs, int n, struct list_head *ended)
{
	struct group *g, *next;
	struct probe *p;
	int i;

	for (i = 0; i < n; i++) {
		p = funcs[i]->probe;
		set_free(p->slot);
		funcs[i]->probe = NULL;
	}
	list_for_each_entry_safe(g, next, ended, node) {
		list_for_each_entry(p, &g->probes, node)
			set_free(p->slot);
		list_del(&g->node);
		free_group(g);
	}
}

/**
 * krp_groups_open() - Get ready for the first group.
 *
 * Does nothing if there is one. Before that nobody looks at a slot.
 *
 * Context: Sleeps.
 * Return: 0 or -ENOMEM.
 */
int krp_groups_open(void)
{
	int i, j;

	if (krp_nobody.counts)
		return 0;
	krp_nobody.counts = krp_counts_alloc();
	if (!krp_nobody.counts)
		return -ENOMEM;
	for (i = 0; i < KRP_TABLES; i++)
		for (j = 0; j < KRP_SLOTS; j++)
			set_free(&tables[i].slots[j]);
	return 0;
}

/**
 * krp_groups_close() - Free what krp_groups_open() has made.
 *
 * Does nothing if there is a group.
 */
void krp_groups_close(void)
{
	if (!list_empty(&groups))
		return;
	free_percpu(krp_nobody.counts);
	memset(&krp_nobody, 0, sizeof(krp_nobody));
}
