// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"errors"
	"slices"
	"time"

	"kprof-bench/kmod"
	"kprof-bench/results"
)

// Leaks is how well, and at what cost, leaks are found in one way.
type Leaks struct {
	Way     string
	Doc     string
	Lacking string `json:",omitempty"`
	// Named is how many of the planted blocks it says may be leaks: Right of them
	// are, of Planted that are.
	Named, Right, Planted int
	Insns                 []float64 // what that took, each time
}

// Precision is the part of what it names that leaks.
func (l Leaks) Precision() float64 { return float64(l.Right) / float64(l.Named) }

// Recall is the part of the leaks that it names.
func (l Leaks) Recall() float64 { return float64(l.Right) / float64(l.Planted) }

// Spread is how far apart what it took is, in percent of the median.
func (l Leaks) Spread() float64 { return spread(l.Insns) }

func (l Leaks) rows() []results.Row {
	if l.Lacking != "" {
		return nil
	}
	return []results.Row{{Name: "PeerLeaks", Params: []results.Param{{Key: "way", Value: l.Way}}, Iters: len(l.Insns), Values: known(
		results.Value{V: round3(l.Precision()), Unit: "precision"},
		results.Value{V: round3(l.Recall()), Unit: "recall"},
		results.Value{V: median(l.Insns), Unit: "read-insn"},
		results.Value{V: l.Spread(), Unit: "read-spread-percent"},
	)}}
}

// plantedClasses are the classes of blocks that are planted, and whether those leak:
// whether nothing in memory points to them.
var plantedClasses = []struct {
	name  string
	count uint64
	leaks bool
}{
	{"leaked", 100, true}, {"interior", 20, true}, {"data", 50, false}, {"list", 50, false}, {"percpu", 20, false}, {"vblock", 20, false},
}

const (
	leakBlockSize = 4096
	leakTries     = 3
)

// leaks plants blocks and has them looked for in all ways.
func (l *lab) leaks(ctx context.Context) (all []Leaks, err error) {
	l.progress("look for leaks")
	prof, err := kmod.LoadProfiler(l.Profiler, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, prof.Unload()) }()
	before, readFirst, err := readVmallocinfo()
	if err != nil {
		return nil, err
	}
	leaking, planted, err := l.plant()
	defer func() { err = errors.Join(err, l.unplant(planted)) }()
	if err != nil {
		return nil, err
	}
	scan, err := l.scanLeaks(prof, leaking)
	if err != nil {
		return nil, err
	}
	list, err := listLeaks(before, readFirst, leaking)
	if err != nil {
		return nil, err
	}
	reports, err := kmemleakLeaks(ctx, leaking)
	return []Leaks{scan, list, reports}, err
}

// plant returns which blocks there are, by page, and whether each leaks.
func (l *lab) plant() (leaking map[uint64]bool, planted []kmod.Planted, err error) {
	leaks := map[string]bool{}
	for _, c := range plantedClasses {
		p, err := l.testbed.Plant(c.name, c.count, leakBlockSize)
		if err != nil {
			return nil, planted, err
		}
		planted, leaks[c.name] = append(planted, p), c.leaks
	}
	leaking = map[uint64]bool{}
	err = l.testbed.EachBlock(func(b kmod.Block) error {
		leaking[b.Page] = leaks[b.Class]
		return nil
	})
	return leaking, planted, err
}

func (l *lab) unplant(planted []kmod.Planted) (err error) {
	for _, p := range planted {
		_, e := l.testbed.Free(p.First, p.Count, kmod.FreeVfree)
		err = errors.Join(err, e)
	}
	return err
}

// judge counts what was named.
func (l *Leaks) judge(named []uint64, leaking map[uint64]bool) {
	l.Named, l.Right, l.Planted = 0, 0, 0
	for _, page := range named {
		if leaks, ok := leaking[page]; ok {
			l.Named++
			if leaks {
				l.Right++
			}
		}
	}
	for _, leaks := range leaking {
		if leaks {
			l.Planted++
		}
	}
}

// scanLeaks has profiler.ko search all memory.
func (l *lab) scanLeaks(prof *kmod.Profiler, leaking map[uint64]bool) (Leaks, error) {
	found := Leaks{Way: "profiler.ko", Doc: "README.md"}
	regions, err := l.testbed.Regions()
	if err != nil {
		return found, err
	}
	i := slices.IndexFunc(regions, func(r kmod.Region) bool { return r.Name == "directmap" })
	if i < 0 {
		return found, errors.New("the testbed does not know the direct map")
	}
	if err := prof.SetRange(regions[i].Start, regions[i].End); err != nil {
		return found, err
	}
	var report []byte
	for range leakTries {
		begin := time.Now()
		if report, err = prof.ScanRaw(); err != nil {
			return found, err
		}
		found.Insns = append(found.Insns, float64(time.Since(begin)))
	}
	leaks, err := kmod.ParseMemleaks(report)
	if err != nil {
		return found, err
	}
	var named []uint64
	for _, k := range leaks {
		if k.Verdict == kmod.PossibleLeak {
			named = append(named, k.Page)
		}
	}
	found.judge(named, leaking)
	return found, nil
}

func readVmallocinfo() (pages map[uint64]bool, took time.Duration, err error) {
	begin := time.Now()
	areas, err := kmod.Vmallocinfo()
	took = time.Since(begin)
	pages = map[uint64]bool{}
	for _, a := range areas {
		pages[a.Page] = true
	}
	return pages, took, err
}

// listLeaks takes for leaks what was not in /proc/vmallocinfo before: it tells what
// lives, and not what nobody knows of any more.
func listLeaks(before map[uint64]bool, first time.Duration, leaking map[uint64]bool) (Leaks, error) {
	found := Leaks{Way: "vmallocinfo", Doc: "Documentation/filesystems/proc.rst"}
	var named []uint64
	for range leakTries {
		after, took, err := readVmallocinfo()
		if err != nil {
			return found, err
		}
		named = nil
		for page := range after {
			if !before[page] {
				named = append(named, page)
			}
		}
		found.Insns = append(found.Insns, float64(first+took))
	}
	found.judge(named, leaking)
	return found, nil
}
