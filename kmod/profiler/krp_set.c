// SPDX-License-Identifier: GPL-2.0-only
/* Lists of names, and sets of functions, as one takes the place of another. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "compat.h"
#include "krp.h"
#include "krp_set.h"

static int count_names(const char *list)
{
	int n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

static int check_name(const char *name, int i, int n)
{
	if (!*name) {
		pr_err("funcs: name %d of %d is empty\n", i + 1, n);
		return -EINVAL;
	}
	if (strlen(name) + strlen(KPROF_SYSCALL_PREFIX) >= KSYM_NAME_LEN) {
		pr_err("funcs: name %d of %d is too long\n", i + 1, n);
		return -EINVAL;
	}
	return 0;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_doubles(const struct krp_names *names)
{
	char **sorted;
	int i, ret = 0;

	sorted = kvmalloc_array(names->n, sizeof(*sorted), GFP_KERNEL);
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, names->names, names->n * sizeof(*sorted));
	sort(sorted, names->n, sizeof(*sorted), compare_strings, NULL);
	for (i = 1; i < names->n && !ret; i++) {
		if (strcmp(sorted[i - 1], sorted[i]))
			continue;
		pr_err("funcs: '%s' is given twice\n", sorted[i]);
		ret = -EINVAL;
	}
	kvfree(sorted);
	return ret;
}

/**
 * krp_names_parse() - Cut a list into names.
 * @names: set to them; all zero before, and to be freed in any case
 * @list: names separated by commas
 *
 * Context: Sleeps.
 * Return: 0, -EINVAL with a line in the log for an empty, doubled or too long
 * name, -ENOMEM.
 */
int krp_names_parse(struct krp_names *names, const char *list)
{
	char *rest, *name;
	int i, ret;

	names->n = count_names(list);
	names->text = kvmalloc(strlen(list) + 1, GFP_KERNEL);
	names->names = kvcalloc(names->n, sizeof(*names->names), GFP_KERNEL);
	if (!names->text || !names->names)
		return -ENOMEM;
	strcpy(names->text, list);
	rest = names->text;
	for (i = 0; (name = strsep(&rest, ",")); i++) {
		ret = check_name(name, i, names->n);
		if (ret)
			return ret;
		names->names[i] = name;
	}
	return check_doubles(names);
}

/**
 * krp_names_free() - Free names.
 * @names: the names
 */
void krp_names_free(struct krp_names *names)
{
	kvfree(names->text);
	kvfree(names->names);
}

static void func_free(struct krp_func *f)
{
	if (!f)
		return;
	free_percpu(f->counts);
	kfree(f->base);
	kfree(f->symbol);
	kfree(f->name);
	kfree(f);
}

/**
 * krp_func_new() - Make a function that is not probed.
 * @name: as the user spells it
 * @symbol: its name in kallsyms; taken over, and set to NULL
 * @addr: where it can be probed
 *
 * Context: Sleeps.
 * Return: The function, or NULL when there is no memory.
 */
struct krp_func *krp_func_new(const char *name, char **symbol,
			      unsigned long addr)
{
	struct krp_func *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	f->addr = addr;
	f->name = kstrdup(name, GFP_KERNEL);
	f->counts = krp_counts_alloc();
	f->base = kzalloc(sizeof(*f->base), GFP_KERNEL);
	if (!f->name || !f->counts || !f->base) {
		func_free(f);
		return NULL;
	}
	swap(f->symbol, *symbol);
	return f;
}

/**
 * krp_set_alloc() - Make a set with no functions.
 * @set: the set
 * @room: for how many functions there is to be room
 *
 * Context: Sleeps.
 * Return: 0 or -ENOMEM.
 */
int krp_set_alloc(struct krp_set *set, int room)
{
	set->n = 0;
	set->funcs = kvcalloc(max(room, 1), sizeof(*set->funcs), GFP_KERNEL);
	return set->funcs ? 0 : -ENOMEM;
}

/**
 * krp_set_free() - Free a set and its functions, none of which is probed.
 * @set: the set, which is empty afterwards
 */
void krp_set_free(struct krp_set *set)
{
	int i;

	for (i = 0; i < set->n; i++)
		func_free(set->funcs[i]);
	kvfree(set->funcs);
	set->funcs = NULL;
	set->n = 0;
}

