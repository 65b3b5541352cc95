// SPDX-License-Identifier: GPL-2.0-only
/*
 * The backend that costs a twentieth of a kretprobe: ftrace calls a trampoline
 * of ours from the function's entry, see krp_trampolines.S.
 *
 * Functions are hooked in groups, see krp_group.c. When they are unhooked, calls
 * that are in progress are let go, see krp_sweep.c.
 *
 * Locking: attach and detach are called under the mutex of krp.c, which guards
 * all here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "compat.h"
#include "krp.h"
#include "krp_clock.h"
#include "krp_direct.h"
#include "krp_group.h"
#include "symbols.h"

u64 krp_bias_any, krp_bias_syscall;

/* Words of arguments that fit into registers. */
#define MOST_ARGS	6

/* How a trampoline differs from the others: for any function, for system calls. */
enum kind { ANY, SYSCALL, NR_KINDS };

static struct krp_bias biases[NR_KINDS] = {
	[ANY] = { .probe = "direct" },
	[SYSCALL] = { .probe = "direct-syscall" },
};

static void (*const targets[NR_KINDS])(void) = {
	[ANY] = krp_target_direct,
	[SYSCALL] = krp_target_syscall,
};

/* By histogram, kind and table. */
static const u8 *const trampolines[2][NR_KINDS][KRP_TABLES] = {
	{ { krp_any0, krp_any1 }, { krp_syscall0, krp_syscall1 } },
	{ { krp_any_hist0, krp_any_hist1 }, { krp_syscall_hist0, krp_syscall_hist1 } },
};

static enum kind kind_of(const struct krp_func *f)
{
	return f->syscall ? SYSCALL : ANY;
}

static const char *direct_prepare(void)
{
	if (!krp_clock_is_tsc())
		return "the clock is not the TSC";
	return kprof_why_no_direct() ?: krp_code_prepare();
}

static const char *direct_refuses(const struct krp_func *f)
{
	if (!krp_has_ftrace_site(f->addr))
		return "ftrace does not call from it";
	if (f->args == KRP_ARGS_UNKNOWN)
		return "nobody said in args how many arguments it takes";
	if (f->args > MOST_ARGS)
		return "it takes arguments on the stack";
	if (!krp_may_return(f->addr))
		return "it does not return";
	return krp_denied(f->symbol);
}

/* A function of ours, on which the bias of a kind of probe is measured. */
static struct krp_func *new_target(enum kind kind)
{
	struct krp_func *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	f->counts = krp_counts_alloc();
	if (!f->counts) {
		kfree(f);
		return NULL;
	}
	f->addr = kprof_function_entry(targets[kind]);
	return f;
}

/*
 * The target stays in its group, because to take it off would take another
 * grace period. It is called no more.
 */
static void retire_target(struct krp_func *f)
{
	krp_leave_quietly(f);
	free_percpu(f->counts);
	kfree(f);
}

static int calibrate(struct krp_func *target, enum kind kind)
{
	s64 ticks;

	if (!target->backend)
		return 0;
	ticks = krp_measure_bias(target->counts, targets[kind]);
	if (ticks < 0)
		return ticks;
	biases[kind].ticks = ticks;
	biases[kind].known = true;
	krp_bias_any = biases[ANY].ticks;
	krp_bias_syscall = biases[SYSCALL].ticks;
	return 0;
}

/*
 * Hooks functions of one kind, and with the first of them what tells the bias.
 * What they counted before it was known is forgotten.
 */
static int attach_calibrated(struct krp_func **funcs, int n, enum kind kind)
{
	struct krp_func *target = NULL;
	int i, ret;

	if (krp_calibrate && !biases[kind].known) {
		target = new_target(kind);
		if (!target)
			return -ENOMEM;
		funcs[n++] = target;
	}
	ret = krp_hook(funcs, n, trampolines[krp_hist][kind]);
	if (target && !ret)
		ret = calibrate(target, kind);
	for (i = 0; i < n; i++) {
		if (funcs[i] == target || !funcs[i]->backend)
			continue;
		funcs[i]->bias = biases[kind].ticks;
		if (target)
			krp_counts_reset(funcs[i]);
	}
	if (target)
		retire_target(target);
	return ret;
}

/* Returns when all tasks that were inside a trampoline have left it. */
static void wait_for_trampolines(void)
{
	synchronize_rcu_tasks_rude();
	synchronize_rcu_tasks();
}

static bool all_returned(struct krp_func **funcs, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (krp_counts_in_flight(funcs[i]))
			return false;
	return !krp_counts_in_flight(&krp_nobody);
}

#define SWEEPS		3
#define SWEEP_PAUSE_MS	20

/*
 * A task that has reaped itself is in no list any more, and a sweep does not
 * see it; should it sleep in a function that is left, it is given time to
 * return. A task that has ended inside a function never does.
 */
static void let_go(struct krp_func **funcs, int n)
{
	int i;

	wait_for_trampolines();
	for (i = 0; i < SWEEPS; i++) {
		krp_sweep(funcs, n, &krp_nobody);
		wait_for_trampolines();
		if (all_returned(funcs, n))
			break;
		msleep(SWEEP_PAUSE_MS);
	}
}

/* A target may be alone in its group, because nothing else could be hooked. */
static void end_unused_groups(void)
{
	LIST_HEAD(ended);

	krp_unhook(NULL, 0, &ended);
	if (list_empty(&ended))
		return;
	wait_for_trampolines();
	krp_end_groups(NULL, 0, &ended);
}

static int direct_attach(struct krp_func **funcs, int n)
{
	struct krp_func **these;
	int i, nr, kind, ret = krp_groups_open();

	if (ret)
		return ret;
	for (i = 0; i < n; i++)
		if (krp_rejoin(funcs[i]))
			funcs[i]->bias = biases[kind_of(funcs[i])].ticks;
	/* With room for a target. */
	these = kvmalloc_array(n + 1, sizeof(*these), GFP_KERNEL);
	if (!these)
		ret = -ENOMEM;
	for (kind = 0; kind < NR_KINDS && !ret; kind++) {
		for (i = 0, nr = 0; i < n; i++)
			if (!funcs[i]->backend && kind_of(funcs[i]) == kind)
				these[nr++] = funcs[i];
		if (nr)
			ret = attach_calibrated(these, nr, kind);
	}
	kvfree(these);
	end_unused_groups();
	krp_groups_close();
	return ret;
}

static void direct_detach(struct krp_func **funcs, int n)
{
	LIST_HEAD(ended);

	krp_unhook(funcs, n, &ended);
	let_go(funcs, n);
	krp_end_groups(funcs, n, &ended);
	krp_groups_close();
}

/* Whoever enters is counted, and whoever returns is timed. */
static u64 direct_missed(const struct krp_func *f)
{
	return 0;
}

const struct krp_backend krp_direct = {
	.name = "direct",
	.prepare = direct_prepare,
	.refuses = direct_refuses,
	.attach = direct_attach,
	.detach = direct_detach,
	.missed = direct_missed,
	.biases = biases,
	.nr_biases = ARRAY_SIZE(biases),
};
