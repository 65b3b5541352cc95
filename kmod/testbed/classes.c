// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of blocks: how each is allocated, and where its start is kept.
 *
 * Locking: everything here runs under tb_blocks_lock, which also guards
 * tb_nodes.
 *
 * A start exists as a word only where the class keeps it, and in registers and
 * below the stack pointer for a moment; tb_scrub_stack() wipes the latter.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "testbed.h"

struct tb_node {
	struct list_head list;
	unsigned long start;
};

static LIST_HEAD(tb_nodes);

TB_SITE(leaked, vmalloc(b->size))
TB_SITE(data, vmalloc(b->size))
TB_SITE(bss, vmalloc(b->size))
TB_SITE(list, vmalloc(b->size))
TB_SITE(percpu, vmalloc(b->size))
TB_SITE(vblock, vmalloc(b->size))
TB_SITE(chain, vmalloc(b->size))
TB_SITE(interior, vmalloc(b->size))
TB_SITE(tagged, vmalloc(b->size))
TB_SITE(packed, vmalloc(b->size))
TB_SITE(arena, vmalloc(b->size))
TB_SITE(stack, vmalloc(b->size))
TB_SITE(oldstack, vmalloc(b->size))
TB_SITE(self, vmalloc(b->size))
TB_SITE(evading, vmalloc(b->size))

static int tb_keep_in(struct tb_region *r, struct tb_block *b,
		      unsigned long word)
{
	int err;

	err = tb_region_take(r, 1, &b->slot);
	if (!err)
		WRITE_ONCE(r->words[b->slot], word);
	return err;
}

static int tb_keep_data(struct tb_block *b, unsigned long start)
{
	return tb_keep_in(&tb_data, b, start);
}

static int tb_keep_interior(struct tb_block *b, unsigned long start)
{
	return tb_keep_in(&tb_data, b, start + 64);
}

static int tb_keep_tagged(struct tb_block *b, unsigned long start)
{
	return tb_keep_in(&tb_data, b, start | 1);
}

static unsigned long tb_word_in(const struct tb_region *r,
				const struct tb_block *b)
{
	unsigned long word = (unsigned long)(r->words + b->slot);

	return word >> 3;
}

static unsigned long tb_word_data(const struct tb_block *b)
{
	return tb_word_in(&tb_data, b);
}

static void tb_drop_data(struct tb_block *b)
{
	tb_region_put(&tb_data, 1, b->slot);
}

static int tb_keep_packed(struct tb_block *b, unsigned long start)
{
	int err;

	err = tb_region_take(&tb_data, 2, &b->slot);
	if (err)
		return err;
	memcpy((char *)&tb_data.words[b->slot] + 3, &start, sizeof(start));
	return 0;
}

static void tb_drop_packed(struct tb_block *b)
{
	tb_region_put(&tb_data, 2, b->slot);
}

static int tb_keep_bss(struct tb_block *b, unsigned long start)
{
	return tb_keep_in(&tb_bss, b, start);
}

static unsigned long tb_word_bss(const struct tb_block *b)
{
	return tb_word_in(&tb_bss, b);
}

static void tb_drop_bss(struct tb_block *b)
{
	tb_region_put(&tb_bss, 1, b->slot);
}

static int tb_keep_arena(struct tb_block *b, unsigned long start)
{
	return tb_keep_in(&tb_arena, b, start);
}

static unsigned long tb_word_arena(const struct tb_block *b)
{
	return tb_word_in(&tb_arena, b);
}

static void tb_drop_arena(struct tb_block *b)
{
	tb_region_put(&tb_arena, 1, b->slot);
}

static int tb_keep_list(struct tb_block *b, unsigned long start)
{
	b->node = kmalloc(sizeof(*b->node), GFP_KERNEL);
	if (!b->node)
		return -ENOMEM;
	WRITE_ONCE(b->node->start, start);
	list_add_tail(&b->node->list, &tb_nodes);
	return 0;
}

