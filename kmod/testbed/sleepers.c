// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that sleep deep inside, for threads that are asleep in them while
 * something is done to their probes. Each returns two words, made from its
 * arguments after the sleep, so that an argument, a return value or a stack
 * that was damaged meanwhile shows.
 *
 * No shared state: all lies in the sleeper and on its stack.
 */
#include <linux/build_bug.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/stddef.h>

#include "regs.h"
#include "sleepers.h"
#include "testbed.h"

#define TB_SLEEPER_DEPTH	6

static_assert(offsetof(struct tb_guarded, fn) == TB_GUARDED_FN);
static_assert(offsetof(struct tb_guarded, arg[6]) == TB_GUARDED_ARG(6));
static_assert(offsetof(struct tb_guarded, lo) == TB_GUARDED_LO);
static_assert(offsetof(struct tb_guarded, hi) == TB_GUARDED_HI);
static_assert(offsetof(struct tb_guarded, sp) == TB_GUARDED_SP);
static_assert(offsetof(struct tb_guarded, changed) == TB_GUARDED_CHANGED);

/**
 * tb_nap() - sleep where all sleepers sleep
 * @me: who sleeps; the sleep is cut short by kthread_stop()
 *
 * Context: a sleeper's thread.
 */
noinline __noclone void tb_nap(struct tb_sleeper *me)
{
	ktime_t left = ns_to_ktime(me->ns);

	set_current_state(TASK_KILLABLE);
	WRITE_ONCE(me->down, true);
	if (!kthread_should_stop())
		schedule_hrtimeout(&left, HRTIMER_MODE_REL);
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(me->down, false);
}

/**
 * tb_sleeper() - sleep
 * @me: who sleeps
 * @a: any number
 *
 * Context: a sleeper's thread.
 * Return: 2 * @a and ~@a.
 */
noinline __noclone struct tb_pair tb_sleeper(struct tb_sleeper *me, long a)
{
	tb_nap(me);
	return (struct tb_pair){ 2 * a, ~a };
}

/**
 * tb_sleeper_deep() - sleep inside of calls of itself
 * @me: who sleeps
 * @a: any number
 * @depth: further levels
 *
 * Context: a sleeper's thread.
 * Return: @a plus the sum of all depths, and @a shifted left @depth times
 * with ones shifted in.
 */
noinline __noclone struct tb_pair tb_sleeper_deep(struct tb_sleeper *me,
						  long a, long depth)
{
	struct tb_pair inner = { a, a };

	if (depth)
		inner = tb_sleeper_deep(me, a, depth - 1);
	else
		tb_nap(me);
	return (struct tb_pair){
		inner.lo + depth, depth ? 2 * inner.hi + 1 : inner.hi
	};
}

/**
 * tb_sleeper_landing() - sleep, for tb_sleeper_jump()
 * @me: who sleeps
 * @a: any number
 *
 * Context: a sleeper's thread.
 * Return: 7 * @a and @a + 1.
 */
noinline __noclone struct tb_pair tb_sleeper_landing(struct tb_sleeper *me,
						     long a)
{
	tb_nap(me);
	return (struct tb_pair){ 7 * a, a + 1 };
}

/**
 * tb_sleeper_jump() - have tb_sleeper_landing() sleep, by a tail call
 * @me: who sleeps
 * @a: any number
 *
 * Its frame is gone when the other function begins, which returns to its
 * caller.
 *
 * Context: a sleeper's thread.
 * Return: what the other returns for @a + 5.
 */
noinline __noclone struct tb_pair tb_sleeper_jump(struct tb_sleeper *me,
						  long a)
{
	return tb_sleeper_landing(me, a + 5);
}

/**
 * tb_sleeper_args8() - sleep before looking at the arguments
 * @me: who sleeps
 * @a: weight 1
 * @b: weight 10
 * @c: weight 100
 * @d: weight 1000
 * @e: weight 10000
 * @f: weight 100000, the first argument on the stack
 * @g: weight 1000000
 *
 * Context: a sleeper's thread.
 * Return: the weighted sum, and the difference of those on the stack.
 */
noinline __noclone struct tb_pair
tb_sleeper_args8(struct tb_sleeper *me, long a, long b, long c, long d,
		 long e, long f, long g)
{
	tb_nap(me);
	return (struct tb_pair){
		a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f +
			1000000 * g,
		g - f
	};
}

static struct tb_pair tb_expect_plain(long a)
{
	return (struct tb_pair){ 2 * a, -1 - a };
}

static struct tb_pair tb_expect_deep(long a)
{
	return (struct tb_pair){
		a + TB_SLEEPER_DEPTH * (TB_SLEEPER_DEPTH + 1) / 2,
		((a + 1) << TB_SLEEPER_DEPTH) - 1
	};
}

static struct tb_pair tb_expect_jump(long a)
{
	return (struct tb_pair){ 7 * a + 35, a + 6 };
}

/* The arguments are a, a + 1, ... a + 6: by Horner's rule. */
static struct tb_pair tb_expect_args8(long a)
{
	long sum = 0;
	int i;

	for (i = 6; i >= 0; i--)
		sum = sum * 10 + a + i;
	return (struct tb_pair){ sum, 1 };
}

static const struct tb_sleeper_shape {
	const char *name;
	void *fn;
	struct tb_pair (*expect)(long a);
} tb_shapes[] = {
	{ "plain", tb_sleeper, tb_expect_plain },
	{ "deep", tb_sleeper_deep, tb_expect_deep },
	{ "jump", tb_sleeper_jump, tb_expect_jump },
	{ "args8", tb_sleeper_args8, tb_expect_args8 },
};

static const struct tb_sleeper_shape *tb_shape(const struct tb_sleeper *me)
{
	return &tb_shapes[me->nr % ARRAY_SIZE(tb_shapes)];
}

/**
 * tb_sleeper_shape() - the way in which a sleeper sleeps
 * @me: the sleeper
 *
 * Return: its name; sleepers take turns by their numbers.
 */
const char *tb_sleeper_shape(const struct tb_sleeper *me)
{
	return tb_shape(me)->name;
}

static void tb_sleeper_args(struct tb_guarded *call, struct tb_sleeper *me,
			    long a)
{
	int i;

	call->arg[0] = (long)me;
	for (i = 1; i < ARRAY_SIZE(call->arg); i++)
		call->arg[i] = a + i - 1;
	if (call->fn == tb_sleeper_deep)
		call->arg[2] = TB_SLEEPER_DEPTH;
}

/**
 * tb_sleeper_turn() - sleep once
 * @me: the current thread's sleeper
 * @a: a number that the arguments are made from
 *
 * Context: a sleeper's thread.
 * Return: true if the function returned what it should, and left alone what
 * belongs to its caller.
 */
bool tb_sleeper_turn(struct tb_sleeper *me, long a)
{
	const struct tb_sleeper_shape *shape = tb_shape(me);
	struct tb_guarded call = { .fn = shape->fn };
	struct tb_pair want = shape->expect(a);

	tb_sleeper_args(&call, me, a);
	tb_call_guarded(&call);
	return call.lo == want.lo && call.hi == want.hi && !call.changed;
}
