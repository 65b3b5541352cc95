// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"math"
	"slices"

	"kprof-bench/workloads"
)

// The process that makes a system call sees by its own clock what it takes, and sees
// it of the very calls that profiler.ko times, however much they differ from each
// other. It takes longer than the function: by the way into the kernel and out of it,
// and by what a probe takes outside the time that it finds. That is a constant for
// each way of probing, known from a function whose true time the testbed has found,
// which is [calibrated].

// How far that constant may be off for other system calls, in instructions. The way
// in differs by which number the call has. On the way out the kernel restores what a
// process needs that has slept, and lets others run if it is their turn, which may be
// in every round where processes come and go.
const (
	wayIn      = 30
	wayOut     = 100
	wayOutPart = 0.02
)

// seenByCaller is what a call of the target took, on average, by the clock of the
// process that made it, or 0 if that cannot be told.
func seenByCaller(p *workloads.Program, t target, r *workloads.Result) float64 {
	if len(r.OpTicks) == 0 || !callable(p, t) {
		return 0
	}
	function, _ := t.systemCall()
	sum, n := 0.0, 0
	for i, op := range p.Ops {
		if op.Function() == function {
			sum, n = sum+r.OpTicks[i], n+1
		}
	}
	return sum / float64(max(n, 1))
}

// asksCaller tells whether callers are asked at all. Where several of them share a
// processor, what each sees has the others' time in it.
func (l *lab) asksCaller() bool { return l.Clock.Exact() && l.threads == 1 }

// seen tells whether the caller has timed all calls.
func (p probed) seen() bool {
	return len(p.spans) > 0 && !slices.ContainsFunc(p.spans, func(s span) bool { return s.caller == 0 })
}

// seenTime is what a call of the function took by its caller's clock, on average.
func (p probed) seenTime() float64 {
	ticks, calls := 0.0, 0.0
	for _, s := range p.spans {
		n := float64(s.issued)
		ticks, calls = ticks+n*s.caller, calls+n
	}
	return ticks/calls - p.around
}

// heldAgainstCaller tells whether the average is held against what the caller saw.
func (p probed) heldAgainstCaller() bool { return p.around > 0 && p.fn != calibrated }

// gap is by how much the function took longer for its caller than profiler.ko says,
// in the round in which that was least, and what profiler.ko says of that round.
func (p probed) gap() (gap, average float64) {
	gap = math.Inf(1)
	for _, s := range p.spans {
		reported := s.after.since(s.before).average()
		if g := s.caller - p.around - reported; !(g >= gap) {
			gap, average = g, reported
		}
	}
	return gap, average
}

// judgeGap tells whether a gap to an average may come from the way in and out.
// Of a function that leaves work for the way out it may be any but one below.
func judgeGap(name, who string, gap, average float64, leaves bool) Check {
	most := max(wayOut, wayOutPart*average)
	if leaves {
		most = math.Inf(1)
	}
	return judge(-wayIn <= gap && gap <= most, name+": average by the caller's clock",
		"%s %.1f insn, the process that made the calls saw the function take %.1f (-%d, +%.0f)",
		who, average, average+gap, wayIn, most)
}

func (p probed) checkCaller() Check {
	gap, average := p.gap()
	return judgeGap(p.name(), "profiler.ko reports", gap, average, p.leaves)
}

// askCaller holds the averages of a target against what the caller saw, and takes
// that for the truth where calls vary.
func (l *lab) askCaller(ctx context.Context, t target, p *probed) (err error) {
	if !l.asksCaller() || !p.seen() {
		return nil
	}
	if p.around, err = l.aroundBy(ctx, p.backend); err != nil {
		return fmt.Errorf("find out what is around a call: %w", err)
	}
	if t.callsVary() {
		p.truth = p.seenTime()
	}
	return nil
}

// aroundBy is what a call takes for its caller beyond the time of the function while
// a backend probes it.
func (l *lab) aroundBy(ctx context.Context, b Backend) (float64, error) {
	if v, ok := l.around[b]; ok {
		return v, nil
	}
	truths, err := l.calibrationTruth(ctx)
	if err != nil {
		return 0, err
	}
	d, err := l.calibrationBy(ctx, b)
	if err != nil {
		return 0, err
	}
	l.learnAround(&d.by[0], truths)
	return l.around[b], nil
}

// learnAround takes what the testbed found [calibrated] to take for truth.
func (l *lab) learnAround(p *probed, truths []float64) {
	var around []float64
	for _, s := range p.spans {
		around = append(around, s.caller-median(truths))
	}
	if l.around == nil {
		l.around = map[Backend]float64{}
	}
	l.around[p.backend] = median(around)
}

// calibration is a lab in which calls are made as fast as can be, by one process.
func (l *lab) calibration(backends ...Backend) *lab {
	own := *l
	own.load = load{threads: 1}
	own.Backends, own.Calls = backends, 0
	return &own
}

func calibratedTarget() (target, error) {
	targets, err := findTargets([]string{calibrated})
	if err != nil {
		return target{}, err
	}
	return targets[0], nil
}

// calibrationTruth is what [calibrated] takes according to the testbed.
func (l *lab) calibrationTruth(ctx context.Context) ([]float64, error) {
	if l.calibrated != nil {
		return l.calibrated, nil
	}
	t, err := calibratedTarget()
	if err != nil {
		return nil, err
	}
	l.calibrated, err = l.calibration().truth(ctx, t)
	return l.calibrated, err
}

// calibrationBy has [calibrated] called while a backend probes it.
func (l *lab) calibrationBy(ctx context.Context, b Backend) (*driven, error) {
	t, err := calibratedTarget()
	if err != nil {
		return nil, err
	}
	t.gen.DefaultCalls = quickBatches * t.gen.Batch
	own := l.calibration(b)
	d := own.newDriven(t)
	return d, own.probedRound(ctx, []*driven{d}, round{0, 1}, 0)
}
