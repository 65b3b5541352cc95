// SPDX-License-Identifier: GPL-2.0-only
/*
 * profiler.ko: how long kernel functions take and how often they run (KRP),
 * and which vmalloc'ed blocks leak (KMP).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "krp.h"
#include "krp_args.h"
#include "profiler.h"

/*
 * Parameters that are texts of any length; charp refuses more than 1024
 * characters, which is less than a few dozen symbols.
 *
 * Locking: all are guarded by the module's parameter lock, which the kernel
 * takes around the operations below. Until @live they are only kept.
 */
static char *funcs, *args, *backend, *clock;
static bool live;

static int text_get(char *buf, const struct kernel_param *kp)
{
	const char *text = *(char **)kp->arg;

	return scnprintf(buf, PAGE_SIZE, "%s\n", text ?: "");
}

static void text_free(void *arg)
{
	kfree(*(char **)arg);
	*(char **)arg = NULL;
}

/* Keeps the text if @use agrees, or else what was there before. */
static int text_set(const char *val, const struct kernel_param *kp,
		    int (*use)(const char *text))
{
	char *text = kstrdup(val, GFP_KERNEL);
	int ret = 0;

	if (!text)
		return -ENOMEM;
	if (live) {
		strim(text);	/* the newline of echo */
		ret = use(text);
	}
	if (ret) {
		kfree(text);
		return ret;
	}
	text_free(kp->arg);
	*(char **)kp->arg = text;
	return 0;
}

static int use_funcs(const char *text)
{
	return krp_change(text, args);
}

static int funcs_set(const char *val, const struct kernel_param *kp)
{
	return text_set(val, kp, use_funcs);
}

static int args_set(const char *val, const struct kernel_param *kp)
{
	return text_set(val, kp, krp_args_check);
}

static int refuse(const char *text)
{
	return -EPERM;
}

static int word_set(const char *val, const struct kernel_param *kp)
{
	return text_set(val, kp, refuse);
}

#define TEXT_OPS(_name, _set)						\
static const struct kernel_param_ops _name = {				\
	.set = _set,							\
	.get = text_get,						\
	.free = text_free,						\
}

TEXT_OPS(funcs_ops, funcs_set);
TEXT_OPS(args_ops, args_set);
TEXT_OPS(word_ops, word_set);

module_param_cb(funcs, &funcs_ops, &funcs, 0644);
MODULE_PARM_DESC(funcs, "kernel functions to profile, separated by commas");

module_param_cb(args, &args_ops, &args, 0644);
MODULE_PARM_DESC(args,
		 "name:words,name:words: how many 8-byte words the arguments of functions take that are no system calls");

module_param_cb(backend, &word_ops, &backend, 0444);
MODULE_PARM_DESC(backend,
		 "direct, rethook or kretprobe: probe all functions in this way (default: the cheapest that is safe)");

module_param_cb(clock, &word_ops, &clock, 0444);
MODULE_PARM_DESC(clock,
		 "tsc, mono or auto: the clock that durations are measured with (default: auto)");

module_param_named(hist, krp_hist, bool, 0444);
MODULE_PARM_DESC(hist, "also note minimum, maximum and a histogram of durations");

module_param_named(calibrate, krp_calibrate, bool, 0444);
MODULE_PARM_DESC(calibrate,
		 "measure what a probe adds to each duration, and subtract it (default: yes)");

static unsigned int maxactive;
module_param(maxactive, uint, 0444);
MODULE_PARM_DESC(maxactive,
		 "calls of one function that can be in progress at once (0: chosen by the number of functions)");

module_param(kmp_family, bool, 0444);
MODULE_PARM_DESC(kmp_family,
		 "also report what vzalloc(), vmalloc_user(), kvmalloc() and the rest of the family allocate");

module_param_named(ignore_self, memleaks_ignore_self, bool, 0644);
MODULE_PARM_DESC(ignore_self, "pointers to a block that lie in the block itself do not count");

module_param_named(confirm, memleaks_confirm, uint, 0644);
MODULE_PARM_DESC(confirm,
		 "read the range so many times more for blocks to which no pointer was found");

static int start_krp(void)
{
	struct krp_options o = { .maxactive = maxactive };
	int ret;

	kernel_param_lock(THIS_MODULE);
	o.funcs = funcs;
	o.args = args;
	o.backend = backend;
	o.clock = clock;
	ret = krp_init(&o);
	live = !ret;
	kernel_param_unlock(THIS_MODULE);
	return ret;
}

static void stop_krp(void)
{
	kernel_param_lock(THIS_MODULE);
	live = false;
	kernel_param_unlock(THIS_MODULE);
	krp_exit();
}

static int __init profiler_init(void)
{
	int ret;

	ret = kmp_init();
	if (ret)
		return ret;
	ret = start_krp();
	if (ret)
		goto err_kmp;

	/*
	 * After KRP: of several kretprobes on one function the last one
	 * registered sees its caller, and KMP needs it where both probe
	 * the same function.
	 */
	ret = kmp_start();
	if (ret)
		goto err_krp;

	ret = kprof_sysfs_init();
	if (ret)
		goto err_start;
	return 0;

err_start:
	kmp_stop();
err_krp:
	stop_krp();
err_kmp:
	kmp_exit();
	return ret;
}

static void __exit profiler_exit(void)
{
	/* A scan in progress gives up, so that its reader is not waited for. */
	memleaks_stop();
	kprof_sysfs_exit();
	kmp_stop();
	stop_krp();
	kmp_exit();
}

module_init(profiler_init);
module_exit(profiler_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Profiler of kernel functions and of vmalloc'ed memory");
