// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocations by all of the vmalloc() family: vzalloc(), vmalloc_user(),
 * kvmalloc() where it falls back, and the others.
 *
 * All of them end in __vmalloc_node_range(). So do those that are not wanted:
 * the stacks of threads, the text of modules and of BPF programs, memory for
 * maps. What tells them apart is which function called it, and that is known
 * from where it returns to. Whom the kernel shows in /proc/vmallocinfo is its
 * last argument; a kretprobe there does not spoil it, as one on a function that
 * looks for its own caller would.
 *
 * The page array of a large block is allocated by __vmalloc_node_range() itself
 * and in the name of the same caller: that is how it is known. (Memory that is
 * reclaimed meanwhile may lead here again too, but for somebody else.)
 *
 * Whether this compiler has left calls where they can be told by is tried out
 * when the module is loaded.
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "blocks.h"
#include "compat.h"
#include "kmp.h"
#include "resolve.h"
#include "symbols.h"

/* Calls that can be in progress at once. */
#define MAX_ACTIVE	4096

/* Words on the stack before the last argument: where it returns to, and two. */
#define CALLER_WORD	3

/*
 * Those that call __vmalloc_node_range() come first. Most others jump to
 * __vmalloc_node(), unless a compiler makes that a part of them.
 */
static const char *const names[] = {
	KPROF_SYM_VMALLOC_NODE,
	KPROF_SYM_KVMALLOC,
	KPROF_SYM_ALLOC("vmalloc_user"),
	KPROF_SYM_ALLOC("vmalloc_32_user"),
	KPROF_SYM_VMALLOC_HUGE,
	KPROF_SYM_VMALLOC,
	KPROF_SYM_ALLOC("vzalloc"),
	KPROF_SYM_ALLOC("vmalloc_node"),
	KPROF_SYM_ALLOC("vzalloc_node"),
	KPROF_SYM_ALLOC("vmalloc_32"),
	KPROF_SYM_ALLOC("__vmalloc"),
	KPROF_SYM_VREALLOC,
};

struct text {
	unsigned long start;
	unsigned long size;
};

static struct text members[ARRAY_SIZE(names)];
static unsigned int nr_members;

static __always_inline bool is_in(const struct text *t, unsigned long ip)
{
	return ip - t->start < t->size;
}

static bool is_in_family(unsigned long ip)
{
	unsigned int i;

	for (i = 0; i < nr_members; i++)
		if (is_in(&members[i], ip))
			return true;
	return false;
}
NOKPROBE_SYMBOL(is_in_family);

static struct text text_from(unsigned long start)
{
	return (struct text){ start, kprof_symbol_rest(start) };
}

/**
 * struct family_call - what is kept of a call until it returns
 * @noted: the caller, as the kernel notes it
 * @caller: the caller, or 0 if it is not wanted
 */
struct family_call {
	unsigned long noted;
	unsigned long caller;
};

static struct family_call *call_of(struct rethook_node *node)
{
	struct kretprobe_instance *ri;

	ri = container_of(node, struct kretprobe_instance, node);
	return (void *)ri->data;
}
NOKPROBE_SYMBOL(call_of);

/*
 * A member on which somebody has a kretprobe takes the trampoline for its
 * caller. That is in the place of all return addresses of such functions; the
 * real ones are kept with the calls, the innermost first.
 */
static unsigned long real_caller(unsigned long noted)
{
	struct rethook_node *node;

	llist_for_each_entry(node, current->rethooks.first, llist) {
		if (*(unsigned long *)node->frame != noted)
			return noted;
		if (node->ret_addr != noted && !is_in_family(node->ret_addr))
			return node->ret_addr;
	}
	return noted;
}
NOKPROBE_SYMBOL(real_caller);

/* Whether this task is in the function already, in the name of the same. */
static bool is_nested(const struct rethook *probe, unsigned long noted)
{
	struct rethook_node *node;

	llist_for_each_entry(node, current->rethooks.first, llist)
		if (node->rethook == probe)
			return call_of(node)->noted == noted;
	return false;
}
NOKPROBE_SYMBOL(is_nested);

/*
 * Later kernels allocate the stacks of threads by a member. Nothing else that
 * comes that way is aligned to more than a page.
 */
static bool is_stack(struct pt_regs *regs)
{
	return regs_get_kernel_argument(regs, 1) > PAGE_SIZE;
}
NOKPROBE_SYMBOL(is_stack);

/* Returns 0 if the return of this call is noted. It is in no list yet. */
static int on_range(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct family_call *call = (void *)ri->data;

	call->noted = ((unsigned long *)regs->sp)[CALLER_WORD];
	if (is_nested(ri->node.rethook, call->noted))
		return 1;
	call->caller = is_stack(regs) ? 0 : real_caller(call->noted);
	return 0;
}
NOKPROBE_SYMBOL(on_range);

