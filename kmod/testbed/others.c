// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of blocks that are allocated through an API that is not vmalloc()
 * proper, or through vmalloc() in a way that a tracer could get wrong. Their
 * starts are kept nowhere.
 *
 * Locking: everything here runs under tb_blocks_lock.
 */
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "testbed.h"

TB_SITE(big, vmalloc(b->size))
TB_SITE(vzalloc, vzalloc(b->size))
TB_SITE(vmalloc_node, vmalloc_node(b->size, first_online_node))
TB_SITE(vzalloc_node, vzalloc_node(b->size, first_online_node))
TB_SITE(__vmalloc, __vmalloc(b->size, GFP_KERNEL_ACCOUNT))
TB_SITE(vmalloc_32, vmalloc_32(b->size))
TB_SITE(vmalloc_array, vmalloc_array(b->size, 1))
TB_SITE(vcalloc, vcalloc(b->size, 1))
TB_SITE(vmalloc_user, vmalloc_user(b->size))
TB_SITE(vmalloc_32_user, vmalloc_32_user(b->size))
TB_SITE(vmalloc_huge, vmalloc_huge(b->size, GFP_KERNEL))
TB_SITE(kvmalloc, kvmalloc(b->size, GFP_KERNEL))

#ifdef TB_HAS_VREALLOC
/* vrealloc() itself is not exported; it finds the caller of kvrealloc(). */
static noinline __noclone void *tb_site_vrealloc(struct tb_block *b)
{
	void *p = vmalloc(PAGE_SIZE), *grown;

	if (!p)
		return NULL;
	grown = kvrealloc(p, b->size, GFP_KERNEL_ACCOUNT);
	if (!grown)
		vfree(p);
	return grown;
}
#endif

static void tb_pages_free(struct page **pages, unsigned long n)
{
	while (n--)
		__free_page(pages[n]);
	kvfree(pages);
}

static unsigned long tb_page_count(const struct tb_block *b)
{
	return PAGE_ALIGN(b->size) >> PAGE_SHIFT;
}

static noinline __noclone void *tb_site_vmap(struct tb_block *b)
{
	unsigned long n, want = tb_page_count(b);
	void *p;

	b->pages = kvmalloc_array(want, sizeof(*b->pages), GFP_KERNEL);
	if (!b->pages)
		return NULL;
	for (n = 0; n < want; n++) {
		b->pages[n] = alloc_page(GFP_KERNEL);
		if (!b->pages[n])
			goto out;
	}
	p = vmap(b->pages, want, VM_MAP, PAGE_KERNEL);
	if (p)
		return p;
out:
	tb_pages_free(b->pages, n);
	return NULL;
}

static void tb_release_vmap(struct tb_block *b)
{
	vunmap((void *)(b->page << PAGE_SHIFT));
	tb_pages_free(b->pages, tb_page_count(b));
}

const struct tb_class tb_others[] = {
	/* Beyond 2 MiB the list of pages is a vmalloc area of its own. */
	{ .name = "big", .site = tb_site_big, .min_size = SZ_2M + PAGE_SIZE },
	{ .name = "vzalloc", .site = tb_site_vzalloc },
	{ .name = "vmalloc_node", .site = tb_site_vmalloc_node },
	{ .name = "vzalloc_node", .site = tb_site_vzalloc_node },
	{ .name = "__vmalloc", .site = tb_site___vmalloc },
	{ .name = "vmalloc_32", .site = tb_site_vmalloc_32 },
	{ .name = "vmalloc_array", .site = tb_site_vmalloc_array },
	{ .name = "vcalloc", .site = tb_site_vcalloc },
	{ .name = "vmalloc_user", .site = tb_site_vmalloc_user },
	{ .name = "vmalloc_32_user", .site = tb_site_vmalloc_32_user },
	{ .name = "vmalloc_huge", .site = tb_site_vmalloc_huge },
	/* Above what kmalloc() can do, so that it must fall back. */
	{ .name = "kvmalloc", .site = tb_site_kvmalloc,
	  .min_size = KMALLOC_MAX_SIZE + PAGE_SIZE },
#ifdef TB_HAS_VREALLOC
	/* More than it has, so that it must move. */
	{ .name = "vrealloc", .site = tb_site_vrealloc,
	  .min_size = PAGE_SIZE + 1 },
#endif
	{ .name = "vmap", .site = tb_site_vmap, .release = tb_release_vmap },
};

const unsigned int tb_others_count = ARRAY_SIZE(tb_others);
