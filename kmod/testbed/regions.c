// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that a scan can be pointed at: two arrays of the module, one in
 * .data and one in .bss, and an arena of any size. Nothing else lies in them,
 * so that the truth about a scan of one is exactly what was planted there.
 * And there is the kernel's own memory (kernel.c), which anything may lie in.
 *
 * Locking: tb_blocks_lock guards the contents of all regions, their bitmaps,
 * the arena's existence and the generator.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "testbed.h"

#define TB_SLOTS	4096
#define TB_ARENA_MAX	SZ_2G

/*
 * Whole pages of their own. Without an initial value the first would go to
 * .bss too, so it has one, which module init clears. Both are written through
 * struct tb_region only: the compiler deletes an array that it sees written
 * and never read.
 */
static unsigned long tb_data_slots[TB_SLOTS] __aligned(PAGE_SIZE) = { 1 };
static unsigned long tb_bss_slots[TB_SLOTS] __aligned(PAGE_SIZE);

static DECLARE_BITMAP(tb_data_used, TB_SLOTS);
static DECLARE_BITMAP(tb_bss_used, TB_SLOTS);

struct tb_region tb_data = {
	.name = "data",
	.words = tb_data_slots,
	.count = TB_SLOTS,
	.distinct = TB_SLOTS,
	.used = tb_data_used,
};

struct tb_region tb_bss = {
	.name = "bss",
	.words = tb_bss_slots,
	.count = TB_SLOTS,
	.distinct = TB_SLOTS,
	.used = tb_bss_used,
};

struct tb_region tb_arena = {
	.name = "arena",
	.scatter = true,
};

static struct tb_region * const tb_regions[] = {
	&tb_data, &tb_bss, &tb_arena, &tb_kernel_data, &tb_kernel_bss,
};

/* Knuth's generator: the same sequence on every boot. */
static u64 tb_random_state;

static u64 tb_random(void)
{
	tb_random_state = tb_random_state * 6364136223846793005ULL +
			  1442695040888963407ULL;
	return tb_random_state >> 16;
}

/**
 * tb_region_take() - find room for a pointer
 * @r: region
 * @words: adjacent words wanted
 * @slot: set to the first word's index
 *
 * Context: process context, tb_blocks_lock held.
 * Return: 0 or -ENOSPC after a message.
 */
int tb_region_take(struct tb_region *r, unsigned int words, unsigned long *slot)
{
	unsigned long from = 0, size = r->distinct, at = size;

	if (r->scatter && size) {
		from = tb_random() % size;
		at = bitmap_find_next_zero_area(r->used, size, from, words, 0);
	}
	if (at >= size && size)
		at = bitmap_find_next_zero_area(r->used, size, 0, words, 0);
	if (at >= size) {
		pr_err("plant: no room left in %s\n", r->name);
		return -ENOSPC;
	}
	bitmap_set(r->used, at, words);
	r->held += words;
	*slot = at;
	return 0;
}

/**
 * tb_region_put() - clear words and give them back
 * @r: region
 * @words: number of words
 * @slot: first word's index
 *
 * Context: process context, tb_blocks_lock held.
 */
void tb_region_put(struct tb_region *r, unsigned int words, unsigned long slot)
{
	unsigned int i;

	for (i = 0; i < words; i++)
		WRITE_ONCE(r->words[slot + i], 0);
	bitmap_clear(r->used, slot, words);
	r->held -= words;
}

/* Memory that the arena maps again and again, or NULL if it is its own. */
static void *tb_arena_memory;

static int tb_arena_free(void)
{
	if (tb_arena.held) {
		pr_err("arena: %lu planted blocks are kept in it\n",
		       tb_arena.held);
		return -EBUSY;
	}
	if (tb_arena_memory)
		vunmap(tb_arena.words);
	else
		vfree(tb_arena.words);
	vfree(tb_arena_memory);
	kvfree(tb_arena.used);
	tb_arena_memory = NULL;
	tb_arena.words = NULL;
	tb_arena.used = NULL;
	tb_arena.count = 0;
	tb_arena.distinct = 0;
	return 0;
}

