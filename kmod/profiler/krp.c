// SPDX-License-Identifier: GPL-2.0-only
/*
 * KRP: average duration and number of calls of the functions in `funcs`.
 *
 * The set of functions can be changed while the module is loaded. New functions
 * are probed before anything else is touched, so that a change that fails has
 * changed nothing; those that stay are never without their probe.
 *
 * Locking: krp_mutex guards the set, its functions and the backends' state. The
 * counters are per CPU and need no lock: see struct krp_counts.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "compat.h"
#include "krp.h"
#include "krp_args.h"
#include "krp_clock.h"
#include "krp_set.h"
#include "profiler.h"
#include "resolve.h"

/* In the order of preference. */
static const struct krp_backend *const backends[] = {
	&krp_direct,
	&krp_rethook,
	&krp_kretprobe,
};

static DEFINE_MUTEX(krp_mutex);
static struct krp_set funcs;
static const struct krp_backend *forced;	/* the only one, or NULL */

/*
 * All functions together may have this many calls in progress (8 MiB of what
 * kretprobes and rethooks keep of them), but each at least MIN_ACTIVE and none more than
 * MAX_ACTIVE, unless the user says otherwise.
 */
#define TOTAL_ACTIVE	(128U << 10)
#define MIN_ACTIVE	1024U
#define MAX_ACTIVE	(16U << 10)
#define LIMIT_ACTIVE	(1U << 20)

static unsigned int wanted_active;

static unsigned int pick_maxactive(int nr)
{
	return wanted_active ?: clamp(TOTAL_ACTIVE / nr, MIN_ACTIVE, MAX_ACTIVE);
}

static int check_maxactive(unsigned int wanted)
{
	if (wanted > LIMIT_ACTIVE) {
		pr_err("maxactive: %u is more than %u\n", wanted, LIMIT_ACTIVE);
		return -EINVAL;
	}
	wanted_active = wanted;
	return 0;
}

static int find_backend(const char *name)
{
	int i;

	forced = NULL;
	if (!name || !*name)
		return 0;
	for (i = 0; i < ARRAY_SIZE(backends); i++)
		if (!strcmp(name, backends[i]->name))
			forced = backends[i];
	if (forced)
		return 0;
	pr_err("backend: '%*pE' is not direct, rethook or kretprobe\n",
	       (int)strlen(name), name);
	return -EINVAL;
}

static void report_unknown(const struct kprof_lookup *l)
{
	if (l->error == -ENOENT)
		pr_err("funcs: there is no symbol '%*pE' in this kernel\n",
		       (int)strlen(l->name), l->name);
	else
		pr_err("funcs: '%s' cannot be probed (error %d)\n", l->name,
		       l->error);
}

/* Makes the functions of a set from what was found of their names. */
static int make_funcs(struct krp_set *set, struct kprof_lookup *lookups, int n,
		      const char *args)
{
	int i;

	for (i = 0; i < n; i++) {
		struct kprof_lookup *l = &lookups[i];
		struct krp_func *f;

		if (l->error) {
			report_unknown(l);
			return l->error == -ENOENT || l->error == -ENOMEM ?
			       l->error : -EOPNOTSUPP;
		}
		f = krp_func_new(l->name, &l->symbol, l->addr);
		if (!f)
			return -ENOMEM;
		f->args = krp_args_of(args, f->name, f->symbol);
		f->syscall = krp_is_syscall(f->symbol);
		f->maxactive = pick_maxactive(n);
		set->funcs[set->n++] = f;
	}
	return 0;
}

static int resolve_set(struct krp_set *set, const struct krp_names *names,
		       const char *args)
{
	struct kprof_lookup *lookups;
	int i, ret;

	lookups = kvcalloc(names->n, sizeof(*lookups), GFP_KERNEL);
	if (!lookups)
		return -ENOMEM;
	for (i = 0; i < names->n; i++)
		lookups[i].name = names->names[i];
	ret = kprof_resolve(lookups, names->n);
	if (!ret)
		ret = make_funcs(set, lookups, names->n, args);
	for (i = 0; i < names->n; i++)
		kfree(lookups[i].symbol);
	kvfree(lookups);
	return ret;
}

/* Makes a set of functions that are not probed. It is to be freed in any case. */
static int make_set(struct krp_set *set, const char *list, const char *args)
{
	struct krp_names names = {};
	int ret;

	set->n = 0;
	set->funcs = NULL;
	if (!list)
		return 0;
	ret = krp_names_parse(&names, list);
	if (!ret)
		ret = krp_set_alloc(set, names.n);
	if (!ret)
		ret = resolve_set(set, &names, args);
	if (!ret)
		ret = krp_set_check(set);
	krp_names_free(&names);
	return ret;
}

static int unprobed(struct krp_func **from, int n, struct krp_func **to)
{
	int i, nr = 0;

	for (i = 0; i < n; i++)
		if (!from[i]->backend)
			to[nr++] = from[i];
	return nr;
}

/* Keeps those of the functions that a backend may try. */
static int candidates(const struct krp_backend *b, struct krp_func **these,
		      int n)
{
	const char *unable = b->prepare ? b->prepare() : NULL;
	int i, nr = 0;

	for (i = 0; i < n; i++) {
		const char *why = unable;

		if (!why && b->refuses)
			why = b->refuses(these[i]);
		if (why)
			these[i]->why = why;
		else
			these[nr++] = these[i];
	}
	return nr;
}

