// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that sleep with the start of a block on their stacks: where they will
 * read it again, or only where they once did.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "testbed.h"

/**
 * struct tb_holder - a thread that holds a block
 * @task: the thread
 * @page: the block's page, never its address
 * @old: it held the block in a function that has returned
 * @word: where the start lies on its stack, >> 3
 * @placed: the start is on its stack
 */
struct tb_holder {
	struct task_struct *task;
	unsigned long page;
	bool old;
	unsigned long word;
	struct completion placed;
};

/* More than what a thread that goes to sleep needs of its stack. */
static noinline void tb_hold_for_a_moment(unsigned long page)
{
	unsigned long words[192];
	int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = page << PAGE_SHIFT;
	barrier_data(words);
}

static int tb_hold(void *data)
{
	struct tb_holder *h = data;
	unsigned long word;

	if (h->old)
		tb_hold_for_a_moment(h->page);
	word = h->old ? 0 : h->page << PAGE_SHIFT;
	barrier_data(&word);
	h->word = (unsigned long)&word >> 3;
	complete(&h->placed);
	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	/* Until here it lies in memory, of which the compiler knows no user. */
	barrier_data(&word);
	return 0;
}

/**
 * tb_holder_start() - have a thread hold the start of a block
 * @page: the block's page
 * @old: in a function that has returned by the time that the thread sleeps
 *
 * Context: process context.
 * Return: the thread's holder, or an error pointer.
 */
struct tb_holder *tb_holder_start(unsigned long page, bool old)
{
	struct tb_holder *h = kzalloc(sizeof(*h), GFP_KERNEL);
	struct task_struct *task;

	if (!h)
		return ERR_PTR(-ENOMEM);
	h->page = page;
	h->old = old;
	init_completion(&h->placed);
	task = kthread_run(tb_hold, h, "tb_holder");
	if (IS_ERR(task)) {
		kfree(h);
		return ERR_CAST(task);
	}
	h->task = task;
	wait_for_completion(&h->placed);
	return h;
}

/**
 * tb_holder_word() - tell where a thread holds the start of a block
 * @h: from tb_holder_start(), which was told that it is not old
 *
 * Return: the address of the word >> 3.
 */
unsigned long tb_holder_word(const struct tb_holder *h)
{
	return h->word;
}

/**
 * tb_holder_stop() - end a thread that holds a block
 * @h: from tb_holder_start()
 *
 * Context: process context.
 */
void tb_holder_stop(struct tb_holder *h)
{
	kthread_stop(h->task);
	kfree(h);
}
