// SPDX-License-Identifier: GPL-2.0-only
/*
 * Return addresses that others keep off the stack.
 *
 * A kretprobe and function_graph change where a function returns to, as we do,
 * and note what was there before. When a hooked function ends in a jump to one
 * of theirs, what was there is a label of ours: the second function has been
 * given the return address of the first. No scan of the stack finds it then.
 */
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/llist.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>

#include "compat.h"
#include "krp.h"

/* What was noted can be believed if the frame that it is about is on the stack. */
static void visit(struct task_struct *t, unsigned long *kept,
		  unsigned long *slot, krp_hidden_fn fn, void *data)
{
	unsigned long *stack = task_stack_page(t);
	unsigned long *end = stack + THREAD_SIZE / sizeof(*stack);

	if (slot >= stack && slot < end - KRP_FRAME_WORDS)
		fn(data, kept, slot);
}

#ifdef CONFIG_RETHOOK
static void visit_rethooks(struct task_struct *t, krp_hidden_fn fn, void *data)
{
	struct rethook_node *node;
	struct llist_node *at;

	for (at = t->rethooks.first; at; at = at->next) {
		node = container_of(at, struct rethook_node, llist);
		visit(t, &node->ret_addr, (unsigned long *)node->frame, fn, data);
	}
}
#else
static void visit_rethooks(struct task_struct *t, krp_hidden_fn fn, void *data)
{
}
#endif

#ifdef CONFIG_FUNCTION_GRAPH_TRACER
/*
 * Each word may be the first of an entry: between entries there is what only
 * function_graph knows the size of.
 */
static void visit_graph(struct task_struct *t, krp_hidden_fn fn, void *data)
{
	const int entry_words = sizeof(struct ftrace_ret_stack) / sizeof(long);
	unsigned long *words = (unsigned long *)t->ret_stack;
	int i, n = words ? kprof_graph_words(t) : 0;

	for (i = 0; i <= n - entry_words; i++) {
		struct ftrace_ret_stack *r = (struct ftrace_ret_stack *)&words[i];

		visit(t, &r->ret, r->retp, fn, data);
	}
}
#else
static void visit_graph(struct task_struct *t, krp_hidden_fn fn, void *data)
{
}
#endif

/**
 * krp_each_hidden() - Look at the return addresses that others have noted.
 * @t: the task that is to return there
 * @fn: called with @data, where the address is noted, which @fn may change, and
 *	where on the task's stack it was
 * @data: for @fn
 *
 * Much of what @fn sees is no return address.
 *
 * Context: The task cannot run, and its stack is there.
 */
void krp_each_hidden(struct task_struct *t, krp_hidden_fn fn, void *data)
{
	visit_rethooks(t, fn, data);
	visit_graph(t, fn, data);
}
