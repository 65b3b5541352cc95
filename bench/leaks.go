// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"kprof-bench/kmod"
	"kprof-bench/results"
	"kprof-bench/workloads"

	"golang.org/x/sys/unix"
)

const (
	blockSize = 4096
	apartSize = 3 << 20 // more than the holes that Spread leaves
	arenaSize = 64 << 20
)

// class is a class of planted blocks, and whether there is a pointer to the
// start of such a block anywhere in memory.
type class struct {
	name  string
	count uint64
	held  bool
}

// A thousand blocks. Those of a chain hold each other: for a scan, which asks
// for pointers and not for who owns them, they are held.
var classes = []class{
	{"leaked", 250, false},
	{"interior", 50, false},
	{"tagged", 50, false},
	{"packed", 50, false},
	{"data", 100, true},
	{"bss", 100, true},
	{"list", 100, true},
	{"percpu", 50, true},
	{"vblock", 50, true},
	{"chain", 100, true},
	{"arena", 100, true},
}

// Blocks of other kinds. Those of kind big are vmalloc()'s, with a page array
// that the kernel itself vmallocs; the others are not vmalloc()'s at all.
var otherKinds = []struct {
	name string
	size uint64
}{
	{"vzalloc", 64 << 10},
	{"kvmalloc", 5 << 20}, // too much for kmalloc
	{"vmalloc_user", 64 << 10},
	{"vmap", 64 << 10},
	{"big", 4 << 20},
}

const otherCount = 3

// leaks plants blocks and holds the verdicts on them against where they were
// planted, and against a dump of the region that was scanned.
func (l *lab) leaks(ctx context.Context) error {
	// Not vmalloc()'s, so that it is no block itself.
	if err := l.testbed.Arena(arenaSize); err != nil {
		return err
	}
	if err := l.testbed.FillArena("random"); err != nil {
		return err
	}
	err := l.withProfiler(nil, func(prof *kmod.Profiler) error {
		planted, err := l.plant()
		if err == nil {
			err = l.scanRegions(ctx, prof, []string{"directmap", "data", "bss", "arena"}, "")
		}
		if err == nil {
			err = l.plantApart(&planted)
		}
		if err == nil {
			err = l.scanRegions(ctx, prof, []string{"arena"}, "-apart")
		}
		return errors.Join(err, l.unplant(planted), l.testbed.ArenaOff(), l.testbed.Spread(false))
	})
	if err != nil {
		return err
	}
	return l.vmallocCost(ctx)
}

// plantApart plants some more blocks, more than 4 GiB away from the others: a
// scan cannot tell such by half of an address, and takes another way.
func (l *lab) plantApart(planted *[]kmod.Planted) error {
	if err := l.testbed.Spread(true); err != nil {
		return err
	}
	for _, class := range []string{"leaked", "arena"} {
		p, err := l.testbed.Plant(class, 2, apartSize)
		if err != nil {
			return err
		}
		*planted = append(*planted, p)
	}
	return nil
}

