/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists of names, and sets of functions. */
#ifndef KPROF_KRP_SET_H
#define KPROF_KRP_SET_H

#include <linux/types.h>

struct krp_backend;
struct krp_func;

/**
 * struct krp_names - a list of names, cut up
 * @text: that holds them
 * @names: each of them
 * @n: how many
 */
struct krp_names {
	char *text;
	char **names;
	int n;
};

/**
 * struct krp_set - functions, in the order in which the user gave them
 * @funcs: each of them
 * @n: how many
 */
struct krp_set {
	struct krp_func **funcs;
	int n;
};

int krp_names_parse(struct krp_names *names, const char *list);
void krp_names_free(struct krp_names *names);

struct krp_func *krp_func_new(const char *name, char **symbol,
			      unsigned long addr);

int krp_set_alloc(struct krp_set *set, int n);
void krp_set_free(struct krp_set *set);
int krp_set_check(const struct krp_set *set);
int krp_set_diff(const struct krp_set *from, const struct krp_set *to,
		 struct krp_set *added, struct krp_set *removed);
void krp_set_keep(struct krp_set *from, struct krp_set *to);

/* krp.c: the set that is profiled now */
const struct krp_set *krp_lock(void);
void krp_unlock(void);
const struct krp_backend *krp_backend(int i);

#endif /* KPROF_KRP_SET_H */
