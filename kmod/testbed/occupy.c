// SPDX-License-Identifier: GPL-2.0-only
/*
 * A direct user of ftrace, or what a live patch is to it, one for each session. A
 * function can have one of them only, so that who comes second is refused.
 *
 * Locking: a session's occupation is guarded by the session's lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "regs.h"
#include "testbed.h"

/* A live patch would have the call go on in another function. */
static void notrace tb_patch(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
}

static int tb_register(struct ftrace_ops *ops, bool patch)
{
	if (!patch)
		return register_ftrace_direct(ops, (unsigned long)tb_occupant);
	ops->func = tb_patch;
	ops->flags |= FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY;
	return register_ftrace_function(ops);
}

static int tb_occupy(struct tb_session *s, const char *name, bool patch)
{
	struct kprobe kp = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	struct ftrace_ops *ops;
	int err;

	/* A probe that is never armed tells the address and changes nothing. */
	err = register_kprobe(&kp);
	if (err)
		return err;
	unregister_kprobe(&kp);
	ops = kzalloc(sizeof(*ops), GFP_KERNEL);
	if (!ops)
		return -ENOMEM;
	ops->private = kp.addr;
	err = ftrace_set_filter_ip(ops, (unsigned long)kp.addr, 0, 0);
	if (!err)
		err = tb_register(ops, patch);
	if (err) {
		ftrace_free_filter(ops);
		kfree(ops);
		return err;
	}
	s->occupation = ops;
	return 0;
}

/**
 * tb_occupy_end() - let go of the function that the session occupies
 * @s: session, locked or unused
 *
 * Context: process context, sleeps. Does nothing if there is none.
 */
void tb_occupy_end(struct tb_session *s)
{
	struct ftrace_ops *ops = s->occupation;

	if (!ops)
		return;
	if (ops->func == tb_patch) {
		unregister_ftrace_function(ops);
		ftrace_free_filter(ops);
	} else {
		unregister_ftrace_direct(ops, (unsigned long)tb_occupant, true);
	}
	kfree(ops);
	s->occupation = NULL;
}

/**
 * tb_cmd_occupy() - command "occupy SYMBOL [patch]|off"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Takes a function in place of the one taken before, until the session ends.
 *
 * Return: 0 or a negative errno; -EBUSY if somebody else has taken it.
 */
int tb_cmd_occupy(struct tb_session *s, int argc, char **argv)
{
	int err;

	if (argc == 3 && strcmp(argv[2], "patch")) {
		pr_err("occupy: \"%s\" is not patch\n", argv[2]);
		return -EINVAL;
	}
	tb_occupy_end(s);
	if (!strcmp(argv[1], "off"))
		return 0;
	err = tb_occupy(s, argv[1], argc == 3);
	if (err)
		pr_err("occupy: cannot take %s: %d\n", argv[1], err);
	return err;
}