// plant plants all blocks, and some more that it frees in every way.
func (l *lab) plant() ([]kmod.Planted, error) {
	l.progress("plant blocks")
	var all []kmod.Planted
	for _, c := range classes {
		p, err := l.testbed.Plant(c.name, c.count, blockSize)
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
	for _, kind := range otherKinds {
		p, err := l.testbed.PlantOther(kind.name, otherCount, kind.size)
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
	for _, how := range []kmod.FreeHow{kmod.FreeVfree, kmod.FreeKvfree, kmod.FreeIRQ} {
		p, err := l.testbed.Plant("leaked", 10, blockSize)
		if err != nil {
			return all, err
		}
		if _, err := l.testbed.Free(p.First, p.Count, how); err != nil {
			return all, err
		}
	}
	return all, nil
}

func (l *lab) unplant(planted []kmod.Planted) error {
	var err error
	for _, p := range planted {
		_, e := l.testbed.Free(p.First, p.Count, kmod.FreeKvfree) // vmap() allows no other
		err = errors.Join(err, e)
	}
	return err
}

// region is a range that is scanned, and what came of it.
type region struct {
	kmod.Region
	label string // for the results file
	scans int    // how often, to measure

	ticks  []float64 // a scan, in instructions on the exact clock, else ns
	report []byte    // as the module wrote it
	status kmod.Status
	held   map[uint64]bool // pages whose address lies in the region; nil: not dumped
}

func (r region) words() float64 { return float64(r.End-r.Start) / 8 }

func (l *lab) scanRegions(ctx context.Context, prof *kmod.Profiler, names []string, suffix string) error {
	regions, err := l.regions(names, suffix)
	if err != nil {
		return err
	}
	before, err := prof.Status()
	if err != nil {
		return err
	}
	// All memory is scanned first, and nothing is parsed before that: this
	// process lies in it, and an address it knew would be found there.
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
		if err := l.dump(&regions[i], truth); err != nil {
			return fmt.Errorf("region %s: %w", regions[i].label, err)
		}
		leaks, err := kmod.ParseMemleaks(regions[i].report)
		if err != nil {
			return fmt.Errorf("region %s: %w", regions[i].label, err)
		}
		g := gradeRegion(regions[i], leaks, truth)
		l.add([]results.Row{g.row(regions[i], len(truth.blocks))}, g.checks(regions[i], l.Clock))
	}
	l.add(nil, checkStatus(before, after, scans))
	return nil
}

// regions are what is scanned: all memory, and what the testbed can dump. The
// suffix tells their results from those of others.
func (l *lab) regions(names []string, suffix string) ([]region, error) {
	known, err := l.testbed.Regions()
	if err != nil {
		return nil, err
	}
	var all []region
	for _, name := range names {
		at := slices.IndexFunc(known, func(r kmod.Region) bool { return r.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("the testbed does not know region %s", name)
		}
		r := region{Region: known[at], label: name + suffix, scans: 3}
		switch name {
		case "arena":
			r.label = strconv.Itoa(arenaSize>>20) + "MiB" + suffix
		case "directmap":
			r.scans = 1
		}
		all = append(all, r)
	}
	return all, nil
}

// scan measures scans of a region, and then does one more for the verdicts.
func (l *lab) scan(ctx context.Context, prof *kmod.Profiler, r *region) error {
	if err := prof.SetRange(r.Start, r.End); err != nil {
		return err
	}
	program := &workloads.Program{}
	defer program.Close()
	fd, err := program.Open(prof.MemleaksPath(), unix.O_RDONLY)
	if err != nil {
		return err
	}
	_, buf, err := program.Alloc(blockSize)
	if err != nil {
		return err
	}
	program.Ops = []workloads.Op{{
		Name: "read memleaks", Nr: unix.SYS_PREAD64, Measured: true,
		Args: [6]uintptr{fd, buf, blockSize, 0},
	}}
	measured, err := workloads.Run(ctx, program, workloads.Options{Calls: r.scans, Batch: 1})
	if err != nil {
		return err
	}
	r.ticks = l.perCallOf(measured)
	if r.report, err = prof.ScanRaw(); err != nil {
		return err
	}
	r.status, err = prof.Status()
	return err
}

// dump has the testbed show the region and searches it for addresses of
// planted blocks, in the plainest way.
func (l *lab) dump(r *region, truth *plantedBlocks) error {
	if r.Name == "directmap" {
		return nil // it changes while it is read, and this process is in it
	}
	l.progress("search a dump of " + r.label)
	dump, err := l.testbed.Dump(r.Name)
	if err != nil {
		return err
	}
	r.held = map[uint64]bool{}
	planted := func(page uint64) bool { _, ok := truth.blocks[page]; return ok }
	return kmod.FindStarts(dump, planted, func(_, page uint64) { r.held[page] = true })
}

// plantedBlocks is the testbed's own account of what profiler.ko must report.
type plantedBlocks struct {
	blocks map[uint64]plantedBlock // by page
	others map[uint64]string       // kind, by page: must not be reported
}

type plantedBlock struct {
	class  string
	held   bool // somewhere in memory
	caller uint64
}

func (l *lab) plantedTruth() (*plantedBlocks, error) {
	text, err := kmod.TestbedText()
	if err != nil {
		return nil, err
	}
	held := map[string]bool{"big": false}
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
		if caller, ok := callers[b.Class]; ok {
			truth.blocks[b.Page] = plantedBlock{b.Class, held[b.Class], caller}
		} else {
			truth.others[b.Page] = b.Class
		}
		return nil
	})
	return truth, err
}

// vmallocCost measures what the profiler adds to a vmalloc() and its vfree().
func (l *lab) vmallocCost(ctx context.Context) error {
	l.progress("measure vmalloc() and vfree()")
	const batches, pairs = 20, 20
	run := func() ([]float64, error) {
		return l.askTimings(ctx, batches, fmt.Sprintf("vpair %d %d", blockSize, pairs), 0)
	}
	base, err := run()
	if err != nil {
		return err
	}
	var with []float64
	err = l.withProfiler(nil, func(prof *kmod.Profiler) error {
		before, err := prof.Status()
		if err != nil {
			return err
		}
		if with, err = run(); err != nil {
			return err
		}
		after, err := prof.Status()
		l.add(nil, checkPairs(before, after, batches*pairs))
		return err
	})
	if err != nil {
		return err
	}
	l.add([]results.Row{vmallocRow(base, with, batches*pairs)}, nil)
	return nil
}
