// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report on live blocks: one line for each, the verdict from one scan.
 *
 * The verdict is frozen when the file is read at offset 0; the lines are made
 * from it as they are read. Blocks allocated while the scan runs are left for
 * the next one, because a pointer to them may have been stored in memory that
 * was read already; blocks released while it runs are not reported.
 *
 * Locking: scan_mutex lets one scan run at a time and guards last_report;
 * range_lock guards the range. They are not nested.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <asm/pgtable.h>

#include "blocks.h"
#include "compat.h"
#include "idle.h"
#include "profiler.h"
#include "ptes.h"
#include "scan.h"
#include "snap.h"

static DEFINE_MUTEX(scan_mutex);
static struct scan_report last_report;

static DEFINE_SPINLOCK(range_lock);
static unsigned long range_start, range_end;	/* 0: not set */

/* How scans are to be made from now on; see struct scan_request. */
bool memleaks_ignore_self;
unsigned int memleaks_confirm;

/**
 * struct report - the verdict of one scan
 * @blocks: what is live, in the order of addresses
 * @nr: how many
 */
struct report {
	struct live_block *blocks;
	size_t nr;
};

/* "0x", 16 digits, ':', 13 characters of verdict, ':', "0x", 16 digits, '\n' */
#define LINE_LEN	52
#define LEAK		":possible leak:"
#define HELD		":not freed yet:"
static_assert(sizeof(LEAK) == sizeof(HELD));
static_assert(2 * 18 + sizeof(LEAK) - 1 + 1 == LINE_LEN);

/* Half of an address, and its hexadecimal digits, the first one uppermost. */
struct digits {
	u32 value;
	u64 text;
};

/*
 * Eight digits at once: each nibble goes to a byte of its own. This and what
 * follows is inlined because calls would take as long again.
 */
static __always_inline u64 hex32(u32 value)
{
	u64 x = value, above9;

	x = (x << 16 | x) & 0x0000ffff0000ffffULL;
	x = (x << 8 | x) & 0x00ff00ff00ff00ffULL;
	x = (x << 4 | x) & 0x0f0f0f0f0f0f0f0fULL;
	above9 = ((x + 0x0606060606060606ULL) >> 4) & 0x0101010101010101ULL;
	x += 0x3030303030303030ULL + above9 * ('a' - '0' - 10);
	return x;
}

/* Neighbouring lines have most of their digits in common. */
static __always_inline char *put_half(char *to, u32 value,
				      struct digits *before)
{
	if (value != before->value) {
		before->value = value;
		before->text = hex32(value);
	}
	put_unaligned_be64(before->text, to);
	return to + sizeof(u64);
}

static __always_inline char *put_address(char *to, u32 upper, u32 lower,
					 struct digits *before)
{
	*to++ = '0';
	*to++ = 'x';
	to = put_half(to, upper, &before[0]);
	return put_half(to, lower, &before[1]);
}

static __always_inline void put_line(char *to, const struct live_block *b,
				     struct digits *before)
{
	bool held = b->page & BLOCK_REFERENCED;
	u64 page = BLOCK_PAGE(b->page);

	/* Never the whole address, which an interrupt would leave on the stack. */
	to = put_address(to, page >> (32 - PAGE_SHIFT), page << PAGE_SHIFT,
			 &before[0]);
	memcpy(to, held ? HELD : LEAK, sizeof(LEAK) - 1);
	to = put_address(to + sizeof(LEAK) - 1, upper_32_bits(b->ip),
			 lower_32_bits(b->ip), &before[2]);
	*to = '\n';
}

static void report_render(const void *data, char *buf, size_t off, size_t count)
{
	const struct digits zero = { .text = hex32(0) };
	struct digits before[4] = { zero, zero, zero, zero };
	const struct report *r = data;
	const struct live_block *b = &r->blocks[off / LINE_LEN];
	size_t skip = off % LINE_LEN;
	char line[LINE_LEN];

	while (count) {
		size_t n = min_t(size_t, count, LINE_LEN - skip);

		if (n == LINE_LEN) {
			put_line(buf, b, before);
		} else {
			put_line(line, b, before);
			memcpy(buf, line + skip, n);
		}
		b++;
		skip = 0;
		buf += n;
		count -= n;
	}
}

static void report_free(void *data)
{
	struct report *r = data;

	kvfree(r->blocks);
	kfree(r);
}

#define RADIX_BITS	11
#define RADIX		(1U << RADIX_BITS)

