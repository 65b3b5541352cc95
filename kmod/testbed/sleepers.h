/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads that sleep inside of functions that can be probed. */
#ifndef KPROF_TESTBED_SLEEPERS_H
#define KPROF_TESTBED_SLEEPERS_H

#include <linux/types.h>

struct task_struct;
struct tb_sleepers;

/**
 * struct tb_sleeper - one thread
 * @all:	the session's sleepers
 * @task:	the thread, referenced
 * @nr:		its number among them, from 0
 * @ns:		how long it sleeps each time
 * @down:	it is where it sleeps; written by the thread
 * @bad:	turns that went wrong; written by the thread
 */
struct tb_sleeper {
	struct tb_sleepers *all;
	struct task_struct *task;
	unsigned long nr;
	u64 ns;
	bool down;
	u64 bad;
};

/* What fits into two registers, and so is returned in them. */
struct tb_pair {
	long lo;
	long hi;
};

void tb_nap(struct tb_sleeper *me);
struct tb_pair tb_sleeper(struct tb_sleeper *me, long a);
struct tb_pair tb_sleeper_deep(struct tb_sleeper *me, long a, long depth);
struct tb_pair tb_sleeper_jump(struct tb_sleeper *me, long a);
struct tb_pair tb_sleeper_landing(struct tb_sleeper *me, long a);
struct tb_pair tb_sleeper_args8(struct tb_sleeper *me, long a, long b, long c,
				long d, long e, long f, long g);
const char *tb_sleeper_shape(const struct tb_sleeper *me);
bool tb_sleeper_turn(struct tb_sleeper *me, long a);

#endif /* KPROF_TESTBED_SLEEPERS_H */
