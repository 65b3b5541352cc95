/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory whose contents nobody will use any more. */
#ifndef KPROF_IDLE_H
#define KPROF_IDLE_H

#include <linux/types.h>

struct page;
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

bool idle_is_free(struct page *page);
bool idle_word(struct idle *idle, struct page *page, unsigned int offset);
void idle_exit(struct idle *idle);
void idle_wipe_own_stack(void);

#endif /* KPROF_IDLE_H */
