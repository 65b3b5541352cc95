// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions of the shapes that are hard to profile: they sleep, recurse, run
 * in hard interrupt context, or take arguments on the stack. Each times
 * itself: the first thing it does is to read the clocks, and nearly the last.
 *
 * Locking: tb_args8_lock guards tb_args8_inside. All else lies in the session
 * or on the stack of the command.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/sched/signal.h>

#include "testbed.h"

#define TB_SHAPE_CALLS	1000000ULL
#define TB_SLEEP_MAX_US	10000000ULL
#define TB_TIMER_MIN_US	10ULL

/*
 * A level of tb_recurse() takes 40 bytes of a stack of 16 KiB. The limit would
 * do for frames of 100 bytes and leaves room for a probe's handler on top.
 */
#define TB_DEPTH_MAX	100

static DEFINE_MUTEX(tb_args8_lock);
static struct tb_inside *tb_args8_inside;

static __always_inline void tb_leave(struct tb_inside *in,
				     const struct tb_span *at)
{
	in->invocations++;
	tb_span_add(&in->sum, at);
}

static void tb_print_inside(struct tb_session *s, u64 calls,
			    const struct tb_inside *in)
{
	tb_print(s, "calls=%llu\ninvocations=%llu\n", calls, in->invocations);
	tb_print(s, "inside_ticks=%llu\ninside_ns=%llu\n", in->sum.ticks,
		 in->sum.ns);
}

/**
 * tb_sleep() - sleep once
 * @in: what it measures of itself
 * @ns: how long
 *
 * Context: process context.
 * Return: 0, or -EINTR when a fatal signal cut the sleep short.
 */
noinline __noclone int tb_sleep(struct tb_inside *in, u64 ns)
{
	struct tb_span at;
	ktime_t left;
	int ret;

	tb_span_start(&at);
	left = ns_to_ktime(ns);
	set_current_state(TASK_KILLABLE);
	ret = schedule_hrtimeout(&left, HRTIMER_MODE_REL) ? -EINTR : 0;
	tb_leave(in, &at);
	return ret;
}

/**
 * tb_recurse() - call itself @depth times, one inside the other
 * @in: what all levels measure of themselves, summed
 * @depth: further levels
 *
 * The clocks are read after the inner call, so it cannot become a jump.
 *
 * Context: any with enough stack.
 */
noinline __noclone void tb_recurse(struct tb_inside *in, unsigned long depth)
{
	struct tb_span at;

	tb_span_start(&at);
	if (depth)
		tb_recurse(in, depth - 1);
	tb_leave(in, &at);
}

struct tb_timer {
	struct hrtimer timer;
	struct tb_inside in;
	struct completion done;
	ktime_t interval;
	u64 left;
};

/**
 * tb_timer_fn() - hrtimer callback that times itself
 * @timer: embedded in struct tb_timer
 *
 * Context: hard interrupt.
 * Return: HRTIMER_RESTART until the calls asked for were made.
 */
noinline __noclone enum hrtimer_restart tb_timer_fn(struct hrtimer *timer)
{
	enum hrtimer_restart ret = HRTIMER_RESTART;
	struct tb_timer *t;
	struct tb_span at;

	tb_span_start(&at);
	t = container_of(timer, struct tb_timer, timer);
	if (--t->left) {
		hrtimer_forward_now(timer, t->interval);
	} else {
		complete(&t->done);
		ret = HRTIMER_NORESTART;
	}
	tb_leave(&t->in, &at);
	return ret;
}

/**
 * tb_args8() - add up eight arguments, each with a weight of its own
 * @a: weight 1
 * @b: weight 10
 * @c: weight 100
 * @d: weight 1000
 * @e: weight 10000
 * @f: weight 100000
 * @g: weight 1000000, the first argument on the stack
 * @h: weight 10000000
 *
 * With digits as arguments the sum shows each of them in its place, so it
 * gives away a tracer that moves the stack under them.
 *
 * Context: tb_args8_lock held.
 * Return: the weighted sum.
 */
noinline __noclone long tb_args8(long a, long b, long c, long d,
				 long e, long f, long g, long h)
{
	struct tb_span at;
	long sum;

	tb_span_start(&at);
	sum = a + 10 * b + 100 * c + 1000 * d +
	      10000 * e + 100000 * f + 1000000 * g + 10000000 * h;
	tb_leave(tb_args8_inside, &at);
	return sum;
}