static int compare_addresses(const void *a, const void *b)
{
	const struct krp_func *f = *(struct krp_func *const *)a;
	const struct krp_func *g = *(struct krp_func *const *)b;

	return f->addr < g->addr ? -1 : f->addr > g->addr;
}

/* Copies a set in the order of addresses. */
static int sort_set(const struct krp_set *set, struct krp_set *sorted)
{
	int ret = krp_set_alloc(sorted, set->n);

	if (ret)
		return ret;
	if (set->n)
		memcpy(sorted->funcs, set->funcs, set->n * sizeof(*set->funcs));
	sorted->n = set->n;
	sort(sorted->funcs, sorted->n, sizeof(*sorted->funcs),
	     compare_addresses, NULL);
	return 0;
}

/**
 * krp_set_check() - Tell whether a set has a function twice.
 * @set: the set
 *
 * Context: Sleeps.
 * Return: 0, -EINVAL with a line in the log, -ENOMEM.
 */
int krp_set_check(const struct krp_set *set)
{
	struct krp_set sorted;
	int i, ret = sort_set(set, &sorted);

	if (ret)
		return ret;
	for (i = 1; i < sorted.n && !ret; i++) {
		if (sorted.funcs[i - 1]->addr != sorted.funcs[i]->addr)
			continue;
		pr_err("funcs: '%s' and '%s' are one function\n",
		       sorted.funcs[i - 1]->name, sorted.funcs[i]->name);
		ret = -EINVAL;
	}
	kvfree(sorted.funcs);
	return ret;
}

/* Puts into @only those of @set that have no namesake in @sorted. */
static void pick_missing(const struct krp_set *set, const struct krp_set *sorted,
			 struct krp_set *only)
{
	int i, j;

	for (i = 0, j = 0; i < set->n; i++) {
		while (j < sorted->n &&
		       sorted->funcs[j]->addr < set->funcs[i]->addr)
			j++;
		if (j == sorted->n ||
		    sorted->funcs[j]->addr != set->funcs[i]->addr)
			only->funcs[only->n++] = set->funcs[i];
	}
}

/**
 * krp_set_diff() - Tell two sets apart.
 * @from: a set
 * @to: another one
 * @added: set to those functions of @to that @from does not have
 * @removed: set to those functions of @from that @to does not have
 *
 * The arrays are for kvfree(); the functions are those of the sets.
 *
 * Context: Sleeps.
 * Return: 0 or -ENOMEM; then there is nothing to free.
 */
int krp_set_diff(const struct krp_set *from, const struct krp_set *to,
		 struct krp_set *added, struct krp_set *removed)
{
	struct krp_set before = {}, after = {};
	int ret;

	added->funcs = NULL;
	removed->funcs = NULL;
	ret = sort_set(from, &before);
	if (!ret)
		ret = sort_set(to, &after);
	if (!ret)
		ret = krp_set_alloc(added, to->n);
	if (!ret)
		ret = krp_set_alloc(removed, from->n);
	if (!ret) {
		pick_missing(&after, &before, added);
		pick_missing(&before, &after, removed);
	} else {
		kvfree(added->funcs);
		kvfree(removed->funcs);
	}
	kvfree(before.funcs);
	kvfree(after.funcs);
	return ret;
}

static struct krp_func **find(const struct krp_set *set, unsigned long addr)
{
	int i;

	for (i = 0; i < set->n; i++)
		if (set->funcs[i]->addr == addr)
			return &set->funcs[i];
	return NULL;
}

/**
 * krp_set_keep() - Move the functions that two sets share from one to the other.
 * @from: a set, which has those of the other instead afterwards
 * @to: another one; its names stay
 *
 * What was probed and counted in @from so goes on in @to.
 */
void krp_set_keep(struct krp_set *from, struct krp_set *to)
{
	int i;

	for (i = 0; i < to->n; i++) {
		struct krp_func **old = find(from, to->funcs[i]->addr);

		if (!old)
			continue;
		swap((*old)->name, to->funcs[i]->name);
		swap(*old, to->funcs[i]);
	}
}
