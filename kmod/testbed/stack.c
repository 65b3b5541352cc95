// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the stack looks like from inside of functions that can be probed.
 *
 * No shared state: all lies on the stack of the command.
 */
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/stacktrace.h>

#include "testbed.h"

#define TB_STACK_ENTRIES	48

/**
 * tb_stack_inner() - save the current trace
 * @entries: room for the trace
 * @count: how much there is
 *
 * Context: process context.
 * Return: the number of entries.
 */
noinline __noclone unsigned int tb_stack_inner(unsigned long *entries,
					       unsigned int count)
{
	unsigned int n = stack_trace_save(entries, count, 0);

	/* Else the call would be a jump, and this function not on the stack. */
	barrier();
	return n;
}

/**
 * tb_stack_outer() - save the current trace, one call further in
 * @entries: room for the trace
 * @count: how much there is
 *
 * Context: process context.
 * Return: the number of entries.
 */
noinline __noclone unsigned int tb_stack_outer(unsigned long *entries,
					       unsigned int count)
{
	unsigned int n = tb_stack_inner(entries, count);

	barrier();
	return n;
}

/**
 * tb_cmd_stack() - command "stack"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * Prints the trace as tb_stack_inner() sees it, a line for each function, the
 * innermost first.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_stack(struct tb_session *s, int argc, char **argv)
{
	unsigned long entries[TB_STACK_ENTRIES];
	unsigned int i, n = tb_stack_outer(entries, TB_STACK_ENTRIES);

	for (i = 0; i < n; i++)
		tb_print(s, "%pS\n", (void *)entries[i]);
	return 0;
}
