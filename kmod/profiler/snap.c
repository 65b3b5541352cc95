// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sysfs attribute is one page at the most, and a binary attribute of any
 * size is read a page at a time. So that all pages of one reader come from one
 * moment, a read at offset 0 freezes the text, and the reads that follow on
 * the same open file are served from the frozen one.
 *
 * sysfs has no hook on close. Frozen texts are therefore kept in a list, the
 * least recently used first, until they have been read to the end and left
 * alone for a while, or until there are too many of them. Those that have been
 * read to the end go first then, so that many short reads do not take a long
 * text from its reader. Of these the open file keeps the length, with which the
 * read that finds the end is answered. Any other reader whose text was dropped
 * gets -ESTALE, never a mixture of two moments.
 *
 * Locking: snap_lock guards the list, its totals, the fields of struct snap
 * that say so, and the private words of the open files. It is never held while
 * a text is taken or rendered; a reference keeps the text alive for that.
 * kernfs lets one read at a time into each open file.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "snap.h"

#define MAX_SNAPS	64
#define MAX_BYTES	(64UL << 20)
/* How long a text is kept after its last read: read to the end, or not. */
#define KEEP_FINISHED	(10 * HZ)
#define KEEP_UNFINISHED	(600 * HZ)
/*
 * The private word of an open file: the number of its text, and below it the
 * length if that was read to its end and is not too large for the field.
 */
#define LEN_BITS	28
#define LEN_MASK	((1UL << LEN_BITS) - 1)

struct snap {
	struct list_head node;		/* snap_lock */
	unsigned long id;
	const struct snap_ops *ops;
	refcount_t refs;
	void *data;
	size_t len;
	size_t bytes;
	unsigned long used;		/* snap_lock; jiffies */
	bool finished;			/* snap_lock */
};

static DEFINE_MUTEX(snap_lock);
static LIST_HEAD(snaps);		/* the least recently used first */
static unsigned int snap_count;
static size_t snap_bytes;
static unsigned long snap_next_id;

static void reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(reaper, reap);

static void snap_put(struct snap *s)
{
	if (!refcount_dec_and_test(&s->refs))
		return;
	s->ops->free(s->data);
	kfree(s);
}

/* Takes a text off the list. The caller holds snap_lock. */
static void drop(struct snap *s)
{
	list_del(&s->node);
	snap_count--;
	snap_bytes -= s->bytes;
	snap_put(s);
}

static void reap(struct work_struct *work)
{
	struct snap *s, *next;

	mutex_lock(&snap_lock);
	list_for_each_entry_safe(s, next, &snaps, node) {
		unsigned long keep = s->finished ? KEEP_FINISHED : KEEP_UNFINISHED;

		if (time_after_eq(jiffies, s->used + keep))
			drop(s);
	}
	if (!list_empty(&snaps))
		schedule_delayed_work(&reaper, KEEP_FINISHED);
	mutex_unlock(&snap_lock);
}

/* The text of an open file with that word. The caller holds snap_lock. */
static struct snap *find(const void *word)
{
	unsigned long id = (unsigned long)word >> LEN_BITS;
	struct snap *s;

	list_for_each_entry(s, &snaps, node)
		if (s->id == id)
			return s;
	return NULL;
}

static unsigned long length(const void *word)
{
	return (unsigned long)word & LEN_MASK;
}

static void *priv_word(const struct snap *s, bool finished)
{
	unsigned long len = finished && s->len <= LEN_MASK ? s->len : 0;

	return (void *)(s->id << LEN_BITS | len);
}

/* The text to do without first. There is one, and the caller holds snap_lock. */
static struct snap *first_to_go(void)
{
	struct snap *s;

	list_for_each_entry(s, &snaps, node)
		if (s->finished)
			return s;
	return list_first_entry(&snaps, struct snap, node);
}

static void make_room(size_t bytes)
{
	while (snap_count && (snap_count >= MAX_SNAPS ||
			      snap_bytes + bytes > MAX_BYTES))
		drop(first_to_go());
}

/* Freezes the text for this open file. Returns it with a reference. */
static struct snap *take(const struct snap_ops *ops, void **priv)
{
	struct snap *s, *old;
	int ret;

	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return ERR_PTR(-ENOMEM);
	ret = ops->take(&s->data, &s->len, &s->bytes);
	if (ret) {
		kfree(s);
		return ERR_PTR(ret);
	}
	s->ops = ops;
	s->used = jiffies;
	refcount_set(&s->refs, 2);

	mutex_lock(&snap_lock);
	old = find(*priv);
	if (old)
		drop(old);
	make_room(s->bytes);
	s->id = ++snap_next_id;
	*priv = priv_word(s, false);
	list_add_tail(&s->node, &snaps);
	snap_count++;
	snap_bytes += s->bytes;
	schedule_delayed_work(&reaper, KEEP_FINISHED);
	mutex_unlock(&snap_lock);
	return s;
}

/*
 * The text frozen earlier for this open file, with a reference; NULL when it was
 * read to its end, has gone since, and has nothing at @off.
 */
static struct snap *get(void **priv, loff_t off)
{
	struct snap *s;

	mutex_lock(&snap_lock);
	s = find(*priv);
	if (s) {
		refcount_inc(&s->refs);
		s->used = jiffies;
		list_move_tail(&s->node, &snaps);
	} else if (!length(*priv) || off < length(*priv)) {
		s = ERR_PTR(-ESTALE);
	}
	mutex_unlock(&snap_lock);
	return s;
}

/**
 * snap_read() - Read from a binary attribute whose text is frozen.
 * @ops: the kind of text
 * @file: the open file
 * @buf: where to
 * @off: offset in the text; at 0, or when this open file has no text yet, a
 *	text is taken
 * @count: how much at the most
 *
 * Context: The read callback of a binary attribute. Sleeps.
 * Return: Bytes read, 0 at the end, -ESTALE when the text was dropped because
 * too many others were taken meanwhile, which those that nobody has read to the
 * end are the last to be, or an error of @ops->take.
 */
ssize_t snap_read(const struct snap_ops *ops, struct file *file, char *buf,
		  loff_t off, size_t count)
{
	void **priv = kprof_open_priv(file);
	struct snap *s;
	bool finished;

	s = !off || !*priv ? take(ops, priv) : get(priv, off);
	if (IS_ERR_OR_NULL(s))
		return PTR_ERR(s);

	if (off >= s->len)
		count = 0;
	else
		count = min_t(size_t, count, s->len - off);
	if (count)
		ops->render(s->data, buf, off, count);

	/* Nobody else changes it: this is the only read of this open file. */
	finished = off + count >= s->len;
	if (finished != s->finished) {
		mutex_lock(&snap_lock);
		s->finished = finished;
		*priv = priv_word(s, finished);
		mutex_unlock(&snap_lock);
	}
	snap_put(s);
	return count;
}

/**
 * snap_exit() - Drop all texts.
 *
 * Context: Sleeps. The files are gone, so that nobody reads any more.
 */
void snap_exit(void)
{
	struct snap *s, *next;

	cancel_delayed_work_sync(&reaper);
	list_for_each_entry_safe(s, next, &snaps, node)
		drop(s);
}
