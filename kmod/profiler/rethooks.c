// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own way to hook returns, which it does not export.
 *
 * Its functions are found by their names, and called by static calls: those
 * become direct calls, which cost less than indirect ones, and which a processor
 * that tracks indirect branches does not look at.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/static_call.h>
#include <linux/string.h>

#include "compat.h"
#include "resolve.h"
#include "rethooks.h"
#include "symbols.h"

#ifdef KPROF_HAS_RETHOOK

/* Each has the prototype that the kernel's header gives the function. */
DEFINE_STATIC_CALL_NULL(rethooks_try_get, rethook_try_get);
DEFINE_STATIC_CALL_NULL(rethooks_hook, rethook_hook);
DEFINE_STATIC_CALL_NULL(kprof_rethook_alloc, rethook_alloc);
DEFINE_STATIC_CALL_NULL(kprof_rethook_free, rethook_free);
KPROF_DEFINE_RETHOOK_ADD;

enum { TRY_GET, HOOK, ALLOC, FREE, ADD, NR_NEEDED };

static bool found;

static bool find(unsigned long *addrs)
{
	struct kprof_lookup lookups[] = {
		[TRY_GET] = { .name = "rethook_try_get" },
		[HOOK] = { .name = "rethook_hook" },
		[ALLOC] = { .name = "rethook_alloc" },
		[FREE] = { .name = "rethook_free" },
		[ADD] = { .name = KPROF_RETHOOK_ADD },
	};
	int i;
	bool all;

	BUILD_BUG_ON(ARRAY_SIZE(lookups) != NR_NEEDED);
	all = !kprof_resolve(lookups, NR_NEEDED);
	for (i = 0; i < NR_NEEDED; i++) {
		/* Some must not be probed; they have an address all the same. */
		addrs[i] = lookups[i].addr ? kprof_symbol_start(lookups[i].addr) : 0;
		all = all && addrs[i];
		kfree(lookups[i].symbol);
	}
	return all;
}

/**
 * rethooks_prepare() - Get ready to hook returns.
 *
 * Context: Sleeps. The caller keeps others away.
 * Return: NULL, or why it is not possible.
 */
const char *rethooks_prepare(void)
{
	unsigned long addrs[NR_NEEDED];

	if (found)
		return NULL;
	if (!find(addrs))
		return "this kernel's rethook is not to be found";
	static_call_update(rethooks_try_get, (void *)addrs[TRY_GET]);
	static_call_update(rethooks_hook, (void *)addrs[HOOK]);
	static_call_update(kprof_rethook_alloc, (void *)addrs[ALLOC]);
	static_call_update(kprof_rethook_free, (void *)addrs[FREE]);
	kprof_update_rethook_add((void *)addrs[ADD]);
	found = true;
	return NULL;
}

/**
 * rethooks_new() - Make a pool of hooks.
 * @data: for @handler
 * @handler: called at each return, with preemption off
 * @size: of a hook, which begins with struct rethook_node
 * @n: how many
 *
 * Context: Sleeps. rethooks_prepare() has returned NULL.
 * Return: The pool, for rethooks_free(), or an error as a pointer.
 */
struct rethook *rethooks_new(void *data, rethook_handler_t handler, int size,
			     int n)
{
	return kprof_rethook_new(data, handler, size, n);
}

/**
 * rethooks_free() - Give a pool of hooks up.
 * @rh: the pool
 *
 * Functions whose returns are hooked return unharmed, but when a grace period
 * of RCU has passed, no handler of the pool's runs any more. The kernel frees each
 * hook after that return, and the pool with the last of them.
 */
void rethooks_free(struct rethook *rh)
{
	static_call(kprof_rethook_free)(rh);
}

#endif /* KPROF_HAS_RETHOOK */
