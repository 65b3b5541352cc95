/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kprof_testbed: the companion of profiler.ko that provides truth.
 *
 * Functions whose cost is known, and vmalloc() blocks whose pointers lie in
 * known places, so that what profiler.ko reports can be held against
 * something that did not come from profiler.ko.
 */
#ifndef KPROF_TESTBED_H
#define KPROF_TESTBED_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <linux/types.h>
#include <asm/tsc.h>

#include "compat.h"

struct completion;
struct file;
struct ftrace_ops;
struct hrtimer;
struct pt_regs;
struct tb_batch;
struct tb_refprobe;
struct tb_region;
struct tb_sleepers;

typedef long (*tb_syscall_fn)(const struct pt_regs *regs);

/* No __x64_sys_ name comes near this; longer ones are refused. */
#define TB_SYSCALL_NAME	64

/**
 * struct tb_session - one open file of the device
 * @lock:	held while a command or a read of this file runs
 * @owner:	who holds @lock, so that a command that reaches its own file
 *		(call __x64_sys_read ...) fails instead of waiting for itself
 * @file:	the open file
 * @text:	result of the last command, kvmalloc'ed, @len of @size bytes used
 * @len:	bytes of result
 * @size:	bytes allocated
 * @text_err:	first failure to append to @text
 * @dump:	region that reads return instead of @text, or NULL
 * @ref:	this session's reference probe, or NULL
 * @sleepers:	this session's sleeping threads, or NULL
 * @occupation:	how this session occupies a function, or NULL
 * @batch:	this session's batch of blocks, or NULL
 * @call_name:	symbol that @call_fn was resolved from
 * @call_fn:	last function resolved by "call"
 */
struct tb_session {
	struct mutex lock; /* the fields below */
	struct task_struct *owner;
	struct file *file;
	char *text;
	size_t len;
	size_t size;
	int text_err;
	const struct tb_region *dump;
	struct tb_refprobe *ref;
	struct tb_sleepers *sleepers;
	struct ftrace_ops *occupation;
	struct tb_batch *batch;
	char call_name[TB_SYSCALL_NAME];
	tb_syscall_fn call_fn;
};

/* A stretch of time on both clocks: TSC ticks and monotonic nanoseconds. */
struct tb_span {
	u64 ticks;
	u64 ns;
};

/*
 * The nanosecond clock is read outside the tick counter, so a tick difference
 * is not charged with the cost of the other clock.
 */
static __always_inline void tb_span_start(struct tb_span *at)
{
	at->ns = ktime_get_mono_fast_ns();
	at->ticks = rdtsc_ordered();
}

static __always_inline void tb_span_add(struct tb_span *sum,
					const struct tb_span *at)
{
	u64 ticks = rdtsc_ordered();

	sum->ns += ktime_get_mono_fast_ns() - at->ns;
	sum->ticks += ticks - at->ticks;
}

/* text.c */
int tb_text_reserve(struct tb_session *s, size_t bytes);
__printf(2, 3) void tb_print(struct tb_session *s, const char *fmt, ...);
int tb_number(const char *what, const char *text, u64 min, u64 max, u64 *value);
void tb_print_timing(struct tb_session *s, u64 calls,
		     const struct tb_span *sum, const struct tb_span *loop);

/* work.c */
void tb_empty(unsigned long n);
void tb_work(unsigned long n);
void tb_work_even(unsigned long n);
void tb_vpair(unsigned long size);
int tb_cmd_work(struct tb_session *s, int argc, char **argv);
int tb_cmd_work_even(struct tb_session *s, int argc, char **argv);
int tb_cmd_returns(struct tb_session *s, int argc, char **argv);
int tb_cmd_vpair(struct tb_session *s, int argc, char **argv);

/* call.c */
long tb_empty_syscall(const struct pt_regs *regs);
int tb_cmd_call(struct tb_session *s, int argc, char **argv);

/* shapes.c */
struct tb_inside {
	struct tb_span sum;
	u64 invocations;
};

