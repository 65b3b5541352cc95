/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Feature code is written for one kernel interface; what differs between
 * kernel versions is emulated here and nowhere else.
 */
#ifndef KPROF_COMPAT_H
#define KPROF_COMPAT_H

#include <linux/version.h>

/* Those between are not known to work: nobody has tried them. */
#define KPROF_IS_SERIES(major, minor) \
	(LINUX_VERSION_CODE >> 8 == KERNEL_VERSION(major, minor, 0) >> 8)

/* All that are older than one of those. */
#define KPROF_BEFORE(major, minor) \
	(LINUX_VERSION_CODE < KERNEL_VERSION(major, minor, 0))

#if !KPROF_IS_SERIES(5, 10) && !KPROF_IS_SERIES(6, 1) && \
	!KPROF_IS_SERIES(6, 12) && !KPROF_IS_SERIES(7, 3)
#error "profiler.ko supports Linux 5.10, 6.1, 6.12 and 7.3"
#endif

#ifdef __ASSEMBLY__

/* There was no tracking of indirect branches yet. */
#if KPROF_BEFORE(6, 1)
#define ANNOTATE_NOENDBR
#endif

#else /* __ASSEMBLY__ */

#include <linux/device.h>
#include <linux/fs.h>
#include <linux/err.h>
#include <linux/ftrace.h>
#include <linux/kernfs.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#ifdef CONFIG_RETHOOK
#include <linux/rethook.h>
#endif
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/static_call.h>
#include <linux/vmalloc.h>

#if defined(CONFIG_X86_64)
#define KPROF_SYSCALL_PREFIX	"__x64_"
#elif defined(CONFIG_ARM64)
#define KPROF_SYSCALL_PREFIX	"__arm64_"
#else
#error "profiler.ko supports x86-64 and arm64"
#endif

#if KPROF_BEFORE(6, 12)
#include <asm/unaligned.h>
#else
#include <linux/unaligned.h>
#endif

#ifdef CONFIG_RETHOOK
#include <linux/rethook.h>
#endif

/*
 * The internals of vmalloc() that KMP hooks, by the names of this kernel. Where
 * vrealloc() exists, a compiler may have cut off the part of vfree() that it
 * shares with it.
 */
#if KPROF_BEFORE(6, 12)
#define KPROF_SYM_ALLOC(name)		name
#define KPROF_SYM_KVMALLOC		"kvmalloc_node"
#define KPROF_SYM_VFREE			"vfree"
#else
#define KPROF_SYM_ALLOC(name)		name "_noprof"
#define KPROF_SYM_KVMALLOC		"__kvmalloc_node_noprof"
#define KPROF_SYM_VFREE			"vfree.part.0"
#endif

#if KPROF_BEFORE(7, 3)
#define KPROF_SYM_VMALLOC_HUGE		KPROF_SYM_ALLOC("vmalloc_huge")
#define KPROF_SYM_VREALLOC		KPROF_SYM_ALLOC("vrealloc")
#else
#define KPROF_SYM_VMALLOC_HUGE		KPROF_SYM_ALLOC("vmalloc_huge_node")
#define KPROF_SYM_VREALLOC		KPROF_SYM_ALLOC("vrealloc_node_align")
#endif

#define KPROF_SYM_VMALLOC		KPROF_SYM_ALLOC("vmalloc")
#define KPROF_SYM_VMALLOC_NODE		KPROF_SYM_ALLOC("__vmalloc_node")
#define KPROF_SYM_VMALLOC_RANGE		KPROF_SYM_ALLOC("__vmalloc_node_range")

/* What sysfs hands to those who read a file; only the newest promise more. */
#if KPROF_IS_SERIES(7, 3)
#define kprof_bin_const	const
#else
#define kprof_bin_const
#endif

/* vrealloc(), which is not exported, for blocks that must grow. */
static inline void *kprof_vrealloc(void *block, size_t size)
{
#if KPROF_BEFORE(6, 12)
	void *grown = vmalloc(size);

	if (grown)
		vfree(block);
	return grown;
#else
	return kvrealloc(block, size, GFP_KERNEL);
#endif
}

