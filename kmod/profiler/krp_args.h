/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of the arguments of functions. */
#ifndef KPROF_KRP_ARGS_H
#define KPROF_KRP_ARGS_H

#include <linux/types.h>

int krp_args_check(const char *text);
int krp_args_of(const char *text, const char *name, const char *symbol);
bool krp_is_syscall(const char *symbol);

#endif /* KPROF_KRP_ARGS_H */
