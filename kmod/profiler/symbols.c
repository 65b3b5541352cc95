// SPDX-License-Identifier: GPL-2.0-only
/* Where kernel functions that are not exported lie. */
#include <linux/err.h>
#include <linux/kallsyms.h>
#include <linux/kobject.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "symbols.h"

/**
 * kprof_symbol_address() - Find a function by name.
 * @name: its name in kallsyms
 *
 * kallsyms_lookup_name() is not exported, but a kprobe is given by name and
 * tells its address. It is never armed, so that no code is changed.
 *
 * Context: Sleeps.
 * Return: The address of its entry, behind the mark for indirect branches if
 * it has one, or 0 if it does not exist or cannot be probed.
 */
unsigned long kprof_symbol_address(const char *name)
{
	struct kprobe kp = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};

	if (register_kprobe(&kp))
		return 0;
	unregister_kprobe(&kp);
	return (unsigned long)kp.addr;
}

/*
 * Where in its function a place is. kallsyms tells it in no other exported way
 * than in text, as name+offset/size.
 */
static bool place(unsigned long addr, unsigned long *offset, unsigned long *size)
{
	char *text, *plus;
	bool known;

	text = kmalloc(KSYM_SYMBOL_LEN, GFP_KERNEL);
	if (!text)
		return false;
	sprint_symbol(text, addr);
	plus = strrchr(text, '+');
	known = plus && sscanf(plus, "+0x%lx/0x%lx", offset, size) == 2;
	kfree(text);
	return known;
}

/**
 * kprof_symbol_rest() - How much of a function there is from a place in it on.
 * @addr: the place, such as its entry
 *
 * Context: Sleeps.
 * Return: Bytes, or 0 if there is no function.
 */
unsigned long kprof_symbol_rest(unsigned long addr)
{
	unsigned long offset, size;

	return place(addr, &offset, &size) ? size - offset : 0;
}

/**
 * kprof_symbol_start() - Find the start of a function.
 * @addr: a place in it, such as one behind a landing pad
 *
 * Context: Sleeps.
 * Return: Its address, or 0 if there is no function.
 */
unsigned long kprof_symbol_start(unsigned long addr)
{
	unsigned long offset, size;

	return place(addr, &offset, &size) ? addr - offset : 0;
}

/**
 * kprof_function_entry() - Find where a function of this module is probed.
 * @fn: the function
 *
 * Return: The address of its entry, behind a landing pad if it has one.
 */
unsigned long kprof_function_entry(void (*fn)(void))
{
	unsigned long addr = (unsigned long)fn;
	static const u8 endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa };

	return addr + (memcmp(fn, endbr, sizeof(endbr)) ? 0 : sizeof(endbr));
}

/* "name+0x1/0x2 [module]", and only the last part has brackets. */
static char *name_of_module(char *text)
{
	char *name = strrchr(text, '[');

	if (!name)
		return NULL;
	name[strcspn(name, "]")] = '\0';
	return name + 1;
}

static struct module *get_by_name(const char *name)
{
	struct kobject *kobj;
	struct module *mod;

	kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, name);
	if (!kobj)
		return ERR_PTR(-ENOENT);
	/* The module stays, if only just, while somebody has its kobject. */
	mod = container_of(kobj, struct module_kobject, kobj)->mod;
	if (!mod || !try_module_get(mod))
		mod = ERR_PTR(-ENOENT);
	kobject_put(kobj);
	return mod;
}

/**
 * kprof_module_get() - Keep the module that a function belongs to.
 * @addr: an address in the function
 *
 * Context: Sleeps.
 * Return: The module, for module_put(), NULL when the function is the kernel's
 * or ours, -ENOENT when its module is on its way out, -ENOMEM.
 */
struct module *kprof_module_get(unsigned long addr)
{
	struct module *mod = NULL;
	char *text, *name;

	text = kmalloc(KSYM_SYMBOL_LEN, GFP_KERNEL);
	if (!text)
		return ERR_PTR(-ENOMEM);
	sprint_symbol(text, addr);
	name = name_of_module(text);
	if (name && strcmp(name, THIS_MODULE->name))
		mod = get_by_name(name);
	kfree(text);
	return mod;
}
