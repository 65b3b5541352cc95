// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"kprof-bench/counters"
	"kprof-bench/results"

	"github.com/montanaflynn/stats"
)

// How often a target is driven while BPF programs are at it and profiler.ko is not
// loaded, and how many calls are made each time: few, so that a tick of the
// kernel's clock falls into one of several averages, and the median has none.
const (
	programRuns  = 5
	programCalls = 400
)

// programmed is what BPF programs have found out about a target.
type programmed struct {
	target
	issued   uint64
	seen     counters.Count // in all runs
	averages []float64      // of the calls in each run, with the programs' own part
	caller   []float64      // what they took for the process that made them; 0 if unknown
	beside   float64        // what that is beyond what the programs find
	bias     float64        // that part
	varies   float64        // the spread of calls without any probe
	missed   uint64         // calls that no program was run for, by the kernel's count
	lacking  string         // why there are no programs, if so
}

// judging tells whether programs are asked at all: their time is a time on the
// clock, and only where that counts instructions is it good for something.
func (l *lab) judging() bool { return l.Clock.Exact() && l.threads == 1 }

// askPrograms has programs count and time calls of a target, which nothing else
// probes meanwhile.
func (l *lab) askPrograms(ctx context.Context, t target) (*programmed, error) {
	p, err := l.underPrograms(ctx, t)
	if err != nil || p.lacking != "" {
		return p, err
	}
	if t.fn == calibrated && l.rate.IsMax() {
		l.calibrate(p, l.calibrated)
	}
	p.bias, err = l.programBias(ctx, t)
	if errors.Is(err, errNotCalibrated) {
		p.lacking, err = err.Error(), nil
	}
	p.beside = l.beside
	return p, err
}

// programs asks them of a target where that makes sense, and adds their checks.
func (l *lab) programs(ctx context.Context, d *driven) (*programmed, error) {
	if !l.judging() {
		return nil, nil
	}
	p, err := l.askPrograms(ctx, d.target)
	if err != nil {
		return nil, err
	}
	p.varies = spread(d.base)
	l.add(nil, p.checks())
	return p, nil
}

func (l *lab) underPrograms(ctx context.Context, t target) (_ *programmed, err error) {
	p := &programmed{target: t}
	l.progress("count and time " + t.fn + " by BPF programs")
	by, err := openPrograms(t)
	if err != nil {
		p.lacking = err.Error()
		return p, nil
	}
	defer func() {
		if e := by.Close(); err == nil {
			err = e
		}
	}()
	for range programRuns {
		r, err := l.driveShort(ctx, t, by)
		if err != nil {
			return nil, err
		}
		p.add(t.gen.Issued(t.fn, r.Issued, l.rate), counters.Counts(r.Written)[0], r.caller)
	}
	p.missed, err = by.Missed()
	return p, err
}

// lowDescriptors are more than a workload opens.
const lowDescriptors = 32

// openPrograms leaves the lowest descriptors to the workload, which has them when
// no programs are there: what a select takes depends on them.
func openPrograms(t target) (*counters.Programs, error) {
	low, err := openAll(slices.Repeat([]string{os.DevNull}, lowDescriptors)...)
	if err != nil {
		return nil, err
	}
	defer closeAll(low)
	return counters.OpenPrograms([]string{t.symbol()}, true)
}

// driveShort makes a few calls. The process is of the same size as when the
// module is loaded: see nothingToObserve.
func (l *lab) driveShort(ctx context.Context, t target, by *counters.Programs) (*run, error) {
	files, err := nothingToObserve()
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	r := round{0, programRuns}
	calls := max(min(r.share(l.callsOf(t), false), programCalls), 1)
	return l.driveCalls(ctx, t, calls, files, by.Words())
}

func (p *programmed) add(issued uint64, c counters.Count, caller float64) {
	p.issued += issued
	p.seen = p.seen.Plus(c)
	if c.Timed > 0 {
		p.averages = append(p.averages, float64(c.TotalNs)/float64(c.Timed))
		p.caller = append(p.caller, caller)
	}
}

// argumentWords is how many words of arguments the kernel hands on from its
// trampoline to the function, one instruction for each: system calls take one.
func (t target) argumentWords() int {
	if _, ok := t.systemCall(); ok {
		return 1
	}
	return t.words
}

// calibrated is the function that programs are calibrated by: the testbed can call
// it, and it always takes the same. The testbed's own functions, whose length is
// known from their object code, are none that programs can be put at, because
// modules that are built without pahole have no BTF.
const calibrated = "sys_getpid"

var errNotCalibrated = errors.New("no programs can be put at " + calibrated)

// programBias is the part of what programs find a call to take that is their own
// and the trampoline's: a constant and one instruction for each word of arguments.
func (l *lab) programBias(ctx context.Context, t target) (float64, error) {
	if !l.knowsBias {
		if err := l.calibratePrograms(ctx); err != nil {
			return 0, fmt.Errorf("calibrate BPF programs: %w", err)
		}
	}
	return l.bias + float64(t.argumentWords()), nil
}

