// SPDX-License-Identifier: MIT

package counters

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// ErrNoPrograms says that the kernel has no BPF programs at functions. It needs
// Linux 5.5 or later on this architecture, with CONFIG_DEBUG_INFO_BTF.
var ErrNoPrograms = errors.New("the kernel has no BPF programs at functions; it must be built with CONFIG_DEBUG_INFO_BTF and CONFIG_FUNCTION_TRACER")

// Count is what programs at a function have seen.
type Count struct {
	Calls   uint64 // by anybody
	Own     uint64 // by processes that this one has made, or they
	Timed   uint64 // of Own: those that have returned
	TotalNs uint64 // what these took
}

// Plus is the sum of both.
func (c Count) Plus(d Count) Count {
	return Count{c.Calls + d.Calls, c.Own + d.Own, c.Timed + d.Timed, c.TotalNs + d.TotalNs}
}

// Programs count calls of functions, and time them, from [OpenPrograms] to Close.
// No call is missed unless the function is called while one of its programs runs,
// by an interrupt: see Missed.
type Programs struct {
	counts, starts *ebpf.Map
	loaded         []*ebpf.Program
	links          []link.Link
	mem            []byte // of counts
}

// OpenPrograms puts programs at functions, which are named as in /proc/kallsyms.
// Those at their returns are left out unless calls are to be timed. It needs root.
// An error wraps [ErrNoPrograms] or what the kernel said of the first function that
// it would not have programs at.
func OpenPrograms(functions []string, timed bool) (*Programs, error) {
	p := &Programs{}
	if err := p.open(functions, timed); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Programs) open(functions []string, timed bool) error {
	cache := btf.NewCache()
	kernel, err := cache.Kernel()
	if errors.Is(err, btf.ErrNotSupported) || errors.Is(err, btf.ErrNotFound) {
		return ErrNoPrograms
	}
	if err != nil {
		return fmt.Errorf("read the kernel's BTF: %w", err)
	}
	who, err := thisProcess(kernel)
	if err != nil {
		return err
	}
	if err := p.makeMaps(len(functions)); err != nil {
		return err
	}
	for i, function := range functions {
		code := program{index: i, counts: p.counts.FD(), starts: p.starts.FD(), ancestor: who}
		if err := p.attach(cache, kernel, function, code, timed); err != nil {
			return fmt.Errorf("put programs at %s: %w", function, err)
		}
	}
	return nil
}

// thisProcess finds out where tasks have what the programs read of them.
func thisProcess(kernel *btf.Spec) (ancestor, error) {
	var task *btf.Struct
	if err := kernel.TypeByName("task_struct", &task); err != nil {
		return ancestor{}, fmt.Errorf("the kernel's BTF: %w", err)
	}
	who := ancestor{pid: int32(os.Getpid())}
	for name, at := range map[string]*int32{"real_parent": &who.parentOffset, "tgid": &who.processIDOffset} {
		for _, m := range task.Members {
			if m.Name == name {
				*at = int32(m.Offset.Bytes())
			}
		}
		if *at == 0 {
			return ancestor{}, fmt.Errorf("the kernel's BTF: task_struct has no %s", name)
		}
	}
	return who, nil
}

// mmapable is BPF_F_MMAPABLE.
const mmapable = 1 << 10

func (p *Programs) makeMaps(functions int) (err error) {
	// Linux 5.10 counts maps as locked memory. The library has a package for that,
	// which asks the kernel before main, when an init has not mounted /proc yet.
	all := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &all); err != nil {
		return os.NewSyscallError("setrlimit", err)
	}
	p.counts, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "counts", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(countBytes * functions), MaxEntries: 1, Flags: mmapable,
	})
	if err != nil {
		return err
	}
	p.starts, err = ebpf.NewMap(&ebpf.MapSpec{Name: "starts", Type: ebpf.Hash, KeySize: 8, ValueSize: 8, MaxEntries: mostOngoing})
	if err != nil {
		return err
	}
	p.mem, err = unix.Mmap(p.counts.FD(), 0, countBytes*functions, unix.PROT_READ, unix.MAP_SHARED)
	return os.NewSyscallError("mmap", err)
}

// attach puts the program at the return of a function first, so that none that is
// timed is not waited for.
func (p *Programs) attach(cache *btf.Cache, kernel *btf.Spec, function string, code program, timed bool) error {
	name, err := spelling(kernel, function)
	if err != nil {
		return err
	}
	programs := []*ebpf.ProgramSpec{{Name: "entry", AttachType: ebpf.AttachTraceFEntry, Instructions: code.entry(timed)}}
	if timed {
		programs = append([]*ebpf.ProgramSpec{{Name: "leave", AttachType: ebpf.AttachTraceFExit, Instructions: code.leave()}}, programs...)
	}
	for _, spec := range programs {
		spec.Type, spec.AttachTo, spec.License = ebpf.Tracing, name, "Dual MIT/GPL"
		if err := p.attachOne(cache, spec); err != nil {
			return err
		}
	}
	return nil
}

func (p *Programs) attachOne(cache *btf.Cache, spec *ebpf.ProgramSpec) error {
	coll, err := ebpf.NewCollectionWithOptions(
		&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{spec.Name: spec}}, ebpf.CollectionOptions{Cache: cache})
	if err != nil {
		return err
	}
	defer coll.Close()
	loaded := coll.DetachProgram(spec.Name)
	p.loaded = append(p.loaded, loaded)
	l, err := link.AttachTracing(link.TracingOptions{Program: loaded, AttachType: spec.AttachType})
	if err != nil {
		return err
	}
	p.links = append(p.links, l)
	return nil
}

// spelling is the name that a function has in the kernel's BTF: system calls that
// take nothing are there under the name that theirs is an alias of.
func spelling(kernel *btf.Spec, function string) (string, error) {
	names := []string{function}
	if call, ok := strings.CutPrefix(function, "__x64_sys_"); ok {
		names = append(names, "__do_sys_"+call)
	}
	var f *btf.Func
	var err error
	for _, name := range names {
		if err = kernel.TypeByName(name, &f); err == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("the kernel's BTF: %w", err)
}

// Words are in memory that the programs write to: those of the first function's
// count, in the order of Count's fields, then those of the next.
func (p *Programs) Words() []*uint64 {
	var all []*uint64
	for at := 0; at < len(p.mem); at += 8 {
		all = append(all, (*uint64)(unsafe.Pointer(&p.mem[at])))
	}
	return all
}

// Counts makes counts of functions, in the order that OpenPrograms was given, of
// what was read from Words.
func Counts(words []uint64) []Count {
	var all []Count
	for ; len(words) >= countBytes/8; words = words[countBytes/8:] {
		all = append(all, Count{words[0], words[1], words[2], words[3]})
	}
	return all
}

// Missed is how many calls the programs were not run for, in Linux 5.12 or later.
func (p *Programs) Missed() (uint64, error) {
	sum := uint64(0)
	for _, loaded := range p.loaded {
		s, err := loaded.Stats()
		if err != nil {
			return 0, err
		}
		sum += s.RecursionMisses
	}
	return sum, nil
}

// Close takes the programs away.
func (p *Programs) Close() error {
	var err error
	for _, l := range p.links {
		err = errors.Join(err, l.Close())
	}
	for _, loaded := range p.loaded {
		err = errors.Join(err, loaded.Close())
	}
	if p.mem != nil {
		err = errors.Join(err, unix.Munmap(p.mem))
	}
	for _, m := range []*ebpf.Map{p.counts, p.starts} {
		if m != nil {
			err = errors.Join(err, m.Close())
		}
	}
	*p = Programs{}
	return err
}
