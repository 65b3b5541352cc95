// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions of exactly known length, called in a loop whose own cost is
 * measured beside it.
 *
 * No shared state: everything lies in the session or on the stack.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "regs.h"
#include "testbed.h"

#define TB_WORK_MAX	1000000
#define TB_CALLS_MAX	1000000000ULL

/**
 * tb_empty() - the function whose loop is subtracted
 * @n: ignored
 *
 * Two instructions: the ftrace nop and the return.
 *
 * Context: any.
 */
noinline __noclone void tb_empty(unsigned long n)
{
	/* Without a side effect the call would be dropped. */
	asm volatile("");
}

/**
 * tb_work() - execute 2 * @n + 3 instructions
 * @n: turns of the loop, at least 1
 *
 * The ftrace nop, mov, @n times dec and jnz, and the return. All in one asm
 * statement, so that the count does not depend on the compiler's choice of
 * registers; the object code is read again by the suite before it is trusted.
 *
 * Context: any.
 */
noinline __noclone void tb_work(unsigned long n)
{
	unsigned long left;

	asm volatile("mov %1, %0\n"
		     "1:	dec %0\n"
		     "	jnz 1b"
		     : "=&r" (left) : "r" (n) : "cc");
}

/**
 * tb_work_even() - execute 2 * @n + 4 instructions
 * @n: turns of the loop, at least 1
 *
 * As tb_work() with one nop more, for the lengths that tb_work() cannot have.
 *
 * Context: any.
 */
noinline __noclone void tb_work_even(unsigned long n)
{
	unsigned long left;

	asm volatile("nop\n"
		     "	mov %1, %0\n"
		     "1:	dec %0\n"
		     "	jnz 1b"
		     : "=&r" (left) : "r" (n) : "cc");
}

/**
 * tb_vpair() - allocate and free one block by vmalloc() and vfree()
 * @size: bytes
 *
 * Context: process context, may sleep.
 */
noinline __noclone void tb_vpair(unsigned long size)
{
	vfree(vmalloc(size));
}

/* One copy for every function, so that the loop's own cost is the same. */
static noinline __noclone void tb_loop(void (*fn)(unsigned long),
				       unsigned long arg, unsigned long calls,
				       struct tb_span *sum)
{
	struct tb_span at;

	tb_span_start(&at);
	while (calls--)
		fn(arg);
	tb_span_add(sum, &at);
}

/*
 * Without interrupts, which would become part of the duration of the call that
 * they fall into.
 */
static void tb_quiet_loop(void (*fn)(unsigned long), unsigned long arg,
			  unsigned long calls, struct tb_span *sum)
{
	unsigned long flags;

	local_irq_save(flags);
	tb_loop(fn, arg, calls, sum);
	local_irq_restore(flags);
}

typedef void (*tb_loop_fn)(void (*fn)(unsigned long), unsigned long arg,
			   unsigned long calls, struct tb_span *sum);

static int tb_run(struct tb_session *s, tb_loop_fn loop_fn,
		  void (*fn)(unsigned long), unsigned long arg, u64 calls,
		  unsigned long batch)
{
	struct tb_span sum = {}, loop = {};
	u64 left = calls;

	while (left) {
		unsigned long n = min_t(u64, left, batch);

		loop_fn(tb_empty, arg, n, &loop);
		loop_fn(fn, arg, n, &sum);
		left -= n;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	tb_print_timing(s, calls, &sum, &loop);
	return 0;
}

static int tb_run_work(struct tb_session *s, char **argv,
		       void (*fn)(unsigned long))
{
	u64 n, calls;
	int err;

	err = tb_number("work: N", argv[1], 1, TB_WORK_MAX, &n);
	if (!err)
		err = tb_number("work: CALLS", argv[2], 1, TB_CALLS_MAX, &calls);
	if (err)
		return err;
	/* About a hundred thousand instructions between two interrupts. */
	return tb_run(s, tb_quiet_loop, fn, n, calls,
		      clamp_t(u64, SZ_64K / n, 1, 256));
}

/**
 * tb_cmd_work() - command "work N CALLS"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * (ticks - loop_ticks) / calls is what tb_work() costs beyond tb_empty(), and
 * tb_empty() is two instructions. Interrupts are off during the calls.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_work(struct tb_session *s, int argc, char **argv)
{
	return tb_run_work(s, argv, tb_work);
}

/**
 * tb_cmd_work_even() - command "work_even N CALLS"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_work_even(struct tb_session *s, int argc, char **argv)
{
	return tb_run_work(s, argv, tb_work_even);
}

static void tb_time(void (*loop)(unsigned long), unsigned long turns,
		    struct tb_span *sum)
{
	struct tb_span at;
	unsigned long flags;

	local_irq_save(flags);
	tb_span_start(&at);
	loop(turns);
	tb_span_add(sum, &at);
	local_irq_restore(flags);
}

/**
 * tb_cmd_returns() - command "returns CALLS"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * (ticks - loop_ticks) / calls is what a return takes beyond one instruction.
 * Where the kernel has it jump to a thunk, that is executed too.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_returns(struct tb_session *s, int argc, char **argv)
{
	struct tb_span sum = {}, loop = {};
	u64 calls;
	int err;

	err = tb_number("returns: CALLS", argv[1], 1, SZ_1M, &calls);
	if (err)
		return err;
	tb_time(tb_loop_calls, calls, &loop);
	tb_time(tb_loop_returns, calls, &sum);
	tb_print_timing(s, calls, &sum, &loop);
	return 0;
}

/**
 * tb_cmd_vpair() - command "vpair SIZE CALLS"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * What a vmalloc()/vfree() pair costs, with or without somebody tracing it.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_vpair(struct tb_session *s, int argc, char **argv)
{
	u64 size, calls;
	int err;

	err = tb_number("vpair: SIZE", argv[1], 1, SZ_16M, &size);
	if (!err)
		err = tb_number("vpair: CALLS", argv[2], 1, TB_CALLS_MAX, &calls);
	if (err)
		return err;
	return tb_run(s, tb_loop, tb_vpair, size, calls,
		      clamp_t(u64, SZ_4M / size, 1, 256));
}
