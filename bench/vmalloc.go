// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"

	"kprof-bench/kmod"
	"kprof-bench/results"
)

// Pairs of vmalloc() and vfree() in a batch, and batches in a round.
const (
	pairsInBatch = 20
	pairBatches  = 5
)

// pairs is what a vmalloc() and its vfree() took in each batch: alone, with hooks
// that do nothing, and with the profiler.
type pairs struct {
	base, hooked, with []float64
}

// vmallocCost measures what the profiler adds to a vmalloc() and its vfree(), and
// how much of that is the hooks alone. The rounds alternate, because what came
// before decides in part how long the allocator looks for free addresses.
func (l *lab) vmallocCost(ctx context.Context) error {
	l.progress("measure vmalloc() and vfree()")
	var p pairs
	steps := []func() error{
		func() error { return l.timePairs(ctx, &p.base) },
		func() error { return l.timeHooked(ctx, &p.hooked) },
		func() error { return l.timeProbed(ctx, &p.with) },
	}
	for round := range rounds {
		for i := range steps {
			if round%2 == 1 {
				i = len(steps) - 1 - i
			}
			if err := steps[i](); err != nil {
				return err
			}
		}
	}
	l.add([]results.Row{p.row()}, nil)
	return nil
}

func (l *lab) timePairs(ctx context.Context, to *[]float64) error {
	ticks, err := l.askTimings(ctx, pairBatches, fmt.Sprintf("vpair %d %d", blockSize, pairsInBatch), 0)
	*to = append(*to, ticks...)
	return err
}

func (l *lab) timeHooked(ctx context.Context, to *[]float64) error {
	if err := l.testbed.Hooks(true); err != nil {
		return err
	}
	return errors.Join(l.timePairs(ctx, to), l.testbed.Hooks(false))
}

func (l *lab) timeProbed(ctx context.Context, to *[]float64) error {
	return l.withProfiler(nil, func(prof *kmod.Profiler) error {
		before, err := prof.Status()
		if err != nil {
			return err
		}
		if err := l.timePairs(ctx, to); err != nil {
			return err
		}
		after, err := prof.Status()
		l.add(nil, checkPairs(before, after, pairBatches*pairsInBatch))
		return err
	})
}
