// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is known of the arguments of functions: of system calls by the way they
 * are made, of others what the parameter `args` says, as name:words,name:words.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "krp.h"
#include "krp_args.h"

/* More than any function takes. */
#define MOST_WORDS	64

/**
 * struct item - one item of the text
 * @start: where it begins
 * @name_len: length of the name
 * @words: what it says
 */
struct item {
	const char *start;
	size_t name_len;
	unsigned int words;
};

/* Reads an item. Returns where the next one begins, NULL if it is malformed. */
static const char *read_item(const char *text, struct item *item)
{
	const char *end = strchrnul(text, ',');
	const char *colon = strnchr(text, end - text, ':');
	char number[4];
	size_t len;

	if (!colon || colon == text)
		return NULL;
	len = end - colon - 1;
	if (!len || len >= sizeof(number))
		return NULL;
	memcpy(number, colon + 1, len);
	number[len] = '\0';
	item->start = text;
	item->name_len = colon - text;
	if (kstrtouint(number, 10, &item->words) || item->words > MOST_WORDS)
		return NULL;
	return *end ? end + 1 : end;
}

/**
 * krp_args_check() - Tell whether the text of `args` can be read.
 * @text: the text, or NULL
 *
 * Return: 0, or -EINVAL with a line in the log.
 */
int krp_args_check(const char *text)
{
	struct item item;
	const char *at = text;

	while (at && *at) {
		const char *next = read_item(at, &item);

		if (!next) {
			pr_err("args: '%*pE' is not a function, a colon and how many words its arguments take (0 to %d)\n",
			       (int)(strchrnul(at, ',') - at), at, MOST_WORDS);
			return -EINVAL;
		}
		at = next;
	}
	return 0;
}

static bool is_named(const struct item *item, const char *name)
{
	return strlen(name) == item->name_len &&
	       !strncmp(item->start, name, item->name_len);
}

/**
 * krp_is_syscall() - Tell whether a function is called as system calls are.
 * @symbol: its name in kallsyms
 *
 * With a pointer to the registers, that is, whatever user space gave it.
 */
bool krp_is_syscall(const char *symbol)
{
	static const char *const prefixes[] = {
		"__x64_sys_", "__ia32_sys_", "__x64_compat_sys_",
		"__ia32_compat_sys_",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (str_has_prefix(symbol, prefixes[i]))
			return true;
	return false;
}

/**
 * krp_args_of() - Tell how many words the arguments of a function take.
 * @text: of `args`, or NULL; one that can be read
 * @name: of the function as the user spelled it
 * @symbol: its name in kallsyms
 *
 * Return: Words, or KRP_ARGS_UNKNOWN.
 */
int krp_args_of(const char *text, const char *name, const char *symbol)
{
	struct item item;

	if (krp_is_syscall(symbol))
		return 1;
	while (text && *text) {
		text = read_item(text, &item);
		if (text && (is_named(&item, name) || is_named(&item, symbol)))
			return item.words;
	}
	return KRP_ARGS_UNKNOWN;
}
