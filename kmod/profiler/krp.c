// SPDX-License-Identifier: GPL-2.0-only
/*
 * KRP: average duration and number of calls of the functions in `funcs`.
 *
 * The list of functions is made once, in krp_init(), before anything can read
 * it, and freed in krp_exit(), after the last reader has gone; so there is no
 * lock. The counters are per CPU: see struct krp_counts.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "krp.h"
#include "profiler.h"

/* In the order of preference. */
static const struct krp_backend *const backends[] = {
	&krp_kretprobe,
};

static struct krp_func *krp_funcs;
static int krp_nr;
static char *krp_names;		/* the parameter, cut into names */

/*
 * All functions together may have this many calls in progress (8 MiB of
 * kretprobe instances), but each at least MIN_ACTIVE and none more than
 * MAX_ACTIVE, unless the user says otherwise.
 */
#define TOTAL_ACTIVE	(128U << 10)
#define MIN_ACTIVE	1024U
#define MAX_ACTIVE	(16U << 10)
#define LIMIT_ACTIVE	(1U << 20)

static int pick_maxactive(unsigned int wanted, int nr, unsigned int *maxactive)
{
	if (wanted > LIMIT_ACTIVE) {
		pr_err("maxactive: %u is more than %u\n", wanted, LIMIT_ACTIVE);
		return -EINVAL;
	}
	*maxactive = wanted ?: clamp(TOTAL_ACTIVE / nr, MIN_ACTIVE, MAX_ACTIVE);
	return 0;
}

/* Cuts the parameter into names. Returns how many, or a negative error. */
static int parse_names(const char *funcs)
{
	char *rest, *name;
	int i, n = 1;
	const char *c;

	for (c = funcs; *c; c++)
		n += *c == ',';

	krp_names = kstrdup(funcs, GFP_KERNEL);
	krp_funcs = kvcalloc(n, sizeof(*krp_funcs), GFP_KERNEL);
	if (!krp_names || !krp_funcs)
		return -ENOMEM;

	rest = krp_names;
	for (i = 0; (name = strsep(&rest, ",")); i++) {
		if (!*name) {
			pr_err("funcs: name %d of %d is empty\n", i + 1, n);
			return -EINVAL;
		}
		if (strlen(name) + strlen(KPROF_SYSCALL_PREFIX) >= KSYM_NAME_LEN) {
			pr_err("funcs: name %d of %d is too long\n", i + 1, n);
			return -EINVAL;
		}
		krp_funcs[i].name = name;
	}
	return n;
}

static int check_doubles(int nr)
{
	int i, j;

	for (i = 0; i < nr; i++) {
		for (j = 0; j < i; j++) {
			if (strcmp(krp_funcs[i].name, krp_funcs[j].name))
				continue;
			pr_err("funcs: '%s' is given twice\n", krp_funcs[i].name);
			return -EINVAL;
		}
	}
	return 0;
}

static int attach_as(struct krp_func *f, const char *prefix)
{
	int i, ret = -ENOENT;

	f->symbol = kasprintf(GFP_KERNEL, "%s%s", prefix, f->name);
	if (!f->symbol)
		return -ENOMEM;

	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		ret = backends[i]->attach(f);
		if (!ret) {
			f->backend = backends[i];
			return 0;
		}
	}
	kfree(f->symbol);
	f->symbol = NULL;
	return ret;
}

static int attach(struct krp_func *f)
{
	int ret;

	f->counts = alloc_percpu(struct krp_counts);
	if (!f->counts)
		return -ENOMEM;

	ret = attach_as(f, "");
	/* sys_getpid is what people type; the kernel has __x64_sys_getpid. */
	if (ret == -ENOENT && !strncmp(f->name, "sys_", 4))
		ret = attach_as(f, KPROF_SYSCALL_PREFIX);
	if (!ret || ret == -ENOMEM)
		return ret;

	if (ret == -ENOENT) {
		pr_err("funcs: there is no symbol '%*pE' in this kernel\n",
		       (int)strlen(f->name), f->name);
		return -ENOENT;
	}
	pr_err("funcs: '%s' cannot be probed (error %d)\n", f->name, ret);
	return -EOPNOTSUPP;
}

static int check_same(int i)
{
	int j;

	for (j = 0; j < i; j++) {
		if (krp_funcs[i].addr != krp_funcs[j].addr)
			continue;
		pr_err("funcs: '%s' and '%s' are one function\n",
		       krp_funcs[j].name, krp_funcs[i].name);
		return -EINVAL;
	}
	return 0;
}

static void detach_all(void)
{
	struct krp_func **mine;
	int b, i, n;

	mine = kvmalloc_array(max(krp_nr, 1), sizeof(*mine), GFP_KERNEL);
	for (b = 0; b < ARRAY_SIZE(backends); b++) {
		for (n = 0, i = 0; i < krp_nr; i++) {
			struct krp_func *f = &krp_funcs[i];

			if (f->backend != backends[b])
				continue;
			if (mine)
				mine[n++] = f;
			else
				f->backend->detach(&f, 1);
		}
		if (n)
			backends[b]->detach(mine, n);
	}
	kvfree(mine);
}