/**
 * tb_cmd_sleep() - command "sleep US CALLS"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_sleep(struct tb_session *s, int argc, char **argv)
{
	struct tb_inside in = {};
	u64 us, calls, i;
	int err;

	err = tb_number("sleep: US", argv[1], 1, TB_SLEEP_MAX_US, &us);
	if (!err)
		err = tb_number("sleep: CALLS", argv[2], 1, TB_SHAPE_CALLS,
				&calls);
	if (err)
		return err;
	for (i = 0; i < calls; i++) {
		err = tb_sleep(&in, us * NSEC_PER_USEC);
		if (err)
			return err;
	}
	tb_print_inside(s, calls, &in);
	return 0;
}

/**
 * tb_cmd_recurse() - command "recurse DEPTH CALLS"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * DEPTH + 1 invocations for each call. The time of an inner level is part of
 * the outer ones as well, as a profiler sees it.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_recurse(struct tb_session *s, int argc, char **argv)
{
	struct tb_inside in = {};
	u64 depth, calls, i;
	int err;

	err = tb_number("recurse: DEPTH", argv[1], 0, TB_DEPTH_MAX, &depth);
	if (!err)
		err = tb_number("recurse: CALLS", argv[2], 1, TB_SHAPE_CALLS,
				&calls);
	if (err)
		return err;
	for (i = 0; i < calls; i++) {
		tb_recurse(&in, depth);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	tb_print_inside(s, calls, &in);
	return 0;
}

/**
 * tb_cmd_timer() - command "timer US CALLS"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_timer(struct tb_session *s, int argc, char **argv)
{
	struct tb_timer t = {};
	u64 us, calls;
	int err;

	err = tb_number("timer: US", argv[1], TB_TIMER_MIN_US, TB_SLEEP_MAX_US,
			&us);
	if (!err)
		err = tb_number("timer: CALLS", argv[2], 1, TB_SHAPE_CALLS,
				&calls);
	if (err)
		return err;
	t.left = calls;
	t.interval = ns_to_ktime(us * NSEC_PER_USEC);
	init_completion(&t.done);
	hrtimer_setup_on_stack(&t.timer, tb_timer_fn, CLOCK_MONOTONIC,
			       HRTIMER_MODE_REL_HARD);
	hrtimer_start(&t.timer, t.interval, HRTIMER_MODE_REL_HARD);
	err = wait_for_completion_killable(&t.done);
	/* The last callback may still be on its way out. */
	hrtimer_cancel(&t.timer);
	destroy_hrtimer_on_stack(&t.timer);
	if (err)
		return -EINTR;
	tb_print_inside(s, calls, &t.in);
	return 0;
}

/* The digits of the i-th call, most significant first: Horner's rule. */
static long tb_args8_expect(const long *digit)
{
	long sum = 0;
	int i;

	for (i = 7; i >= 0; i--)
		sum = sum * 10 + digit[i];
	return sum;
}

static long tb_args8_call(struct tb_inside *in, const long *v)
{
	long value;

	mutex_lock(&tb_args8_lock);
	tb_args8_inside = in;
	value = tb_args8(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]);
	mutex_unlock(&tb_args8_lock);
	return value;
}

/**
 * tb_cmd_args8() - command "args8 CALLS"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Stops at the first wrong sum; value and expect are those of the last call.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_args8(struct tb_session *s, int argc, char **argv)
{
	long digit[8], value = 0, expect = 0;
	struct tb_inside in = {};
	u64 calls, i;
	int err, j;

	err = tb_number("args8: CALLS", argv[1], 1, TB_SHAPE_CALLS, &calls);
	if (err)
		return err;
	for (i = 0; i < calls && value == expect; i++) {
		for (j = 0; j < ARRAY_SIZE(digit); j++)
			digit[j] = 1 + (i + j) % 9;
		expect = tb_args8_expect(digit);
		value = tb_args8_call(&in, digit);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	tb_print_inside(s, i, &in);
	tb_print(s, "value=%ld\nexpect=%ld\n", value, expect);
	return 0;
}
