// SPDX-License-Identifier: GPL-2.0-only
/*
 * The backend for functions that the direct one must leave alone: ftrace calls
 * a handler from the entry, see krp_hooks.c, and that hooks the return with the
 * kernel's rethook, see rethooks.c. A kretprobe is made of the same parts, and
 * of a kprobe around them, which is a third of what it costs.
 *
 * Calls are in progress when a function is let go, and return much later, when
 * the module may be gone. They need nothing of it. A hooked function returns to
 * arch_rethook_trampoline, in the kernel's own text, which calls
 * rethook_trampoline_handler(). That reads the handler of the rethook; if there
 * is one it reads the data and calls it; and it gives the hook back, to the pool
 * or, if there is no handler any more, to a callback of RCU's that is in the
 * kernel's text too. All of this is one section with preemption off, and
 * rethook_free() takes the handler away. So when synchronize_rcu() has returned
 * after that, no handler is running, none will be called, and nobody has data
 * that he read before: the counters can be freed, and the module. Hooks and
 * rethook are memory of the kernel's, which frees the rethook with the last of
 * its hooks, and not before the same grace period is over. A task that ends
 * in a hooked function gives its hooks back when it is buried. The kernel relies
 * on the same to unregister a kretprobe.
 *
 * The other half is the entry. Whoever finds a probe there does so with
 * preemption off, and it is freed after a grace period in which none was to be
 * found. Text that is preempted before or behind that section is waited for
 * when the ftrace_ops is unregistered, which the last function that leaves
 * brings about.
 *
 * Another function's label may be what a hook keeps: see krp_hidden.c, which
 * finds it in the hooks of each task, whoever made them and whether or not
 * their rethook has been freed.
 *
 * Locking: attach and detach are called under the mutex of krp.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "compat.h"
#include "krp.h"
#include "krp_clock.h"
#include "krp_hooks.h"
#include "krp_record.h"
#include "rethooks.h"
#include "symbols.h"

#ifdef KPROF_HAS_RETHOOK

/**
 * struct probe - a function that is probed
 * @rh: what its return is hooked with
 * @counts: of the function
 * @missed: calls whose return could not be hooked, on each CPU
 * @hook: its entry
 */
struct probe {
	struct rethook *rh;
	struct krp_counts __percpu *counts;
	u64 __percpu *missed;
	struct krp_hook *hook;
};

/* What is kept of each call in progress. */
struct call {
	struct rethook_node node;
	u64 start;
};

static struct krp_bias bias = { .probe = "rethook" };

/*
 * Handlers that are running on this CPU, each but the first in an interrupt of
 * the one before: in a softirq, a hard interrupt, an NMI, and what may fall into
 * that. One more, and a handler has called what it is called from.
 */
static DEFINE_PER_CPU(unsigned int, depth);
#define DEEPEST		5

static __always_inline void hook_return(struct probe *p,
					struct ftrace_regs *fregs, bool tsc)
{
	struct rethook_node *node = NULL;

	if (likely(this_cpu_read(depth) < DEEPEST)) {
		this_cpu_inc(depth);
		node = rethooks_hook_return(p->rh, fregs);
		this_cpu_dec(depth);
	}
	if (unlikely(!node)) {
		this_cpu_inc(*p->missed);
		return;
	}
	this_cpu_inc(p->counts->entered);
	/* Last, so that little of the probe is in the duration. */
	container_of(node, struct call, node)->start = krp_clock(tsc);
}

static __always_inline void enter(unsigned long addr, struct ftrace_ops *ops,
				  struct ftrace_regs *fregs, bool tsc)
{
	struct probe *p;

	preempt_disable_notrace();
	p = krp_hook_data(ops, addr);
	if (likely(p))
		hook_return(p, fregs, tsc);
	preempt_enable_notrace();
}

static notrace void on_entry_tsc(unsigned long addr, unsigned long parent,
				 struct ftrace_ops *ops,
				 struct ftrace_regs *fregs)
{
	enter(addr, ops, fregs, true);
}
NOKPROBE_SYMBOL(on_entry_tsc);

static notrace void on_entry_mono(unsigned long addr, unsigned long parent,
				  struct ftrace_ops *ops,
				  struct ftrace_regs *fregs)
{
	enter(addr, ops, fregs, false);
}
NOKPROBE_SYMBOL(on_entry_mono);

static __always_inline void leave(struct rethook_node *node, void *counts,
				  bool tsc, bool hist)
{
	u64 now = krp_clock(tsc);

	krp_note_return((struct krp_counts __percpu *)(__force unsigned long)counts,
			container_of(node, struct call, node)->start, now,
			&bias, tsc, hist);
}

static notrace KPROF_RETHOOK_HANDLER(on_return_tsc)
{
	leave(node, data, true, false);
}
NOKPROBE_SYMBOL(on_return_tsc);

static notrace KPROF_RETHOOK_HANDLER(on_return_mono)
{
	leave(node, data, false, false);
}
NOKPROBE_SYMBOL(on_return_mono);

static notrace KPROF_RETHOOK_HANDLER(on_return_tsc_hist)
{
	leave(node, data, true, true);
}
NOKPROBE_SYMBOL(on_return_tsc_hist);

static notrace KPROF_RETHOOK_HANDLER(on_return_mono_hist)
{
	leave(node, data, false, true);
}
NOKPROBE_SYMBOL(on_return_mono_hist);

static struct rethook *new_pool(const struct krp_func *f)
{
	static const rethook_handler_t handlers[2][2] = {
		{ on_return_mono, on_return_mono_hist },
		{ on_return_tsc, on_return_tsc_hist },
	};