/* Maps pages of memory one after the other, and from the first one again. */
static void *tb_map_again(void *memory, unsigned long bytes, unsigned long size)
{
	unsigned long i, n = size / PAGE_SIZE;
	struct page **pages;
	void *mapped;

	pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return NULL;
	for (i = 0; i < n; i++) {
		pages[i] = vmalloc_to_page(memory + i * PAGE_SIZE % bytes);
		cond_resched();
	}
	mapped = vmap(pages, n, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	return mapped;
}

static int tb_arena_alloc(unsigned long size, unsigned long bytes)
{
	void *memory;
	int err;

	err = tb_arena_free();
	if (err)
		return err;
	/* vzalloc(), because vmalloc() would make it a block to be reported. */
	memory = vzalloc(bytes);
	tb_arena.words = memory;
	if (memory && size > bytes) {
		tb_arena_memory = memory;
		tb_arena.words = tb_map_again(memory, bytes, size);
	}
	tb_arena.used = kvcalloc(BITS_TO_LONGS(bytes / sizeof(long)),
				 sizeof(long), GFP_KERNEL);
	if (!tb_arena.words || !tb_arena.used) {
		tb_arena_free();
		pr_err("arena: no memory for %lu bytes\n", size);
		return -ENOMEM;
	}
	tb_arena.count = size / sizeof(long);
	tb_arena.distinct = bytes / sizeof(long);
	tb_random_state = 1;
	return 0;
}

static int tb_arena_size(const char *what, const char *text, u64 max, u64 *size)
{
	int err = tb_number(what, text, PAGE_SIZE, max, size);

	if (!err && !PAGE_ALIGNED(*size)) {
		pr_err("%s %llu is no multiple of %lu\n", what, *size, PAGE_SIZE);
		err = -EINVAL;
	}
	return err;
}

/**
 * tb_cmd_arena() - command "arena SIZE [MEMORY]" or "arena off"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * SIZE is a multiple of a page, and so is MEMORY. If that is given the arena is
 * made of so much memory only, which repeats; SIZE must not exceed all memory
 * even then. A new arena replaces the old one.
 *
 * Return: 0 or a negative errno; -EBUSY while blocks are kept in it.
 */
int tb_cmd_arena(struct tb_session *s, int argc, char **argv)
{
	bool off = !strcmp(argv[1], "off");
	u64 size = 0, bytes;
	int err = 0;

	if (!off)
		err = tb_arena_size("arena: SIZE", argv[1], TB_ARENA_MAX, &size);
	bytes = size;
	if (!err && !off && argc > 2)
		err = tb_arena_size("arena: MEMORY", argv[2], size, &bytes);
	if (err)
		return err;
	mutex_lock(&tb_blocks_lock);
	err = off ? tb_arena_free() : tb_arena_alloc(size, bytes);
	mutex_unlock(&tb_blocks_lock);
	return err;
}

/**
 * tb_cmd_regions() - command "regions"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Prints "name start end direct" for each region that exists; end is the first
 * byte behind it. direct is where the start lies in the direct map, and all of
 * the region behind it in one piece, or 0 if it does not. Besides those that can
 * be dumped there are directmap, which is all memory at the addresses where the
 * kernel has it mapped, and vmalloc, the addresses that vmalloc() gives out.
 *
 * Return: 0.
 */
int tb_cmd_regions(struct tb_session *s, int argc, char **argv)
{
	int i;

	mutex_lock(&tb_blocks_lock);
	tb_kernel_find();
	for (i = 0; i < ARRAY_SIZE(tb_regions); i++) {
		const struct tb_region *r = tb_regions[i];
		unsigned long start = (unsigned long)r->words;

		if (start)
			tb_print(s, "%s %lx %lx %lx\n", r->name, start,
				 (unsigned long)(r->words + r->count),
				 r->kernel ? tb_direct(start) : 0);
	}
	mutex_unlock(&tb_blocks_lock);
	tb_print(s, "directmap %lx %lx %lx\n", PAGE_OFFSET,
		 (unsigned long)high_memory, PAGE_OFFSET);
	tb_print(s, "vmalloc %lx %lx 0\n", VMALLOC_START, VMALLOC_END & ~7UL);
	return 0;
}

/**
 * tb_cmd_dump() - command "dump REGION"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Until the next command, reads of this session return the region's bytes as
 * they are at the moment of the read.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_dump(struct tb_session *s, int argc, char **argv)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(tb_regions); i++) {
		if (strcmp(argv[1], tb_regions[i]->name))
			continue;
		s->dump = tb_regions[i];
		return 0;
	}
	pr_err("dump: no region \"%s\"\n", argv[1]);
	return -EINVAL;
}

/**
 * tb_region_read() - read() of a session that dumps a region
 * @r: region
 * @buf: where to
 * @count: how much at most
 * @pos: file offset, moved
 *
 * Return: bytes read, 0 at the end, or a negative errno; -ENXIO when the
 * arena has gone, or where the kernel's memory is has not been found out.
 */
ssize_t tb_region_read(const struct tb_region *r, char __user *buf,
		       size_t count, loff_t *pos)
{
	ssize_t n = -ENXIO;

	mutex_lock(&tb_blocks_lock);
	if (r->words && r->kernel)
		n = tb_kernel_read(r, buf, count, pos);
	else if (r->words)
		n = simple_read_from_buffer(buf, count, pos, r->words,
					    r->count * sizeof(long));
	mutex_unlock(&tb_blocks_lock);
	return n;
}

static int tb_fill(struct tb_region *r, bool pointers)
{
	unsigned long top = totalram_pages() << PAGE_SHIFT;
	unsigned long i;

	for (i = 0; i < r->distinct; i++) {
		unsigned long word = 0;

		if (pointers)
			word = PAGE_OFFSET + (tb_random() % top & ~7UL);
		if (!test_bit(i, r->used))
			WRITE_ONCE(r->words[i], word);
		if (i % SZ_64K)
			continue;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/**
 * tb_cmd_fill() - command "fill arena zero" or "fill arena random"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * "random" writes words that look like pointers into the direct map. Words
 * that hold the start of a planted block stay as they are.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_fill(struct tb_session *s, int argc, char **argv)
{
	bool pointers = !strcmp(argv[2], "random");
	int err = -ENXIO;

	if (strcmp(argv[1], tb_arena.name)) {
		pr_err("fill: region is \"%s\", want arena\n", argv[1]);
		return -EINVAL;
	}
	if (!pointers && strcmp(argv[2], "zero")) {
		pr_err("fill: PATTERN is \"%s\", want zero or random\n",
		       argv[2]);
		return -EINVAL;
	}
	mutex_lock(&tb_blocks_lock);
	if (tb_arena.words)
		err = tb_fill(&tb_arena, pointers);
	else
		pr_err("fill: there is no arena\n");
	mutex_unlock(&tb_blocks_lock);
	return err;
}

/**
 * tb_regions_init() - clear what the initial value was needed for
 */
void tb_regions_init(void)
{
	WRITE_ONCE(tb_data_slots[0], 0);
}

/**
 * tb_regions_exit() - free the arena, after the blocks kept in it
 */
void tb_regions_exit(void)
{
	mutex_lock(&tb_blocks_lock);
	tb_arena_free();
	mutex_unlock(&tb_blocks_lock);
}
