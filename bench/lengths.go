// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"math"
	"strings"

	"kprof-bench/kmod"
)

// A testbed function of known length and an argument for it.
type length struct {
	fn    string
	n     uint64
	calls uint64 // in a batch
}

// From 5 to 20003 instructions, one of them as long as getpid's function was
// when it was measured. Batches are short, so that a timer tick falls into few.
var lengths = []length{
	{"tb_work", 1, 200},
	{"tb_work_even", 32, 200},
	{"tb_work", 100, 100},
	{"tb_work", 1000, 50},
	{"tb_work", 10000, 5},
}

const lengthBatches = 40

// lengths measures functions whose length is known from their object code. It
// returns what a kretprobe adds to a duration, according to the testbed's.
func (l *lab) lengths(ctx context.Context) (bias float64, err error) {
	for i, length := range lengths {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		l.progress(fmt.Sprintf("profile %s(%d)", length.fn, length.n))
		p, err := l.length(ctx, length)
		if err != nil {
			return 0, fmt.Errorf("%s(%d): %w", length.fn, length.n, err)
		}
		if i == 0 {
			bias = p.bias
		}
		l.addProbed(p, append(p.checks(l.Clock), p.checkLength(l.Clock)))
	}
	return bias, nil
}

// checkLength holds the instrument itself against truth: a function of known
// length must take as many ticks.
func (p probed) checkLength(clock Clock) Check {
	name := p.name() + ": length"
	if !clock.Exact() {
		return notJudged(name, "ticks of clock %s are no instructions", clock)
	}
	return judge(math.Abs(median(p.base)-p.truth) < 0.01, name,
		"its object code has %.0f instructions, it took %.3f ticks", p.truth, median(p.base))
}

func (l *lab) length(ctx context.Context, n length) (probed, error) {
	p := probed{fn: n.fn, n: n.n, rate: "max"}
	known, err := l.object.KnownLength(n.fn)
	if err != nil {
		return p, err
	}
	if p.base, err = l.work(ctx, n); err != nil {
		return p, err
	}
	p.truth = float64(known.Of(n.n))
	if !l.Clock.Exact() {
		p.truth = median(p.base) // instructions are no nanoseconds
	}
	p.meanTruth = p.truth
	err = l.withProfiler([]string{n.fn}, func(prof *kmod.Profiler) error {
		if p.with, err = l.work(ctx, n); err != nil {
			return err
		}
		return p.read(prof)
	})
	if err != nil {
		return p, err
	}
	p.issued = n.calls * lengthBatches

	ref, err := l.reference(ctx, n)
	if err != nil {
		return p, err
	}
	p.bias = ref - p.truth
	return p, nil
}

// read takes what profiler.ko has counted since it was loaded.
func (p *probed) read(prof *kmod.Profiler) error {
	stats, err := prof.Stats()
	if err != nil {
		return err
	}
	missed, err := prof.Missed()
	if err != nil {
		return err
	}
	if p.backend, err = backendOf(prof, p.fn); err != nil {
		return err
	}
	now, err := findReading(p.fn, stats, missed)
	if err != nil {
		return err
	}
	c := now.since(reading{})
	p.reported, p.missed, p.average = c.calls, c.missed, c.average()
	return nil
}

// reference is the average duration according to a kretprobe of the testbed's.
func (l *lab) reference(ctx context.Context, n length) (float64, error) {
	ref, err := l.testbed.RefProbe(n.fn)
	if err != nil {
		return 0, err
	}
	if _, err := l.work(ctx, n); err != nil {
		return 0, err
	}
	count, err := ref.Read()
	if err != nil {
		return 0, err
	}
	if calls := n.calls * lengthBatches; count.Calls != calls || count.Missed != 0 {
		return 0, fmt.Errorf("the testbed's kretprobe saw %d and missed %d of %d calls", count.Calls, count.Missed, calls)
	}
	return float64(count.TotalNS) / float64(count.Calls), ref.Remove()
}

// work calls the function and returns what a call took in each batch.
func (l *lab) work(ctx context.Context, n length) ([]float64, error) {
	empty, err := l.object.KnownLength("tb_empty")
	if err != nil {
		return nil, err
	}
	command := strings.TrimPrefix(n.fn, "tb_")
	return l.askTimings(ctx, lengthBatches, fmt.Sprintf("%s %d %d", command, n.n, n.calls), float64(empty.Of(0)))
}