/**
 * krp_init() - Start to profile functions.
 * @funcs: kernel symbols separated by commas, or NULL for none. A name that
 *	starts with sys_ also finds the symbol with the prefix that this
 *	architecture gives its system calls.
 * @maxactive: calls of one function that can be in progress at once, 0 to
 *	have it chosen
 *
 * Either all functions are profiled or none. What is wrong with a bad list is
 * logged in one line.
 *
 * Context: Sleeps.
 * Return: 0, -EINVAL for an empty or doubled name or a bad @maxactive,
 * -ENOENT for a symbol that does not exist, -EOPNOTSUPP for one that cannot
 * be probed, -ENOMEM.
 */
int krp_init(const char *funcs, unsigned int maxactive)
{
	int i, nr, ret;

	if (!funcs)
		return 0;

	nr = parse_names(funcs);
	ret = nr;
	if (nr < 0)
		goto err;
	ret = check_doubles(nr);
	if (ret)
		goto err;
	ret = pick_maxactive(maxactive, nr, &maxactive);
	if (ret)
		goto err;

	for (i = 0; i < nr; i++) {
		krp_nr = i + 1;
		krp_funcs[i].maxactive = maxactive;
		ret = attach(&krp_funcs[i]);
		if (!ret)
			ret = check_same(i);
		if (ret)
			goto err;
	}
	return 0;

err:
	krp_exit();
	return ret;
}

/**
 * krp_exit() - Stop profiling and forget everything.
 *
 * Calls in progress return unharmed. Does nothing if nothing is profiled.
 *
 * Context: Sleeps. No reader of the texts below may be left.
 */
void krp_exit(void)
{
	int i;

	detach_all();
	for (i = 0; i < krp_nr; i++) {
		free_percpu(krp_funcs[i].counts);
		kfree(krp_funcs[i].symbol);
	}
	krp_nr = 0;
	kvfree(krp_funcs);
	krp_funcs = NULL;
	kfree(krp_names);
	krp_names = NULL;
}

static struct krp_counts sum_counts(const struct krp_func *f)
{
	struct krp_counts sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct krp_counts *c = per_cpu_ptr(f->counts, cpu);

		sum.entered += READ_ONCE(c->entered);
		sum.returned += READ_ONCE(c->returned);
		sum.total += READ_ONCE(c->total);
	}
	return sum;
}

static int stats_line(char *buf, size_t size, const struct krp_func *f)
{
	struct krp_counts c = sum_counts(f);
	u64 average = 0;

	if (c.returned)
		average = div64_u64(c.total + c.returned / 2, c.returned);
	/* A call that could not be timed is a call all the same. */
	return snprintf(buf, size, "%s:%llu:%llu\n", f->name, average,
			c.entered + f->backend->missed(f));
}

static int missed_line(char *buf, size_t size, const struct krp_func *f)
{
	return snprintf(buf, size, "%s:%llu\n", f->name, f->backend->missed(f));
}

static int backends_line(char *buf, size_t size, const struct krp_func *f)
{
	return snprintf(buf, size, "%s:%s:%s\n", f->name, f->backend->name,
			f->symbol);
}

/* The longest line: two symbols or two numbers, and what is between them. */
#define LINE_MAX_LEN	(2 * KSYM_NAME_LEN + 64)

static char *text_of(int (*line)(char *, size_t, const struct krp_func *),
		     size_t *len)
{
	size_t size = (size_t)krp_nr * LINE_MAX_LEN + 1;
	char *text = kvmalloc(size, GFP_KERNEL);
	int i;

	*len = 0;
	if (!text)
		return NULL;
	for (i = 0; i < krp_nr; i++)
		*len += line(text + *len, size - *len, &krp_funcs[i]);
	return text;
}

/**
 * krp_stats_text() - Make the contents of `stats`.
 * @len: set to the length of the text
 *
 * One line for each function, `name:average ns:invocations`. The average is
 * over the calls that have returned, rounded to the nearest nanosecond; the
 * invocations are all calls that have begun.
 *
 * Context: Sleeps.
 * Return: The text, for kvfree(), or NULL when there is no memory.
 */
char *krp_stats_text(size_t *len)
{
	return text_of(stats_line, len);
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
	return text_of(missed_line, len);
}

/**
 * krp_backends_text() - Make the contents of `backends`.
 * @len: set to the length of the text
 *
 * One line for each function, `name:backend:symbol in kallsyms`.
 *
 * Context: Sleeps.
 * Return: The text, for kvfree(), or NULL when there is no memory.
 */
char *krp_backends_text(size_t *len)
{
	return text_of(backends_line, len);
}
