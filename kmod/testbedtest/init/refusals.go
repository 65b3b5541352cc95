// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

type refusal struct {
	command string
	errno   unix.Errno
	log     string // the message has this
}

// refused are commands that cannot be, in a testbed that holds nothing.
var refused = []refusal{
	{"", unix.EINVAL, "command is empty"},
	{" \t\n ", unix.EINVAL, "command is empty"},
	{"nope 1", unix.EINVAL, `no command "nope"`},
	{"Work 1 1", unix.EINVAL, `no command "Work"`},
	{"call __x64_sys_getpid 1 1 2 3 4 5 6 7", unix.EINVAL, "9 arguments, want: call SYMBOL CALLS [A0 ... A5]"},
	{"call __x64_sys_getpid 1 1 2 3 4 5 6 7 8", unix.E2BIG, "command is too long"},
	{strings.Repeat("x", 513), unix.E2BIG, "command of 513 bytes, at most 512 are taken"},

	{"work 1", unix.EINVAL, "1 arguments, want: work N CALLS"},
	{"work 1 2 3", unix.EINVAL, "3 arguments, want: work N CALLS"},
	{"work 0 1", unix.EINVAL, `work: N is "0", want a number from 1 to 1000000`},
	{"work 1000001 1", unix.EINVAL, `work: N is "1000001"`},
	{"work -1 1", unix.EINVAL, `work: N is "-1"`},
	{"work 1x 1", unix.EINVAL, `work: N is "1x"`},
	{"work 18446744073709551617 1", unix.EINVAL, `work: N is "18446744073709551617"`},
	{"work 1 0", unix.EINVAL, `work: CALLS is "0", want a number from 1 to 1000000000`},
	{"work 1 1000000001", unix.EINVAL, `work: CALLS is "1000000001"`},
	{"work_even 0 1", unix.EINVAL, `work: N is "0"`},
	{"work_even 1", unix.EINVAL, "1 arguments, want: work_even N CALLS"},
	{"vpair 0 1", unix.EINVAL, `vpair: SIZE is "0"`},
	{"vpair 16777217 1", unix.EINVAL, `vpair: SIZE is "16777217"`},
	{"vpair 1 0", unix.EINVAL, `vpair: CALLS is "0"`},
	{"vpair 1", unix.EINVAL, "want: vpair SIZE CALLS"},

	{"call __x64_sys_getpid", unix.EINVAL, "1 arguments, want: call"},
	{"call __x64_sys_getpid 0", unix.EINVAL, `call: CALLS is "0"`},
	{"call __x64_sys_getpid 1 x", unix.EINVAL, `call: A0 is "x", want a number`},
	{"call __x64_sys_getpid 1 1 2 3 4 5 0xg", unix.EINVAL, `call: A5 is "0xg", want a number`},
	{"call sys_getpid 1", unix.EINVAL, `call: "sys_getpid" is no __x64_sys_ function`},
	{"call vmalloc 1", unix.EINVAL, `call: "vmalloc" is no __x64_sys_ function`},
	{"call __x64_sys_" + strings.Repeat("x", 64) + " 1", unix.EINVAL, "is no __x64_sys_ function"},
	{"call __x64_sys_nope 1", unix.ENOENT, "call: cannot resolve __x64_sys_nope: -2"},
	{"call __x64_sys_execve 1", unix.EINVAL, "call: __x64_sys_execve does not return to its caller"},
	{"call __x64_sys_execveat 1", unix.EINVAL, "__x64_sys_execveat does not return"},
	{"call __x64_sys_exit 1", unix.EINVAL, "__x64_sys_exit does not return"},
	{"call __x64_sys_exit_group 1", unix.EINVAL, "__x64_sys_exit_group does not return"},
	{"call __x64_sys_rt_sigreturn 1", unix.EINVAL, "__x64_sys_rt_sigreturn does not return"},

	{"sleep 0 1", unix.EINVAL, `sleep: US is "0"`},
	{"sleep 10000001 1", unix.EINVAL, `sleep: US is "10000001"`},
	{"sleep 1 0", unix.EINVAL, `sleep: CALLS is "0"`},
	{"sleep 1 1000001", unix.EINVAL, `sleep: CALLS is "1000001"`},
	{"sleep 1", unix.EINVAL, "want: sleep US CALLS"},
	{"recurse 101 1", unix.EINVAL, `recurse: DEPTH is "101"`},
	{"recurse 1 0", unix.EINVAL, `recurse: CALLS is "0"`},
	{"recurse", unix.EINVAL, "0 arguments, want: recurse DEPTH CALLS"},
	{"timer 9 1", unix.EINVAL, `timer: US is "9"`},
	{"timer 10 0", unix.EINVAL, `timer: CALLS is "0"`},
	{"timer 10", unix.EINVAL, "want: timer US CALLS"},
	{"args8 0", unix.EINVAL, `args8: CALLS is "0"`},
	{"args8 1000001", unix.EINVAL, `args8: CALLS is "1000001"`},
	{"args8 1 1", unix.EINVAL, "want: args8 CALLS"},

	{"sleepers", unix.EINVAL, "want: sleepers N US [TURNS]|state|list|wait"},
	{"sleepers 1", unix.EINVAL, `sleepers: "1" is none of N US [TURNS], state, list, wait`},
	{"sleepers 0 1", unix.EINVAL, `sleepers: N is "0"`},
	{"sleepers 20001 1", unix.EINVAL, `sleepers: N is "20001"`},
	{"sleepers 1 0", unix.EINVAL, `sleepers: US is "0"`},
	{"sleepers 1 600000001", unix.EINVAL, `sleepers: US is "600000001"`},
	{"sleepers 1 1 0", unix.EINVAL, `sleepers: TURNS is "0"`},
	{"sleepers state", unix.ENODEV, "sleepers: this session has none"},
	{"sleepers list", unix.ENODEV, "sleepers: this session has none"},
	{"sleepers wait", unix.ENODEV, "sleepers: this session has none"},
	{"dying 0", unix.EINVAL, `dying: N is "0"`},
	{"dying 10001", unix.EINVAL, `dying: N is "10001"`},
	{"stack 1", unix.EINVAL, "want: stack"},
	{"occupy", unix.EINVAL, "want: occupy SYMBOL [patch]|off"},
	{"occupy tb_work live", unix.EINVAL, `occupy: "live" is not patch`},
	{"occupy no_such_function", unix.ENOENT, "occupy: cannot take no_such_function: -2"},
	{"occupy jiffies", unix.EINVAL, "occupy: cannot take jiffies: -22"},

	{"refread", unix.ENODEV, "refread: this session has no refprobe"},
	{"refread 1", unix.EINVAL, "want: refread"},
	{"refprobe", unix.EINVAL, "want: refprobe SYMBOL|off"},
	{"refprobe no_such_function", unix.ENOENT, "refprobe: cannot probe no_such_function: -2"},
	{"refprobe jiffies", unix.EINVAL, "refprobe: cannot probe jiffies: -22"},

	{"plant leaked 1", unix.EINVAL, "want: plant CLASS COUNT SIZE"},
	{"plant nope 1 1", unix.EINVAL, `plant: no class "nope"`},
	{"plant vmap 1 1", unix.EINVAL, `plant: no class "vmap"`},
	{"plant leaked 0 1", unix.EINVAL, `plant: COUNT is "0"`},
	{"plant leaked 1000001 1", unix.EINVAL, `plant: COUNT is "1000001"`},
	{"plant leaked 1 0", unix.EINVAL, `plant: SIZE is "0"`},
	{"plant leaked 1 1073741825", unix.EINVAL, `plant: SIZE is "1073741825"`},
	{"plant arena 1 4096", unix.ENOSPC, "plant: no room left in arena"},
	{"plant evading 1 4096", unix.EBUSY, "plant: the arena's first and last word, on two pages, are not free"},
	{"plant data 4097 1", unix.ENOSPC, "plant: no room left in data"},
	{"plant packed 2049 1", unix.ENOSPC, "plant: no room left in data"},
	{"plant bss 4097 1", unix.ENOSPC, "plant: no room left in bss"},
	{"plantother vmap 1", unix.EINVAL, "want: plantother KIND COUNT SIZE"},
	{"plantother leaked 1 1", unix.EINVAL, `plantother: no class "leaked"`},
	{"plantother big 1 2097152", unix.EINVAL, `plant: SIZE is "2097152", want a number from 2101248`},
	{"plantother kvmalloc 1 4194304", unix.EINVAL, `plant: SIZE is "4194304"`},

	{"free 0 1", unix.EINVAL, "want: free FIRST COUNT vfree|kvfree|irq"},
	{"free x 1 vfree", unix.EINVAL, `free: FIRST is "x"`},
	{"free 9223372036854775808 1 vfree", unix.EINVAL, `free: FIRST is "9223372036854775808"`},
	{"free 0 0 vfree", unix.EINVAL, `free: COUNT is "0"`},
	{"free 0 1 kfree", unix.EINVAL, `free: HOW is "kfree", want vfree, kvfree or irq`},
	{"free 9000 1 vfree", unix.ENOENT, "free: there is no block 9000"},
	{"blocks 1", unix.EINVAL, "want: blocks"},
	{"frames", unix.EINVAL, "want: frames ID"},
	{"frames x", unix.EINVAL, `frames: ID is "x"`},
	{"frames 9000", unix.ENOENT, "frames: there is no block 9000"},

	{"arena", unix.EINVAL, "want: arena SIZE [MEMORY]|off"},
	{"arena 4095", unix.EINVAL, `arena: SIZE is "4095"`},
	{"arena 2147487744", unix.EINVAL, `arena: SIZE is "2147487744"`},
	{"arena 4097", unix.EINVAL, "arena: SIZE 4097 is no multiple of 4096"},
	{"arena 8192 6000", unix.EINVAL, "arena: MEMORY 6000 is no multiple of 4096"},
	{"arena 8192 12288", unix.EINVAL, `arena: MEMORY is "12288"`},
	{"hooks", unix.EINVAL, "want: hooks on|off"},
	{"hooks in", unix.EINVAL, `hooks: "in" is neither on nor off`},
	{"hole 1", unix.EINVAL, "want: hole"},
	{"arena on", unix.EINVAL, `arena: SIZE is "on"`},
	{"regions 1", unix.EINVAL, "want: regions"},
	{"dump", unix.EINVAL, "want: dump REGION"},
	{"dump vmalloc", unix.EINVAL, `dump: no region "vmalloc"`},
	{"dump directmap", unix.EINVAL, `dump: no region "directmap"`},
	{"fill arena", unix.EINVAL, "want: fill arena zero|random"},
	{"fill data zero", unix.EINVAL, `fill: region is "data", want arena`},
	{"fill arena ones", unix.EINVAL, `fill: PATTERN is "ones", want zero or random`},
	{"fill arena zero", unix.ENXIO, "fill: there is no arena"},

	{"churn 1", unix.EINVAL, "want: churn PAIRS SIZE"},
	{"churn 0 1", unix.EINVAL, `churn: PAIRS is "0"`},
	{"churn 1 65537", unix.EINVAL, `churn: SIZE is "65537"`},
	{"batch", unix.EINVAL, "want: batch COUNT SIZE|off"},
	{"batch on", unix.EINVAL, `batch: COUNT is "on"`},
	{"batch 129 1", unix.EINVAL, `batch: COUNT is "129"`},
	{"batch 1", unix.EINVAL, `batch: SIZE is ""`},
	{"batch 1 1048577", unix.EINVAL, `batch: SIZE is "1048577"`},
	{"stray", unix.EINVAL, "want: stray COUNT"},
	{"stray 1001", unix.EINVAL, `stray: COUNT is "1001"`},
	{"purge 1", unix.EINVAL, "want: purge"},
	{"hazard", unix.EINVAL, "want: hazard KIND PAGE|state|off"},
	{"hazard rotten 0", unix.EINVAL, `hazard: there is no "rotten"`},
	{"hazard none", unix.EINVAL, `hazard: PAGE is ""`},
	{"hazard none 0", unix.EINVAL, "hazard: the arena has no page 0"},
	{"hazard state", unix.ENXIO, "hazard: there is none"},
}