#if KPROF_BEFORE(6, 12)
static inline struct class *kprof_class_create(const char *name)
{
	return class_create(THIS_MODULE, name);
}

#undef class_create
#define class_create(name)	kprof_class_create(name)

#endif

#if KPROF_IS_SERIES(6, 1)
#define ftrace_regs_get_argument(fregs, n) \
	regs_get_kernel_argument(&(fregs)->regs, n)

/* Of a function there, and not of those in the filter of ops. */
#define register_ftrace_direct(ops, addr) \
	register_ftrace_direct_multi(ops, addr)

static inline int kprof_unregister_direct(struct ftrace_ops *ops,
					  unsigned long addr, bool free_filters)
{
	int ret = unregister_ftrace_direct_multi(ops, addr);

	if (free_filters)
		ftrace_free_filter(ops);
	return ret;
}

#define unregister_ftrace_direct(ops, addr, free_filters) \
	kprof_unregister_direct(ops, addr, free_filters)
#endif

/* Whether ftrace can call trampolines of ours: NULL, or why not. */
static inline const char *kprof_why_no_direct(void)
{
	return KPROF_BEFORE(6, 1) ?
	       "the ftrace of this kernel has no direct calls from a set of functions" :
	       NULL;
}

#if KPROF_BEFORE(6, 1)
static inline int kprof_register_direct(struct ftrace_ops *ops,
					unsigned long addr)
{
	return -EOPNOTSUPP;
}

#define register_ftrace_direct(ops, addr)	kprof_register_direct(ops, addr)

static inline int kprof_unregister_direct(struct ftrace_ops *ops,
					  unsigned long addr, bool free_filters)
{
	return -EOPNOTSUPP;
}

#define unregister_ftrace_direct(ops, addr, free_filters) \
	kprof_unregister_direct(ops, addr, free_filters)

/*
 * Callbacks got all registers, if they asked for them, and were guarded against
 * recursion unless they asked not to be.
 */
#define ftrace_regs				pt_regs
#define ftrace_regs_get_argument(fregs, n)	regs_get_kernel_argument(fregs, n)

static inline int kprof_register_ftrace(struct ftrace_ops *ops)
{
	ops->flags |= FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION_SAFE;
	return register_ftrace_function(ops);
}

#define register_ftrace_function(ops)	kprof_register_ftrace(ops)

/* Not exported; in the place of a filter that is emptied is one for all. */
#define ftrace_free_filter(ops)		ftrace_set_filter(ops, NULL, 0, 1)

/* Not exported; as it does it, but without the zone's lock. */
static inline bool kprof_is_free_buddy_page(struct page *page)
{
	unsigned long pfn = page_to_pfn(page);
	unsigned int order;

	for (order = 0; order < MAX_ORDER; order++) {
		struct page *head = page - (pfn & ((1UL << order) - 1));

		if (PageBuddy(head) && page_private(head) >= order)
			return true;
	}
	return false;
}

#define is_free_buddy_page(page)	kprof_is_free_buddy_page(page)

/* No header has it; only its type is wanted. */
struct vmap_area *find_vmap_area(unsigned long addr);
#endif

#if KPROF_BEFORE(6, 12) && defined(CONFIG_X86)
/*
 * When there is no entry, level is that at which it is missing, rather than
 * the one above; PG_LEVEL_NONE stood for the two highest.
 */
static inline pte_t *kprof_lookup_address(unsigned long addr,
					  unsigned int *level)
{
	pte_t *pte = lookup_address(addr, level);

	if (!pte)
		*level = *level == PG_LEVEL_NONE ? PG_LEVEL_512G : *level - 1;
	return pte;
}

#define lookup_address(addr, level)	kprof_lookup_address(addr, level)
#endif

