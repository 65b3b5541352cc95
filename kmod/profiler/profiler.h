/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of profiler.ko offer each other. */
#ifndef KPROF_PROFILER_H
#define KPROF_PROFILER_H

#include <linux/sysfs.h>
#include <linux/types.h>

struct file;
struct scan_report;

/* sysfs.c: /sys/class/qeexo/profiler */
int kprof_sysfs_init(void);
void kprof_sysfs_exit(void);

/**
 * struct krp_options - the parameters that are KRP's
 * @funcs: functions to profile, or NULL
 * @args: how many words their arguments take, or NULL
 * @backend: the only one to use, or NULL
 * @clock: the one to use, or NULL
 * @maxactive: calls of one function that can be in progress at once, 0 to have
 *	it chosen
 */
struct krp_options {
	const char *funcs;
	const char *args;
	const char *backend;
	const char *clock;
	unsigned int maxactive;
};

/* krp.c: the kernel routine profiler */
int krp_init(const struct krp_options *o);
int krp_change(const char *list, const char *args);
void krp_reset(void);
void krp_exit(void);

/* krp_text.c: what it shows */
char *krp_stats_text(size_t *len);
char *krp_missed_text(size_t *len);
char *krp_backends_text(size_t *len);
char *krp_latency_text(size_t *len);
char *krp_histogram_text(size_t *len);
ssize_t krp_calibration_show(char *buf);

/* kmp.c: the kernel memory profiler */
extern bool kmp_family;
int kmp_init(void);
int kmp_start(void);
void kmp_stop(void);
void kmp_exit(void);
ssize_t kmp_status_show(char *buf);

/* memleaks.c: the report on live blocks */
extern bool memleaks_ignore_self;
extern unsigned int memleaks_confirm;
int memleaks_set_start(const char *text, size_t len);
int memleaks_set_end(const char *text, size_t len);
ssize_t memleaks_read(struct file *file, char *buf, loff_t off, size_t count);
struct scan_report memleaks_last_scan(void);
void memleaks_stop(void);

#endif /* KPROF_PROFILER_H */
