// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that end inside of a function that can be probed, so that it never
 * returns.
 *
 * No shared state: the threads are gone when their command is done.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "testbed.h"

#define TB_DYING_MAX	10000ULL

/*
 * The threads of one command: each completes @done, and counts in @survived if
 * tb_die() has returned to it.
 */
struct tb_dying {
	struct completion done;
	atomic_long_t survived;
};

/**
 * tb_die() - end the current thread
 * @done: completed before the end
 * @how: which of the ways that the kernel offers to modules: 0 or 1
 *
 * Context: a kernel thread.
 * Return: only for another @how.
 */
noinline __noclone int tb_die(struct completion *done, long how)
{
	switch (how) {
	case 0:
		kthread_complete_and_exit(done, 0);
	case 1:
		__module_get(THIS_MODULE);
		complete(done);
		module_put_and_kthread_exit(0);
	}
	return -EINVAL;
}

static int tb_die_by(struct tb_dying *d, long how)
{
	int ret = tb_die(&d->done, how);

	atomic_long_inc(&d->survived);
	complete(&d->done);
	return ret;
}

static int tb_dying_even(void *arg)
{
	return tb_die_by(arg, 0);
}

static int tb_dying_odd(void *arg)
{
	return tb_die_by(arg, 1);
}

static int tb_dying_run(struct tb_dying *d, struct task_struct **tasks,
			unsigned long count)
{
	unsigned long i, started;
	int err = 0;

	for (started = 0; started < count; started++) {
		struct task_struct *task;

		task = tb_thread(started % 2 ? tb_dying_odd : tb_dying_even, d,
				 "tb_dying", started);
		if (IS_ERR(task)) {
			err = PTR_ERR(task);
			break;
		}
		tasks[started] = task;
		wake_up_process(task);
	}
	/* A thread that is told to stop before it has begun never begins. */
	for (i = 0; i < started; i++)
		wait_for_completion(&d->done);
	for (i = 0; i < started; i++) {
		kthread_stop(tasks[i]);
		put_task_struct(tasks[i]);
	}
	return err;
}

/**
 * tb_cmd_dying() - command "dying N"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * N threads call tb_die(), which ends them, in turn in each of its ways.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_dying(struct tb_session *s, int argc, char **argv)
{
	struct task_struct **tasks;
	struct tb_dying d = {};
	u64 count;
	int err;

	err = tb_number("dying: N", argv[1], 1, TB_DYING_MAX, &count);
	if (err)
		return err;
	tasks = kvmalloc_array(count, sizeof(*tasks), GFP_KERNEL);
	if (!tasks)
		return -ENOMEM;
	init_completion(&d.done);
	err = tb_dying_run(&d, tasks, count);
	kvfree(tasks);
	if (err) {
		pr_err("dying: cannot start all threads: %d\n", err);
		return err;
	}
	tb_print(s, "threads=%llu\ndied=%llu\n", count,
		 count - atomic_long_read(&d.survived));
	return 0;
}
