// SPDX-License-Identifier: GPL-2.0-only
/* The backend that works everywhere: a kretprobe for each function. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include "compat.h"
#include "krp.h"

struct probe {
	struct kretprobe rp;
	struct krp_counts __percpu *counts;
};

/* What is kept of each call in progress. */
struct stamp {
	u64 start;
};

static int on_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct probe *p = container_of(kprof_ri_kretprobe(ri), struct probe, rp);
	struct stamp *stamp = (struct stamp *)ri->data;

	this_cpu_inc(p->counts->entered);
	/* Last, so that as little of the probe as can be is in the duration. */
	stamp->start = krp_clock();
	return 0;
}
NOKPROBE_SYMBOL(on_entry);

static int on_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	u64 now = krp_clock();
	struct probe *p = container_of(kprof_ri_kretprobe(ri), struct probe, rp);
	struct stamp *stamp = (struct stamp *)ri->data;
	s64 elapsed = now - stamp->start;

	/*
	 * The fast clock may step back a little when it is adjusted. The call
	 * counts all the same, and takes no time rather than 2^64 ns.
	 */
	if (elapsed > 0)
		this_cpu_add(p->counts->total, elapsed);
	this_cpu_inc(p->counts->returned);
	return 0;
}
NOKPROBE_SYMBOL(on_return);

static int kretprobe_attach(struct krp_func *f)
{
	struct probe *p;
	int ret;

	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return -ENOMEM;
	p->counts = f->counts;
	p->rp.kp.symbol_name = f->symbol;
	p->rp.entry_handler = on_entry;
	p->rp.handler = on_return;
	p->rp.data_size = sizeof(struct stamp);
	p->rp.maxactive = f->maxactive;

	ret = register_kretprobe(&p->rp);
	if (ret) {
		kfree(p);
		return ret;
	}
	f->addr = (unsigned long)p->rp.kp.addr;
	f->probe = p;
	return 0;
}

static void kretprobe_detach(struct krp_func **funcs, int n)
{
	struct kretprobe **rps;
	int i;

	/* In one go, for one grace period; if there is no memory, one by one. */
	rps = kmalloc_array(n, sizeof(*rps), GFP_KERNEL);
	for (i = 0; i < n; i++) {
		struct probe *p = funcs[i]->probe;

		if (rps)
			rps[i] = &p->rp;
		else
			unregister_kretprobe(&p->rp);
	}
	if (rps)
		unregister_kretprobes(rps, n);
	kfree(rps);

	for (i = 0; i < n; i++) {
		kfree(funcs[i]->probe);
		funcs[i]->probe = NULL;
	}
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
};