int tb_sleep(struct tb_inside *in, u64 ns);
void tb_recurse(struct tb_inside *in, unsigned long depth);
enum hrtimer_restart tb_timer_fn(struct hrtimer *timer);
long tb_args8(long a, long b, long c, long d, long e, long f, long g, long h);
int tb_cmd_sleep(struct tb_session *s, int argc, char **argv);
int tb_cmd_recurse(struct tb_session *s, int argc, char **argv);
int tb_cmd_timer(struct tb_session *s, int argc, char **argv);
int tb_cmd_args8(struct tb_session *s, int argc, char **argv);

/* threads.c */
struct task_struct *tb_thread(int (*fn)(void *), void *arg, const char *name,
			      unsigned long nr);
int tb_cmd_sleepers(struct tb_session *s, int argc, char **argv);
void tb_sleepers_stop(struct tb_session *s);

/* dying.c */
int tb_die(struct completion *done, long how);
int tb_cmd_dying(struct tb_session *s, int argc, char **argv);

/* occupy.c */
int tb_cmd_occupy(struct tb_session *s, int argc, char **argv);
void tb_occupy_end(struct tb_session *s);

/* stack.c */
unsigned int tb_stack_inner(unsigned long *entries, unsigned int count);
unsigned int tb_stack_outer(unsigned long *entries, unsigned int count);
int tb_cmd_stack(struct tb_session *s, int argc, char **argv);

/* refprobe.c */
int tb_cmd_refprobe(struct tb_session *s, int argc, char **argv);
int tb_cmd_refread(struct tb_session *s, int argc, char **argv);
void tb_refprobe_remove(struct tb_session *s);

/* blocks.c */
extern struct mutex tb_blocks_lock;

/**
 * struct tb_block - one planted block
 * @id:		number by which commands name it, never used again
 * @page:	start >> PAGE_SHIFT. The start itself must lie nowhere but where
 *		the block's class says, or a scan would find it here
 * @size:	bytes asked for
 * @class:	how it was allocated and where its start is kept
 * @slot:	word of the .data or .bss array or of the arena that holds it
 * @node:	list node that holds it
 * @word:	per-CPU word that holds it
 * @holder:	vzalloc()ed page that holds it
 * @thread:	thread with a stack that holds it, or did
 * @pages:	pages mapped by vmap()
 * @prev:	the block of the same ring that holds this one's start
 * @next:	the block of the same ring whose start this one holds
 */
struct tb_block {
	unsigned long id;
	unsigned long page;
	unsigned long size;
	const struct tb_class *class;
	union {
		unsigned long slot;
		struct tb_node *node;
		unsigned long __percpu *word;
		unsigned long *holder;
		struct tb_holder *thread;
		struct page **pages;
		struct {
			struct tb_block *prev;
			struct tb_block *next;
		};
	};
};

void tb_scrub_stack(void);
unsigned long tb_direct(unsigned long addr);
int tb_cmd_plant(struct tb_session *s, int argc, char **argv);
int tb_cmd_plantother(struct tb_session *s, int argc, char **argv);
int tb_cmd_free(struct tb_session *s, int argc, char **argv);
int tb_cmd_blocks(struct tb_session *s, int argc, char **argv);
int tb_cmd_frames(struct tb_session *s, int argc, char **argv);
void tb_blocks_exit(void);

/* churn.c */
int tb_cmd_churn(struct tb_session *s, int argc, char **argv);
int tb_cmd_batch(struct tb_session *s, int argc, char **argv);
void tb_batch_end(struct tb_session *s);

/* stray.c */
int tb_cmd_stray(struct tb_session *s, int argc, char **argv);
int tb_cmd_purge(struct tb_session *s, int argc, char **argv);

/* hazard.c */
int tb_cmd_hazard(struct tb_session *s, int argc, char **argv);
void tb_hazard_end(struct tb_session *s);

/* classes.c */

