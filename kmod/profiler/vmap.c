// SPDX-License-Identifier: GPL-2.0-only
/*
 * The words in which the vmalloc allocator itself keeps a block's address.
 *
 * They lie in slab memory, so a scan of the direct map comes across them, and
 * taken for references they would hide every leak. Three words name the start
 * of a block: vm_struct.addr, vmap_area.va_start, and va_end of the area
 * before it, which ends where the block begins, because areas and their guard
 * pages are adjacent. They are told by their exact places: what lies beside a
 * word says nothing, an array of pointers to neighbouring blocks looks just
 * like a vmap_area.
 */
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "symbols.h"
#include "vmap.h"

static typeof(find_vmap_area) *lookup_area;

/**
 * vmap_init() - Find out how to look areas up.
 *
 * Context: Sleeps.
 */
void vmap_init(void)
{
	if (kprof_can_call_found())
		lookup_area = (void *)kprof_symbol_address("find_vmap_area");
	if (!lookup_area)
		pr_warn(KBUILD_MODNAME
			": find_vmap_area cannot be called: leaks may read 'not freed yet' when the range contains slab memory\n");
}

/**
 * vmap_known() - Tell whether the allocator's words can be told from others.
 */
bool vmap_known(void)
{
	return lookup_area;
}

/*
 * Areas are freed at any time, so they are read as memory that may be gone.
 * A stale answer is harmless: only places are compared, never followed.
 */
static bool read_word(const void *from, unsigned long *word)
{
	/*
	 * What is read may have been no area at all, and led anywhere. The
	 * kernel warns of addresses that are not canonical, by the number of
	 * bits that the processor has rather than those in use.
	 */
	if ((long)from >> __VIRTUAL_MASK_SHIFT != -1)
		return false;
	return !copy_from_kernel_nofault(word, from, sizeof(*word));
}

/* The area that holds the block: its start, and that of its vm_struct. */
static bool in_own_area(unsigned long where, unsigned long start)
{
	struct vmap_area *area = lookup_area(start);
	unsigned long vm;

	if (!area)
		return false;
	if (where == (unsigned long)&area->va_start)
		return true;
	return read_word(&area->vm, &vm) &&
	       where == (unsigned long)&((struct vm_struct *)vm)->addr;
}

/* An area in use that ends where the block begins. */
static bool in_previous_area(unsigned long where, unsigned long start)
{
	struct vmap_area *area = lookup_area(start - 1);

	return area && where == (unsigned long)&area->va_end;
}

/* Whether the neighbours in a list name the entry at this place. */
static bool is_listed(const struct list_head *list)
{
	struct list_head *next, *prev;
	unsigned long back;

	if (!read_word(&list->next, (unsigned long *)&next) ||
	    !read_word(&list->prev, (unsigned long *)&prev) || next == list)
		return false;
	return read_word(&next->prev, &back) && back == (unsigned long)list &&
	       read_word(&prev->next, &back) && back == (unsigned long)list;
}

/* Whether the parent in a tree, if there is one, names the node at this place. */
static bool is_in_tree(const struct rb_node *node)
{
	unsigned long parent_color, left, right;
	const struct rb_node *parent;

	if (!read_word(&node->__rb_parent_color, &parent_color))
		return false;
	parent = (const struct rb_node *)(parent_color & ~3UL);
	if (!parent)
		return true;
	return read_word(&parent->rb_left, &left) &&
	       read_word(&parent->rb_right, &right) &&
	       (left == (unsigned long)node || right == (unsigned long)node);
}

/*
 * An area that is free, or waits to be, and ends where the block begins. These
 * are in trees that cannot be searched from here. What tells one is that it
 * begins at a page below (or at 1, where the allocator's space begins) and is
 * linked into a tree and a list in just the places where a vmap_area is.
 */
static bool in_unused_area(unsigned long where, unsigned long start)
{
	const struct vmap_area *area;
	unsigned long from;

	area = container_of((unsigned long *)where, struct vmap_area, va_end);
	if (!read_word(&area->va_start, &from) || from >= start ||
	    (from != 1 && offset_in_page(from)))
		return false;
	return is_listed(&area->list) && is_in_tree(&area->rb_node);
}

/**
 * vmap_is_bookkeeping() - Tell whether a word that holds the start of a block
 * is the allocator's own.
 * @where: where the word lies, as an address in the direct map
 * @page: the block's page
 *
 * Context: Sleeps.
 */
bool vmap_is_bookkeeping(unsigned long where, u64 page)
{
	unsigned long start = page << PAGE_SHIFT;

	if (!lookup_area)
		return false;
	return in_own_area(where, start) || in_previous_area(where, start) ||
	       in_unused_area(where, start);
}
