/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory whose contents nobody will use any more. */
#ifndef KPROF_IDLE_H
#define KPROF_IDLE_H

#include <linux/page_ref.h>
#include <linux/types.h>

struct stack_page;

/**
 * struct idle - what is known of the stacks of tasks
 * @pages: the pages of all stacks, by page frame; NULL until somebody asks
 * @nr: how many
 *
 * All 0 is what it begins as.
 */
struct idle {
	struct stack_page *pages;
	size_t nr;
};

bool idle_uncounted_is_free(struct page *page);
bool idle_word(struct idle *idle, struct page *page, unsigned int offset);
void idle_exit(struct idle *idle);
void idle_wipe_own_stack(void);

/* Whether a page belongs to the page allocator, which nearly always is told soon. */
static inline bool idle_is_free(struct page *page)
{
	return unlikely(!page_ref_count(page)) && idle_uncounted_is_free(page);
}

#endif /* KPROF_IDLE_H */