/**
 * struct tb_class - a way to allocate a block and a place to keep its start
 * @name:	as users write it
 * @min_size:	smallest size that makes sense
 * @site:	the only place where blocks of this class are allocated
 * @keep:	stores the start where the class says; NULL keeps it nowhere
 * @word:	tells which word that is, as its address >> 3, which is no address.
 *		NULL if no aligned word holds the start
 * @drop:	clears what @keep stored
 * @release:	gives the memory back when not by vfree() or kvfree()
 */
struct tb_class {
	const char *name;
	unsigned long min_size;
	void *(*site)(struct tb_block *b);
	int (*keep)(struct tb_block *b, unsigned long start);
	unsigned long (*word)(const struct tb_block *b);
	void (*drop)(struct tb_block *b);
	void (*release)(struct tb_block *b);
};

/*
 * One function for each class, so that the callers differ and are known. The
 * asm keeps the call from becoming a jump, which would hide the function from
 * its callee, and its text keeps equal functions from being merged.
 */
#define TB_SITE(name, alloc)						\
static noinline __noclone void *tb_site_##name(struct tb_block *b)	\
{									\
	void *p = alloc;						\
									\
	asm volatile("# " #name : "+r" (p));				\
	return p;							\
}

const struct tb_class *tb_class_find(const char *name, bool other);
bool tb_class_is_chain(const struct tb_class *class);
void tb_chain_link(struct tb_block *prev, struct tb_block *next);

/* holders.c */

struct tb_holder *tb_holder_start(unsigned long page, bool old);
unsigned long tb_holder_word(const struct tb_holder *h);
void tb_holder_stop(struct tb_holder *h);
/* others.c: for "plantother" */
extern const struct tb_class tb_others[];
extern const unsigned int tb_others_count;

/* evade.c */
int tb_keep_evading(struct tb_block *b, unsigned long start);
void tb_drop_evading(struct tb_block *b);

/* regions.c */

/**
 * struct tb_region - memory that a scan can be pointed at
 * @name:	as users write it
 * @words:	the memory, or NULL when there is no arena
 * @count:	number of words
 * @distinct:	how many of them, from the first on, are there once; those
 *		behind them are the same memory again
 * @used:	which words hold the start of a planted block, a bitmap
 * @held:	number of bits set in @used
 * @scatter:	take words at pseudo-random places, not from the beginning
 * @kernel:	it is the kernel's own and nothing is planted in it
 */
struct tb_region {
	const char *name;
	unsigned long *words;
	unsigned long count;
	unsigned long distinct;
	unsigned long *used;
	unsigned long held;
	bool scatter;
	bool kernel;
};

extern struct tb_region tb_data;
extern struct tb_region tb_bss;
extern struct tb_region tb_arena;
extern struct tb_region tb_kernel_data;
extern struct tb_region tb_kernel_bss;

int tb_region_take(struct tb_region *r, unsigned int words,
		   unsigned long *slot);
void tb_region_put(struct tb_region *r, unsigned int words,
		   unsigned long slot);
int tb_cmd_arena(struct tb_session *s, int argc, char **argv);
int tb_cmd_regions(struct tb_session *s, int argc, char **argv);
int tb_cmd_dump(struct tb_session *s, int argc, char **argv);
int tb_cmd_fill(struct tb_session *s, int argc, char **argv);
int tb_cmd_spread(struct tb_session *s, int argc, char **argv);
void tb_spread_exit(void);
ssize_t tb_region_read(const struct tb_region *r, char __user *buf,
		       size_t count, loff_t *pos);
void tb_regions_init(void);
void tb_regions_exit(void);

/* hooks.c */
int tb_cmd_hooks(struct tb_session *s, int argc, char **argv);
void tb_hooks_exit(void);

/* kernel.c */
int tb_cmd_hole(struct tb_session *s, int argc, char **argv);
void tb_kernel_find(void);
ssize_t tb_kernel_read(const struct tb_region *r, char __user *buf,
		       size_t count, loff_t *pos);

#endif
