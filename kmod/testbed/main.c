// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device: one text command for each write(), its result for read().
 *
 * Locking: each open file has a session of its own, guarded by its lock. A
 * command holds it while it runs; tb_blocks_lock is taken inside.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "testbed.h"

#define TB_COMMAND_MAX	512
#define TB_WORDS	10

struct tb_command {
	const char *name;
	const char *usage;
	int min;	/* words after the name */
	int max;
	int (*run)(struct tb_session *s, int argc, char **argv);
};

static const struct tb_command tb_commands[] = {
	{ "work", "work N CALLS", 2, 2, tb_cmd_work },
	{ "work_even", "work_even N CALLS", 2, 2, tb_cmd_work_even },
	{ "returns", "returns CALLS", 1, 1, tb_cmd_returns },
	{ "vpair", "vpair SIZE CALLS", 2, 2, tb_cmd_vpair },
	{ "call", "call SYMBOL CALLS [A0 ... A5]", 2, 8, tb_cmd_call },
	{ "sleep", "sleep US CALLS", 2, 2, tb_cmd_sleep },
	{ "recurse", "recurse DEPTH CALLS", 2, 2, tb_cmd_recurse },
	{ "timer", "timer US CALLS", 2, 2, tb_cmd_timer },
	{ "args8", "args8 CALLS", 1, 1, tb_cmd_args8 },
	{ "sleepers", "sleepers N US [TURNS]|state|list|wait", 1, 3,
	  tb_cmd_sleepers },
	{ "dying", "dying N", 1, 1, tb_cmd_dying },
	{ "stack", "stack", 0, 0, tb_cmd_stack },
	{ "occupy", "occupy SYMBOL [patch]|off", 1, 2, tb_cmd_occupy },
	{ "refprobe", "refprobe SYMBOL|off", 1, 1, tb_cmd_refprobe },
	{ "refread", "refread", 0, 0, tb_cmd_refread },
	{ "plant", "plant CLASS COUNT SIZE", 3, 3, tb_cmd_plant },
	{ "plantother", "plantother KIND COUNT SIZE", 3, 3, tb_cmd_plantother },
	{ "free", "free FIRST COUNT vfree|kvfree|irq", 3, 3, tb_cmd_free },
	{ "blocks", "blocks", 0, 0, tb_cmd_blocks },
	{ "frames", "frames ID", 1, 1, tb_cmd_frames },
	{ "arena", "arena SIZE [MEMORY]|off", 1, 2, tb_cmd_arena },
	{ "regions", "regions", 0, 0, tb_cmd_regions },
	{ "dump", "dump REGION", 1, 1, tb_cmd_dump },
	{ "fill", "fill arena zero|random", 2, 2, tb_cmd_fill },
	{ "churn", "churn PAIRS SIZE", 2, 2, tb_cmd_churn },
	{ "batch", "batch COUNT SIZE|off", 1, 2, tb_cmd_batch },
	{ "stray", "stray COUNT", 1, 1, tb_cmd_stray },
	{ "purge", "purge", 0, 0, tb_cmd_purge },
	{ "hazard", "hazard KIND PAGE|state|off", 1, 2, tb_cmd_hazard },
	{ "spread", "spread on|off", 1, 1, tb_cmd_spread },
	{ "hole", "hole", 0, 0, tb_cmd_hole },
	{ "hooks", "hooks on|off", 1, 1, tb_cmd_hooks },
};

static int tb_lock(struct tb_session *s)
{
	/* Only this task could have set it to itself. */
	if (READ_ONCE(s->owner) == current)
		return -EDEADLK;
	if (mutex_lock_killable(&s->lock))
		return -EINTR;
	WRITE_ONCE(s->owner, current);
	return 0;
}

static void tb_unlock(struct tb_session *s)
{
	WRITE_ONCE(s->owner, NULL);
	mutex_unlock(&s->lock);
}