static unsigned long tb_word_list(const struct tb_block *b)
{
	unsigned long word = (unsigned long)&b->node->start;

	return word >> 3;
}

static void tb_drop_list(struct tb_block *b)
{
	list_del(&b->node->list);
	WRITE_ONCE(b->node->start, 0);
	kfree(b->node);
}

static int tb_keep_percpu(struct tb_block *b, unsigned long start)
{
	b->word = alloc_percpu(unsigned long);
	if (!b->word)
		return -ENOMEM;
	*per_cpu_ptr(b->word, cpumask_first(cpu_possible_mask)) = start;
	return 0;
}

static unsigned long tb_word_percpu(const struct tb_block *b)
{
	return (unsigned long)per_cpu_ptr(b->word,
					  cpumask_first(cpu_possible_mask)) >> 3;
}

static void tb_drop_percpu(struct tb_block *b)
{
	WRITE_ONCE(*per_cpu_ptr(b->word, cpumask_first(cpu_possible_mask)), 0);
	free_percpu(b->word);
}

static int tb_keep_vblock(struct tb_block *b, unsigned long start)
{
	b->holder = vzalloc(PAGE_SIZE);
	if (!b->holder)
		return -ENOMEM;
	WRITE_ONCE(*b->holder, start);
	return 0;
}

static unsigned long tb_word_vblock(const struct tb_block *b)
{
	return (unsigned long)b->holder >> 3;
}

static void tb_drop_vblock(struct tb_block *b)
{
	WRITE_ONCE(*b->holder, 0);
	vfree(b->holder);
}

static int tb_keep_on_stack(struct tb_block *b, bool old)
{
	struct tb_holder *h = tb_holder_start(b->page, old);

	if (IS_ERR(h))
		return PTR_ERR(h);
	b->thread = h;
	return 0;
}

static int tb_keep_stack(struct tb_block *b, unsigned long start)
{
	return tb_keep_on_stack(b, false);
}

static int tb_keep_oldstack(struct tb_block *b, unsigned long start)
{
	return tb_keep_on_stack(b, true);
}

static unsigned long tb_word_stack(const struct tb_block *b)
{
	return tb_holder_word(b->thread);
}

static void tb_drop_stack(struct tb_block *b)
{
	tb_holder_stop(b->thread);
}

/* A ring of one, until tb_chain_link() makes it longer. */
static int tb_keep_chain(struct tb_block *b, unsigned long start)
{
	b->prev = b;
	b->next = b;
	WRITE_ONCE(*(unsigned long *)start, start);
	return 0;
}

/* Noinline, so that no caller is left with a start in a register. */
static noinline void tb_chain_store(const struct tb_block *in,
				    const struct tb_block *of)
{
	unsigned long *word = (unsigned long *)(in->page << PAGE_SHIFT);

	WRITE_ONCE(*word, of->page << PAGE_SHIFT);
}

static unsigned long *tb_last_word(const struct tb_block *b)
{
	return (unsigned long *)((b->page << PAGE_SHIFT) +
				 PAGE_ALIGN(b->size)) - 1;
}

/* In the first page and in the last, which nothing says are neighbours. */
static int tb_keep_self(struct tb_block *b, unsigned long start)
{
	WRITE_ONCE(*(unsigned long *)start, start);
	WRITE_ONCE(*tb_last_word(b), start);
	return 0;
}

/* The first of the two. */
static unsigned long tb_word_self(const struct tb_block *b)
{
	return b->page << (PAGE_SHIFT - 3);
}

static void tb_drop_self(struct tb_block *b)
{
	WRITE_ONCE(*(unsigned long *)(b->page << PAGE_SHIFT), 0);
	WRITE_ONCE(*tb_last_word(b), 0);
}