static int try_backend(const struct krp_backend *b, struct krp_func **these,
		       int n)
{
	struct krp_func **some;
	int nr, ret = 0;

	some = kvmalloc_array(n, sizeof(*some), GFP_KERNEL);
	if (!some)
		return -ENOMEM;
	nr = unprobed(these, n, some);
	if (nr)
		nr = candidates(b, some, nr);
	if (nr)
		ret = b->attach(some, nr);
	kvfree(some);
	return ret;
}

static int report_unprobed(const struct krp_func *f)
{
	if (f->why)
		pr_err("funcs: '%s' cannot be probed by %s: %s\n", f->name,
		       forced ? forced->name : "anything", f->why);
	else
		pr_err("funcs: '%s' cannot be probed (error %d)\n", f->name,
		       f->error);
	return -EOPNOTSUPP;
}

/* Probes all, or fails with some of them probed. */
static int attach_all(struct krp_func **these, int n)
{
	int i, ret = 0;

	for (i = 0; i < n; i++)
		if (forced && forced != backends[0])
			these[i]->why = "backend asks for it";
	for (i = 0; i < ARRAY_SIZE(backends) && n && !ret; i++)
		if (!forced || forced == backends[i])
			ret = try_backend(backends[i], these, n);
	if (ret)
		return ret;
	for (i = 0; i < n; i++)
		if (!these[i]->backend)
			return report_unprobed(these[i]);
	return 0;
}

static int compare_backends(const void *a, const void *b)
{
	const struct krp_func *f = *(struct krp_func *const *)a;
	const struct krp_func *g = *(struct krp_func *const *)b;

	return f->backend < g->backend ? -1 : f->backend > g->backend;
}

/* Stops probing the functions, which may be in any order afterwards. */
static void detach_all(struct krp_func **these, int n)
{
	int i, end;

	sort(these, n, sizeof(*these), compare_backends, NULL);
	for (i = 0; i < n; i = end) {
		for (end = i; end < n; end++)
			if (these[end]->backend != these[i]->backend)
				break;
		if (these[i]->backend)
			these[i]->backend->detach(these + i, end - i);
	}
}

/* Replaces the set. The caller holds krp_mutex. */
static int change(const char *list, const char *args)
{
	struct krp_set set, added, removed;
	int ret;

	ret = make_set(&set, list, args);
	if (!ret)
		ret = krp_set_diff(&funcs, &set, &added, &removed);
	if (ret) {
		krp_set_free(&set);
		return ret;
	}
	ret = attach_all(added.funcs, added.n);
	if (ret) {
		detach_all(added.funcs, added.n);
		krp_set_free(&set);
	} else {
		krp_set_keep(&funcs, &set);
		detach_all(removed.funcs, removed.n);
		krp_set_free(&funcs);
		funcs = set;
	}
	kvfree(added.funcs);
	kvfree(removed.funcs);
	return ret;
}

/**
 * krp_init() - Start to profile functions.
 * @o: the parameters
 *
 * Either all functions are profiled or none. What is wrong with a parameter is
 * logged in one line.
 *
 * Context: Sleeps.
 * Return: 0, -EINVAL for an empty or doubled name or another bad parameter,
 * -ENOENT for a symbol that does not exist, -EOPNOTSUPP for one that cannot be
 * probed or a clock that cannot be used, -ENOMEM.
 */
int krp_init(const struct krp_options *o)
{
	int ret;

	ret = check_maxactive(o->maxactive);
	if (!ret)
		ret = find_backend(o->backend);
	if (!ret)
		ret = krp_args_check(o->args);
	if (!ret)
		ret = krp_clock_init(o->clock);
	return ret ?: krp_change(o->funcs, o->args);
}

/**
 * krp_change() - Profile other functions from now on.
 * @list: kernel symbols separated by commas, or NULL for none. A name that
 *	starts with sys_ also finds the symbol with the prefix that this
 *	architecture gives its system calls.
 * @args: what is known of arguments, a text that krp_args_check() takes
 *
 * A function that was profiled before and still is keeps its counts.
 *
 * Context: Sleeps.
 * Return: As krp_init(); after an error everything is as it was.
 */
int krp_change(const char *list, const char *args)
{
	int ret;

	mutex_lock(&krp_mutex);
	ret = change(list, args);
	mutex_unlock(&krp_mutex);
	return ret;
}

/**
 * krp_exit() - Stop profiling and forget everything.
 *
 * Calls in progress return unharmed. Does nothing if nothing is profiled.
 *
 * Context: Sleeps. No reader of the functions may be left.
 */
void krp_exit(void)
{
	detach_all(funcs.funcs, funcs.n);
	krp_set_free(&funcs);
}

/**
 * krp_reset() - Count all functions anew.
 *
 * Context: Sleeps.
 */
void krp_reset(void)
{
	int i;

	mutex_lock(&krp_mutex);
	for (i = 0; i < funcs.n; i++)
		krp_counts_reset(funcs.funcs[i]);
	mutex_unlock(&krp_mutex);
}

/**
 * krp_lock() - Keep the set of functions as it is.
 *
 * Context: Sleeps. krp_unlock() ends it.
 * Return: The set.
 */
const struct krp_set *krp_lock(void)
{
	mutex_lock(&krp_mutex);
	return &funcs;
}

/**
 * krp_unlock() - Let the set of functions change again.
 */
void krp_unlock(void)
{
	mutex_unlock(&krp_mutex);
}

/**
 * krp_backend() - Name the backends one after the other.
 * @i: from 0 on
 *
 * Return: A backend, or NULL when there are no more.
 */
const struct krp_backend *krp_backend(int i)
{
	return i < ARRAY_SIZE(backends) ? backends[i] : NULL;
}
