/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's own way to hook returns, which it does not export. */
#ifndef KPROF_RETHOOKS_H
#define KPROF_RETHOOKS_H

#include <linux/ftrace.h>
#include <linux/static_call.h>

#include "compat.h"

#ifdef KPROF_HAS_RETHOOK

const char *rethooks_prepare(void);
struct rethook *rethooks_new(void *data, rethook_handler_t handler, int size,
			     int n);
void rethooks_free(struct rethook *rh);

DECLARE_STATIC_CALL(rethooks_try_get, rethook_try_get);
DECLARE_STATIC_CALL(rethooks_hook, rethook_hook);

/*
 * Hooks the return of the function from whose entry ftrace has called. Returns
 * what was made of @size, or NULL if nothing is free. Preemption is off.
 */
static __always_inline struct rethook_node *
rethooks_hook_return(struct rethook *rh, struct ftrace_regs *fregs)
{
	struct rethook_node *node = static_call(rethooks_try_get)(rh);

	if (likely(node))
		static_call(rethooks_hook)(node, kprof_ftrace_sp(fregs), true);
	return node;
}

#endif /* KPROF_HAS_RETHOOK */

#endif /* KPROF_RETHOOKS_H */
