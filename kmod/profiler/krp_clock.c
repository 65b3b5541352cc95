// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clock that durations are measured with: the processor's time stamp
 * counter where the kernel itself relies on it, and the kernel's fast clock
 * where it does not. Ticks are converted when they are shown, not when they
 * are counted.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <asm/cpufeature.h>
#include <asm/tsc.h>

#include "krp_clock.h"

static bool use_tsc;
u64 krp_ns_mult;

static bool tsc_is_trusted(void)
{
	return boot_cpu_has(X86_FEATURE_TSC) && tsc_khz && !check_tsc_unstable();
}

static int pick(const char *wanted)
{
	if (!wanted || !strcmp(wanted, "auto")) {
		use_tsc = tsc_is_trusted();
		return 0;
	}
	use_tsc = !strcmp(wanted, "tsc");
	if (!use_tsc && strcmp(wanted, "mono")) {
		pr_err("clock: '%*pE' is not auto, tsc or mono\n",
		       (int)strlen(wanted), wanted);
		return -EINVAL;
	}
	if (use_tsc && !tsc_is_trusted()) {
		pr_err("clock: the kernel does not trust the TSC of this machine\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * krp_clock_init() - Choose the clock.
 * @wanted: "tsc", "mono", or "auto" or NULL for the TSC where the kernel
 *	trusts it
 *
 * Return: 0, -EINVAL for another word, -EOPNOTSUPP when the TSC is wanted and
 * cannot be trusted; with a line in the log.
 */
int krp_clock_init(const char *wanted)
{
	int ret = pick(wanted);

	if (ret)
		return ret;
	krp_ns_mult = 1ULL << 32;
	if (use_tsc)
		krp_ns_mult = div_u64((u64)NSEC_PER_MSEC << 32, tsc_khz);
	return 0;
}

/**
 * krp_clock_is_tsc() - Tell whether ticks are the time stamp counter's.
 */
bool krp_clock_is_tsc(void)
{
	return use_tsc;
}

/**
 * krp_clock_name() - Tell which clock it is: "tsc" or "mono".
 */
const char *krp_clock_name(void)
{
	return use_tsc ? "tsc" : "mono";
}

/**
 * krp_ticks_to_ns() - Convert a time.
 * @ticks: of the clock
 *
 * Return: Nanoseconds, as exact as the kernel knows the frequency now.
 */
u64 krp_ticks_to_ns(u64 ticks)
{
	return use_tsc ? mul_u64_u64_div_u64(ticks, NSEC_PER_MSEC, tsc_khz) : ticks;
}
