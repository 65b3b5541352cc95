// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"

	"kprof-bench/kmod"
	"kprof-bench/results"
)

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
