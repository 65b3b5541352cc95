// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that are in progress when their trampoline goes away.
 *
 * A task that sleeps in a hooked function would return, minutes later, to a
 * label in a module that is gone. So the frames on its stack are changed:
 * each of their words becomes the address of a return instruction in the
 * kernel's own text. The function returns to the first, which returns to the
 * next, until one returns to the caller. Unwinders see the frames as calls of
 * the function that the instruction belongs to.
 *
 * The label may be in what another tracer has noted instead, see krp_hidden.c.
 * A task may have read it there and be preempted before it goes to it, so that
 * the frame must stay as it is. The noted label becomes the address of code of
 * the kernel's that skips the rest of the frame and returns.
 *
 * All processors are held by stop_machine() meanwhile. Then a task is either
 * the stopper thread of its processor or has been switched out, and every call
 * that is in progress lies on the stack of a task: whoever uses an interrupt
 * stack cannot be stopped there. Tasks that were interrupted inside a
 * trampoline are no concern of this file; the caller lets a grace period of
 * tasks-RCU pass before, for the entry half, and one after, for the exit half.
 */
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/stop_machine.h>

#include "krp.h"
#include "krp_direct.h"

/**
 * struct sweep - functions whose frames are looked for
 * @funcs: the functions
 * @n: how many
 * @nobody: stands for the functions that had left before
 */
struct sweep {
	struct krp_func **funcs;
	int n;
	struct krp_func *nobody;
};

static bool is_label(unsigned long word)
{
	static const u8 *const labels[] = {
		krp_any0_return, krp_any1_return,
		krp_syscall0_return, krp_syscall1_return,
		krp_any_hist0_return, krp_any_hist1_return,
		krp_syscall_hist0_return, krp_syscall_hist1_return,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(labels); i++)
		if (word == (unsigned long)labels[i])
			return true;
	return false;
}

static struct krp_func *find_func(const struct sweep *s, unsigned long counts)
{
	int i;

	if ((unsigned long)s->nobody->counts == counts)
		return s->nobody;
	for (i = 0; i < s->n; i++)
		if ((unsigned long)s->funcs[i]->counts == counts)
			return s->funcs[i];
	return NULL;
}

/* The function that a frame is of, or NULL if it is none. */
static struct krp_func *func_of(const struct sweep *s, unsigned long *frame)
{
	if (READ_ONCE_NOCHECK(frame[KRP_FRAME_WORDS]) < __START_KERNEL_map)
		return NULL;
	return find_func(s, READ_ONCE_NOCHECK(frame[2]));
}

/*
 * A frame is a label, the counters of a function, and a caller in kernel text.
 * A label alone may be the saved instruction pointer of an interrupted task, or
 * lie in a saved stack trace. What looks like a frame and is none is what is
 * left of one, and nobody minds when it is changed.
 */
static void sweep_frame(const struct sweep *s, unsigned long *frame)
{
	struct krp_func *f = func_of(s, frame);
	int i;

	if (!f)
		return;
	for (i = 0; i < KRP_FRAME_WORDS; i++)
		frame[i] = krp_plain_return;
	f->swept++;
}

/* The same for a frame whose label is noted elsewhere. */
static void sweep_hidden(void *data, unsigned long *kept, unsigned long *frame)
{
	struct krp_func *f;

	if (!is_label(*kept))
		return;
	f = func_of(data, frame);
	if (!f)
		return;
	*kept = krp_skipping_return;
	f->swept++;
}

static void sweep_stack(const struct sweep *s, unsigned long *from,
			unsigned long *end)
{
	for (end -= KRP_FRAME_WORDS; from < end; from++)
		if (is_label(READ_ONCE_NOCHECK(*from)))
			sweep_frame(s, from);
}

static void sweep_task(struct sweep *s, struct task_struct *t)
{
	unsigned long *stack = task_stack_page(t);
	unsigned long *end = stack + THREAD_SIZE / sizeof(*stack);

	/* The stack of a dead task may be gone. */
	if (!stack || !refcount_read(&t->stack_refcount))
		return;
	krp_each_hidden(t, sweep_hidden, s);
	if (t == current)
		sweep_stack(s, __builtin_frame_address(0), end);
	else if (t->on_cpu)
		sweep_stack(s, stack + 1, end);	/* another stopper thread */
	else
		sweep_stack(s, (unsigned long *)t->thread.sp, end);
}

static int sweep_tasks(void *data)
{
	struct task_struct *group, *t;

	for_each_process_thread(group, t)
		sweep_task(data, t);
	return 0;
}

/**
 * krp_sweep() - Let go of the calls in progress of some functions.
 * @funcs: the functions; @swept of each is increased by what was found
 * @n: how many
 * @nobody: has the counters of functions that had left their group before
 *
 * The functions are no longer hooked, nobody is in the entry half of a
 * trampoline for them, and the trampolines stay until nobody is in an exit half.
 *
 * Context: Sleeps. Holds all processors for about a microsecond a task.
 */
void krp_sweep(struct krp_func **funcs, int n, struct krp_func *nobody)
{
	struct sweep s = { .funcs = funcs, .n = n, .nobody = nobody };

	stop_machine(sweep_tasks, &s, NULL);
}
