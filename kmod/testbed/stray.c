// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks from vmalloc() that do not go through vfree(). Nobody should do that;
 * whoever watches vfree() keeps them on his list, where one day another block
 * has their address.
 *
 * No shared state: everything lies in the session or on the stack.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "testbed.h"

#define TB_STRAYS_MAX	1000

static noinline __noclone void *tb_stray_alloc(void)
{
	void *p = vmalloc(PAGE_SIZE);

	asm volatile("" : "+r" (p));
	return p;
}

/* What vunmap() leaves are the page, and the kernel's array of the one page. */
static noinline int tb_stray_one(unsigned long *number)
{
	void *p = tb_stray_alloc();
	struct page *page;

	if (!p)
		return -ENOMEM;
	*number = (unsigned long)p >> PAGE_SHIFT;
	page = vmalloc_to_page(p);
	vunmap(p);
	__free_page(page);
	return 0;
}

/**
 * tb_cmd_stray() - command "stray COUNT"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * COUNT blocks of a page from vmalloc() that go by vunmap(). Each leaves a few
 * bytes that nobody can free any more. Prints where they were.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_stray(struct tb_session *s, int argc, char **argv)
{
	unsigned long number;
	u64 count;
	int err;

	BUILD_BUG_ON(PAGE_SHIFT != 12);
	err = tb_number("stray: COUNT", argv[1], 1, TB_STRAYS_MAX, &count);
	while (!err && count--) {
		err = tb_stray_one(&number);
		if (!err)
			tb_print(s, "%lx000\n", number);
	}
	tb_scrub_stack();
	return err;
}

/**
 * tb_cmd_purge() - command "purge"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Has the allocator give out again, from now on, the addresses of all blocks
 * that were freed. Else it waits until there are more of them.
 *
 * Return: 0.
 */
int tb_cmd_purge(struct tb_session *s, int argc, char **argv)
{
	vm_unmap_aliases();
	return 0;
}