/**
 * tb_chain_link() - put a chain block behind another one in its ring
 * @prev: block of a ring
 * @next: block that is a ring of its own
 *
 * Context: process context, tb_blocks_lock held.
 */
void tb_chain_link(struct tb_block *prev, struct tb_block *next)
{
	next->next = prev->next;
	next->prev = prev;
	prev->next->prev = next;
	prev->next = next;
	tb_chain_store(next, next->next);
	tb_chain_store(prev, next);
}

static unsigned long tb_word_chain(const struct tb_block *b)
{
	return b->prev->page << (PAGE_SHIFT - 3);
}

/* The rest of the ring closes, or it would hold the start of a freed block. */
static void tb_drop_chain(struct tb_block *b)
{
	b->next->prev = b->prev;
	b->prev->next = b->next;
	tb_chain_store(b->prev, b->next);
	WRITE_ONCE(*(unsigned long *)(b->page << PAGE_SHIFT), 0);
}

static const struct tb_class tb_classes[] = {
	{ .name = "leaked", .site = tb_site_leaked },
	{ .name = "data", .site = tb_site_data,
	  .keep = tb_keep_data, .word = tb_word_data,
	  .drop = tb_drop_data },
	{ .name = "bss", .site = tb_site_bss,
	  .keep = tb_keep_bss, .word = tb_word_bss,
	  .drop = tb_drop_bss },
	{ .name = "list", .site = tb_site_list,
	  .keep = tb_keep_list, .word = tb_word_list,
	  .drop = tb_drop_list },
	{ .name = "percpu", .site = tb_site_percpu,
	  .keep = tb_keep_percpu, .word = tb_word_percpu,
	  .drop = tb_drop_percpu },
	{ .name = "vblock", .site = tb_site_vblock,
	  .keep = tb_keep_vblock, .word = tb_word_vblock,
	  .drop = tb_drop_vblock },
	{ .name = "chain", .site = tb_site_chain,
	  .keep = tb_keep_chain, .word = tb_word_chain,
	  .drop = tb_drop_chain },
	{ .name = "interior", .site = tb_site_interior,
	  .keep = tb_keep_interior, .drop = tb_drop_data },
	{ .name = "tagged", .site = tb_site_tagged,
	  .keep = tb_keep_tagged, .drop = tb_drop_data },
	{ .name = "packed", .site = tb_site_packed,
	  .keep = tb_keep_packed, .drop = tb_drop_packed },
	{ .name = "arena", .site = tb_site_arena,
	  .keep = tb_keep_arena, .word = tb_word_arena,
	  .drop = tb_drop_arena },
	{ .name = "stack", .site = tb_site_stack,
	  .keep = tb_keep_stack, .word = tb_word_stack,
	  .drop = tb_drop_stack },
	{ .name = "oldstack", .site = tb_site_oldstack,
	  .keep = tb_keep_oldstack, .drop = tb_drop_stack },
	{ .name = "self", .site = tb_site_self,
	  .keep = tb_keep_self, .word = tb_word_self,
	  .drop = tb_drop_self },
	{ .name = "evading", .site = tb_site_evading,
	  .keep = tb_keep_evading, .drop = tb_drop_evading },
};

/**
 * tb_class_find() - look a class up by name
 * @name: name
 * @other: whether it must be one of "plantother"
 *
 * Return: the class or NULL.
 */
const struct tb_class *tb_class_find(const char *name, bool other)
{
	const struct tb_class *classes = other ? tb_others : tb_classes;
	unsigned int i, count = other ? tb_others_count : ARRAY_SIZE(tb_classes);

	for (i = 0; i < count; i++)
		if (!strcmp(classes[i].name, name))
			return &classes[i];
	return NULL;
}

/**
 * tb_class_is_chain() - whether blocks of a class hold each other
 * @class: class
 *
 * Return: true or false.
 */
bool tb_class_is_chain(const struct tb_class *class)
{
	return class->keep == tb_keep_chain;
}
