// SPDX-License-Identifier: GPL-2.0-only
/* What KRP shows in sysfs. */
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "krp.h"
#include "krp_clock.h"
#include "krp_set.h"
#include "profiler.h"

/**
 * struct text - a text that is being made
 * @buf: its memory
 * @size: of it; the text is made to fit
 * @len: of the text so far
 */
struct text {
	char *buf;
	size_t size;
	size_t len;
};

static __printf(2, 3) void put(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	t->len += vscnprintf(t->buf + t->len, t->size - t->len, format, args);
	va_end(args);
}

/* Without what the probe has added. */
static u64 total_ns(const struct krp_func *f, const struct krp_counts *c)
{
	u64 bias = f->bias * c->returned;

	return krp_ticks_to_ns(c->total > bias ? c->total - bias : 0);
}

static void stats_line(struct text *t, const struct krp_func *f)
{
	struct krp_counts c;
	u64 average = 0;

	krp_counts_sum(f, &c);
	if (c.returned)
		average = div64_u64(total_ns(f, &c) + c.returned / 2, c.returned);
	/* A call that could not be timed is a call all the same. */
	put(t, "%s:%llu:%llu\n", f->name, average,
	    c.entered + f->backend->missed(f) - f->base->missed);
}

static void missed_line(struct text *t, const struct krp_func *f)
{
	put(t, "%s:%llu\n", f->name, f->backend->missed(f) - f->base->missed);
}

static void backends_line(struct text *t, const struct krp_func *f)
{
	put(t, "%s:%s:%s:%s\n", f->name, f->backend->name, f->symbol,
	    f->why ?: "");
}

static void latency_line(struct text *t, const struct krp_func *f)
{
	struct krp_counts c;

	krp_counts_sum(f, &c);
	put(t, "%s:%llu:%llu:%llu\n", f->name, c.max ? c.min : 0, c.max,
	    total_ns(f, &c));
}

static void histogram_lines(struct text *t, const struct krp_func *f)
{
	struct krp_counts c;
	int i;

	krp_counts_sum(f, &c);
	for (i = 0; i < KRP_NR_BUCKETS; i++)
		if (c.buckets[i])
			put(t, "%s:%llu:%llu:%llu\n", f->name,
			    i ? 1ULL << i : 0, (2ULL << i) - 1, c.buckets[i]);
}

/* The longest line: two symbols and a reason, or numbers between them. */
#define LINE_MAX_LEN	(2 * KSYM_NAME_LEN + 128)

/* Calls @put_lines for each function; each time it puts @lines at the most. */
static char *text_of(void (*put_lines)(struct text *, const struct krp_func *),
		     size_t lines, size_t *len)
{
	const struct krp_set *set = krp_lock();
	struct text t = { .size = set->n * lines * LINE_MAX_LEN + 1 };
	int i;

	t.buf = kvmalloc(t.size, GFP_KERNEL);
	for (i = 0; t.buf && i < set->n; i++)
		put_lines(&t, set->funcs[i]);
	krp_unlock();
	*len = t.len;
	return t.buf;
}

/**
 * krp_stats_text() - Make the contents of `stats`.
 * @len: set to the length of the text
 *
 * One line for each function, `name:average ns:invocations`. The average is
 * over the calls that have returned, rounded to the nearest nanosecond, without
 * what the probe adds; the invocations are all calls that have begun.
 *
 * Context: Sleeps.
 * Return: The text, for kvfree(), or NULL when there is no memory.
 */
char *krp_stats_text(size_t *len)
{
	return text_of(stats_line, 1, len);
}

/**
 * krp_missed_text() - Make the contents of `missed`.
 * @len: set to the length of the text
 *
 * One line for each function, `name:calls`: calls that are in the invocations
 * of `stats` but not in its average, because they could not be timed.
 *
 * Context: Sleeps.
 * Return: The text, for kvfree(), or NULL when there is no memory.
 */
char *krp_missed_text(size_t *len)
{
	return text_of(missed_line, 1, len);
}

/**
 * krp_backends_text() - Make the contents of `backends`.
 * @len: set to the length of the text
 *
 * One line for each function, `name:backend:symbol in kallsyms:reason`: why the
 * next cheaper backend was not taken, or nothing if there is none.
 *
 * Context: Sleeps.
 * Return: The text, for kvfree(), or NULL when there is no memory.
 */
char *krp_backends_text(size_t *len)
{
	return text_of(backends_line, 1, len);
}

/**
 * krp_latency_text() - Make the contents of `latency`.
 * @len: set to the length of the text
 *
 * One line for each function, `name:shortest:longest:total`, in ns, of the
 * calls that have returned, without what the probe adds.
 *
 * Context: Sleeps. Histograms are wanted.
 * Return: The text, for kvfree(), or NULL when there is no memory.
 */
char *krp_latency_text(size_t *len)
{
	return text_of(latency_line, 1, len);
}

/**
 * krp_histogram_text() - Make the contents of `histogram`.
 * @len: set to the length of the text
 *
 * A line for each function and range of durations in which there are any,
 * `name:from ns:to ns:calls`, both ends included. Ranges end before powers of
 * two.
 *
 * Context: Sleeps. Histograms are wanted.
 * Return: The text, for kvfree(), or NULL when there is no memory.
 */
char *krp_histogram_text(size_t *len)
{
	return text_of(histogram_lines, KRP_NR_BUCKETS, len);
}

/**
 * krp_calibration_show() - Write the contents of `calibration`.
 * @buf: a page
 *
 * A line for each kind of probe whose bias was measured, `probe:clock:ticks`:
 * what is taken from each duration.
 *
 * Context: Sleeps.
 * Return: Bytes written.
 */
ssize_t krp_calibration_show(char *buf)
{
	const struct krp_backend *b;
	ssize_t n = 0;
	int i, j;

	krp_lock();
	for (i = 0; (b = krp_backend(i)); i++)
		for (j = 0; j < b->nr_biases; j++)
			if (b->biases[j].known)
				n += sysfs_emit_at(buf, n, "%s:%s:%llu\n",
						   b->biases[j].probe,
						   krp_clock_name(),
						   b->biases[j].ticks);
	krp_unlock();
	return n;
}
