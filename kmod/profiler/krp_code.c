// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is in the kernel's code: how a function returns on this machine, where a
 * return is that others can be sent to, whether a function has any, and whether
 * ftrace can call from it.
 */
#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/pgtable.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "krp.h"
#include "krp_direct.h"
#include "symbols.h"

/* A return instruction of the kernel's, and what to go to it means to others. */
unsigned long krp_plain_return;

/* The same behind "add $16,%rsp", which skips a frame without its label. */
unsigned long krp_skipping_return;
static const u8 skip[] = { 0x48, 0x83, 0xc4, 0x10 };

static_assert((KRP_FRAME_WORDS - 1) * sizeof(long) == 0x10);

/*
 * Where the returns of this kernel jump, or 0 when they are just returns. Not
 * always an exported thunk: it depends on the processor.
 */
static unsigned long return_thunk;

/* A conditional one. A return is shorter. */
#define LONGEST_JUMP	6

static bool read_text(void *to, unsigned long from, size_t len)
{
	return !copy_from_kernel_nofault(to, (void *)from, len);
}

static unsigned long jump_target(unsigned long at, const u8 *code)
{
	return at + 5 + *(const s32 *)(code + 1);
}

static void learn_return_thunk(void)
{
	u8 code[5];

	return_thunk = 0;
	if (read_text(code, (unsigned long)krp_sample_return, sizeof(code)) &&
	    code[0] == 0xe9)
		return_thunk = jump_target((unsigned long)krp_sample_return, code);
}

/* A whole return, as the kernel patches it: ret and four int3, or a jump. */
static bool is_return(unsigned long at, const u8 *code)
{
	static const u8 patched[] = { 0xc3, 0xcc, 0xcc, 0xcc, 0xcc };

	if (!memcmp(code, patched, sizeof(patched)))
		return true;
	return return_thunk && code[0] == 0xe9 &&
	       jump_target(at, code) == return_thunk;
}

/*
 * noop_fsync() does nothing but return 0, so there is "xor %eax,%eax" near its
 * beginning and a return behind it. Any return would do; this function is
 * exported, is small, and has no frame for unwinders to be wrong about.
 */
static unsigned long find_plain_return(void)
{
	unsigned long at = (unsigned long)noop_fsync;
	unsigned long end = at + 32;
	u8 code[7];

	for (; at < end && read_text(code, at, sizeof(code)); at++)
		if (code[0] == 0x31 && code[1] == 0xc0 && is_return(at + 2, code + 2))
			return at + 2;
	return 0;
}

static bool is_executable(unsigned long at)
{
	unsigned int level;
	pte_t *pte = lookup_address(at, &level);

	return pte && !(pte_flags(*pte) & _PAGE_NX);
}

/* The first in some text, which has @len bytes and those of a return more. */
static unsigned long find_skip_in(unsigned long at, const u8 *code, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!memcmp(code + i, skip, sizeof(skip)) &&
		    is_return(at + i + sizeof(skip), code + i + sizeof(skip)))
			return at + i;
	return 0;
}

/* There is one for every 50 KiB of the kernel, and no gap of 3 MiB. */
static unsigned long find_skipping_return(void)
{
	unsigned long at = (unsigned long)noop_fsync, end = at + SZ_4M;
	unsigned long found = 0;
	u8 code[128 + sizeof(skip) + 5];

	for (; at < end && !found && is_executable(at); at += 128) {
		if (!read_text(code, at, sizeof(code)))
			break;
		found = find_skip_in(at, code, 128);
	}
	return found;
}

/**
 * krp_code_prepare() - Find out whether calls in progress can be let go.
 *
 * Context: Sleeps.
 * Return: NULL, or why not.
 */
const char *krp_code_prepare(void)
{
	learn_return_thunk();
	krp_plain_return = find_plain_return();
	if (!krp_skipping_return)
		krp_skipping_return = find_skipping_return();
	return krp_plain_return && krp_skipping_return ?
	       NULL : "no plain return was found in the kernel";
}

/* Where a jump goes, or 0 for what is no jump. */
static unsigned long any_jump_target(unsigned long at, const u8 *code)
{
	if (code[0] == 0xe9)
		return jump_target(at, code);
	if (code[0] == 0x0f && (code[1] & 0xf0) == 0x80)
		return jump_target(at + 1, code + 1);
	if (code[0] == 0xeb || (code[0] & 0xf0) == 0x70)
		return at + 2 + *(const s8 *)(code + 1);
	return 0;
}

/* Whether this is a return, or a jump out of [start, end). */
static bool leaves(unsigned long at, const u8 *code, unsigned long start,
		   unsigned long end)
{
	unsigned long to = any_jump_target(at, code);

	if (is_return(at, code))
		return true;
	return to >= __START_KERNEL_map && (to < start || to >= end);
}

/**
 * krp_has_ftrace_site() - Tell whether ftrace can call from a place.
 * @addr: the place, where a function can be probed
 *
 * Its call is there, or the nop that it has left.
 */
bool krp_has_ftrace_site(unsigned long addr)
{
	static const u8 nop[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	u8 code[sizeof(nop)];

	if (!read_text(code, addr, sizeof(code)))
		return false;
	return code[0] == 0xe8 || code[0] == 0xe9 || code[0] == 0xcc ||
	       !memcmp(code, nop, sizeof(nop));
}

/**
 * krp_may_return() - Tell whether a function can return, as far as its code
 * tells.
 * @addr: an address in it
 *
 * A function in whose code is neither a return nor a jump to elsewhere cannot.
 * The bytes are not decoded, so chance may make a function look as if it could.
 *
 * Context: Sleeps.
 */
bool krp_may_return(unsigned long addr)
{
	unsigned long size = kprof_symbol_rest(addr);
	unsigned long end = addr + size;
	unsigned long at;
	bool found = false;
	u8 *code;

	code = kvmalloc(size + LONGEST_JUMP, GFP_KERNEL);
	if (!code || !read_text(code, addr, size + LONGEST_JUMP)) {
		kvfree(code);
		return false;
	}
	for (at = addr; at < end && !found; at++)
		found = leaves(at, code + (at - addr), addr, end);
	kvfree(code);
	return found;
}