	return rethooks_new((void *)(__force unsigned long)f->counts,
			    handlers[krp_clock_is_tsc()][krp_hist],
			    sizeof(struct call), f->maxactive);
}

static void free_probe(struct probe *p)
{
	if (!IS_ERR_OR_NULL(p->rh))
		rethooks_free(p->rh);
	free_percpu(p->missed);
	kfree(p);
}

static struct probe *new_probe(const struct krp_func *f)
{
	struct probe *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	p->counts = f->counts;
	p->missed = alloc_percpu(u64);
	if (p->missed)
		p->rh = new_pool(f);
	if (IS_ERR_OR_NULL(p->rh)) {
		free_probe(p);
		return NULL;
	}
	return p;
}

/* Frees the probes of functions that are not, or no longer, hooked. */
static void forget(struct krp_func **funcs, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (funcs[i]->probe)
			free_probe(funcs[i]->probe);
		funcs[i]->probe = NULL;
	}
}

static int join(struct krp_hooks *hooks, struct krp_func *f)
{
	struct probe *p = new_probe(f);

	if (!p)
		return -ENOMEM;
	p->hook = krp_hooks_join(hooks, f->addr, p);
	if (IS_ERR(p->hook)) {
		f->error = PTR_ERR(p->hook);
		f->why = "ftrace refuses to call from it";
		free_probe(p);
		return f->error == -ENOMEM ? -ENOMEM : 0;
	}
	f->probe = p;
	return 0;
}

static void note_started(struct krp_func **funcs, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (!funcs[i]->probe)
			continue;
		funcs[i]->backend = &krp_rethook;
		funcs[i]->bias = bias.ticks;
	}
}

/* As many as it can. Of the others @error is set. */
static int hook(struct krp_func **funcs, int n)
{
	struct krp_hooks *hooks;
	int i, ret = 0;

	hooks = krp_hooks_new(funcs, n, krp_clock_is_tsc() ? on_entry_tsc : on_entry_mono);
	if (!hooks)
		return -ENOMEM;
	for (i = 0; i < n && !ret; i++)
		ret = join(hooks, funcs[i]);
	if (!ret && hooks->live)
		ret = krp_hooks_start(hooks);
	if (!ret && hooks->live) {
		note_started(funcs, n);
		return 0;
	}
	krp_hooks_free(hooks);
	forget(funcs, n);
	for (i = 0; i < n && ret; i++)
		funcs[i]->error = ret;
	return ret == -ENOMEM ? ret : 0;
}

static void rethook_detach(struct krp_func **funcs, int n)
{
	struct krp_hooks *hooks, *next;
	LIST_HEAD(stopped);
	int i;

	for (i = 0; i < n; i++)
		krp_hooks_leave(((struct probe *)funcs[i]->probe)->hook);
	krp_hooks_stop(&stopped);
	/*
	 * For handlers on CPUs that RCU is not watching, which has idle tasks
	 * call from functions on kernels that let those be traced: they get no
	 * hook, but look at the rethook to learn that.
	 */
	synchronize_rcu_tasks_rude();
	for (i = 0; i < n; i++) {
		struct probe *p = funcs[i]->probe;

		rethooks_free(p->rh);
		p->rh = NULL;
	}
	synchronize_rcu();
	forget(funcs, n);
	list_for_each_entry_safe(hooks, next, &stopped, node)
		krp_hooks_free(hooks);
}

/* On a function of ours. */
static int measure_on(struct krp_func *target)
{
	s64 ticks;
	int ret = hook(&target, 1);

	if (ret || !target->backend)
		return ret ?: target->error;
	ticks = krp_measure_bias(target->counts, krp_target_rethook);
	rethook_detach(&target, 1);
	if (ticks < 0)
		return ticks;
	bias.ticks = ticks;
	bias.known = true;
	return 0;
}

/*
 * Before any function is probed, so that its durations are right from the
 * first. A bias that cannot be measured stays in them.
 */
static int measure(void)
{
	struct krp_func target = { .maxactive = 1 };
	int ret;

	target.addr = kprof_function_entry(krp_target_rethook);
	target.counts = krp_counts_alloc();
	if (!target.counts)
		return -ENOMEM;
	ret = measure_on(&target);
	free_percpu(target.counts);
	if (ret)
		pr_warn("calibrate: the bias of a rethook cannot be measured (error %d)\n",
			ret);
	return ret == -ENOMEM ? ret : 0;
}

static int rethook_attach(struct krp_func **funcs, int n)
{
	int ret = 0;

	if (krp_calibrate && !bias.known)
		ret = measure();
	return ret ?: hook(funcs, n);
}

static u64 rethook_missed(const struct krp_func *f)
{
	const struct probe *p = f->probe;
	u64 missed = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		missed += READ_ONCE(*per_cpu_ptr(p->missed, cpu));
	return missed;
}

static const char *rethook_refuses(const struct krp_func *f)
{
	if (!krp_has_ftrace_site(f->addr))
		return "ftrace does not call from it";
	return krp_notes_caller(f->symbol);
}

const struct krp_backend krp_rethook = {
	.name = "rethook",
	.prepare = rethooks_prepare,
	.refuses = rethook_refuses,
	.attach = rethook_attach,
	.detach = rethook_detach,
	.missed = rethook_missed,
	.biases = &bias,
	.nr_biases = 1,
};

#else

static const char *no_rethook(void)
{
	return "this kernel has no rethook";
}

const struct krp_backend krp_rethook = {
	.name = "rethook",
	.prepare = no_rethook,
};

#endif /* KPROF_HAS_RETHOOK */
