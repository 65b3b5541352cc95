// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"kprof-bench/kmod"
	"kprof-bench/results"
	"kprof-bench/workloads"

	"golang.org/x/sys/unix"
)

// region is a range that is scanned, and what came of it.
type region struct {
	kmod.Region
	label string // for the results file
	scans int    // how often, to measure

	ticks  []float64       // a scan, in instructions on the exact clock, else ns
	words  uint64          // that it read
	report []byte          // as the module wrote it
	held   map[uint64]bool // pages whose address lies in the region; nil: their class says it
}

// hasFreed tells whether memory that was freed and not used again lies in the
// region.
func (r region) hasFreed() bool { return r.held == nil || r.Name == "kernel-bss" }

// allRegions are scanned, in this order. All memory comes first, and nothing is
// parsed before that: this process lies in it, and an address it knew would be
// found there.
var allRegions = []string{"directmap", "vmalloc", "kernel-data", "kernel-bss", "data", "bss", "arena"}

// knowledge is how it is known which addresses lie in a region.
type knowledge struct {
	dump  bool // a search of a dump finds them
	place bool // the testbed says where it keeps them
}

// What is not here is known by the class of the block: all memory.
//
// The addresses that vmalloc() gives out are not dumped. Stacks lie there, and
// per-CPU memory, which change while they are read; but no stack keeps a start,
// the testbed wipes what it used of its own, and what others leave on theirs is
// of blocks that they have freed.
//
// A part of the kernel's .bss has been given to the page allocator, and the dump
// leaves it out. Nodes of the testbed's list may lie there, and the allocator's
// own records of many blocks do, which are no pointers to them.
var known = map[string]knowledge{
	"data": {dump: true}, "bss": {dump: true}, "arena": {dump: true},
	"kernel-data": {dump: true}, "kernel-bss": {dump: true, place: true},
	"vmalloc": {place: true},
}

func (l *lab) scanRegions(ctx context.Context, prof *kmod.Profiler, names []string, suffix string) error {
	regions, err := l.regions(names, suffix)
	if err != nil {
		return err
	}
	before, err := prof.Status()
	if err != nil {
		return err
	}
	scans := uint64(0)
	for i := range regions {
		l.progress("scan " + regions[i].label)
		if err := l.scan(ctx, prof, &regions[i]); err != nil {
			return fmt.Errorf("region %s: %w", regions[i].label, err)
		}
		scans += uint64(regions[i].scans) + 1
	}
	after, err := prof.Status()
	if err != nil {
		return err
	}
	truth, err := l.plantedTruth()
	if err != nil {
		return err
	}
	for i := range regions {
		if err := l.findHeld(&regions[i], truth); err != nil {
			return fmt.Errorf("region %s: %w", regions[i].label, err)
		}
		leaks, err := kmod.ParseMemleaks(regions[i].report)
		if err != nil {
			return fmt.Errorf("region %s: %w", regions[i].label, err)
		}
		g := gradeRegion(regions[i], leaks, truth)
		g.catches = g.wrong == 0 && catchesVerdict(regions[i], leaks, truth, l.Clock)
		l.add([]results.Row{g.row(regions[i], len(truth.blocks))}, g.checks(regions[i], l.Clock))
	}
	l.add(nil, checkStatus(before, after, scans))
	return nil
}

// regions are what is scanned. The suffix tells their results from those of
// others.
func (l *lab) regions(names []string, suffix string) ([]region, error) {
	var all []region
	for _, name := range names {
		found, err := l.region(name)
		if err != nil {
			return nil, err
		}
		r := region{Region: found, label: name + suffix, scans: 3}
		switch name {
		case "arena":
			r.label = strconv.Itoa(arenaSize>>20) + "MiB" + suffix
		case "directmap", "vmalloc", "kernel-bss":
			r.scans = 1
		}
		all = append(all, r)
	}
	return all, nil
}

