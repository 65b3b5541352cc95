/* SPDX-License-Identifier: GPL-2.0-only */
/* Texts of any length behind binary sysfs files, frozen for each reader. */
#ifndef KPROF_SNAP_H
#define KPROF_SNAP_H

#include <linux/types.h>

struct file;

/**
 * struct snap_ops - a kind of text
 * @take: makes the text as it is now: sets @data to what @render and @free
 *	get, @len to the length of the text and @bytes to the memory it takes.
 *	Returns 0 or a negative error. Sleeps.
 * @render: writes @count bytes of the text, from @off on, to @buf. All of them
 *	lie in the text. Sleeps.
 * @free: frees @data
 */
struct snap_ops {
	int (*take)(void **data, size_t *len, size_t *bytes);
	void (*render)(const void *data, char *buf, size_t off, size_t count);
	void (*free)(void *data);
};

ssize_t snap_read(const struct snap_ops *ops, struct file *file, char *buf,
		  loff_t off, size_t count);
void snap_exit(void);

#endif /* KPROF_SNAP_H */