#ifdef CONFIG_FUNCTION_GRAPH_TRACER
/* Words of a task's ret_stack that are in use. */
static inline int kprof_graph_words(const struct task_struct *t)
{
#if KPROF_BEFORE(6, 12)
	return (t->curr_ret_stack + 1) *
	       (sizeof(struct ftrace_ret_stack) / sizeof(long));
#else
	return t->curr_ret_stack;
#endif
}
#endif

/*
 * Whether returns can be hooked from a handler of ftrace's: it has to be told
 * the stack pointer, and rethook's functions are called by static calls.
 */
#if defined(CONFIG_RETHOOK) && defined(CONFIG_HAVE_STATIC_CALL) && \
	defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS)
#define KPROF_HAS_RETHOOK

/*
 * Registers of which the stack pointer can be relied on: there may be no more
 * in them, and rethook_hook() wants no more.
 */
static __always_inline struct pt_regs *kprof_ftrace_sp(struct ftrace_regs *fregs)
{
#if KPROF_IS_SERIES(6, 1)
	return &fregs->regs;
#else
	return &arch_ftrace_regs(fregs)->regs;
#endif
}

DECLARE_STATIC_CALL(kprof_rethook_alloc, rethook_alloc);
DECLARE_STATIC_CALL(kprof_rethook_free, rethook_free);

#if KPROF_IS_SERIES(6, 1)
#define KPROF_RETHOOK_ADD		"rethook_add_node"
#define KPROF_DEFINE_RETHOOK_ADD \
	DEFINE_STATIC_CALL_NULL(kprof_rethook_add, rethook_add_node)
#define KPROF_RETHOOK_HANDLER(fn) \
	void fn(struct rethook_node *node, void *data, struct pt_regs *regs)

DECLARE_STATIC_CALL(kprof_rethook_add, rethook_add_node);

static inline void kprof_update_rethook_add(void *addr)
{
	static_call_update(kprof_rethook_add, addr);
}

static inline struct rethook *kprof_rethook_new(void *data,
						rethook_handler_t handler,
						int size, int n)
{
	struct rethook *rh = static_call(kprof_rethook_alloc)(data, handler);

	if (!rh)
		return ERR_PTR(-ENOMEM);
	while (n--) {
		struct rethook_node *node = kzalloc(size, GFP_KERNEL);

		if (!node) {
			static_call(kprof_rethook_free)(rh);
			return ERR_PTR(-ENOMEM);
		}
		static_call(kprof_rethook_add)(rh, node);
	}
	return rh;
}
#else
#define KPROF_RETHOOK_ADD		"rethook_alloc"	/* it does that itself */
#define KPROF_DEFINE_RETHOOK_ADD
#define KPROF_RETHOOK_HANDLER(fn) \
	void fn(struct rethook_node *node, void *data, unsigned long ret_addr, \
		struct pt_regs *regs)

static inline void kprof_update_rethook_add(void *addr)
{
}

static inline struct rethook *kprof_rethook_new(void *data,
						rethook_handler_t handler,
						int size, int n)
{
	return static_call(kprof_rethook_alloc)(data, handler, size, n);
}
#endif
#endif /* KPROF_HAS_RETHOOK */

static inline struct kretprobe *kprof_ri_kretprobe(struct kretprobe_instance *ri)
{
#if KPROF_BEFORE(6, 1)
	return ri->rp;
#else
	return get_kretprobe(ri);
#endif
}

/*
 * Where a function returns to, for the handler of its return: resolved through
 * all other kretprobes on the function, of which an instance may only know the
 * trampoline.
 */
static inline unsigned long kprof_ri_return(const struct kretprobe_instance *ri,
					    struct pt_regs *regs)
{
#if KPROF_BEFORE(6, 1)
	return (unsigned long)ri->ret_addr;
#else
	return instruction_pointer(regs);
#endif
}

/*
 * A word that belongs to one open of a sysfs file and starts as NULL. A
 * struct file pointer will not do for a key: it is reused after close.
 * sysfs itself leaves kernfs_open_file.priv alone.
 */
