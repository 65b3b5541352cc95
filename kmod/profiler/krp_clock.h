/* SPDX-License-Identifier: GPL-2.0-only */
/* The clock that durations are measured with. */
#ifndef KPROF_KRP_CLOCK_H
#define KPROF_KRP_CLOCK_H

#include <linux/ktime.h>
#include <linux/types.h>
#include <asm/msr.h>

/* Ticks to ns: (ticks * krp_ns_mult) >> 32. Read by the trampolines too. */
extern u64 krp_ns_mult;

int krp_clock_init(const char *wanted);
bool krp_clock_is_tsc(void);
const char *krp_clock_name(void);
u64 krp_ticks_to_ns(u64 ticks);

/*
 * Ticks, callable in any context. The counter is not serialized with the
 * instructions around it: what that blurs is less than what serializing costs.
 */
static __always_inline u64 krp_clock(bool tsc)
{
	return tsc ? rdtsc() : ktime_get_mono_fast_ns();
}

#endif /* KPROF_KRP_CLOCK_H */
