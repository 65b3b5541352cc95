// SPDX-License-Identifier: GPL-2.0-only
/*
 * Releases of blocks, as ftrace sees them: at the entry of vfree().
 *
 * Not by a kprobe: one that is hit in an interrupt, while this CPU is in the
 * handler of another one, is skipped. FTRACE_OPS_FL_PERMANENT keeps
 * `sysctl kernel.ftrace_enabled=0` from switching it off unseen.
 *
 * A compiler may cut vfree() in two and have its neighbours, such as
 * vrealloc(), go straight to the second part. Then that part is where all
 * releases pass. Which it is, is tried out when the module is loaded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "blocks.h"
#include "compat.h"
#include "kmp.h"
#include "symbols.h"

static void notrace on_vfree(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	unsigned long addr = ftrace_regs_get_argument(fregs, 0);

	if (addr)
		blocks_remove(addr);
}
NOKPROBE_SYMBOL(on_vfree);

static struct ftrace_ops free_ops;

static int trace(unsigned long free)
{
	/* Only the deferred way to free does not pass vfree() on all kernels. */
	unsigned long atomic = kprof_symbol_address("vfree_atomic");
	int ret;

	/*
	 * Anew each time: ftrace_free_filter() leaves pointers to what it frees.
	 *
	 * No recursion guard: the callback never gets to vfree(), and the guard
	 * would lose the calls that it takes for recursion.
	 */
	free_ops = (struct ftrace_ops){
		.func = on_vfree,
		.flags = FTRACE_OPS_FL_PERMANENT,
	};
	ret = ftrace_set_filter_ip(&free_ops, free, 0, 0);
	if (!ret && atomic)
		ret = ftrace_set_filter_ip(&free_ops, atomic, 0, 0);
	if (!ret)
		ret = register_ftrace_function(&free_ops);
	if (ret)
		ftrace_free_filter(&free_ops);
	return ret;
}

/* Takes a block of nobody's for one that was seen when it was allocated. */
static void *selftest_block(void)
{
	void *block = vmalloc(PAGE_SIZE);

	if (block)
		blocks_add((unsigned long)block, _THIS_IP_);
	return block;
}

/* Forgets the block, and returns whether that had been done already. */
static bool selftest_gone(void *block)
{
	unsigned long addr = (unsigned long)block, ip;
	bool gone = !blocks_find(addr, &ip);

	if (!gone)
		blocks_remove(addr);
	return gone;
}

static bool sees_vfree(void)
{
	void *block = selftest_block();

	if (!block)
		return false;
	vfree(block);
	return selftest_gone(block);
}

static bool sees_vrealloc(void)
{
	void *block = selftest_block(), *grown;
	bool gone;

	if (!block)
		return false;
	grown = kprof_vrealloc(block, 2 * PAGE_SIZE);
	gone = grown && grown != block && selftest_gone(block);
	vfree(grown ?: block);
	return gone;
}

/**
 * frees_start() - Start to trace releases.
 *
 * With kernel.ftrace_enabled=0 this fails, and while it is in effect the switch
 * cannot be turned.
 *
 * Context: Sleeps. The table of blocks is there.
 * Return: 0, -EBUSY when tracing is switched off, or another error, with a line
 * in the log.
 */
int frees_start(void)
{
	unsigned long shared = kprof_symbol_address(KPROF_SYM_VFREE);
	int ret;

	if (shared && !trace(shared)) {
		if (sees_vfree() && sees_vrealloc())
			return 0;
		frees_stop();
	}
	ret = trace((unsigned long)vfree);
	if (ret)
		pr_err("vfree() cannot be traced (error %d)%s\n", ret,
		       ret == -EBUSY ? ": is kernel.ftrace_enabled 0?" : "");
	else if (!sees_vrealloc())
		pr_warn("what vrealloc() releases is not seen: such blocks stay in the table\n");
	return ret;
}

/**
 * frees_stop() - Stop to trace releases.
 *
 * Context: Sleeps.
 */
void frees_stop(void)
{
	unregister_ftrace_function(&free_ops);
	ftrace_free_filter(&free_ops);
}
