// SPDX-License-Identifier: GPL-2.0-only
/*
 * profiler.ko: how long kernel functions take and how often they run (KRP),
 * and which vmalloc'ed blocks leak (KMP).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>

#include "profiler.h"

/* NULL when the parameter was not given: then only KMP is active. */
static char *funcs;

/*
 * charp refuses more than 1024 characters, which is less than a few dozen
 * symbols; these operations keep a string of any length.
 */
static int funcs_set(const char *val, const struct kernel_param *kp)
{
	char *copy = kstrdup(val, GFP_KERNEL);

	if (!copy)
		return -ENOMEM;
	kfree(funcs);
	funcs = copy;
	return 0;
}

static int funcs_get(char *buf, const struct kernel_param *kp)
{
	return scnprintf(buf, PAGE_SIZE, "%s\n", funcs ? funcs : "");
}

static void funcs_free(void *arg)
{
	kfree(funcs);
	funcs = NULL;
}

static const struct kernel_param_ops funcs_ops = {
	.set = funcs_set,
	.get = funcs_get,
	.free = funcs_free,
};
module_param_cb(funcs, &funcs_ops, NULL, 0444);
MODULE_PARM_DESC(funcs, "kernel functions to profile, separated by commas");

static unsigned int maxactive;
module_param(maxactive, uint, 0444);
MODULE_PARM_DESC(maxactive,
		 "calls of one function that can be in progress at once (0: chosen by the number of functions)");

static int __init profiler_init(void)
{
	int ret;

	ret = kmp_init();
	if (ret)
		return ret;
	ret = krp_init(funcs, maxactive);
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
	krp_exit();
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
	krp_exit();
	kmp_exit();
}

module_init(profiler_init);
module_exit(profiler_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Profiler of kernel functions and of vmalloc'ed memory");