static int tb_split(char *line, char **argv)
{
	int argc = 0;
	char *word;

	while ((word = strsep(&line, " \t\n"))) {
		if (!*word)
			continue;
		if (argc == TB_WORDS)
			return -E2BIG;
		argv[argc++] = word;
	}
	return argc;
}

static const struct tb_command *tb_command_find(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(tb_commands); i++)
		if (!strcmp(tb_commands[i].name, name))
			return &tb_commands[i];
	return NULL;
}

static void tb_reset_result(struct tb_session *s)
{
	kvfree(s->text);
	s->text = NULL;
	s->len = 0;
	s->size = 0;
	s->text_err = 0;
	s->dump = NULL;
}

static int tb_run(struct tb_session *s, char *line)
{
	const struct tb_command *command;
	char *argv[TB_WORDS];
	int argc, err;

	argc = tb_split(line, argv);
	if (argc <= 0) {
		pr_err("command is %s\n", argc ? "too long" : "empty");
		return argc ? argc : -EINVAL;
	}
	command = tb_command_find(argv[0]);
	if (!command) {
		pr_err("no command \"%s\"\n", argv[0]);
		return -EINVAL;
	}
	if (argc - 1 < command->min || argc - 1 > command->max) {
		pr_err("%d arguments, want: %s\n", argc - 1, command->usage);
		return -EINVAL;
	}
	err = command->run(s, argc, argv);
	return err ? err : s->text_err;
}

static ssize_t tb_write(struct file *file, const char __user *buf,
			size_t count, loff_t *pos)
{
	struct tb_session *s = file->private_data;
	char *line;
	int err;

	if (count > TB_COMMAND_MAX) {
		pr_err("command of %zu bytes, at most %d are taken\n", count,
		       TB_COMMAND_MAX);
		return -E2BIG;
	}
	line = memdup_user_nul(buf, count);
	if (IS_ERR(line))
		return PTR_ERR(line);
	err = tb_lock(s);
	if (err)
		goto out;
	tb_reset_result(s);
	err = tb_run(s, line);
	if (err)
		tb_reset_result(s);
	/* A result is read from its beginning without seeking. */
	*pos = 0;
	tb_unlock(s);
out:
	kfree(line);
	return err ? err : count;
}

static ssize_t tb_read(struct file *file, char __user *buf, size_t count,
		       loff_t *pos)
{
	struct tb_session *s = file->private_data;
	ssize_t n;

	n = tb_lock(s);
	if (n)
		return n;
	if (s->dump)
		n = tb_region_read(s->dump, buf, count, pos);
	else
		n = simple_read_from_buffer(buf, count, pos, s->text, s->len);
	tb_unlock(s);
	return n;
}

static int tb_open(struct inode *inode, struct file *file)
{
	struct tb_session *s;

	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock);
	s->file = file;
	file->private_data = s;
	return 0;
}

static int tb_close(struct inode *inode, struct file *file)
{
	struct tb_session *s = file->private_data;

	tb_sleepers_stop(s);
	tb_occupy_end(s);
	tb_batch_end(s);
	tb_hazard_end(s);
	tb_refprobe_remove(s);
	tb_reset_result(s);
	kfree(s);
	return 0;
}

static const struct file_operations tb_fops = {
	.owner = THIS_MODULE,
	.open = tb_open,
	.release = tb_close,
	.read = tb_read,
	.write = tb_write,
	.llseek = no_seek_end_llseek,
};

static struct miscdevice tb_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.fops = &tb_fops,
	.mode = 0600,
};

static int __init tb_init(void)
{
	tb_regions_init();
	return misc_register(&tb_device);
}

static void __exit tb_exit(void)
{
	misc_deregister(&tb_device);
	tb_hooks_exit();
	tb_blocks_exit();
	tb_regions_exit();
	tb_spread_exit();
}

module_init(tb_init);
module_exit(tb_exit);

MODULE_DESCRIPTION("Functions of known cost and blocks in known places, to hold profiler.ko against");
MODULE_LICENSE("GPL");
