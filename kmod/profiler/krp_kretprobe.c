// SPDX-License-Identifier: GPL-2.0-only
/*
 * The backend that works everywhere, and costs the most: a kretprobe for each
 * function.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include "compat.h"
#include "krp.h"
#include "krp_clock.h"
#include "krp_record.h"
#include "symbols.h"

struct probe {
	struct kretprobe rp;
	struct krp_counts __percpu *counts;
};

/* What is kept of each call in progress. */
struct stamp {
	u64 start;
	struct krp_counts __percpu *counts;
};

static struct krp_bias bias = { .probe = "kretprobe" };

/* Not traced themselves: the nop for it would be executed in each call. */
static __always_inline int enter(struct kretprobe_instance *ri, bool tsc)
{
	struct probe *p = container_of(kprof_ri_kretprobe(ri), struct probe, rp);
	struct stamp *stamp = (struct stamp *)ri->data;

	stamp->counts = p->counts;
	this_cpu_inc(p->counts->entered);
	/* Last, so that as little of the probe as can be is in the duration. */
	stamp->start = krp_clock(tsc);
	return 0;
}

static __always_inline int leave(struct kretprobe_instance *ri, bool tsc,
				 bool hist)
{
	u64 now = krp_clock(tsc);
	struct stamp *stamp = (struct stamp *)ri->data;

	krp_note_return(stamp->counts, stamp->start, now, &bias, tsc, hist);
	return 0;
}

static notrace int on_entry_tsc(struct kretprobe_instance *ri,
				struct pt_regs *regs)
{
	return enter(ri, true);
}
NOKPROBE_SYMBOL(on_entry_tsc);

static notrace int on_entry_mono(struct kretprobe_instance *ri,
				 struct pt_regs *regs)
{
	return enter(ri, false);
}
NOKPROBE_SYMBOL(on_entry_mono);

static notrace int on_return_tsc(struct kretprobe_instance *ri,
				 struct pt_regs *regs)
{
	return leave(ri, true, false);
}
NOKPROBE_SYMBOL(on_return_tsc);

static notrace int on_return_mono(struct kretprobe_instance *ri,
				  struct pt_regs *regs)
{
	return leave(ri, false, false);
}
NOKPROBE_SYMBOL(on_return_mono);

static notrace int on_return_tsc_hist(struct kretprobe_instance *ri,
				      struct pt_regs *regs)
{
	return leave(ri, true, true);
}
NOKPROBE_SYMBOL(on_return_tsc_hist);

static notrace int on_return_mono_hist(struct kretprobe_instance *ri,
				       struct pt_regs *regs)
{
	return leave(ri, false, true);
}
NOKPROBE_SYMBOL(on_return_mono_hist);

static void pick_handlers(struct kretprobe *rp)
{
	if (krp_clock_is_tsc()) {
		rp->entry_handler = on_entry_tsc;
		rp->handler = krp_hist ? on_return_tsc_hist : on_return_tsc;
	} else {
		rp->entry_handler = on_entry_mono;
		rp->handler = krp_hist ? on_return_mono_hist : on_return_mono;
	}
}

static int probe_func(struct krp_func *f)
{
	struct probe *p = kzalloc(sizeof(*p), GFP_KERNEL);
	int ret;

	if (!p)
		return -ENOMEM;
	p->counts = f->counts;
	p->rp.kp.addr = (kprobe_opcode_t *)f->addr;
	p->rp.data_size = sizeof(struct stamp);
	p->rp.maxactive = f->maxactive;
	pick_handlers(&p->rp);

	ret = register_kretprobe(&p->rp);
	if (ret) {
		kfree(p);
		return ret;
	}
	f->probe = p;
	f->backend = &krp_kretprobe;
	f->bias = bias.ticks;
	return 0;
}

static void kretprobe_detach(struct krp_func **funcs, int n)
{
	struct kretprobe **rps;
	int i;

	/* In one go, for one grace period; if there is no memory, one by one. */
	rps = kvmalloc_array(n, sizeof(*rps), GFP_KERNEL);
	for (i = 0; i < n; i++) {
		struct probe *p = funcs[i]->probe;

		if (rps)
			rps[i] = &p->rp;
		else
			unregister_kretprobe(&p->rp);
	}
	if (rps)
		unregister_kretprobes(rps, n);
	kvfree(rps);

	for (i = 0; i < n; i++) {
		kfree(funcs[i]->probe);
		funcs[i]->probe = NULL;
	}
}

static int note_bias(s64 ticks)
{
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
	struct krp_func target = { .maxactive = 1 }, *f = &target;
	int ret;

	target.addr = kprof_function_entry(krp_target_kretprobe);
	target.counts = krp_counts_alloc();
	if (!target.counts)
		return -ENOMEM;
	ret = probe_func(f);
	if (!ret) {
		ret = note_bias(krp_measure_bias(target.counts,
						 krp_target_kretprobe));
		kretprobe_detach(&f, 1);
	}
	free_percpu(target.counts);
	if (ret)
		pr_warn("calibrate: the bias of a kretprobe cannot be measured (error %d)\n",
			ret);
	return ret == -ENOMEM ? ret : 0;
}

static int kretprobe_attach(struct krp_func **funcs, int n)
{
	int i, ret;

	if (krp_calibrate && !bias.known) {
		ret = measure();
		if (ret)
			return ret;
	}
	for (i = 0; i < n; i++) {
		ret = probe_func(funcs[i]);
		if (ret == -ENOMEM)
			return ret;
		funcs[i]->error = ret;
	}
	return 0;
}

/*
 * Both are calls that were not timed: no instance was free, or the probe was
 * hit while this CPU was busy with another one (an interrupt in a handler).
 */
static u64 kretprobe_missed(const struct krp_func *f)
{
	const struct probe *p = f->probe;

	return (u64)READ_ONCE(p->rp.nmissed) + READ_ONCE(p->rp.kp.nmissed);
}

const struct krp_backend krp_kretprobe = {
	.name = "kretprobe",
	.attach = kretprobe_attach,
	.detach = kretprobe_detach,
	.missed = kretprobe_missed,
	.biases = &bias,
	.nr_biases = 1,
};
