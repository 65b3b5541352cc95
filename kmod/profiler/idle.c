// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory whose contents nobody will use any more.
 *
 * A pointer to a block that is left there keeps no block from being a leak:
 * pages that are free, and what lies on the stack of a sleeping task below its
 * stack pointer. The task that called vmalloc() leaves the address of its block
 * there, and the probe that saw it return does so too.
 *
 * Which task a page of a stack belongs to is not noted anywhere, so all tasks
 * are asked when it matters for the first time in a scan. A stack that comes
 * to be later is taken for memory in use. So are stacks that the kernel keeps
 * for the next task.
 */
#include <linux/bsearch.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "idle.h"

#define STACK_PAGES	(THREAD_SIZE / PAGE_SIZE)

/**
 * struct stack_page - a page of a task's stack
 * @pfn: its page frame
 * @task: the task, of which we have a reference for each page
 * @at: where the task sees the page
 */
struct stack_page {
	unsigned long pfn;
	struct task_struct *task;
	unsigned long at;
};

/* Whether the neighbours in a list name the entry at this place. */
static bool is_listed(const struct list_head *list)
{
	struct list_head at, next, prev;

	return !copy_from_kernel_nofault(&at, list, sizeof(at)) &&
	       !copy_from_kernel_nofault(&next, at.next, sizeof(next)) &&
	       !copy_from_kernel_nofault(&prev, at.prev, sizeof(prev)) &&
	       next.prev == list && prev.next == list;
}

/**
 * idle_uncounted_is_free() - Tell whether a page belongs to the page allocator.
 * @page: the page, which has no references of its own. It may be part of a
 *	larger one that has.
 *
 * Those that a processor keeps for itself are not told: see idle_word().
 *
 * Context: Any. The answer may be out of date.
 */
bool idle_uncounted_is_free(struct page *page)
{
	return !page_count(page) && is_free_buddy_page(page);
}

/*
 * Also those in the lists of processors. A page that nobody counts may be in
 * use all the same, as part of a larger allocation, but is on no list then.
 */
static bool is_free_anywhere(struct page *page)
{
	return !page_count(page) &&
	       (is_free_buddy_page(page) || is_listed(&page->lru));
}

/* Only what is vmalloc'ed, and no object of a cache, can be part of a stack. */
static bool may_be_stack(struct page *page)
{
	return page_count(page) == 1 && !PageSlab(page) && !PageLRU(page) &&
	       !PageReserved(page) && !PageCompound(page);
}

/*
 * A task that ends takes its stack with it, so what leads to the stack is read
 * as memory that may be gone.
 */
static bool add_stack(struct stack_page *to, struct task_struct *task)
{
	struct page *pages[STACK_PAGES];
	const struct vm_struct *area = task_stack_vm_area(task);
	struct vm_struct vm;
	int i;

	if (!area || copy_from_kernel_nofault(&vm, area, sizeof(vm)) ||
	    copy_from_kernel_nofault(pages, vm.pages, sizeof(pages)))
		return false;
	for (i = 0; i < STACK_PAGES; i++) {
		to[i].pfn = page_to_pfn(pages[i]);
		to[i].at = (unsigned long)vm.addr + i * PAGE_SIZE;
		to[i].task = get_task_struct(task);
	}
	return true;
}

static size_t count_stacks(void)
{
	struct task_struct *group, *task;
	size_t n = 0;

	rcu_read_lock();
	for_each_process_thread(group, task)
		n++;
	rcu_read_unlock();
	return n;
}

static size_t add_stacks(struct stack_page *to, size_t room)
{
	struct task_struct *group, *task;
	size_t n = 0;

	rcu_read_lock();
	for_each_process_thread(group, task)
		if (n + STACK_PAGES <= room && add_stack(to + n, task))
			n += STACK_PAGES;
	rcu_read_unlock();
	return n;
}

static int by_pfn(const void *a, const void *b)
{
	const struct stack_page *x = a, *y = b;

	return x->pfn < y->pfn ? -1 : x->pfn > y->pfn;
}

static int find_stacks(struct idle *idle)
{
	/* Room for some that come to be meanwhile. */
	size_t room = (count_stacks() + 64) * STACK_PAGES;

	idle->pages = kvmalloc_array(room, sizeof(*idle->pages), GFP_KERNEL);
	if (!idle->pages)
		return -ENOMEM;
	idle->nr = add_stacks(idle->pages, room);
	sort(idle->pages, idle->nr, sizeof(*idle->pages), by_pfn, NULL);
	return 0;
}

/* What a task that does not run will read again lies above its stack pointer. */
static bool is_below_stack(const struct stack_page *s, unsigned int offset)
{
	unsigned long stack = s->at & ~(THREAD_SIZE - 1);

	return s->task != current && !READ_ONCE(s->task->on_cpu) &&
	       READ_ONCE(s->task->stack) == (void *)stack &&
	       s->at + offset < READ_ONCE(s->task->thread.sp);
}

/**
 * idle_word() - Tell whether nobody will use a word of memory any more.
 * @idle: what this scan knows
 * @page: the page that it lies in
 * @offset: where in the page
 *
 * Context: Sleeps. The answer may be out of date.
 */
bool idle_word(struct idle *idle, struct page *page, unsigned int offset)
{
	struct stack_page key = { .pfn = page_to_pfn(page) }, *found;

	if (is_free_anywhere(page))
		return true;
	if (!may_be_stack(page) || (!idle->pages && find_stacks(idle)))
		return false;
	found = bsearch(&key, idle->pages, idle->nr, sizeof(key), by_pfn);
	return found && is_below_stack(found, offset);
}

/**
 * idle_exit() - Forget the tasks' stacks.
 * @idle: what the scan knows
 *
 * Context: Sleeps.
 */
void idle_exit(struct idle *idle)
{
	size_t i;

	for (i = 0; i < idle->nr; i++)
		put_task_struct(idle->pages[i].task);
	kvfree(idle->pages);
}

/**
 * idle_wipe_own_stack() - Wipe what is not in use of this task's stack.
 *
 * A scan leaves addresses of blocks there, and the stack may go to another task
 * when this one ends.
 *
 * Context: Task.
 */
noinline void idle_wipe_own_stack(void)
{
	/* The last word holds the magic number that tells of an overflow. */
	unsigned long *end = end_of_stack(current) + 1;
	unsigned long *at = (unsigned long *)current_stack_pointer;

	/* What an interrupt puts there meanwhile is gone when it is over. */
	while (--at >= end)
		WRITE_ONCE(*at, 0);
}