static int on_range_returned(struct kretprobe_instance *ri,
			     struct pt_regs *regs)
{
	const struct family_call *call = (void *)ri->data;
	unsigned long addr = regs_return_value(regs);

	/* Only here is it resolved through all other kretprobes. */
	if (addr && call->caller && is_in_family(instruction_pointer(regs)))
		blocks_add(addr, call->caller);
	return 0;
}
NOKPROBE_SYMBOL(on_range_returned);

static struct kretprobe range_probe;

static int trace_range(void)
{
	memset(&range_probe, 0, sizeof(range_probe));
	range_probe.kp.symbol_name = KPROF_SYM_VMALLOC_RANGE;
	range_probe.entry_handler = on_range;
	range_probe.handler = on_range_returned;
	range_probe.data_size = sizeof(struct family_call);
	range_probe.maxactive = MAX_ACTIVE;
	return register_kretprobe(&range_probe);
}

static int find_members(void)
{
	struct kprof_lookup lookups[ARRAY_SIZE(names)] = {};
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		lookups[i].name = names[i];
	ret = kprof_resolve(lookups, ARRAY_SIZE(names));
	nr_members = 0;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!ret && !lookups[i].error)
			members[nr_members++] = text_from(lookups[i].addr);
		kfree(lookups[i].symbol);
	}
	return ret;
}

/* A function for each, as the caller that the kernel is to find. */
#define SELFTEST_SITE(name, alloc)					\
static noinline void *selftest_##name(void)				\
{									\
	void *block = alloc;						\
									\
	/* Not a jump: it would hide this function. */			\
	OPTIMIZER_HIDE_VAR(block);					\
	return block;							\
}

SELFTEST_SITE(vmalloc, vmalloc(PAGE_SIZE))
SELFTEST_SITE(vzalloc, vzalloc(PAGE_SIZE))
SELFTEST_SITE(vmalloc_user, vmalloc_user(PAGE_SIZE))
SELFTEST_SITE(vmalloc_32_user, vmalloc_32_user(PAGE_SIZE))
SELFTEST_SITE(vmalloc_huge, vmalloc_huge(PAGE_SIZE, GFP_KERNEL))
/* Too much for kmalloc(), and so much that there is a page array. */
SELFTEST_SITE(kvmalloc, kvmalloc(KMALLOC_MAX_SIZE + PAGE_SIZE, GFP_KERNEL))

typedef void *(*selftest_site)(void);

static const selftest_site selftest_sites[] = {
	selftest_vmalloc, selftest_vzalloc, selftest_vmalloc_user,
	selftest_vmalloc_32_user, selftest_vmalloc_huge, selftest_kvmalloc,
};

/* How many blocks were allocated there. */
static int count_from(const struct text *site)
{
	struct live_block *blocks;
	u64 generation;
	size_t nr, i;
	int found = 0;

	if (blocks_snapshot(&blocks, &nr, &generation))
		return 0;
	for (i = 0; i < nr; i++)
		found += is_in(site, blocks[i].ip);
	kvfree(blocks);
	return found;
}

/* Whether a block is seen, as the only one of its caller, and its release. */
static bool selftest_one(selftest_site site)
{
	struct text text = text_from((unsigned long)site);
	void *block = site();
	unsigned long ip = 0;
	bool seen, gone;

	if (!block)
		return false;
	seen = blocks_find((unsigned long)block, &ip) && is_in(&text, ip) &&
	       count_from(&text) == 1;
	kvfree(block);
	gone = !blocks_find((unsigned long)block, &ip);
	return seen && gone;
}

static bool selftest(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(selftest_sites); i++)
		if (!selftest_one(selftest_sites[i]))
			return false;
	return true;
}

/**
 * family_start() - Start to trace the allocations of the family.
 *
 * Context: Sleeps. Releases are traced already.
 * Return: 0, -EOPNOTSUPP when the self-test fails, or another error. Nothing is
 * traced then.
 */
int family_start(void)
{
	int ret;

	ret = find_members();
	if (ret)
		return ret;
	ret = trace_range();
	if (ret)
		return ret;
	if (selftest())
		return 0;
	family_stop();
	return -EOPNOTSUPP;
}

/**
 * family_stop() - Stop to trace the allocations of the family.
 *
 * Context: Sleeps.
 */
void family_stop(void)
{
	unregister_kretprobe(&range_probe);
}

/**
 * family_missed() - Tell how many allocations the probe has missed.
 *
 * Context: Any.
 */
u64 family_missed(void)
{
	return (u64)READ_ONCE(range_probe.nmissed) +
	       READ_ONCE(range_probe.kp.nmissed);
}
