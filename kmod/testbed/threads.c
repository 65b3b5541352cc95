// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sleepers of a session: threads that stay until they have slept or the
 * session ends.
 *
 * Locking: a session's sleepers are guarded by the session's lock. A sleeper
 * writes only its own fields and the count of those that are left. Threads
 * are referenced and joined by kthread_stop() before their memory is freed
 * and before the session lets go of the module, so none runs in freed text.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "sleepers.h"
#include "testbed.h"

#define TB_SLEEPERS_MAX		20000ULL
#define TB_SLEEPER_MAX_US	600000000ULL
#define TB_TURNS_MAX		1000000ULL

/**
 * struct tb_sleepers - the sleepers of a session
 * @left: how many have not slept all their turns
 * @ended: completed by the last of them
 * @turns: how often each sleeps
 * @count: how many there are
 * @each: one by one
 */
struct tb_sleepers {
	atomic_long_t left;
	struct completion ended;
	u64 turns;
	unsigned long count;
	struct tb_sleeper each[];
};

static int tb_sleeper_thread(void *arg)
{
	struct tb_sleeper *me = arg;
	u64 turn;

	for (turn = 0; turn < me->all->turns && !kthread_should_stop(); turn++)
		if (!tb_sleeper_turn(me, me->nr * 1000 + turn))
			me->bad++;
	if (atomic_long_dec_and_test(&me->all->left))
		complete(&me->all->ended);
	return 0;
}

/**
 * tb_sleepers_stop() - wake the session's sleepers and wait for their end
 * @s: session; nobody else uses it
 *
 * Context: process context, sleeps. Does nothing if there are none.
 */
void tb_sleepers_stop(struct tb_session *s)
{
	struct tb_sleepers *all = s->sleepers;
	unsigned long i;

	if (!all)
		return;
	for (i = 0; i < all->count; i++) {
		kthread_stop(all->each[i].task);
		put_task_struct(all->each[i].task);
	}
	kvfree(all);
	s->sleepers = NULL;
}

/**
 * tb_thread() - make a thread that does not run yet
 * @fn: what it does
 * @arg: for @fn
 * @name: of the thread, with its number behind
 * @nr: the number
 *
 * It is the caller's to wake, to join by kthread_stop(), and to put.
 *
 * Context: process context, sleeps.
 * Return: the thread with a reference, or an error pointer.
 */
struct task_struct *tb_thread(int (*fn)(void *), void *arg, const char *name,
			      unsigned long nr)
{
	struct task_struct *task = kthread_create(fn, arg, "%s/%lu", name, nr);

	if (!IS_ERR(task))
		get_task_struct(task);
	return task;
}

static int tb_sleepers_start(struct tb_sleepers *all, unsigned long count,
			     u64 ns)
{
	for (; all->count < count; all->count++) {
		struct tb_sleeper *me = &all->each[all->count];

		me->all = all;
		me->nr = all->count;
		me->ns = ns;
		me->task = tb_thread(tb_sleeper_thread, me, "tb_sleeper",
				     me->nr);
		if (IS_ERR(me->task))
			return PTR_ERR(me->task);
		wake_up_process(me->task);
	}
	return 0;
}

static int tb_sleepers_new(struct tb_session *s, int argc, char **argv)
{
	struct tb_sleepers *all;
	u64 count, us, turns = 1;
	int err;

	err = tb_number("sleepers: N", argv[1], 1, TB_SLEEPERS_MAX, &count);
	if (!err)
		err = tb_number("sleepers: US", argv[2], 1, TB_SLEEPER_MAX_US,
				&us);
	if (!err && argc > 3)
		err = tb_number("sleepers: TURNS", argv[3], 1, TB_TURNS_MAX,
				&turns);
	if (err)
		return err;
	if (s->sleepers) {
		pr_err("sleepers: this session has some, wait for them\n");
		return -EBUSY;
	}
	all = kvzalloc(struct_size(all, each, count), GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	atomic_long_set(&all->left, count);
	init_completion(&all->ended);
	all->turns = turns;
	s->sleepers = all;
	err = tb_sleepers_start(all, count, us * NSEC_PER_USEC);
	if (err) {
		pr_err("sleepers: cannot start number %lu: %d\n", all->count,
		       err);
		tb_sleepers_stop(s);
	}
	return err;
}

/*
 * Neither running nor waiting for a processor, and where it sleeps. Threads
 * that have marked the place and are about to sleep do not count.
 */
static bool tb_is_asleep(const struct tb_sleeper *me)
{
	return READ_ONCE(me->down) && !READ_ONCE(me->task->on_rq);
}

static int tb_sleepers_state(struct tb_session *s)
{
	struct tb_sleepers *all = s->sleepers;
	unsigned long i, asleep = 0;

	for (i = 0; i < all->count; i++)
		asleep += tb_is_asleep(&all->each[i]);
	tb_print(s, "threads=%lu\nasleep=%lu\nended=%lu\n", all->count, asleep,
		 all->count - atomic_long_read(&all->left));
	return 0;
}

static int tb_sleepers_list(struct tb_session *s)
{
	struct tb_sleepers *all = s->sleepers;
	unsigned long i;

	for (i = 0; i < all->count; i++) {
		struct tb_sleeper *me = &all->each[i];

		tb_print(s, "%d %s %s\n", me->task->pid, tb_sleeper_shape(me),
			 tb_is_asleep(me) ? "asleep" : "awake");
	}
	return 0;
}

static int tb_sleepers_wait(struct tb_session *s)
{
	struct tb_sleepers *all = s->sleepers;
	unsigned long i, bad = 0;

	if (wait_for_completion_killable(&all->ended))
		return -EINTR;
	for (i = 0; i < all->count; i++)
		bad += all->each[i].bad > 0;
	tb_print(s, "threads=%lu\nok=%lu\nbad=%lu\n", all->count,
		 all->count - bad, bad);
	tb_sleepers_stop(s);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct tb_session *s);
} tb_sleepers_words[] = {
	{ "state", tb_sleepers_state },
	{ "list", tb_sleepers_list },
	{ "wait", tb_sleepers_wait },
};

/**
 * tb_cmd_sleepers() - command "sleepers N US [TURNS] | state | list | wait"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Starts N threads, each of which sleeps US microseconds inside of the
 * functions of sleepers.c, TURNS times; tells how many sleep, or which; or
 * waits for all and tells how many found everything as it should be. Those of
 * a session that ends are woken early and waited for.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_sleepers(struct tb_session *s, int argc, char **argv)
{
	int i;

	if (argc > 2)
		return tb_sleepers_new(s, argc, argv);
	for (i = 0; i < ARRAY_SIZE(tb_sleepers_words); i++) {
		if (strcmp(argv[1], tb_sleepers_words[i].name))
			continue;
		if (s->sleepers)
			return tb_sleepers_words[i].run(s);
		pr_err("sleepers: this session has none\n");
		return -ENODEV;
	}
	pr_err("sleepers: \"%s\" is none of N US [TURNS], state, list, wait\n",
	       argv[1]);
	return -EINVAL;
}
