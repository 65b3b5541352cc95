// SPDX-License-Identifier: MIT

package peers

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// bpfPeer is a pair of BPF programs, one at the entries of functions and one at
// their returns.
type bpfPeer struct {
	facts Facts
	// where notes when a call began, and makes the two programs around that.
	where func(m *pairMaps) (entry, leave asm.Instructions, err error)
	// attach puts them at functions.
	attach func(p *bpfPeer, functions []Function, entry, leave asm.Instructions) error
	// perFunction is set when there is a pair for each function, with its own sums.
	perFunction bool

	all    []io.Closer // in the order in which they were opened
	loaded []*ebpf.Program
	sums   []*ebpf.Map
}

// types are those of the kernel, which take a second to read.
var types = btf.NewCache()

// pairMaps are those of a pair of programs.
type pairMaps struct {
	peer *bpfPeer
	sum  *ebpf.Map // durations and their number, for each processor
}

func (p *bpfPeer) Facts() Facts { return p.facts }

func (p *bpfPeer) Attach(functions []Function) error {
	// Linux 5.10 counts maps as locked memory.
	lift := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &lift); err != nil {
		return fmt.Errorf("setrlimit: %w", err)
	}
	groups := [][]Function{functions}
	if p.perFunction {
		groups = slices.Collect(slices.Chunk(functions, 1))
	}
	for _, g := range groups {
		if err := p.attachGroup(g); err != nil {
			return errors.Join(err, p.Detach())
		}
	}
	return nil
}

func (p *bpfPeer) attachGroup(functions []Function) error {
	sum, err := p.newMap(&ebpf.MapSpec{Name: "sum", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 16, MaxEntries: 1})
	if err != nil {
		return err
	}
	p.sums = append(p.sums, sum)
	entry, leave, err := p.where(&pairMaps{p, sum})
	if err != nil {
		return err
	}
	return p.attach(p, functions, entry, leave)
}

func (p *bpfPeer) newMap(spec *ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(spec)
	if errors.Is(err, ebpf.ErrNotSupported) {
		return nil, unsupported("map %s: %v", spec.Name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", spec.Name, err)
	}
	p.all = append(p.all, m)
	return m, nil
}

func (p *bpfPeer) load(spec *ebpf.ProgramSpec) (*ebpf.Program, error) {
	spec.License = "Dual MIT/GPL"
	coll, err := ebpf.NewCollectionWithOptions(
		&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{spec.Name: spec}}, ebpf.CollectionOptions{Cache: types})
	if errors.Is(err, btf.ErrNotFound) || errors.Is(err, btf.ErrNotSupported) || errors.Is(err, ebpf.ErrNotSupported) {
		return nil, unsupported("%v", err)
	}
	if err != nil {
		return nil, err
	}
	prog := coll.DetachProgram(spec.Name)
	p.all, p.loaded = append(p.all, prog), append(p.loaded, prog)
	return prog, nil
}

func (p *bpfPeer) linked(l link.Link, err error) error {
	if errors.Is(err, ebpf.ErrNotSupported) {
		return unsupported("%v", err)
	}
	if err != nil {
		return err
	}
	p.all = append(p.all, l)
	return nil
}

// Read tells by the kernel's own count how often a program was not run.
func (p *bpfPeer) Read() ([]Reading, error) {
	var all []Reading
	for _, sum := range p.sums {
		var perCPU [][2]uint64
		if err := sum.Lookup(uint32(0), &perCPU); err != nil {
			return nil, err
		}
		r := Reading{}
		for _, v := range perCPU {
			r.TotalNs += float64(v[0])
			r.Timed += v[1]
		}
		r.Calls = r.Timed
		all = append(all, r)
	}
	for _, prog := range p.loaded {
		s, err := prog.Stats()
		if err != nil {
			return nil, err
		}
		all[0].Lost += s.RecursionMisses
	}
	return all, nil
}

func (p *bpfPeer) Detach() error {
	var err error
	for _, c := range slices.Backward(p.all) {
		err = errors.Join(err, c.Close())
	}
	p.all, p.loaded, p.sums = nil, nil, nil
	return err
}

// atTrampolines puts programs at a function by fentry and fexit, that at the return
// first, so that no call is waited for that does not come to an end.
func atTrampolines(p *bpfPeer, functions []Function, entry, leave asm.Instructions) error {
	name, err := typedName(functions[0])
	if err != nil {
		return err
	}
	for _, spec := range []*ebpf.ProgramSpec{
		{Name: "leave", AttachType: ebpf.AttachTraceFExit, Instructions: leave},
		{Name: "entry", AttachType: ebpf.AttachTraceFEntry, Instructions: entry},
	} {
		spec.Type, spec.AttachTo = ebpf.Tracing, name
		prog, err := p.load(spec)
		if err != nil {
			return err
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: prog, AttachType: spec.AttachType})
		if err := p.linked(l, err); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// atKprobes puts them at kprobes and kretprobes, in the order of bcc's tools. What is
// put at a function last is run first there: in the other order the kretprobe's own
// work would be part of what the programs find a call to take, 102 instructions on
// Linux 6.1.
func atKprobes(p *bpfPeer, functions []Function, entry, leave asm.Instructions) error {
	onEntry, onReturn, err := p.loadPair(ebpf.AttachNone, entry, leave)
	if err != nil {
		return err
	}
	for _, f := range functions {
		l, err := link.Kprobe(f.Symbol, onEntry, nil)
		if err := p.linked(l, err); err != nil {
			return err
		}
		l, err = link.Kretprobe(f.Symbol, onReturn, nil)
		if err := p.linked(l, err); err != nil {
			return err
		}
	}
	return nil
}

func (p *bpfPeer) loadPair(at ebpf.AttachType, entry, leave asm.Instructions) (onEntry, onReturn *ebpf.Program, err error) {
	onEntry, err = p.load(&ebpf.ProgramSpec{Name: "entry", Type: ebpf.Kprobe, AttachType: at, Instructions: entry})
	if err == nil {
		onReturn, err = p.load(&ebpf.ProgramSpec{Name: "leave", Type: ebpf.Kprobe, AttachType: at, Instructions: leave})
	}
	return onEntry, onReturn, err
}

func tracedSymbols(functions []Function) []string {
	var names []string
	for _, f := range functions {
		names = append(names, traceName(f))
	}
	return names
}

// atMulti puts them at all functions in two system calls, in the same order.
func atMulti(p *bpfPeer, functions []Function, entry, leave asm.Instructions) error {
	onEntry, onReturn, err := p.loadPair(ebpf.AttachTraceKprobeMulti, entry, leave)
	if err != nil {
		return err
	}
	o := link.KprobeMultiOptions{Symbols: tracedSymbols(functions)}
	l, err := link.KprobeMulti(onEntry, o)
	if errors.Is(err, ebpf.ErrNotSupported) {
		return unsupported("this kernel has no kprobe.multi, which needs Linux 5.18 and CONFIG_FPROBE")
	}
	if err := p.linked(l, err); err != nil {
		return err
	}
	l, err = link.KretprobeMulti(onReturn, o)
	return p.linked(l, err)
}

// atSession puts one program at entries and returns, where it finds out which.
func atSession(p *bpfPeer, functions []Function, both, _ asm.Instructions) error {
	prog, err := p.load(&ebpf.ProgramSpec{Name: "session", Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceKprobeSession, Instructions: both})
	if err != nil {
		return err
	}
	l, err := link.KprobeMulti(prog, link.KprobeMultiOptions{Symbols: tracedSymbols(functions), Session: true})
	return p.linked(l, err)
}
