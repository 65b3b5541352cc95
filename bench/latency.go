// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"kprof-bench/kmod"
	"kprof-bench/results"
	"kprof-bench/workloads"
)

// Regions and numbers of blocks whose scans are timed. All regions are the first
// part of one arena, which is made of less memory than its size.
var (
	latencySizes  = []uint64{4 << 10, 64 << 10, 1 << 20, 64 << 20, 1 << 30}
	latencyBlocks = []uint64{0, 10, 1000, 100_000}
)

const (
	latencyArena  = 1 << 30
	latencyMemory = 64 << 20
	// latencyMemoryMiB is what a guest needs: the blocks take 400 MiB, and the
	// kernel maps no region that is larger than all its memory.
	latencyMemoryMiB = 1536
)

// latency times reads of `memleaks`: the first one, which scans, and the rest of
// the output. No block has a pointer in the arena, whose words look like
// pointers to other memory.
func (l *lab) latency(ctx context.Context) error {
	l.progress("make a region of 1 GiB")
	if err := l.testbed.RepeatedArena(latencyArena, latencyMemory); err != nil {
		return err
	}
	if err := l.testbed.FillArena("random"); err != nil {
		return err
	}
	arena, err := l.region("arena")
	if err != nil {
		return err
	}
	err = l.withProfiler(nil, func(prof *kmod.Profiler) error {
		var planted []kmod.Planted
		var err error
		for _, blocks := range latencyBlocks {
			if planted, err = l.plantUpTo(planted, blocks); err != nil {
				break
			}
			if err = l.latencies(ctx, prof, arena, blocks); err != nil {
				break
			}
		}
		return errors.Join(err, l.unplant(planted))
	})
	return errors.Join(err, l.testbed.ArenaOff())
}

// plantUpTo plants more blocks until there are so many.
func (l *lab) plantUpTo(planted []kmod.Planted, blocks uint64) ([]kmod.Planted, error) {
	for _, p := range planted {
		blocks -= p.Count
	}
	if blocks == 0 {
		return planted, nil
	}
	l.progress(fmt.Sprintf("plant %d blocks", blocks))
	p, err := l.testbed.Plant("leaked", blocks, blockSize)
	if err != nil {
		return planted, err
	}
	return append(planted, p), nil
}

// latencies times scans of regions of all sizes.
func (l *lab) latencies(ctx context.Context, prof *kmod.Profiler, arena kmod.Region, blocks uint64) error {
	for _, size := range latencySizes {
		s := timedScan{region: arena, blocks: blocks}
		s.region.End = arena.Start + size
		l.progress(fmt.Sprintf("time scans of %s for %d blocks", sizeName(size), blocks))
		if err := l.timeReads(ctx, prof, &s); err != nil {
			return err
		}
		l.add([]results.Row{s.row()}, []Check{s.check()})
	}
	return nil
}

// timedScan is how long reads of a whole report took.
type timedScan struct {
	region kmod.Region
	blocks uint64

	// In instructions on the exact clock, else in nanoseconds, for each time.
	first []float64 // the first read, which scans
	whole []float64 // all reads
	loop  []float64 // of the first: to read the words of the region

	live  uint64 // blocks in the report, the kernel's own included
	words uint64 // that a scan read
}

// timeReads reads the whole report a few times. An interrupt more or less matters
// where a scan is short.
func (l *lab) timeReads(ctx context.Context, prof *kmod.Profiler, s *timedScan) error {
	if err := prof.SetRange(s.region.Start, s.region.End); err != nil {
		return err
	}
	times := 3
	if s.region.End-s.region.Start > 1<<20 {
		times = 1
	}
	for range times {
		status, err := prof.Status()
		if err != nil {
			return err
		}
		s.live = status.Live
		if err := l.timeRead(ctx, prof, s); err != nil {
			return err
		}
		if status, err = prof.Status(); err != nil {
			return err
		}
		s.loop = append(s.loop, float64(status.ScanReadNs))
		s.words = status.ScanWords
	}
	return nil
}

// timeRead reads as cat does: a page at a time, to the end, in a process in which
// nothing else runs.
func (l *lab) timeRead(ctx context.Context, prof *kmod.Profiler, s *timedScan) error {
	program := &workloads.Program{}
	defer program.Close()
	read, err := readMemleaks(program, prof)
	if err != nil {
		return err
	}
	read.Stride = [6]uintptr{3: blockSize}
	program.Ops = []workloads.Op{read}
	reads := int(s.live)*kmod.LeakLine/blockSize + 2 // the last one finds the end
	r, err := workloads.Run(ctx, program, workloads.Options{Calls: reads, Batch: 1})
	if err != nil {
		return err
	}
	ticks := l.perCallOf(r, 1)
	whole := 0.0
	for _, t := range ticks {
		whole += t
	}
	s.first, s.whole = append(s.first, ticks[0]), append(s.whole, whole)
	return nil
}

func (s timedScan) row() results.Row {
	first, whole := median(s.first), median(s.whole)
	values := []results.Value{
		{V: round3(first), Unit: "insn/op"},
		{V: round3(whole), Unit: "whole-insn/op"},
	}
	if s.words > 0 {
		values = append(values,
			results.Value{V: round3(first / float64(s.words)), Unit: "insn/word"},
			results.Value{V: round3(median(s.loop) / float64(s.words)), Unit: "loop-insn/word"})
	}
	// The first read has lines too, and the last one has none.
	if later := float64(s.live) - blockSize/float64(kmod.LeakLine); later > 100 {
		values = append(values, results.Value{V: round3((whole - first) / later), Unit: "insn/line"})
	}
	return results.Row{
		Name:   "LeakScan",
		Params: []results.Param{{Key: "region", Value: sizeName(s.region.End - s.region.Start)}, {Key: "blocks", Value: strconv.FormatUint(s.blocks, 10)}},
		Iters:  len(s.first),
		Values: values,
	}
}

// check makes sure that what was timed is what the row says.
func (s timedScan) check() Check {
	size := s.region.End - s.region.Start
	words := size / 8
	if s.blocks == 0 && s.words == 0 {
		words = 0 // there was nothing to look for
	}
	return judge(s.words == words && s.live >= s.blocks, fmt.Sprintf("scan of %s for %d blocks", sizeName(size), s.blocks),
		"%d of %d words were read, for %d blocks", s.words, words, s.live)
}

func sizeName(bytes uint64) string {
	for _, unit := range []struct {
		name string
		bits int
	}{{"GiB", 30}, {"MiB", 20}} {
		if bytes >= 1<<unit.bits {
			return fmt.Sprintf("%d%s", bytes>>unit.bits, unit.name)
		}
	}
	return fmt.Sprintf("%dKiB", bytes>>10)
}
