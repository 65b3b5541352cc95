// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own .data and .bss.
 *
 * Locking: tb_blocks_lock guards the bounds, which are found once.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "testbed.h"

/* About as many as the page allocator keeps at hand for a processor. */
#define TB_HOLE_PAGES	48

struct tb_region tb_kernel_data = { .name = "kernel-data", .kernel = true };
struct tb_region tb_kernel_bss = { .name = "kernel-bss", .kernel = true };

/*
 * Pages in .bss that the kernel has given to its page allocator, and that slabs,
 * stacks and anything else lie in now. They change while they are read.
 */
static unsigned long tb_hole_start, tb_hole_end;

/*
 * A kprobe that is refused, because this is no code, tells where a symbol lies
 * all the same.
 */
static unsigned long tb_symbol(const char *name)
{
	struct kprobe kp = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};

	if (!register_kprobe(&kp))
		unregister_kprobe(&kp);
	return (unsigned long)kp.addr;
}

static void tb_bound(struct tb_region *r, const char *first, const char *last)
{
	unsigned long start = round_up(tb_symbol(first), sizeof(long));
	unsigned long end = round_down(tb_symbol(last), sizeof(long));

	if (!start || start >= end) {
		pr_err("regions: %s is not between %s and %s\n", r->name, first,
		       last);
		return;
	}
	r->words = (unsigned long *)start;
	r->count = (end - start) / sizeof(long);
}

/**
 * tb_kernel_find() - find out where .data and .bss are
 *
 * Context: process context, tb_blocks_lock held.
 */
void tb_kernel_find(void)
{
	if (tb_kernel_data.words)
		return;
	tb_bound(&tb_kernel_data, "_sdata", "_edata");
	tb_bound(&tb_kernel_bss, "__bss_start", "__bss_stop");
	/* Not on all kernels. */
	tb_hole_start = tb_symbol("__start_bss_decrypted_unused");
	tb_hole_end = tb_symbol("__end_bss_decrypted");
}

static bool tb_in_hole(unsigned long addr)
{
	return addr >= tb_hole_start && addr < tb_hole_end;
}

/* Copies at most a page, with zeros for what is in the hole or not mapped. */
static void tb_copy(unsigned long *to, const unsigned long *from, size_t words)
{
	while (words--) {
		if (tb_in_hole((unsigned long)from) ||
		    get_kernel_nofault(*to, from))
			*to = 0;
		to++;
		from++;
	}
}

/**
 * tb_kernel_read() - read() of a session that dumps the kernel's memory
 * @r: region, the bounds of which are known
 * @buf: where to
 * @count: how much at most
 * @pos: file offset, moved
 *
 * Reads up to the end of a page, through a copy that is wiped: what was found
 * here must not be found there by a later scan. Pages that are the kernel's no
 * more read as zeros.
 *
 * Context: process context, tb_blocks_lock held.
 * Return: bytes read, 0 at the end, or a negative errno.
 */
ssize_t tb_kernel_read(const struct tb_region *r, char __user *buf,
		       size_t count, loff_t *pos)
{
	size_t size = r->count * sizeof(long);
	size_t at = round_down(*pos, PAGE_SIZE), n;
	loff_t in_page = *pos - at;
	unsigned long *copy;
	ssize_t read;

	if (*pos < 0 || *pos >= size)
		return 0;
	copy = (unsigned long *)__get_free_page(GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	n = min_t(size_t, size - at, PAGE_SIZE);
	tb_copy(copy, r->words + at / sizeof(long), n / sizeof(long));
	read = simple_read_from_buffer(buf, count, &in_page, copy, n);
	if (read > 0)
		*pos += read;
	memzero_explicit(copy, PAGE_SIZE);
	free_page((unsigned long)copy);
	return read;
}

static void tb_free_pages(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		__free_page(page);
		cond_resched();
	}
}

/**
 * tb_cmd_hole() - command "hole"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Has the page allocator give out next, as far as it can be made to, pages that
 * lie in the kernel's .bss and are the kernel's no more: what it gave out last
 * and got back last comes first. Prints how many.
 *
 * Return: 0.
 */
int tb_cmd_hole(struct tb_session *s, int argc, char **argv)
{
	LIST_HEAD(others);
	LIST_HEAD(inside);
	unsigned long found = 0, first, nr;
	struct page *page;

	mutex_lock(&tb_blocks_lock);
	tb_kernel_find();
	mutex_unlock(&tb_blocks_lock);
	nr = (tb_hole_end - tb_hole_start) / PAGE_SIZE;
	first = PHYS_PFN(__pa(tb_hole_start));
	while (nr && found < TB_HOLE_PAGES) {
		page = alloc_page(GFP_NOWAIT | __GFP_NOWARN);
		if (!page)
			break;
		if (page_to_pfn(page) - first < nr) {
			list_add(&page->lru, &inside);
			found++;
		} else {
			list_add(&page->lru, &others);
		}
		cond_resched();
	}
	tb_free_pages(&others);
	tb_free_pages(&inside);
	tb_print(s, "pages=%lu\n", found);
	return 0;
}