// refusals: each bad command has its errno, says in one line of the log what
// is wrong, gives no result and changes nothing.
func (l *lab) refusals(t *kmod.Testbed) error {
	p := &problems{}
	log, err := openKernelLog()
	if err != nil {
		return err
	}
	defer log.close()
	for _, r := range refused {
		r.check(p, t, log)
	}
	blocks, err := t.Blocks()
	p.note("blocks", err)
	equal(p, "blocks after refusals", len(blocks), 0)
	p.note("regions", regionsAreClean(t, "data", "bss"))
	p.note("of blocks", l.refusalsOfBlocks(t, log))
	lines, err := log.lines()
	p.note("log", err)
	equal(p, "further lines in the log", strings.Join(lines, "; "), "")
	return p.err()
}

// refusalsOfBlocks are those that depend on what is planted.
func (l *lab) refusalsOfBlocks(t *kmod.Testbed, log kernelLog) error {
	p := &problems{}
	p.note("arena", t.Arena(4096))
	held, err := t.Plant("arena", 2, 4096)
	p.note("plant", err)
	mapped, err := t.PlantOther("vmap", 2, 4096)
	p.note("plant", err)
	for _, r := range []refusal{
		{"plant arena 511 1", unix.ENOSPC, "plant: no room left in arena"},
		{"plant evading 1 4096", unix.EBUSY, "plant: the arena's first and last word, on two pages, are not free"},
		{"arena off", unix.EBUSY, "arena: 2 planted blocks are kept in it"},
		{"arena 8192", unix.EBUSY, "arena: 2 planted blocks are kept in it"},
		{fmt.Sprintf("free %d 1 vfree", mapped.First), unix.EINVAL, fmt.Sprintf("free: block %d is from vmap, want kvfree", mapped.First)},
		{fmt.Sprintf("free %d 1 irq", mapped.First+1), unix.EINVAL, "is from vmap, want kvfree"},
		// All or none: the first of them could be freed.
		{fmt.Sprintf("free %d 3 vfree", held.First), unix.EINVAL, "is from vmap, want kvfree"},
		{fmt.Sprintf("free %d 3 kvfree", mapped.First), unix.ENOENT, fmt.Sprintf("free: there is no block %d", mapped.First+2)},
	} {
		r.check(p, t, log)
	}
	blocks, err := t.Blocks()
	p.note("blocks", err)
	equal(p, "blocks after refusals", len(blocks), 4)
	p.note("free", second(t.Free(held.First, 4, kmod.FreeKvfree)))
	p.note("arena off", t.ArenaOff())
	return p.err()
}

func (r refusal) check(p *problems, t *kmod.Testbed, log kernelLog) {
	name := fmt.Sprintf("%.40q", r.command)
	fd := int(t.Fd())
	// So that there is a result to lose.
	_, err := unix.Write(fd, []byte("regions"))
	p.note("regions", err)
	if _, err := log.lines(); err != nil {
		p.add("log: %v", err)
	}
	_, err = unix.Write(fd, []byte(r.command))
	if !errors.Is(err, r.errno) {
		p.add("%s: %v, want %v", name, err, r.errno)
	}
	n, err := unix.Pread(fd, make([]byte, 100), 0)
	p.note(name, err)
	// What is too long is no command, and the result before it stays.
	equal(p, name+": has a result", n > 0, len(r.command) > 512)
	lines, err := log.lines()
	p.note(name, err)
	if len(lines) != 1 || !strings.HasPrefix(lines[0], kmod.TestbedModule+": ") || !strings.Contains(lines[0], r.log) {
		p.add("%s: log has %q, want one line with %q", name, lines, r.log)
	}
}
