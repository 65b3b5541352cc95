// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module whose text is nothing but breakpoints. Loaded where the text of
 * another one was, it turns a return into freed memory, which may go well for
 * long, into an oops at once.
 */
#include <linux/module.h>

asm(".pushsection .text; .fill 512 << 10, 1, 0xcc; .popsection");

MODULE_DESCRIPTION("Breakpoints in place of a module that was unloaded");
MODULE_LICENSE("GPL");
