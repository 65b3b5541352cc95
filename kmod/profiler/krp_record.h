/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a probe that is written in C notes of a call when it returns. Inline, so
 * that whatever it needs of the clock and of histograms is decided when it is
 * compiled.
 */
#ifndef KPROF_KRP_RECORD_H
#define KPROF_KRP_RECORD_H

#include <linux/compiler.h>
#include <linux/math64.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include "krp.h"
#include "krp_clock.h"

static __always_inline void krp_note_min(struct krp_counts __percpu *counts,
					 u64 ns)
{
	u64 old = this_cpu_read(counts->min), found;

	if (likely(ns >= old))
		return;
	do {
		found = this_cpu_cmpxchg(counts->min, old, ns);
		if (found == old)
			break;
		old = found;
	} while (ns < old);
}

static __always_inline void krp_note_max(struct krp_counts __percpu *counts,
					 u64 ns)
{
	u64 old = this_cpu_read(counts->max), found;

	if (likely(ns <= old))
		return;
	do {
		found = this_cpu_cmpxchg(counts->max, old, ns);
		if (found == old)
			break;
		old = found;
	} while (ns > old);
}

static __always_inline void krp_note_hist(struct krp_counts __percpu *counts,
					  u64 ticks, u64 own)
{
	u64 ns = mul_u64_u64_shr(ticks > own ? ticks - own : 0, krp_ns_mult, 32);

	this_cpu_inc(counts->buckets[krp_bucket(ns)]);
	krp_note_min(counts, ns);
	krp_note_max(counts, ns);
}

/* A call that lasted from one reading of the clock to another. */
static __always_inline void krp_note_return(struct krp_counts __percpu *counts,
					    u64 start, u64 now,
					    const struct krp_bias *bias,
					    bool tsc, bool hist)
{
	u64 elapsed = now - start;

	/*
	 * The fast clock may step back a little when it is adjusted. The call
	 * counts all the same, and takes no time rather than 2^64 ns.
	 */
	if (!tsc && (s64)elapsed < 0)
		elapsed = 0;
	this_cpu_add(counts->total, elapsed);
	this_cpu_inc(counts->returned);
	if (hist)
		krp_note_hist(counts, elapsed, READ_ONCE(bias->ticks));
}

#endif /* KPROF_KRP_RECORD_H */