func (l *lab) calibratePrograms(ctx context.Context) error {
	t, err := calibratedTarget()
	if err != nil {
		return err
	}
	truths, err := l.calibrationTruth(ctx)
	if err != nil {
		return err
	}
	p, err := l.calibration().underPrograms(ctx, t)
	if err != nil {
		return err
	}
	if p.lacking != "" {
		return fmt.Errorf("%w: %s", errNotCalibrated, p.lacking)
	}
	l.calibrate(p, truths)
	return nil
}

// calibrate takes what the testbed found the function to take for truth.
func (l *lab) calibrate(p *programmed, truths []float64) {
	l.bias, l.knowsBias = median(p.averages)-median(truths)-float64(p.argumentWords()), true
	l.beside = median(p.caller) - median(p.averages)
}

// takes is what a call takes according to the programs.
func (p *programmed) takes() float64 { return median(p.averages) - p.bias }

// How much calls may differ from each other: a normal standard deviation, as a part
// of what they take. Below the first they are as good as all the same, and above the
// second they depend on what went on before, which was not the same for the programs,
// under which everything takes longer, and for profiler.ko.
const (
	sameSpread = 0.0001
	mostSpread = 0.005

	allocatingPart = 0.2 // where calls vary by nature
)

// spread estimates the standard deviation as a part of the median, without what a
// tick of the clock fell into.
func spread(v []float64) float64 {
	const normal = 1.4826 // of a normal distribution, in median deviations
	m, err := stats.MedianAbsoluteDeviation(v)
	if err != nil {
		return math.NaN()
	}
	return normal * m / median(v)
}

// useless says why nothing can be held against what the programs timed, if so.
func (p *programmed) useless() string {
	const nothing = "nothing but profiler.ko times this function"
	switch {
	case p == nil:
		return nothing
	case p.lacking != "":
		return nothing + ": " + p.lacking
	case p.argumentWords() > mostWords:
		return "arguments on the stack are part of what BPF programs time"
	case p.seen.Timed == 0 || !(p.varies <= mostSpread):
		return fmt.Sprintf("BPF programs find %.1f insn, of calls that differ by %.2g %%", p.takes(), 100*p.varies)
	}
	return ""
}

// slack is how far an average may be from what the programs say.
func (p *programmed) slack() float64 {
	part := syscallPart
	switch {
	case p.gen.Varies:
		part = allocatingPart
	case p.varies > sameSpread:
		part = varyingPart
	}
	slack := max(averageSlack, part*p.takes())
	if p.takes() > maySleep {
		slack = max(slack, p.bias)
	}
	return slack
}

// maySleep is less than two switches to another process take. A sleep that ends at
// a given moment may swallow the programs' own part.
const maySleep = 3000

// values are those for a row.
func (p *programmed) values() []results.Value {
	if p == nil || p.lacking != "" {
		return nil
	}
	return []results.Value{
		{V: round3(p.takes()), Unit: "bpf-insn/op"},
		{V: float64(p.issued), Unit: "calls-issued-bpf"},
		{V: float64(p.seen.Own), Unit: "calls-counted-bpf"},
	}
}

// checks hold the programs against whoever made the calls.
func (p *programmed) checks() []Check {
	name := p.fn + " by BPF programs"
	if p.lacking != "" {
		return []Check{notSupported(name, p.lacking)}
	}
	c := p.seen
	checks := []Check{judge(c.Own == p.issued && c.Timed == p.issued && c.Calls == p.issued && p.missed == 0, name+": invocations",
		"%d calls were made, programs count %d and time %d, and %d of other processes, and %d were missed", p.issued, c.Own, c.Timed, c.Calls-c.Own, p.missed)}
	if p.beside == 0 || p.fn == calibrated || c.Timed == 0 || slices.Contains(p.caller, 0) {
		return checks
	}
	gap, average := p.gap()
	return append(checks, judgeGap(name, "programs find", gap, average, p.leaves()))
}

// gap is by how much calls took longer for their caller than the programs find, in
// the run in which that was least, and what they find there, less their own part.
func (p *programmed) gap() (gap, average float64) {
	gap = math.Inf(1)
	for i, found := range p.averages {
		if g := p.caller[i] - p.beside - found; !(g >= gap) {
			gap, average = g, found-p.bias
		}
	}
	return gap, average
}

// judgeAverage holds what profiler.ko reports against the programs. A tick of the
// kernel's clock may have fallen into one of the calls.
func (p probed) judgeAverage(name string) Check {
	if why := p.programs.useless(); why != "" {
		return notJudged(name, "reported %.1f insn: %s", p.average, why)
	}
	slack, more := p.programs.slack(), p.average-p.programs.takes()
	tick := tickLength / float64(p.reported)
	return judge(-slack <= more && more <= slack+tick, name,
		"profiler.ko reports %.1f insn, BPF programs %.1f (±%.1f)", p.average, p.programs.takes(), slack)
}