static inline void **kprof_open_priv(struct file *file)
{
	struct seq_file *sf = file->private_data;
	struct kernfs_open_file *of = sf->private;

	return &of->priv;
}

/*
 * The cache that a slab's objects come from, as a number to compare. Of struct
 * slab, which lies over the page, no header tells more.
 */
static inline unsigned long kprof_slab_cache(const struct page *slab)
{
#if KPROF_BEFORE(6, 1)
	return (unsigned long)slab->slab_cache;
#elif KPROF_IS_SERIES(6, 1)
	return (unsigned long)slab->mapping;
#else
	return (unsigned long)slab->lru.next;
#endif
}

/*
 * How long a block is, by what its vm_struct still says after it was freed: the
 * allocator of slab objects writes over one word, in the middle.
 */
static inline unsigned long kprof_vm_bytes(const struct vm_struct *vm)
{
#if KPROF_BEFORE(7, 3)
	return (unsigned long)vm->nr_pages << PAGE_SHIFT;
#else
	return PAGE_ALIGN(vm->requested_size);
#endif
}

/* Where a kprobe reports an unexported function to be; see symbols.h. */
unsigned long kprof_symbol_address(const char *name);

/*
 * A function that does what find_vmap_area() does, or NULL. Old compilers have
 * made that one a part of its callers, and it is done here in the same way: of
 * variables, too, kallsyms tells the address.
 */
#if KPROF_BEFORE(6, 1)
static struct rb_root *kprof_areas;
static spinlock_t *kprof_areas_lock;

static inline struct vmap_area *kprof_search_areas(unsigned long addr)
{
	struct vmap_area *area = NULL;
	struct rb_node *n;

	spin_lock(kprof_areas_lock);
	for (n = kprof_areas->rb_node; n;) {
		area = rb_entry(n, struct vmap_area, rb_node);
		if (addr >= area->va_start && addr < area->va_end)
			break;
		n = addr < area->va_start ? n->rb_left : n->rb_right;
	}
	spin_unlock(kprof_areas_lock);
	return n ? area : NULL;
}

static inline typeof(find_vmap_area) *kprof_find_vmap_area(void)
{
	unsigned long (*lookup)(const char *name);

	lookup = (void *)kprof_symbol_address("kallsyms_lookup_name");
	if (!lookup)
		return NULL;
	kprof_areas = (void *)lookup("vmap_area_root");
	kprof_areas_lock = (void *)lookup("vmap_area_lock");
	return kprof_areas && kprof_areas_lock ? kprof_search_areas : NULL;
}
#else
static inline typeof(find_vmap_area) *kprof_find_vmap_area(void)
{
	return (void *)kprof_symbol_address("find_vmap_area");
}
#endif

/*
 * Calls fn for each symbol of the kernel without modules, in the order of
 * addresses. Does nothing on a kernel that finds a symbol by its name in little
 * time anyway.
 */
#if KPROF_BEFORE(6, 12)
struct kprof_each {
	int (*fn)(void *data, const char *name, unsigned long addr);
	void *data;
};

/*
 * Ends at the first symbol of a module: Linux 5.10 goes on to those in a list
 * that the caller should have locked, with a mutex that is not exported.
 */
static inline int kprof_each_one(void *data, const char *name,
				 struct module *mod, unsigned long addr)
{
	struct kprof_each *each = data;

	return mod ? 1 : each->fn(each->data, name, addr);
}

static inline void kprof_each_symbol(int (*fn)(void *data, const char *name,
					       unsigned long addr), void *data)
{
	struct kprof_each each = { .fn = fn, .data = data };
	int (*walk)(int (*fn)(void *data, const char *name, struct module *mod,
			      unsigned long addr), void *data);

	walk = (void *)kprof_symbol_address("kallsyms_on_each_symbol");
	if (walk)
		walk(kprof_each_one, &each);
}
#else
static inline void kprof_each_symbol(int (*fn)(void *data, const char *name,
					       unsigned long addr), void *data)
{
}
#endif

#endif /* __ASSEMBLY__ */
#endif /* KPROF_COMPAT_H */
