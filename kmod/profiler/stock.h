/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory for records, at hand where none can be allocated. */
#ifndef KPROF_STOCK_H
#define KPROF_STOCK_H

#include <linux/types.h>

int stock_init(const char *name, size_t size);
void stock_exit(void);

void *stock_take(void);
void stock_put(void *record);

#endif /* KPROF_STOCK_H */
