// SPDX-License-Identifier: GPL-2.0-only
/*
 * A minimal kretprobe of the testbed's own, one for each session: the same
 * mechanism as profiler.ko's, other code, so that a difference between them
 * is profiler.ko's.
 *
 * Locking: a session's probe is guarded by the session's lock. The counters
 * are per CPU and written by single instructions, so a handler may be
 * interrupted by another one.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "testbed.h"

#define TB_MAXACTIVE	4096

struct tb_refcount {
	u64 entered;
	u64 calls;
	u64 ns;
};

struct tb_refprobe {
	struct kretprobe rp;
	struct tb_refcount __percpu *count;
	char symbol[];
};

static int tb_ref_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct tb_refprobe *ref;

	ref = container_of(get_kretprobe(ri), struct tb_refprobe, rp);
	this_cpu_inc(ref->count->entered);
	*(u64 *)ri->data = ktime_get_mono_fast_ns();
	return 0;
}
NOKPROBE_SYMBOL(tb_ref_entry);

static int tb_ref_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	u64 now = ktime_get_mono_fast_ns();
	struct tb_refprobe *ref;

	ref = container_of(get_kretprobe(ri), struct tb_refprobe, rp);
	this_cpu_inc(ref->count->calls);
	this_cpu_add(ref->count->ns, now - *(u64 *)ri->data);
	return 0;
}
NOKPROBE_SYMBOL(tb_ref_return);

static void tb_refprobe_free(struct tb_refprobe *ref)
{
	free_percpu(ref->count);
	kfree(ref);
}

static struct tb_refprobe *tb_refprobe_alloc(const char *symbol)
{
	struct tb_refprobe *ref;

	ref = kzalloc(struct_size(ref, symbol, strlen(symbol) + 1), GFP_KERNEL);
	if (!ref)
		return NULL;
	strcpy(ref->symbol, symbol);
	ref->count = alloc_percpu(struct tb_refcount);
	if (!ref->count) {
		kfree(ref);
		return NULL;
	}
	ref->rp.kp.symbol_name = ref->symbol;
	ref->rp.entry_handler = tb_ref_entry;
	ref->rp.handler = tb_ref_return;
	ref->rp.data_size = sizeof(u64);
	ref->rp.maxactive = TB_MAXACTIVE;
	return ref;
}

/**
 * tb_refprobe_remove() - take the session's probe away, if it has one
 * @s: session, locked or about to be freed
 *
 * Context: process context, may sleep.
 */
void tb_refprobe_remove(struct tb_session *s)
{
	if (!s->ref)
		return;
	/* Waits for running handlers; calls still asleep no longer reach us. */
	unregister_kretprobe(&s->ref->rp);
	tb_refprobe_free(s->ref);
	s->ref = NULL;
}

/**
 * tb_cmd_refprobe() - command "refprobe SYMBOL" or "refprobe off"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * A new symbol replaces the old one and starts from zero.
 *
 * Return: 0 or a negative errno; -ENOENT for an unknown symbol.
 */
int tb_cmd_refprobe(struct tb_session *s, int argc, char **argv)
{
	struct tb_refprobe *ref;
	int err;

	if (!strcmp(argv[1], "off")) {
		tb_refprobe_remove(s);
		return 0;
	}
	ref = tb_refprobe_alloc(argv[1]);
	if (!ref)
		return -ENOMEM;
	err = register_kretprobe(&ref->rp);
	if (err) {
		pr_err("refprobe: cannot probe %s: %d\n", argv[1], err);
		tb_refprobe_free(ref);
		return err;
	}
	tb_refprobe_remove(s);
	s->ref = ref;
	return 0;
}

/**
 * tb_cmd_refread() - command "refread"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Calls that have not returned yet are only in what was entered.
 *
 * Return: 0, or -ENODEV when the session has no probe.
 */
int tb_cmd_refread(struct tb_session *s, int argc, char **argv)
{
	struct tb_refcount sum = {};
	unsigned long missed;
	int cpu;

	if (!s->ref) {
		pr_err("refread: this session has no refprobe\n");
		return -ENODEV;
	}
	for_each_possible_cpu(cpu) {
		const struct tb_refcount *c = per_cpu_ptr(s->ref->count, cpu);

		sum.entered += READ_ONCE(c->entered);
		sum.calls += READ_ONCE(c->calls);
		sum.ns += READ_ONCE(c->ns);
	}
	/* No free instance, and a probe hit inside another probe's handler. */
	missed = s->ref->rp.nmissed + s->ref->rp.kp.nmissed;
	tb_print(s, "entered=%llu\ncalls=%llu\ntotal_ns=%llu\nmissed=%lu\n",
		 sum.entered, sum.calls, sum.ns, missed);
	return 0;
}
