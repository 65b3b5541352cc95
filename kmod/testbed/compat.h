/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What older kernels lack, so that the rest of the module reads as if it were
 * written for the newest one only.
 */
#ifndef KPROF_TESTBED_COMPAT_H
#define KPROF_TESTBED_COMPAT_H

#include <linux/version.h>

/* Those between are not known to work: nobody has tried them. */
#if LINUX_VERSION_CODE >> 8 != KERNEL_VERSION(5, 10, 0) >> 8 && \
	LINUX_VERSION_CODE >> 8 != KERNEL_VERSION(6, 1, 0) >> 8 && \
	LINUX_VERSION_CODE >> 8 != KERNEL_VERSION(6, 12, 0) >> 8 && \
	LINUX_VERSION_CODE >> 8 != KERNEL_VERSION(7, 3, 0) >> 8
#error "kprof_testbed.ko supports Linux 5.10, 6.1, 6.12 and 7.3"
#endif

#ifdef __ASSEMBLY__

/* There was no tracking of indirect branches yet. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#define ANNOTATE_NOENDBR
#define ENDBR
#endif

#else /* __ASSEMBLY__ */

#include <linux/completion.h>
#include <linux/ftrace.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/preempt.h>
#include <linux/vmalloc.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
/* Before, kvrealloc() had other arguments, and allocated in its own name. */
#define TB_HAS_VREALLOC
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*fn)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
}

static inline void hrtimer_setup_on_stack(struct hrtimer *timer,
					  enum hrtimer_restart (*fn)(struct hrtimer *),
					  clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init_on_stack(timer, clock, mode);
	timer->function = fn;
}
#endif

/* What vmalloc() jumps to, by the name of this kernel. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define TB_SYM_VMALLOC_NODE	"__vmalloc_node"
#else
#define TB_SYM_VMALLOC_NODE	"__vmalloc_node_noprof"
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#define in_hardirq()			in_irq()
#define kthread_complete_and_exit	complete_and_exit
#define vmalloc_huge			__vmalloc

static inline struct kretprobe *get_kretprobe(struct kretprobe_instance *ri)
{
	return ri->rp;
}

/*
 * Callbacks got all registers, if they asked for them, and were guarded against
 * recursion unless they asked not to be.
 */
#define ftrace_regs			pt_regs

static inline int tb_register_ftrace(struct ftrace_ops *ops)
{
	ops->flags |= FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION_SAFE;
	return register_ftrace_function(ops);
}

#define register_ftrace_function	tb_register_ftrace

/* Not exported; in the place of a filter that is emptied is one for all. */
#define ftrace_free_filter(ops)		ftrace_set_filter(ops, NULL, 0, 1)

/* Direct calls were from one function: here from the one in private. */
static inline int tb_register_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return register_ftrace_direct((unsigned long)ops->private, addr);
}

static inline int tb_unregister_direct(struct ftrace_ops *ops,
				       unsigned long addr, bool free_filters)
{
	int err = unregister_ftrace_direct((unsigned long)ops->private, addr);

	if (free_filters)
		ftrace_free_filter(ops);
	return err;
}

#define register_ftrace_direct		tb_register_direct
#define unregister_ftrace_direct	tb_unregister_direct
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
/* Then the short names were another interface, for one function at a time. */
static inline int tb_unregister_direct(struct ftrace_ops *ops,
				       unsigned long addr, bool free_filters)
{
	int err = unregister_ftrace_direct_multi(ops, addr);

	if (free_filters)
		ftrace_free_filter(ops);
	return err;
}

#define register_ftrace_direct		register_ftrace_direct_multi
#define unregister_ftrace_direct	tb_unregister_direct
#endif

#endif /* __ASSEMBLY__ */
#endif
