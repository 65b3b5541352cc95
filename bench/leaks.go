// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"

	"kprof-bench/kmod"
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
var otherKinds = []otherKind{
	{"vzalloc", 64 << 10},
	{"kvmalloc", 5 << 20}, // too much for kmalloc
	{"vmalloc_user", 64 << 10},
	{"vmap", 64 << 10},
	{bigKind, bigSize},
}

type otherKind struct {
	name string
	size uint64
}

const (
	bigKind = "big"
	bigSize = 4 << 20
)

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
	return l.withProfiler(nil, func(prof *kmod.Profiler) error {
		planted, err := l.plant()
		if err == nil {
			err = l.scanRegions(ctx, prof, allRegions, "")
		}
		if err == nil {
			err = l.liveBlocks(prof)
		}
		if err == nil {
			err = l.plantApart(&planted)
		}
		if err == nil {
			err = l.scanRegions(ctx, prof, []string{"arena"}, "-apart")
		}
		return errors.Join(err, l.unplant(planted), l.testbed.ArenaOff(), l.testbed.Spread(false))
	})
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
	if _, err := l.testbed.Hole(); err != nil {
		return nil, err
	}
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
