// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks on vmalloc() and vfree() that do nothing: what is left of the cost of
 * tracing them when nothing is noted. They are of the kinds that profiler.ko
 * uses, at the same places.
 *
 * Locking: tb_hooks_lock guards whether they are there.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "testbed.h"

#define TB_HOOKS_ACTIVE	4096

static DEFINE_MUTEX(tb_hooks_lock);
static struct kretprobe tb_alloc_hook;
static bool tb_hooked;

static int tb_on_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return 0;
}
NOKPROBE_SYMBOL(tb_on_return);

static void notrace tb_on_vfree(unsigned long ip, unsigned long parent_ip,
				struct ftrace_ops *ops,
				struct ftrace_regs *fregs)
{
}
NOKPROBE_SYMBOL(tb_on_vfree);

/* Once its filter is freed it cannot be used again. */
static struct ftrace_ops tb_free_hook = { .func = tb_on_vfree };

static int tb_hook_vfree(void)
{
	int err;

	err = ftrace_set_filter_ip(&tb_free_hook, (unsigned long)vfree, 0, 0);
	return err ? err : register_ftrace_function(&tb_free_hook);
}

static int tb_hooks_on(void)
{
	int err;

	if (tb_hooked)
		return 0;
	err = tb_hook_vfree();
	if (err)
		return err;
	memset(&tb_alloc_hook, 0, sizeof(tb_alloc_hook));
	tb_alloc_hook.kp.symbol_name = TB_SYM_VMALLOC_NODE;
	tb_alloc_hook.handler = tb_on_return;
	tb_alloc_hook.maxactive = TB_HOOKS_ACTIVE;
	err = register_kretprobe(&tb_alloc_hook);
	if (err)
		unregister_ftrace_function(&tb_free_hook);
	tb_hooked = !err;
	return err;
}

static void tb_hooks_off(void)
{
	if (!tb_hooked)
		return;
	unregister_kretprobe(&tb_alloc_hook);
	unregister_ftrace_function(&tb_free_hook);
	tb_hooked = false;
}

/**
 * tb_cmd_hooks() - command "hooks on|off"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * The hooks belong to the module, as blocks do. Setting them where they are, and
 * taking them away where they are not, is no error.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_hooks(struct tb_session *s, int argc, char **argv)
{
	bool off = !strcmp(argv[1], "off");
	int err = 0;

	if (!off && strcmp(argv[1], "on")) {
		pr_err("hooks: \"%s\" is neither on nor off\n", argv[1]);
		return -EINVAL;
	}
	mutex_lock(&tb_hooks_lock);
	if (off)
		tb_hooks_off();
	else
		err = tb_hooks_on();
	mutex_unlock(&tb_hooks_lock);
	if (err)
		pr_err("hooks: cannot set them: %d\n", err);
	return err;
}

/**
 * tb_hooks_exit() - take the hooks away
 *
 * Context: module exit, no session is left.
 */
void tb_hooks_exit(void)
{
	tb_hooks_off();
	ftrace_free_filter(&tb_free_hook);
}
