// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names to addresses, many at once.
 *
 * Older kernels find a symbol by reading through all of them, which for
 * hundreds of names would take minutes. There all names are looked for in one
 * pass. Later kernels keep an index, and names are looked up one by one.
 *
 * Whatever was found is registered as a kprobe that is never armed: that tells
 * whether the kernel allows to probe it, and where behind a landing pad the
 * probe would be.
 */
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "compat.h"
#include "resolve.h"
#include "symbols.h"

/* What people type for a system call, on every architecture. */
static const char syscall_prefix[] = "sys_";

/**
 * struct wanted - a symbol that would answer a lookup
 * @symbol: its name
 * @addr: its address, or 0 while it was not found
 */
struct wanted {
	char *symbol;
	unsigned long addr;
};

/**
 * struct pass - symbols that are looked for in one pass over all of them
 * @wanted: two for each lookup: as it is spelled, and as a system call. The
 *	latter has no name if the former cannot be one.
 * @order: those that have a name, sorted by it
 * @n: how many those are
 */
struct pass {
	struct wanted *wanted;
	struct wanted **order;
	int n;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct wanted *const *)a)->symbol,
		      (*(struct wanted *const *)b)->symbol);
}

/* The first in the order whose name is not less. */
static int lower_bound(const struct pass *p, const char *name)
{
	int low = 0, high = p->n;

	while (low < high) {
		int middle = (low + high) / 2;

		if (strcmp(p->order[middle]->symbol, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Of several symbols of one name the first is taken, as kprobes do. */
static int meet_symbol(void *data, const char *name, unsigned long addr)
{
	struct pass *p = data;
	int i;

	for (i = lower_bound(p, name); i < p->n; i++) {
		if (strcmp(p->order[i]->symbol, name))
			break;
		if (!p->order[i]->addr)
			p->order[i]->addr = addr;
	}
	return 0;
}

static int name_wanted(struct wanted *w, const char *name)
{
	w[0].symbol = kstrdup(name, GFP_KERNEL);
	if (!w[0].symbol)
		return -ENOMEM;
	if (strncmp(name, syscall_prefix, strlen(syscall_prefix)))
		return 0;
	w[1].symbol = kasprintf(GFP_KERNEL, "%s%s", KPROF_SYSCALL_PREFIX, name);
	return w[1].symbol ? 0 : -ENOMEM;
}

static void pass_free(struct pass *p, int n)
{
	int i;

	for (i = 0; p->wanted && i < 2 * n; i++)
		kfree(p->wanted[i].symbol);
	kvfree(p->wanted);
	kvfree(p->order);
}

static int pass_make(struct pass *p, const struct kprof_lookup *lookups, int n)
{
	int i, ret;

	p->n = 0;
	p->wanted = kvcalloc(2 * n, sizeof(*p->wanted), GFP_KERNEL);
	p->order = kvcalloc(2 * n, sizeof(*p->order), GFP_KERNEL);
	if (!p->wanted || !p->order)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		ret = name_wanted(&p->wanted[2 * i], lookups[i].name);
		if (ret)
			return ret;
	}
	for (i = 0; i < 2 * n; i++)
		if (p->wanted[i].symbol)
			p->order[p->n++] = &p->wanted[i];
	sort(p->order, p->n, sizeof(*p->order), compare_names, NULL);
	return 0;
}

static int try_probe(struct kprobe *kp, const char *symbol, unsigned long addr)
{
	memset(kp, 0, sizeof(*kp));
	kp->flags = KPROBE_FLAG_DISABLED;
	if (addr)
		kp->addr = (kprobe_opcode_t *)addr;
	else
		kp->symbol_name = symbol;
	return register_kprobe(kp);
}

/*
 * A name that the pass has not found may be a module's, or there was no pass:
 * then it is looked up here.
 */
static void probe_lookup(struct kprof_lookup *l, struct wanted *w,
			 struct kprobe *kp)
{
	struct wanted *found = !w[0].addr && w[1].addr ? &w[1] : &w[0];

	l->error = try_probe(kp, found->symbol, found->addr);
	if (l->error == -ENOENT && found == &w[0] && w[1].symbol) {
		found = &w[1];
		l->error = try_probe(kp, found->symbol, found->addr);
	}
	l->addr = (unsigned long)kp->addr;
	if (l->error)
		return;
	swap(l->symbol, found->symbol);
}

static int probe_lookups(struct kprof_lookup *lookups, int n, struct pass *p)
{
	struct kprobe *kps, **registered;
	int i, nr = 0;

	kps = kvcalloc(n, sizeof(*kps), GFP_KERNEL);
	registered = kvcalloc(n, sizeof(*registered), GFP_KERNEL);
	if (!kps || !registered) {
		kvfree(kps);
		kvfree(registered);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		probe_lookup(&lookups[i], &p->wanted[2 * i], &kps[i]);
		if (!lookups[i].error)
			registered[nr++] = &kps[i];
	}
	/* In one go, for one grace period. */
	unregister_kprobes(registered, nr);
	kvfree(kps);
	kvfree(registered);
	return 0;
}

/**
 * kprof_resolve() - Find functions by name.
 * @lookups: the names; all else is set
 * @n: how many, at least one
 *
 * A name that starts with sys_ and is no symbol finds the symbol with the
 * prefix that this architecture gives its system calls.
 *
 * Context: Sleeps.
 * Return: 0, whatever @error of each says, or -ENOMEM. What @symbol was set to
 * is the caller's in both cases.
 */
int kprof_resolve(struct kprof_lookup *lookups, int n)
{
	struct pass p = {};
	int ret;

	ret = pass_make(&p, lookups, n);
	if (!ret) {
		kprof_each_symbol(meet_symbol, &p);
		ret = probe_lookups(lookups, n, &p);
	}
	pass_free(&p, n);
	return ret;
}
