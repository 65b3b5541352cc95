// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"kprof-bench/kmod"
	"kprof-bench/kmod/testbedtest"
)

const (
	stormers   = 4
	stormTurns = 60
	stormBatch = 25
)

// leaksInAStorm reads memleaks from two threads while four sessions allocate
// and free, also from interrupts. What stays all the time is in each report
// with the right caller and verdict, and at the end there is nothing else.
func (l *lab) leaksInAStorm(t *kmod.Testbed) (err error) {
	prof, err := kmod.LoadProfiler(testbedtest.ProfilerPath, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, prof.Unload()) }()
	s, err := l.newStorm(t, prof)
	if err != nil {
		return err
	}
	var stop atomic.Bool
	var readers, storm sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				s.note("reader", s.read())
			}
		})
	}
	for i := range stormers {
		storm.Go(func() { s.note("session", stormOn(rand.New(rand.NewPCG(1, uint64(i))))) })
	}
	storm.Wait()
	stop.Store(true)
	readers.Wait()
	s.note("end", s.end(t))
	l.note("%d reports, %d blocks of the storm in them", s.reports.Load(), s.passing.Load())
	if s.reports.Load() < 4 || s.passing.Load() == 0 {
		s.note("reports", fmt.Errorf("%d, with %d blocks of the storm: nothing was tried", s.reports.Load(), s.passing.Load()))
	}
	return s.p.err()
}

type stormWatch struct {
	prof    *kmod.Profiler
	held    map[uint64]kmod.Leak // what must be reported, by page
	callers map[uint64]bool
	start   kmod.Status

	reports, passing atomic.Int64

	mu sync.Mutex
	p  problems
}

func (s *stormWatch) note(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.p.note(what, err)
}

func (l *lab) newStorm(t *kmod.Testbed, prof *kmod.Profiler) (*stormWatch, error) {
	s := &stormWatch{prof: prof, callers: map[uint64]bool{}}
	text, err := kmod.TestbedText()
	if err != nil {
		return nil, err
	}
	for _, class := range append(slices.Clone(plantable), "big") {
		caller, err := l.object.ExpectedCaller(class, text)
		if err != nil {
			return nil, err
		}
		s.callers[caller] = true
	}
	for _, class := range []string{"leaked", "data", "interior", "tagged", "bss", "chain"} {
		if _, err := t.Plant(class, 50, 4096); err != nil {
			return nil, err
		}
	}
	if _, err := t.PlantOther("big", 2, 3<<20); err != nil {
		return nil, err
	}
	if s.held, err = l.expected(t, text); err != nil {
		return nil, err
	}
	regions, err := t.Regions()
	if err != nil {
		return nil, err
	}
	// Of the regions only .data is scanned, so only what is held there is.
	i := slices.IndexFunc(regions, func(r kmod.Region) bool { return r.Name == "data" })
	if s.start, err = prof.Status(); err != nil {
		return nil, err
	}
	return s, prof.SetRange(regions[i].Start, regions[i].End)
}

// expected is what memleaks must say of the blocks there are now.
func (l *lab) expected(t *kmod.Testbed, text uint64) (map[uint64]kmod.Leak, error) {
	want := map[uint64]kmod.Leak{}
	err := t.EachBlock(func(b kmod.Block) error {
		caller, err := l.object.ExpectedCaller(b.Class, text)
		if err != nil {
			return err
		}
		leak := kmod.Leak{Page: b.Page, Verdict: kmod.PossibleLeak, IP: caller}
		if b.Class == "data" {
			leak.Verdict = kmod.NotFreedYet
		}
		want[b.Page] = leak
		return nil
	})
	return want, err
}

// read checks one report. Leaks fails if it is not well formed.
func (s *stormWatch) read() error {
	leaks, err := s.prof.Leaks()
	if err != nil {
		return err
	}
	s.reports.Add(1)
	p := &problems{}
	found := 0
	for _, leak := range leaks {
		if want, ok := s.held[leak.Page]; ok {
			found++
			equal(p, "block that stays", leak, want)
			continue
		}
		s.passing.Add(1)
		if !s.callers[leak.IP] {
			p.add("block %+v of nobody's", leak)
		}
	}
	equal(p, "blocks that stay in the report", found, len(s.held))
	return p.err()
}

var stormClasses = []string{"leaked", "data", "list", "percpu", "vblock", "chain", "packed", "tagged"}

func stormOn(r *rand.Rand) (err error) {
	t, err := kmod.OpenTestbed()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	hows := []kmod.FreeHow{kmod.FreeVfree, kmod.FreeKvfree, kmod.FreeIRQ}
	var last kmod.Planted
	for turn := range stormTurns {
		class := stormClasses[r.IntN(len(stormClasses))]
		planted, err := t.Plant(class, stormBatch, uint64(1+r.IntN(20000)))
		if err != nil {
			return err
		}
		// One turn later, so that some are there all the time.
		if turn > 0 {
			if _, err := t.Free(last.First, last.Count, hows[r.IntN(len(hows))]); err != nil {
				return err
			}
		}
		last = planted
	}
	_, err = t.Free(last.First, last.Count, kmod.FreeIRQ)
	return err
}

// end: what is live is what the testbed holds, and nothing went by unseen.
func (s *stormWatch) end(t *kmod.Testbed) error {
	p := &problems{}
	blocks, err := t.Blocks()
	p.note("blocks", err)
	equal(p, "blocks of the testbed", len(blocks), len(s.held))
	leaks, err := s.prof.Leaks()
	p.note("report", err)
	equal(p, "blocks in the last report", len(leaks), len(s.held))
	for _, leak := range leaks {
		equal(p, "block in the last report", leak, s.held[leak.Page])
	}
	st, err := s.prof.Status()
	p.note("status", err)
	equal(p, "live", st.Live, uint64(len(blocks)))
	equal(p, "freed", st.Freed-s.start.Freed, stormers*stormTurns*stormBatch)
	equal(p, "allocated", st.Allocated-s.start.Allocated, st.Freed-s.start.Freed)
	equal(p, "lost", st.Lost, 0)
	equal(p, "missed", st.Missed, 0)
	equal(p, "overwritten", st.Overwritten, 0)
	equal(p, "stale", st.Stale, 0)
	return p.err()
}

// oddNeighbours scans words that look like the beginning of the allocator's own
// records, whose other words would be links to follow. Here such a link is half
// of a pointer at an odd address: no address at all, and not even a canonical
// one where the block lies 8 MiB behind the first.
func (l *lab) oddNeighbours(t *kmod.Testbed) (err error) {
	prof, err := kmod.LoadProfiler(testbedtest.ProfilerPath, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, prof.Unload()) }()
	if _, err := t.Plant("leaked", 4, 5<<20); err != nil {
		return err
	}
	for range 20 {
		// A word is at the place of va_end, and the one four further on at that
		// of the list.
		if err := errors.Join(second(t.Plant("data", 6, 4096)), second(t.Plant("packed", 1, 1<<20))); err != nil {
			return err
		}
	}
	regions, err := t.Regions()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(regions, func(r kmod.Region) bool { return r.Name == "data" })
	if err := prof.SetRange(regions[i].Start, regions[i].End); err != nil {
		return err
	}
	leaks, err := prof.Leaks()
	if err != nil {
		return err
	}
	p := &problems{}
	text, err := kmod.TestbedText()
	p.note("text", err)
	want, err := l.expected(t, text)
	p.note("blocks", err)
	equal(p, "blocks reported", len(leaks), len(want))
	for _, leak := range leaks {
		equal(p, "block", leak, want[leak.Page])
	}
	return p.err()
}
