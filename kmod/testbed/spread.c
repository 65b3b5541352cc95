// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hole of 4 GiB in the addresses that vmalloc() gives out: blocks allocated
 * after it differ from those before it in the upper halves of their addresses.
 * To a scan that comes across it, it is device registers, which must not be
 * read; there is no memory and no device behind it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <asm/processor.h>

#include "testbed.h"

/*
 * The hole begins at a multiple of 1 GiB. What lies free below it is filled with
 * small ones, so that blocks of more than SMALL go above it.
 */
#define BIG		SZ_4G
#define SMALL		SZ_2M
#define MAX_SMALL	1024

static DEFINE_MUTEX(tb_spread_lock);
static void __iomem *tb_big;			/* tb_spread_lock */
static void __iomem *tb_small[MAX_SMALL];	/* tb_spread_lock */

static void tb_spread_off(void)
{
	int i;

	for (i = 0; i < MAX_SMALL; i++) {
		if (tb_small[i])
			iounmap(tb_small[i]);
		tb_small[i] = NULL;
	}
	if (tb_big)
		iounmap(tb_big);
	tb_big = NULL;
}

static int tb_spread_on(void)
{
	/* The upper half of what the processor can address: above all RAM. */
	phys_addr_t nothing = 1ULL << (boot_cpu_data.x86_phys_bits - 1);
	int i;

	if (tb_big)
		return 0;
	tb_big = ioremap(nothing, BIG);
	for (i = 0; tb_big && i < MAX_SMALL; i++) {
		tb_small[i] = ioremap(nothing, SMALL);
		if (tb_small[i] > tb_big)
			return 0;
		if (!tb_small[i])
			break;
		cond_resched();
	}
	tb_spread_off();
	pr_err("spread: no 4 GiB of addresses to be had\n");
	return -ENOMEM;
}

/**
 * tb_cmd_spread() - command "spread on|off"
 * @s: session, locked
 * @argc: number of words
 * @argv: words
 *
 * The hole belongs to the module, as blocks do. Making one where there is one,
 * and closing one where there is none, is no error.
 *
 * Return: 0 or a negative errno.
 */
int tb_cmd_spread(struct tb_session *s, int argc, char **argv)
{
	bool off = !strcmp(argv[1], "off");
	int err = 0;

	if (!off && strcmp(argv[1], "on")) {
		pr_err("spread: \"%s\" is neither on nor off\n", argv[1]);
		return -EINVAL;
	}
	mutex_lock(&tb_spread_lock);
	if (off)
		tb_spread_off();
	else
		err = tb_spread_on();
	mutex_unlock(&tb_spread_lock);
	return err;
}

/**
 * tb_spread_exit() - close the hole
 *
 * Context: module exit, no session is left.
 */
void tb_spread_exit(void)
{
	tb_spread_off();
}
