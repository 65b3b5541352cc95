/* SPDX-License-Identifier: GPL-2.0-only */
/* KRP and its backends: the ways to probe a function. */
#ifndef KPROF_KRP_H
#define KPROF_KRP_H

#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/percpu.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include "krp_layout.h"

#define KRP_NR_BUCKETS	64

/**
 * struct krp_counts - what one CPU has counted of one function
 * @entered: calls whose entry was seen
 * @returned: calls whose return was seen, and so were timed
 * @total: time from entry to return of those calls, in ticks of the clock,
 *	with the bias
 * @min: the shortest, in ns, without the bias; U64_MAX if there is none
 * @max: the longest, in ns, without the bias
 * @buckets: calls by duration: [0] of 0 and 1 ns, [i] of 2^i to 2^(i+1)-1 ns
 *
 * From @min on there is memory only when histograms are wanted. Written only
 * by its own CPU, with interrupt-safe this_cpu operations; a reader on another
 * CPU may see the fields at slightly different moments.
 */
struct krp_counts {
	u64 entered;
	u64 returned;
	u64 total;
	u64 min;
	u64 max;
	u64 buckets[KRP_NR_BUCKETS];
};

static_assert(offsetof(struct krp_counts, entered) == KRP_ENTERED);
static_assert(offsetof(struct krp_counts, returned) == KRP_RETURNED);
static_assert(offsetof(struct krp_counts, total) == KRP_TOTAL);
static_assert(offsetof(struct krp_counts, min) == KRP_MIN);
static_assert(offsetof(struct krp_counts, max) == KRP_MAX);
static_assert(offsetof(struct krp_counts, buckets) == KRP_BUCKETS);

/* The bucket of a duration in ns. */
static __always_inline unsigned long krp_bucket(u64 ns)
{
	return __fls(ns | 1);
}

struct krp_backend;
struct task_struct;

/**
 * struct krp_base - what had been seen of a function at the last reset
 * @counts: by all CPUs together
 * @missed: calls that were not timed
 */
struct krp_base {
	struct krp_counts counts;
	u64 missed;
};

/**
 * struct krp_func - a function that is profiled
 * @name: its name as the user spelled it
 * @symbol: its name in kallsyms
 * @addr: the address where it can be probed: of its entry, or behind the
 *	landing pad there
 * @args: words that its arguments take, KRP_ARGS_UNKNOWN if nobody said
 * @syscall: it is called as system calls are
 * @maxactive: calls that can be in progress at once, if the backend limits it
 * @backend: how it is probed, or NULL while that is not decided
 * @why: why the next cheaper backend was not taken, or NULL
 * @error: what the last backend that was tried answered
 * @probe: belongs to the backend
 * @bias: ticks that the probe adds to each duration
 * @counts: what was seen so far
 * @base: what was seen up to the last reset
 * @swept: calls in progress that will never be counted as returned
 */
struct krp_func {
	char *name;
	char *symbol;
	unsigned long addr;
	int args;
	bool syscall;
	unsigned int maxactive;
	const struct krp_backend *backend;
	const char *why;
	int error;
	void *probe;
	u64 bias;
	struct krp_counts __percpu *counts;
	struct krp_base *base;
	u64 swept;
};

#define KRP_ARGS_UNKNOWN	-1

/**
 * struct krp_bias - what one kind of probe adds to a duration
 * @probe: the kind
 * @ticks: of the clock
 * @known: whether it was measured
 */
struct krp_bias {
	const char *probe;
	u64 ticks;
	bool known;
};

/**
 * struct krp_backend - a way to probe functions
 * @name: as shown to users
 * @prepare: finds out whether functions can be probed in this way at all.
 *	Returns NULL or why not. May be NULL.
 * @refuses: tells why a function should not be probed in this way, or NULL.
 *	May be NULL.
 * @attach: probes those of the functions that can be, and sets their @backend,
 *	@probe and @bias. Of each other one it sets @error, and @why if users
 *	should know. Returns 0, or an error after which none is probed. Sleeps.
 * @detach: stops probing functions, all of this backend, and frees their
 *	probes. Does not wait for calls that are in progress: they return
 *	unharmed later. Sleeps.
 * @missed: calls that the probe met but could not time. @counts does not
 *	have them.
 * @biases: of the kinds of probe that it has
 * @nr_biases: how many
 */
struct krp_backend {
	const char *name;
	const char *(*prepare)(void);
	const char *(*refuses)(const struct krp_func *f);
	int (*attach)(struct krp_func **funcs, int n);
	void (*detach)(struct krp_func **funcs, int n);
	u64 (*missed)(const struct krp_func *f);
	const struct krp_bias *biases;
	int nr_biases;
};

extern const struct krp_backend krp_direct;
extern const struct krp_backend krp_rethook;
extern const struct krp_backend krp_kretprobe;

/* Parameters of the module, constant once it is loaded. */
extern bool krp_hist;
extern bool krp_calibrate;

/* krp_counts.c: counters and their sums */
struct krp_counts __percpu *krp_counts_alloc(void);
size_t krp_counts_size(void);
void krp_counts_sum(const struct krp_func *f, struct krp_counts *sum);
u64 krp_counts_in_flight(const struct krp_func *f);
void krp_counts_reset(struct krp_func *f);

/* krp_deny.c: functions that cheaper backends leave alone */
const char *krp_denied(const char *symbol);
const char *krp_notes_caller(const char *symbol);

/* krp_calibrate.c: what a probe adds to a duration */
s64 krp_measure_bias(const struct krp_counts __percpu *counts,
		     void (*target)(void));
void krp_target_kretprobe(void);
void krp_target_rethook(void);
void krp_target_direct(void);
void krp_target_syscall(void);

/* krp_code.c: returns in the kernel's code */
extern unsigned long krp_plain_return, krp_skipping_return;
const char *krp_code_prepare(void);
bool krp_may_return(unsigned long addr);
bool krp_has_ftrace_site(unsigned long addr);

/* krp_sweep.c: calls in progress when their trampoline goes away */
void krp_sweep(struct krp_func **funcs, int n, struct krp_func *nobody);

/* krp_hidden.c: return addresses that others keep off the stack */
typedef void (*krp_hidden_fn)(void *data, unsigned long *kept,
			      unsigned long *slot);
void krp_each_hidden(struct task_struct *t, krp_hidden_fn fn, void *data);

#endif /* KPROF_KRP_H */
