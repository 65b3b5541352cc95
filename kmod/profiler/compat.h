/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Feature code is written for one kernel interface; what differs between
 * kernel versions is emulated here and nowhere else.
 */
#ifndef KPROF_COMPAT_H
#define KPROF_COMPAT_H

#include <linux/device.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/kernfs.h>
#include <linux/kprobes.h>
#include <linux/seq_file.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0) || \
	LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#error "profiler.ko supports Linux 6.1"
#endif

#if defined(CONFIG_X86_64)
#define KPROF_SYSCALL_PREFIX	"__x64_"
#elif defined(CONFIG_ARM64)
#define KPROF_SYSCALL_PREFIX	"__arm64_"
#else
#error "profiler.ko supports x86-64 and arm64"
#endif

/* The internals of vmalloc() that KMP hooks, by the names of this kernel. */
#define KPROF_SYM_VMALLOC		"vmalloc"
#define KPROF_SYM_VMALLOC_NODE		"__vmalloc_node"
#define KPROF_SYM_VMALLOC_RANGE		"__vmalloc_node_range"

static inline struct class *kprof_class_create(const char *name)
{
	return class_create(THIS_MODULE, name);
}

/* The first argument of the function that an ftrace callback was called for. */
static inline unsigned long kprof_ftrace_arg0(struct ftrace_regs *fregs)
{
	return regs_get_kernel_argument(&fregs->regs, 0);
}

static inline struct kretprobe *kprof_ri_kretprobe(struct kretprobe_instance *ri)
{
	return get_kretprobe(ri);
}

/*
 * A word that belongs to one open of a sysfs file and starts as NULL. A
 * struct file pointer will not do for a key: it is reused after close.
 * sysfs itself leaves kernfs_open_file.priv alone.
 */
static inline void **kprof_open_priv(struct file *file)
{
	struct seq_file *sf = file->private_data;
	struct kernfs_open_file *of = sf->private;

	return &of->priv;
}

#endif /* KPROF_COMPAT_H */