func (l *lab) region(name string) (kmod.Region, error) {
	all, err := l.testbed.Regions()
	if err != nil {
		return kmod.Region{}, err
	}
	at := slices.IndexFunc(all, func(r kmod.Region) bool { return r.Name == name })
	if at < 0 {
		return kmod.Region{}, fmt.Errorf("the testbed does not know region %s; it has a line in the kernel log if it could not find it", name)
	}
	return all[at], nil
}

// scan measures scans of a region, and then does one more for the verdicts.
func (l *lab) scan(ctx context.Context, prof *kmod.Profiler, r *region) error {
	if err := prof.SetRange(r.Start, r.End); err != nil {
		return err
	}
	program := &workloads.Program{}
	defer program.Close()
	read, err := readMemleaks(program, prof)
	if err != nil {
		return err
	}
	program.Ops = []workloads.Op{read}
	measured, err := workloads.Run(ctx, program, workloads.Options{Calls: r.scans, Batch: 1})
	if err != nil {
		return err
	}
	r.ticks = l.perCallOf(measured, 1)
	if r.report, err = prof.ScanRaw(); err != nil {
		return err
	}
	status, err := prof.Status()
	r.words = status.ScanWords
	return err
}

// readMemleaks is the call that reads the first page of the report, which scans.
func readMemleaks(program *workloads.Program, prof *kmod.Profiler) (workloads.Op, error) {
	fd, err := program.Open(prof.MemleaksPath(), unix.O_RDONLY)
	if err != nil {
		return workloads.Op{}, err
	}
	_, buf, err := program.Alloc(blockSize)
	return workloads.Op{
		Name: "read memleaks", Nr: unix.SYS_PREAD64, Measured: true,
		Args: [6]uintptr{fd, buf, blockSize, 0},
	}, err
}

// findHeld finds out which planted blocks have their address in the region.
func (l *lab) findHeld(r *region, truth *plantedBlocks) error {
	by, ok := known[r.Name]
	if !ok {
		return nil
	}
	r.held = map[uint64]bool{}
	for page, b := range truth.blocks {
		if by.place && r.Has(b.Block) {
			r.held[page] = true
		}
	}
	if !by.dump {
		return nil
	}
	l.progress("search a dump of " + r.label)
	dump, err := l.testbed.Dump(r.Name)
	if err != nil {
		return err
	}
	planted := func(page uint64) bool { _, ok := truth.blocks[page]; return ok }
	return kmod.FindStarts(dump, planted, func(_, page uint64) { r.held[page] = true })
}

// plantedBlocks is the testbed's own account of what profiler.ko must report.
type plantedBlocks struct {
	blocks map[uint64]plantedBlock // by page
	others map[uint64]string       // kind, by page: must not be reported
}

type plantedBlock struct {
	kmod.Block
	held   bool // somewhere in memory
	caller uint64
}

func (l *lab) plantedTruth() (*plantedBlocks, error) {
	text, err := kmod.TestbedText()
	if err != nil {
		return nil, err
	}
	held := map[string]bool{bigKind: false}
	for _, c := range classes {
		held[c.name] = c.held
	}
	callers := map[string]uint64{}
	for name := range held {
		if callers[name], err = l.object.ExpectedCaller(name, text); err != nil {
			return nil, err
		}
	}
	truth := &plantedBlocks{blocks: map[uint64]plantedBlock{}, others: map[uint64]string{}}
	err = l.testbed.EachBlock(func(b kmod.Block) error {
		caller, ok := callers[b.Class]
		if !ok {
			truth.others[b.Page] = b.Class
			return nil
		}
		if held[b.Class] != (b.Word != 0) {
			return fmt.Errorf("the testbed keeps the start of a block of class %s in word %#x, and is expected to keep it: %v", b.Class, b.Word, held[b.Class])
		}
		truth.blocks[b.Page] = plantedBlock{b, held[b.Class], caller}
		return nil
	})
	return truth, err
}
