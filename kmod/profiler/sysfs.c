// SPDX-License-Identifier: GPL-2.0-only
/* /sys/class/qeexo/profiler and the files in it. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "krp.h"
#include "profiler.h"
#include "snap.h"

/* The part that all files of plain text share: the text itself is frozen. */
static int text_take(char *(*make)(size_t *), void **data, size_t *len,
		     size_t *bytes)
{
	char *text = make(len);

	if (!text)
		return -ENOMEM;
	*data = text;
	*bytes = *len;
	return 0;
}

static void text_render(const void *data, char *buf, size_t off, size_t count)
{
	memcpy(buf, (const char *)data + off, count);
}

static void text_free(void *data)
{
	kvfree(data);
}

/* A file of one line for each profiled function, which can outgrow a page. */
#define KRP_FILE(_name)							\
static int _name##_take(void **data, size_t *len, size_t *bytes)	\
{									\
	return text_take(krp_##_name##_text, data, len, bytes);		\
}									\
static const struct snap_ops _name##_ops = {				\
	.take = _name##_take,						\
	.render = text_render,						\
	.free = text_free,						\
};									\
static ssize_t _name##_read(struct file *file, struct kobject *kobj,	\
			    kprof_bin_const struct bin_attribute *attr, char *buf,	\
			    loff_t off, size_t count)			\
{									\
	return snap_read(&_name##_ops, file, buf, off, count);		\
}									\
static BIN_ATTR_RO(_name, 0)

KRP_FILE(stats);
KRP_FILE(missed);
KRP_FILE(backends);
KRP_FILE(latency);
KRP_FILE(histogram);

static ssize_t memleaks_file_read(struct file *file, struct kobject *kobj,
				  kprof_bin_const struct bin_attribute *attr, char *buf,
				  loff_t off, size_t count)
{
	return memleaks_read(file, buf, off, count);
}

/* The files that show addresses are for root alone. */
static struct bin_attribute bin_attr_memleaks = {
	.attr = { .name = "memleaks", .mode = 0400 },
	.read = memleaks_file_read,
};

static ssize_t scan_start_addr_store(struct device *dev,
				     struct device_attribute *attr,
				     const char *buf, size_t count)
{
	return memleaks_set_start(buf, count) ?: count;
}
static DEVICE_ATTR_WO(scan_start_addr);

static ssize_t scan_end_addr_store(struct device *dev,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	return memleaks_set_end(buf, count) ?: count;
}
static DEVICE_ATTR_WO(scan_end_addr);

static ssize_t kmp_status_file_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	return kmp_status_show(buf);
}

static struct device_attribute dev_attr_kmp_status =
	__ATTR(kmp_status, 0444, kmp_status_file_show, NULL);

static ssize_t calibration_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	return krp_calibration_show(buf);
}
static DEVICE_ATTR_RO(calibration);

static ssize_t reset_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t count)
{
	if (!sysfs_streq(buf, "1")) {
		pr_err("reset: write 1 to count anew\n");
		return -EINVAL;
	}
	krp_reset();
	return count;
}
static DEVICE_ATTR_WO(reset);

static struct attribute *attrs[] = {
	&dev_attr_calibration.attr,
	&dev_attr_reset.attr,
	&dev_attr_scan_start_addr.attr,
	&dev_attr_scan_end_addr.attr,
	&dev_attr_kmp_status.attr,
	NULL
};

static kprof_bin_const struct bin_attribute *bin_attrs[] = {
	&bin_attr_stats,
	&bin_attr_missed,
	&bin_attr_backends,
	&bin_attr_memleaks,
	NULL
};

static const struct attribute_group group = {
	.attrs = attrs,
	.bin_attrs = bin_attrs,
};

static kprof_bin_const struct bin_attribute *hist_attrs[] = {
	&bin_attr_latency,
	&bin_attr_histogram,
	NULL
};

static umode_t hist_is_visible(struct kobject *kobj,
			       kprof_bin_const struct bin_attribute *attr,
			       int n)
{
	return krp_hist ? attr->attr.mode : 0;
}

static const struct attribute_group hist_group = {
	.bin_attrs = hist_attrs,
	.is_bin_visible = hist_is_visible,
};

static const struct attribute_group *groups[] = { &group, &hist_group, NULL };

static struct class *class;
static struct device *device;

/**
 * kprof_sysfs_init() - Make the class, the device and its files.
 *
 * Context: Sleeps. From here on files are read.
 * Return: 0 or a negative error.
 */
int kprof_sysfs_init(void)
{
	class = class_create("qeexo");
	if (IS_ERR(class)) {
		pr_err("cannot make /sys/class/qeexo (error %ld)\n",
		       PTR_ERR(class));
		return PTR_ERR(class);
	}

	device = device_create_with_groups(class, NULL, MKDEV(0, 0), NULL,
					   groups, "profiler");
	if (IS_ERR(device)) {
		pr_err("cannot make /sys/class/qeexo/profiler (error %ld)\n",
		       PTR_ERR(device));
		class_destroy(class);
		return PTR_ERR(device);
	}
	return 0;
}

/**
 * kprof_sysfs_exit() - Remove the files.
 *
 * Waits for readers that are inside; later reads of files still open fail with
 * -ENODEV.
 *
 * Context: Sleeps.
 */
void kprof_sysfs_exit(void)
{
	device_unregister(device);
	class_destroy(class);
	snap_exit();
}
