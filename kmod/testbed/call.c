// SPDX-License-Identifier: GPL-2.0-only
/*
 * Call a system call's function directly, timed, in the caller's own context.
 *
 * No shared state: everything lies in the session or on the stack.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/string.h>

#include "testbed.h"

#define TB_SYSCALL_PREFIX	"__x64_sys_"
#define TB_CALL_BATCH		1024
#define TB_CALLS_MAX		1000000000ULL

struct tb_returns {
	long last;
	u64 errors;
};

/* These do not come back to their caller, or replace its registers. */
static const char * const tb_no_return[] = {
	"__x64_sys_execve", "__x64_sys_execveat", "__x64_sys_exit",
	"__x64_sys_exit_group", "__x64_sys_rt_sigreturn",
};

/**
 * tb_empty_syscall() - the function whose loop is subtracted
 * @regs: ignored
 *
 * Three instructions: the ftrace nop, the clearing of the result, the return.
 *
 * Context: any.
 * Return: 0.
 */
noinline __noclone long tb_empty_syscall(const struct pt_regs *regs)
{
	/* Without a side effect the call would be dropped. */
	asm volatile("");
	return 0;
}

static int tb_check_syscall(const char *name)
{
	if (strlen(name) >= TB_SYSCALL_NAME ||
	    strncmp(name, TB_SYSCALL_PREFIX, strlen(TB_SYSCALL_PREFIX))) {
		pr_err("call: \"%s\" is no " TB_SYSCALL_PREFIX " function\n",
		       name);
		return -EINVAL;
	}
	if (match_string(tb_no_return, ARRAY_SIZE(tb_no_return), name) >= 0) {
		pr_err("call: %s does not return to its caller\n", name);
		return -EINVAL;
	}
	return 0;
}

/*
 * A probe that is registered but never armed tells a symbol's address and
 * leaves the kernel's code alone.
 */
static int tb_resolve(struct tb_session *s, const char *name)
{
	struct kprobe kp = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	int err;

	err = tb_check_syscall(name);
	if (err || !strcmp(s->call_name, name))
		return err;
	err = register_kprobe(&kp);
	if (err) {
		pr_err("call: cannot resolve %s: %d\n", name, err);
		return err;
	}
	s->call_fn = (tb_syscall_fn)kp.addr;
	strscpy(s->call_name, name, sizeof(s->call_name));
	unregister_kprobe(&kp);
	return 0;
}

static int tb_call_args(int argc, char **argv, struct pt_regs *regs)
{
	unsigned long *to[] = { &regs->di, &regs->si, &regs->dx,
				&regs->r10, &regs->r8, &regs->r9 };
	int i;

	for (i = 0; i < ARRAY_SIZE(to); i++) {
		*to[i] = 0;
		if (i >= argc)
			continue;
		if (kstrtoul(argv[i], 0, to[i]) &&
		    kstrtol(argv[i], 0, (long *)to[i])) {
			pr_err("call: A%d is \"%s\", want a number\n", i,
			       argv[i]);
			return -EINVAL;
		}
	}
	return 0;
}

/* One copy for every function, so that the loop's own cost is the same. */
static noinline __noclone void tb_call_loop(tb_syscall_fn fn,
					    const struct pt_regs *regs,
					    unsigned long calls,
					    struct tb_span *sum,
					    struct tb_returns *returns)
{
	struct tb_span at;
	u64 errors = 0;
	long ret = 0;

	tb_span_start(&at);
	while (calls--) {
		ret = fn(regs);
		errors += (u64)ret >> 63;
	}
	tb_span_add(sum, &at);
	returns->last = ret;
	returns->errors += errors;
}

/*
 * The address of a probe is behind the mark for indirect branches, if the
 * function has one. What is compared with it must be called there too.
 */
static tb_syscall_fn tb_behind_mark(tb_syscall_fn fn)
{
	static const u8 mark[] = { 0xf3, 0x0f, 0x1e, 0xfa };	/* endbr64 */
	unsigned long addr = (unsigned long)fn;

	/* Else the sum becomes a relocation, which objtool takes for a mistake. */
	OPTIMIZER_HIDE_VAR(addr);
	if (!memcmp((void *)addr, mark, sizeof(mark)))
		addr += sizeof(mark);
	return (tb_syscall_fn)addr;
}

static int tb_call_run(struct tb_session *s, const struct pt_regs *regs,
		       u64 calls)
{
	struct tb_span sum = {}, loop = {};
	struct tb_returns returns = {}, ignored = {};
	tb_syscall_fn empty = tb_behind_mark(tb_empty_syscall);
	u64 left = calls;

	while (left) {
		unsigned long n = min_t(u64, left, TB_CALL_BATCH);

		tb_call_loop(empty, regs, n, &loop, &ignored);
		tb_call_loop(s->call_fn, regs, n, &sum, &returns);
		left -= n;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	tb_print_timing(s, calls, &sum, &loop);
	tb_print(s, "ret=%ld\nerrors=%llu\n", returns.last, returns.errors);
	return 0;
}

/**
 * tb_cmd_call() - command "call SYMBOL CALLS [A0 [A1 ... A5]]"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * SYMBOL is called as the kernel's entry code would call it, so pointers are
 * the caller's own. The child of a clone or fork made this way starts in user
 * space behind the caller's write() and sees 0 as its result.
 *
 * Return: 0 or a negative errno; -ENOENT for an unknown symbol.
 */
int tb_cmd_call(struct tb_session *s, int argc, char **argv)
{
	struct pt_regs regs = *current_pt_regs();
	u64 calls;
	int err;

	err = tb_number("call: CALLS", argv[2], 1, TB_CALLS_MAX, &calls);
	if (!err)
		err = tb_call_args(argc - 3, argv + 3, &regs);
	if (!err)
		err = tb_resolve(s, argv[1]);
	if (err)
		return err;
	/*
	 * The call may close the file it came through, or create a thread that
	 * does: write() of a single-threaded process holds no reference.
	 */
	get_file(s->file);
	err = tb_call_run(s, &regs, calls);
	fput(s->file);
	return err;
}