/* One pass of a radix sort: by RADIX_BITS bits of the page from @shift on. */
static void sort_pass(const struct live_block *from, struct live_block *to,
		      size_t nr, u64 first, int shift, u32 *next)
{
	u32 sum = 0, n;
	size_t i;

	memset(next, 0, RADIX * sizeof(*next));
	for (i = 0; i < nr; i++)
		next[((from[i].page - first) >> shift) % RADIX]++;
	for (i = 0; i < RADIX; i++) {
		n = next[i];
		next[i] = sum;
		sum += n;
	}
	for (i = 0; i < nr; i++)
		to[next[((from[i].page - first) >> shift) % RADIX]++] = from[i];
}

/* Sorts blocks by address; sort() would take longer than the scan. */
static int sort_blocks(struct live_block **blocks, size_t nr)
{
	u64 first = U64_MAX, last = 0;
	struct live_block *spare;
	int shift, ret = 0;
	u32 *next;
	size_t i;

	spare = kvmalloc_array(max_t(size_t, nr, 1), sizeof(*spare), GFP_KERNEL);
	next = kmalloc_array(RADIX, sizeof(*next), GFP_KERNEL);
	if (!spare || !next) {
		kvfree(spare);
		kfree(next);
		return -ENOMEM;
	}
	for (i = 0; i < nr; i++) {
		first = min(first, (*blocks)[i].page);
		last = max(last, (*blocks)[i].page);
	}
	for (shift = 0; !ret && nr && shift < 64 && (last - first) >> shift;
	     shift += RADIX_BITS) {
		sort_pass(*blocks, spare, nr, first, shift, next);
		swap(*blocks, spare);
		ret = scan_may_go_on();
	}
	kvfree(spare);
	kfree(next);
	return ret;
}

/**
 * struct mapped - page tables around the block looked at last
 * @page: that the first entry is for
 * @ptes: entries, none yet if its @last is 0
 */
struct mapped {
	u64 page;
	struct ptes ptes;
};

/* Whether there is memory at a page, above those that were asked for before. */
static bool is_mapped(struct mapped *m, u64 page)
{
	/* Not the first address: see struct ptes. */
	unsigned long last = page << PAGE_SHIFT | ~PAGE_MASK;
	unsigned int i = 0;

	if (last > m->ptes.last) {
		ptes_copy(&m->ptes, last, last + (PTES_MAX - 1) * PAGE_SIZE);
		m->page = page;
	}
	if (m->ptes.nr > 1)
		i = page - m->page;
	return i < m->ptes.nr && pte_flags(m->ptes.entry[i]) & _PAGE_PRESENT;
}

/*
 * Drops what was released during the scan, if anything was, what is not even
 * mapped, and what this module has for its reports.
 */
static int drop_dead(struct report *r, u64 generation, bool gone,
		     struct scan_report *report)
{
	struct live_block *blocks = r->blocks;
	struct mapped mapped = {};
	size_t i, kept = 0;
	int ret = 0;

	for (i = 0; i < r->nr; i++) {
		u64 page = BLOCK_PAGE(blocks[i].page);

		if (i % 1024 == 0)
			ret = scan_may_go_on();
		if (ret)
			return ret;
		if ((gone && !blocks_alive(page, generation)) ||
		    (kmp_family && within_module(blocks[i].ip, THIS_MODULE)))
			continue;
		if (!is_mapped(&mapped, page)) {
			report->stale++;
			continue;
		}
		blocks[kept++] = blocks[i];
	}
	r->nr = kept;
	return 0;
}

static int scan(struct report *r, const struct scan_request *request,
		struct scan_report *report)
{
	u64 gone = blocks_gone();
	u64 generation;
	int ret;

	/* Others may have waited for as long as the module is there. */
	ret = scan_may_go_on();
	if (ret)
		return ret;
	ret = blocks_snapshot(&r->blocks, &r->nr, &generation);
	if (ret)
		return ret;
	ret = sort_blocks(&r->blocks, r->nr);
	if (ret)
		return ret;
	ret = scan_memory(r->blocks, r->nr, request, report);
	if (ret)
		return ret;
	return drop_dead(r, generation, blocks_gone() != gone, report);
}

static int get_request(struct scan_request *request)
{
	request->ignore_self = READ_ONCE(memleaks_ignore_self);
	request->confirm = READ_ONCE(memleaks_confirm);
	spin_lock(&range_lock);
	request->start = range_start;
	request->end = range_end;
	spin_unlock(&range_lock);

	if (request->start && request->end)
		return 0;
	pr_err("memleaks: write scan_start_addr and then scan_end_addr first\n");
	return -EINVAL;
}

