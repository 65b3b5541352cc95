// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that the direct backend leaves alone although they look harmless.
 *
 * Of functions that never return most are told by their code, in which there is
 * no return and no jump elsewhere; here are those that end in such a jump, and
 * those that may or may not come back.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "krp.h"

static const char never[] = "it does not return";
static const char idle[] = "idle tasks sleep in it, which are in no list of tasks";
static const char gone[] = "tasks run it that are in no list any more";
static const char caller[] = "it notes its caller";

static const struct {
	const char *symbol;
	const char *why;
} denied[] = {
	{ "__module_put_and_kthread_exit", never },
	{ "__x64_sys_exit", never },
	{ "__x64_sys_exit_group", never },
	{ "__ia32_sys_exit", never },
	{ "__ia32_sys_exit_group", never },
	{ "__do_sys_exit", never },
	{ "__do_sys_exit_group", never },
	{ "cpu_startup_entry", never },
	{ "do_exit", never },
	{ "do_group_exit", never },
	{ "do_task_dead", never },
	{ "kthread", never },
	{ "kthread_complete_and_exit", never },
	{ "kthread_exit", never },
	{ "make_task_dead", never },
	{ "panic", never },
	{ "rest_init", never },
	{ "rewind_stack_and_make_dead", never },
	{ "start_kernel", never },
	{ "stop_this_cpu", never },

	{ "__schedule", idle },
	{ "do_idle", idle },
	{ "schedule_idle", idle },

	{ "exit_notify", gone },
	{ "free_task", gone },
	{ "proc_flush_pid", gone },
	{ "proc_invalidate_siblings_dcache", gone },
	{ "put_task_stack", gone },
	{ "release_task", gone },

	{ "__kvmalloc_node_noprof", caller },
	{ "__vcalloc", caller },
	{ "__vcalloc_noprof", caller },
	{ "__vmalloc", caller },
	{ "__vmalloc_array", caller },
	{ "__vmalloc_array_noprof", caller },
	{ "__vmalloc_node", caller },
	{ "__vmalloc_node_noprof", caller },
	{ "__vmalloc_node_range", caller },
	{ "__vmalloc_node_range_noprof", caller },
	{ "__vmalloc_noprof", caller },
	{ "kvmalloc_node", caller },
	{ "kvrealloc_noprof", caller },
	{ "vcalloc", caller },
	{ "vcalloc_noprof", caller },
	{ "vmalloc", caller },
	{ "vmalloc_32", caller },
	{ "vmalloc_32_noprof", caller },
	{ "vmalloc_32_user", caller },
	{ "vmalloc_32_user_noprof", caller },
	{ "vmalloc_array", caller },
	{ "vmalloc_array_noprof", caller },
	{ "vmalloc_huge", caller },
	{ "vmalloc_huge_noprof", caller },
	{ "vmalloc_node", caller },
	{ "vmalloc_node_noprof", caller },
	{ "vmalloc_noprof", caller },
	{ "vmalloc_user", caller },
	{ "vmalloc_user_noprof", caller },
	{ "vrealloc_noprof", caller },
	{ "vzalloc", caller },
	{ "vzalloc_node", caller },
	{ "vzalloc_node_noprof", caller },
	{ "vzalloc_noprof", caller },
};

/**
 * krp_notes_caller() - Tell whether a function needs to know its caller.
 * @symbol: its name in kallsyms
 *
 * It finds another one when its return is hooked. KMP's kretprobes do, too, if
 * they come after that.
 *
 * Return: That in words, or NULL if it does not.
 */
const char *krp_notes_caller(const char *symbol)
{
	const char *why = krp_denied(symbol);

	return why == caller ? why : NULL;
}

/**
 * krp_denied() - Tell why a function must not be probed directly.
 * @symbol: its name in kallsyms
 *
 * Return: The reason, or NULL if there is none.
 */
const char *krp_denied(const char *symbol)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(denied); i++)
		if (!strcmp(symbol, denied[i].symbol))
			return denied[i].why;
	return NULL;
}
