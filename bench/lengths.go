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
	fn      string
	n       uint64
	calls   uint64 // in a batch
	batches int
}

func (n length) total() uint64 { return n.calls * uint64(n.batches) }

// From 5 to 20003 instructions, one of them as long as getpid's function was
// when it was measured. Batches are short, so that a timer interrupt falls into
// few; and there are so many of them that one interrupt more or less is less
// than what an average may be off.
var lengths = []length{
	{"tb_work", 1, 200, 40},
	{"tb_work_even", 32, 200, 50},
	{"tb_work", 100, 100, 200},
	{"tb_work", 1000, 50, 100},
	{"tb_work", 10000, 5, 100},
}

// lengths measures functions whose length is known from their object code.
func (l *lab) lengths(ctx context.Context) error {
	if err := l.measureReturns(); err != nil {
		return err
	}
	for _, n := range lengths {
		unprobed, err := l.unprobedLength(ctx, n)
		if err != nil {
			return fmt.Errorf("%s(%d): %w", n.fn, n.n, err)
		}
		l.add(nil, []Check{unprobed.checkLength(l.Clock)})
		for _, b := range l.Backends {
			if err := ctx.Err(); err != nil {
				return err
			}
			l.progress(fmt.Sprintf("profile %s(%d) by %s", n.fn, n.n, b))
			p, err := l.probedLength(ctx, n, b, unprobed)
			if err != nil {
				return fmt.Errorf("%s(%d): %w", n.fn, n.n, err)
			}
			l.addProbed(p)
		}
	}
	return nil
}

// checkLength holds the instrument itself against truth: a function of known
// length must take as many ticks.
func (p probed) checkLength(clock Clock) Check {
	name := p.function() + ": length"
	if !clock.Exact() {
		return notJudged(name, "ticks of clock %s are no instructions", clock)
	}
	return judge(math.Abs(median(p.base)-p.truth) < 0.01, name,
		"it has %.0f instructions with those of its return, it took %.3f ticks", p.truth, median(p.base))
}

// unprobedLength is what is known of a function without the profiler.
func (l *lab) unprobedLength(ctx context.Context, n length) (probed, error) {
	p := probed{fn: n.fn, n: n.n, rate: "max"}
	known, err := l.object.KnownLength(n.fn)
	if err != nil {
		return p, err
	}
	if p.base, err = l.work(ctx, n); err != nil {
		return p, err
	}
	p.truth = float64(known.Of(n.n)) + l.returns
	if !l.Clock.Exact() {
		p.truth = median(p.base) // instructions are no nanoseconds
	}
	return p, nil
}

// probedLength adds what a backend makes of it.
func (l *lab) probedLength(ctx context.Context, n length, b Backend, p probed) (probed, error) {
	p.backend = b
	p.issued = n.total()
	return p, l.withProfiler([]string{n.fn}, func(prof *kmod.Profiler) (err error) {
		if p.with, err = l.work(ctx, n); err != nil {
			return err
		}
		return p.read(prof)
	}, b.params(testbedArgs)...)
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
	if err := wantBackend(prof, p.fn, p.backend); err != nil {
		return err
	}
	now, err := findReading(p.fn, stats, missed)
	if err != nil {
		return err
	}
	p.spans = []span{{after: now}}
	p.count()
	return nil
}

// work calls the function and returns what a call took in each batch.
func (l *lab) work(ctx context.Context, n length) ([]float64, error) {
	empty, err := l.object.KnownLength("tb_empty")
	if err != nil {
		return nil, err
	}
	command := strings.TrimPrefix(n.fn, "tb_")
	return l.askTimings(ctx, n.batches, fmt.Sprintf("%s %d %d", command, n.n, n.calls), float64(empty.Of(0))+l.returns)
}

// measureReturns finds out what the object code does not tell: on some
// processors the kernel has every return go through a thunk. Once is enough.
func (l *lab) measureReturns() error {
	if !l.Clock.Exact() || l.timedReturns {
		return nil
	}
	t, err := l.testbed.Returns(1000)
	if err != nil {
		return fmt.Errorf("time returns: %w", err)
	}
	l.returns, l.timedReturns = t.TicksPerCall(), true
	return nil
}
