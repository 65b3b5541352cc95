// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters, one set for each CPU: made, summed up, set back.
 *
 * A counter belongs to its CPU, which may be adding to it at any moment, so
 * that nobody else can set it to zero. A reset notes the sums instead, and
 * they are subtracted from then on. The shortest and the longest duration,
 * which cannot be subtracted, are set back by each CPU itself.
 */
#include <linux/cpu.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/stddef.h>

#include "krp.h"

bool krp_hist;

/**
 * krp_counts_size() - How much of struct krp_counts is there.
 *
 * Return: Bytes.
 */
size_t krp_counts_size(void)
{
	return krp_hist ? sizeof(struct krp_counts) : offsetof(struct krp_counts, min);
}

/* On each CPU, with interrupts off. */
static void forget_extremes(void *counts)
{
	struct krp_counts __percpu *all = (void __percpu *)(unsigned long)counts;
	struct krp_counts *c = this_cpu_ptr(all);

	c->min = U64_MAX;
	c->max = 0;
}

/**
 * krp_counts_alloc() - Make counters that are zero.
 *
 * Context: Sleeps.
 * Return: The counters, for free_percpu(), or NULL.
 */
struct krp_counts __percpu *krp_counts_alloc(void)
{
	struct krp_counts __percpu *counts;
	int cpu;

	counts = (struct krp_counts __percpu *)
		__alloc_percpu(krp_counts_size(), sizeof(u64));
	if (!counts || !krp_hist)
		return counts;
	for_each_possible_cpu(cpu)
		per_cpu_ptr(counts, cpu)->min = U64_MAX;
	return counts;
}

static void add_hist(struct krp_counts *sum, const struct krp_counts *c)
{
	int i;

	sum->min = min(sum->min, READ_ONCE(c->min));
	sum->max = max(sum->max, READ_ONCE(c->max));
	for (i = 0; i < KRP_NR_BUCKETS; i++)
		sum->buckets[i] += READ_ONCE(c->buckets[i]);
}

static void add_up(const struct krp_counts __percpu *counts,
		   struct krp_counts *sum)
{
	int cpu;

	memset(sum, 0, sizeof(*sum));
	sum->min = U64_MAX;
	for_each_possible_cpu(cpu) {
		const struct krp_counts *c = per_cpu_ptr(counts, cpu);

		sum->entered += READ_ONCE(c->entered);
		sum->returned += READ_ONCE(c->returned);
		sum->total += READ_ONCE(c->total);
		if (krp_hist)
			add_hist(sum, c);
	}
}

/**
 * krp_counts_sum() - Sum up what was seen of a function since the last reset.
 * @f: the function
 * @sum: set to the sums over all CPUs
 */
void krp_counts_sum(const struct krp_func *f, struct krp_counts *sum)
{
	const struct krp_counts *base;
	int i;

	add_up(f->counts, sum);
	base = &f->base->counts;
	sum->entered -= base->entered;
	sum->returned -= base->returned;
	sum->total -= base->total;
	for (i = 0; krp_hist && i < KRP_NR_BUCKETS; i++)
		sum->buckets[i] -= base->buckets[i];
}

/**
 * krp_counts_in_flight() - Tell how many calls have begun and are still to return.
 * @f: the function
 *
 * Return: Their number, without those that were swept. Calls that began or
 * returned meanwhile may be missing; it is exact when the function is no longer
 * probed.
 */
u64 krp_counts_in_flight(const struct krp_func *f)
{
	u64 entered = 0, gone = f->swept;
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct krp_counts *c = per_cpu_ptr(f->counts, cpu);

		entered += READ_ONCE(c->entered);
		gone += READ_ONCE(c->returned);
	}
	return entered > gone ? entered - gone : 0;
}

/**
 * krp_counts_reset() - Start to count a function anew.
 * @f: the function, which is probed
 *
 * Calls in progress have begun before, and end after it.
 *
 * Context: Sleeps. The caller keeps readers away.
 */
void krp_counts_reset(struct krp_func *f)
{
	add_up(f->counts, &f->base->counts);
	f->base->missed = f->backend->missed(f);
	if (krp_hist)
		on_each_cpu(forget_extremes, (void *)(unsigned long)f->counts, 1);
}
