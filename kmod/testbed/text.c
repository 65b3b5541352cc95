// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text in and out of a session: numbers of commands, and their results.
 *
 * Locking: a session's text is guarded by the session's lock, which every
 * caller holds.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "testbed.h"

/**
 * tb_text_reserve() - make room for more result text
 * @s: session, locked
 * @bytes: how much will be appended
 *
 * The memory comes from kvmalloc(), which a tracer of vmalloc() never sees.
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int tb_text_reserve(struct tb_session *s, size_t bytes)
{
	size_t size = max3(s->size * 2, s->len + bytes, (size_t)SZ_1K);
	char *text;

	if (s->len + bytes <= s->size)
		return 0;
	text = kvmalloc(size, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	if (s->len)
		memcpy(text, s->text, s->len);
	kvfree(s->text);
	s->text = text;
	s->size = size;
	return 0;
}

/**
 * tb_print() - append to the result of the running command
 * @s: session, locked
 * @fmt: as for printf()
 *
 * A failure is kept in the session and fails the command as a whole.
 * Arguments may lie on the stack for long after the call: never pass the
 * start of a planted block.
 *
 * Context: process context, may sleep.
 */
void tb_print(struct tb_session *s, const char *fmt, ...)
{
	char line[256];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vscnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (tb_text_reserve(s, n)) {
		s->text_err = -ENOMEM;
		return;
	}
	memcpy(s->text + s->len, line, n);
	s->len += n;
}

/**
 * tb_number() - read a number of a command and check its range
 * @what: what the number is, for the message
 * @text: decimal, or hexadecimal with 0x
 * @min: smallest allowed
 * @max: largest allowed
 * @value: the number, set only on success
 *
 * Return: 0 or -EINVAL after a message that says what is wanted.
 */
int tb_number(const char *what, const char *text, u64 min, u64 max, u64 *value)
{
	u64 v;

	if (kstrtou64(text, 0, &v) || v < min || v > max) {
		pr_err("%s is \"%s\", want a number from %llu to %llu\n",
		       what, text, min, max);
		return -EINVAL;
	}
	*value = v;
	return 0;
}

/**
 * tb_print_timing() - print what a timed loop took
 * @s: session, locked
 * @calls: calls made
 * @sum: time of the loop around the function
 * @loop: time of the same loop around an empty function
 */
void tb_print_timing(struct tb_session *s, u64 calls,
		     const struct tb_span *sum, const struct tb_span *loop)
{
	tb_print(s, "calls=%llu\nticks=%llu\nns=%llu\n", calls, sum->ticks,
		 sum->ns);
	tb_print(s, "loop_ticks=%llu\nloop_ns=%llu\n", loop->ticks, loop->ns);
}