static int report_take(void **data, size_t *len, size_t *bytes)
{
	struct scan_report report = {};
	u64 began = ktime_get_ns();
	struct scan_request request;
	struct report *r;
	int ret;

	ret = get_request(&request);
	if (ret)
		return ret;
	r = kzalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return -ENOMEM;

	ret = mutex_lock_killable(&scan_mutex);
	if (!ret) {
		ret = scan(r, &request, &report);
		if (!ret) {
			report.scans = last_report.scans + 1;
			report.ns = ktime_get_ns() - began;
			last_report = report;
		}
		mutex_unlock(&scan_mutex);
		idle_wipe_own_stack();
	}
	if (ret) {
		report_free(r);
		return ret;
	}
	*data = r;
	*len = r->nr * LINE_LEN;
	*bytes = r->nr * sizeof(*r->blocks);
	return 0;
}

static const struct snap_ops report_ops = {
	.take = report_take,
	.render = report_render,
	.free = report_free,
};

/**
 * memleaks_read() - Read from `memleaks`.
 * @file: the open file
 * @buf: where to
 * @off: offset in the report; a read at 0 scans memory
 * @count: how much at the most
 *
 * Context: Sleeps.
 * Return: Bytes read, -EINVAL when there is no range, -EINTR when the task is
 * to die, -ENODEV when the module is being unloaded, -ESTALE (see
 * snap_read()), -ENOMEM.
 */
ssize_t memleaks_read(struct file *file, char *buf, loff_t off, size_t count)
{
	return snap_read(&report_ops, file, buf, off, count);
}

/**
 * memleaks_stop() - Make a scan under way, and later ones, fail.
 *
 * Context: Any.
 */
void memleaks_stop(void)
{
	scan_stop();
}

/**
 * memleaks_last_scan() - Tell what the last scan did.
 *
 * Context: Sleeps, as long as a scan runs.
 * Return: The report of the last scan that succeeded, all 0 if there is none.
 */
struct scan_report memleaks_last_scan(void)
{
	struct scan_report report;

	mutex_lock(&scan_mutex);
	report = last_report;
	mutex_unlock(&scan_mutex);
	return report;
}

static int parse_address(const char *file, const char *text, size_t len,
			 unsigned long *addr)
{
	size_t shown = min_t(size_t, len - (len && text[len - 1] == '\n'), 40);

	/* kstrtoul() takes a sign, and whatever follows a NUL. */
	if (!isxdigit(*text) || strnlen(text, len) < len ||
	    kstrtoul(text, 16, addr)) {
		pr_err("%s: '%*pE' is not a hexadecimal address\n", file,
		       (int)shown, text);
		return -EINVAL;
	}
	/* The kernel's half of the canonical addresses. */
	if ((long)*addr >> __VIRTUAL_MASK_SHIFT != -1) {
		pr_err("%s: 0x%lx is not a kernel address\n", file, *addr);
		return -EINVAL;
	}
	return 0;
}

/**
 * memleaks_set_start() - Set the first address of the range.
 * @text: hexadecimal digits, with or without 0x
 * @len: their number
 *
 * A start that is not below the end unsets the end, so that a range is always
 * moved by writing its start and then its end.
 *
 * Return: 0, or -EINVAL with a line in the log for what is no kernel address.
 */
int memleaks_set_start(const char *text, size_t len)
{
	unsigned long addr;
	int ret = parse_address("scan_start_addr", text, len, &addr);

	if (ret)
		return ret;
	spin_lock(&range_lock);
	range_start = addr;
	if (range_end <= addr)
		range_end = 0;
	spin_unlock(&range_lock);
	return 0;
}

/**
 * memleaks_set_end() - Set the address after the range.
 * @text: hexadecimal digits, with or without 0x
 * @len: their number
 *
 * Return: 0, or -EINVAL with a line in the log for what is no kernel address
 * or not above the start. The range is then what it was.
 */
int memleaks_set_end(const char *text, size_t len)
{
	unsigned long addr, start;
	int ret = parse_address("scan_end_addr", text, len, &addr);

	if (ret)
		return ret;
	spin_lock(&range_lock);
	start = range_start;
	if (addr > start)
		range_end = addr;
	spin_unlock(&range_lock);
	if (addr > start)
		return 0;
	pr_err("scan_end_addr: 0x%lx is not above scan_start_addr 0x%lx\n",
	       addr, start);
	return -EINVAL;
}
