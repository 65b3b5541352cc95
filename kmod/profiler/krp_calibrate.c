// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a probe adds to each duration, measured when the module is loaded.
 *
 * Part of a probe runs between its two readings of the clock. That part is the
 * same for every call, so it can be measured on a function that does nothing
 * and then be subtracted. Each kind of probe has such a function of its own.
 */
#include <linux/compiler.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "krp.h"
#include "krp_clock.h"

bool krp_calibrate = true;

/*
 * They differ in a comment, or the compiler would make one function of them.
 * Each is an entry for ftrace and a return, and nothing else.
 */
noinline __noclone void krp_target_kretprobe(void)
{
	asm volatile("# kretprobe");
}

noinline __noclone void krp_target_rethook(void)
{
	asm volatile("# rethook");
}

noinline __noclone void krp_target_direct(void)
{
	asm volatile("# direct");
}

noinline __noclone void krp_target_syscall(void)
{
	asm volatile("# direct, system call");
}

/* The same, never probed. */
static noinline __noclone void never_probed(void)
{
	asm volatile("# never probed");
}

#define CALLS	1024

#define BATCHES	64
#define BATCH	64

static u64 time_calls(bool tsc)
{
	u64 began = krp_clock(tsc);
	int i;

	for (i = 0; i < BATCH; i++)
		never_probed();
	return krp_clock(tsc) - began;
}

static u64 time_loop(bool tsc)
{
	u64 began = krp_clock(tsc);
	int i;

	for (i = 0; i < BATCH; i++)
		barrier();
	return krp_clock(tsc) - began;
}

/*
 * How long a function takes that does nothing: what it adds to a loop, without
 * the call itself, which the caller makes. That is taken for one tick; where a
 * tick is not an instruction it is less than can be told apart.
 */
static u64 length_of_nothing(bool tsc)
{
	u64 calls = U64_MAX, loop = U64_MAX;
	int i;

	for (i = 0; i < BATCHES; i++) {
		calls = min(calls, time_calls(tsc));
		loop = min(loop, time_loop(tsc));
	}
	if (calls <= loop)
		return 0;
	return max_t(u64, (calls - loop) / BATCH, 1) - 1;
}

static u64 total_of(const struct krp_counts __percpu *counts)
{
	u64 total = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		total += READ_ONCE(per_cpu_ptr(counts, cpu)->total);
	return total;
}

/*
 * The duration that the probe counts for one call. It is made with preemption
 * and migration on, like most: where they are off already, a kernel with
 * PREEMPT_RT takes fewer instructions in a probe that switches them off and on.
 */
static u64 counted_duration(const struct krp_counts __percpu *counts,
			    void (*target)(void))
{
	u64 before = total_of(counts);

	target();
	return total_of(counts) - before;
}

static int compare_durations(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/**
 * krp_measure_bias() - Measure what a probe adds to each duration.
 * @counts: where the probe counts
 * @target: one of the functions below, which the probe is on
 *
 * The median of many calls: interrupts make some longer, and a clock that is
 * adjusted may make some shorter.
 *
 * Context: Sleeps.
 * Return: Ticks of the clock, or -ENOMEM.
 */
s64 krp_measure_bias(const struct krp_counts __percpu *counts,
		     void (*target)(void))
{
	u64 body = length_of_nothing(krp_clock_is_tsc());
	u64 *durations, median;
	int i;

	durations = kvmalloc_array(CALLS, sizeof(*durations), GFP_KERNEL);
	if (!durations)
		return -ENOMEM;
	for (i = 0; i < CALLS; i++)
		durations[i] = counted_duration(counts, target);
	sort(durations, CALLS, sizeof(*durations), compare_durations, NULL);
	median = durations[CALLS / 2];
	kvfree(durations);
	return median > body ? median - body : 0;
}
