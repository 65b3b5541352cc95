// SPDX-License-Identifier: GPL-2.0-only
/*
 * The words in which the vmalloc allocator itself keeps a block's address.
 *
 * They lie in slab memory, so a scan of the direct map comes across them, and
 * taken for references they would hide every leak. Three words name the start
 * of a block: vm_struct.addr, vmap_area.va_start, and va_end of the area
 * before it, which ends where the block begins, because areas and their guard
 * pages are adjacent. Those in use are told by their exact places: what lies
 * beside a word says nothing, an array of pointers to neighbouring blocks looks
 * just like the start of a vmap_area.
 *
 * What was freed, or is not in use, cannot be looked up. It is told by all of
 * its words and the slab cache in which it lies.
 */
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/static_call.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "symbols.h"
#include "vmap.h"

/*
 * The kernel does not export it. A static call becomes a direct one, which a
 * processor that tracks indirect branches does not look at.
 */
DEFINE_STATIC_CALL_NULL(kprof_find_area, find_vmap_area);

static bool found;

static struct vmap_area *lookup_area(unsigned long addr)
{
	return static_call(kprof_find_area)(addr);
}

/**
 * vmap_init() - Find out how to look areas up.
 *
 * Context: Sleeps.
 */
void vmap_init(void)
{
	typeof(find_vmap_area) *lookup = kprof_find_vmap_area();

	if (lookup)
		static_call_update(kprof_find_area, lookup);
	else
		pr_warn(KBUILD_MODNAME
			": find_vmap_area is not to be found: leaks may read 'not freed yet' when the range contains slab memory\n");
	found = lookup;
}

/**
 * vmap_known() - Tell whether the allocator's words can be told from others.
 */
bool vmap_known(void)
{
	return found;
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

/*
 * Whether a place in the direct map belongs to the slab cache that another one
 * belongs to.
 */
static bool in_cache_of(const void *place, const void *other)
{
	struct page *page = virt_to_head_page(place);

	return PageSlab(page) && virt_addr_valid(other) &&
	       kprof_slab_cache(page) ==
	       kprof_slab_cache(virt_to_head_page(other));
}

/*
 * What the pointers in an object hold that is listed, or was: an address of the
 * kernel's, or what a list entry is poisoned with.
 */
static bool is_link(const void *p)
{
	return (long)p < 0;
}

/* Free areas begin at 1, where the allocator's space does, or at a page. */
static bool is_area(const struct vmap_area *a)
{
	unsigned long parent = a->rb_node.__rb_parent_color & ~3UL;

	return a->va_start < a->va_end && !offset_in_page(a->va_end) &&
	       (a->va_start == 1 || !offset_in_page(a->va_start)) &&
	       is_link(a->list.next) && is_link(a->list.prev) &&
	       (!parent || is_link((void *)parent));
}

/*
 * An area that is not in use, or was not when it was freed: it keeps the
 * address that it had, until the slab object is used for something else. The
 * areas that are free, or wait to be, are in trees that cannot be searched from
 * here. What tells one is that it lies in their slab cache and looks like one.
 */
static bool is_idle_area(unsigned long place, const struct vmap_area *live)
{
	struct vmap_area a;

	return in_cache_of((void *)place, live) &&
	       !copy_from_kernel_nofault(&a, (void *)place, sizeof(a)) &&
	       is_area(&a);
}

static bool in_idle_area(unsigned long where, unsigned long start)
{
	const struct vmap_area *live = lookup_area(start);

	return live &&
	       (is_idle_area(where - offsetof(struct vmap_area, va_start), live) ||
		is_idle_area(where - offsetof(struct vmap_area, va_end), live));
}

/*
 * Everything in a vm_struct that says the same thing twice, or can only be one
 * thing. The allocator of slab objects writes over one word of a freed one,
 * which on all kernels known is @pages, @nr_pages or @phys_addr.
 */
static bool is_vm(const struct vm_struct *vm)
{
	unsigned long guard = vm->flags & VM_NO_GUARD ? 0 : PAGE_SIZE;

	return !vm->next && !offset_in_page(vm->size) &&
	       vm->size == kprof_vm_bytes(vm) + guard &&
	       vm->flags & VM_ALLOC &&
	       (unsigned long)vm->caller >= __START_KERNEL_map;
}

/* A vm_struct of an earlier block at this address, which was freed. */
static bool in_freed_vm(unsigned long where, unsigned long start)
{
	const struct vmap_area *live = lookup_area(start);
	unsigned long place = where - offsetof(struct vm_struct, addr);
	unsigned long own;
	struct vm_struct vm;

	return live && read_word(&live->vm, &own) &&
	       in_cache_of((void *)place, (void *)own) &&
	       !copy_from_kernel_nofault(&vm, (void *)place, sizeof(vm)) &&
	       is_vm(&vm);
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

	if (!found)
		return false;
	return in_own_area(where, start) || in_previous_area(where, start) ||
	       in_idle_area(where, start) || in_freed_vm(where, start);
}
