/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions that ftrace calls a trampoline from. */
#ifndef KPROF_KRP_GROUP_H
#define KPROF_KRP_GROUP_H

#include <linux/types.h>

struct krp_func;
struct list_head;

/* Stands for no function: see krp_group.c. */
extern struct krp_func krp_nobody;

int krp_groups_open(void);
void krp_groups_close(void);
int krp_hook(struct krp_func **funcs, int n, const u8 *const *trampolines);
bool krp_rejoin(struct krp_func *f);
void krp_leave_quietly(struct krp_func *f);
void krp_unhook(struct krp_func **funcs, int n, struct list_head *ended);
void krp_end_groups(struct krp_func **funcs, int n, struct list_head *ended);

#endif /* KPROF_KRP_GROUP_H */
