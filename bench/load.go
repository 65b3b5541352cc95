// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"kprof-bench/results"
	"kprof-bench/workloads"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// load is how hard functions are driven: at what rate, and by how many processes
// at once.
type load struct {
	rate    workloads.Rate
	threads int
}

func (l load) String() string { return fmt.Sprintf("%s by %d", l.rate, l.threads) }

// loads are all that are asked for, and whether those at the end of a sweep need
// not be held.
func (o Options) loads() (all []load, open bool, err error) {
	rates, open, err := workloads.ParseRates(o.Rate)
	if err != nil {
		return nil, false, err
	}
	threads := o.Threads
	if len(threads) == 0 {
		threads = []int{1}
	}
	for _, n := range threads {
		if n < 1 || n > mostThreads {
			return nil, false, fmt.Errorf("%d threads: must be 1 to %d", n, mostThreads)
		}
		for _, r := range rates {
			all = append(all, load{r, n})
		}
	}
	return all, open, nil
}

const (
	mostThreads = 256

	// pacedCalls are enough for a thousandth part of them to be some.
	pacedCalls = 4000
)

// atEach calls fn for each load, with the load set. In a sweep that is open, the
// rates above one that was not held are passed over.
func (l *lab) atEach(fn func() error) error {
	loads, open, err := l.loads()
	if err != nil {
		return err
	}
	tooMuch := map[int]bool{} // by threads
	for _, ld := range loads {
		if tooMuch[ld.threads] && !ld.rate.IsMax() {
			continue
		}
		l.load, l.sweep, l.slow = ld, open, false
		if err := fn(); err != nil {
			return err
		}
		tooMuch[ld.threads] = l.slow
	}
	return nil
}

// fewBatches of a round are enough for a median to have nothing of what disturbs
// one of them.
const fewBatches = 10

// callsOf is how often a target is called in all rounds.
func (l *lab) callsOf(t target) int {
	switch {
	case l.Calls > 0:
		return l.Calls
	case l.rate.IsMax():
		return t.gen.DefaultCalls
	}
	return min(t.gen.DefaultCalls, pacedCalls)
}

// drive makes one round's part of the calls.
func (l *lab) drive(ctx context.Context, t target, r round, observe []*os.File) (*run, error) {
	return l.driveCalls(ctx, t, max(r.share(l.callsOf(t), l.uneven(t))/l.threads, 1), observe, nil)
}

// run is what was found out while a target was driven.
type run struct {
	*workloads.Result
	caller float64 // see seenByCaller
}

// driveCalls has each thread make so many calls, and reads words before and after.
func (l *lab) driveCalls(ctx context.Context, t target, share int, observe []*os.File, words []*uint64) (*run, error) {
	var programs []*workloads.Program
	defer func() {
		for _, p := range programs {
			p.Close()
		}
	}()
	for range l.threads {
		p, err := l.program(t)
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	runtime.GC() // for the same reason as in program
	all, err := workloads.RunTeam(ctx, programs, workloads.Options{
		Calls: share, Batch: min(t.gen.Batch, max(share/fewBatches, 1)), Rate: l.rate, Observe: observe, Warmup: l.warmUp(),
		CPUs: l.CPUs, Hold: l.ownKernel(), Words: words, Each: l.asksCaller(),
	})
	if err != nil {
		return nil, err
	}
	r := workloads.Merge(all)
	return &run{r, seenByCaller(programs[0], t, r)}, nil
}

// program prepares a target's program, as large as when the testbed calls the
// function: see nothingToObserve.
func (l *lab) program(t target) (*workloads.Program, error) {
	p, err := t.gen.Prepare()
	if err != nil {
		return nil, err
	}
	for range max(occurrences(p, t), 1) {
		if _, _, _, err := l.command(p, "-", warmup+truthBatches); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}

// warmUp is the number of rounds before those that count.
func (l *lab) warmUp() int { return max(l.Warmup, warmup) }

// pace is how paced calls went. The zero value is for calls that were not.
type pace struct {
	asked    float64 // calls per second
	achieved float64 // in the slowest round
	late     float64 // how late a call began at the worst, ns
	latency  *hdrhistogram.Histogram
}

// Latencies are told apart to a thousandth, from a nanosecond to ten minutes.
func newPace() pace {
	return pace{latency: hdrhistogram.New(1, int64(10*time.Minute), 3)}
}

func (p *pace) add(r *workloads.Result) {
	if r.Asked.IsMax() {
		return
	}
	p.asked = r.Asked.PerSec()
	if p.achieved == 0 || r.Achieved < p.achieved {
		p.achieved = r.Achieved
	}
	_, late := r.Lateness()
	p.late = max(p.late, float64(late.Nanoseconds()))
	for _, d := range r.Latencies {
		// Longer ones than it can hold count as the longest.
		_ = p.latency.RecordValue(min(max(d.Nanoseconds(), 1), p.latency.HighestTrackableValue()))
	}
}

// How far from the rate that was asked for is still that rate.
const (
	exactRate = 0.001
	realRate  = 0.01
)

// held tells whether the rate was that which was asked for.
func (p pace) held(clock Clock) bool {
	part := realRate
	if clock.Exact() {
		part = exactRate
	}
	return math.Abs(p.achieved-p.asked) <= part*p.asked
}

// check says whether the rate was held, unless the time on the clock is nothing to
// quote.
func (p pace) check(name string, clock Clock, mayBeSlow bool) Check {
	name += ": rate"
	text := fmt.Sprintf("asked for were %.6g calls/s, made were %.6g", p.asked, p.achieved)
	held := p.held(clock)
	switch {
	case clock == TCG:
		return notJudged(name, "%s: time on clock %s is nothing to quote", text, clock)
	case !held && mayBeSlow:
		return notJudged(name, "%s, which is accepted", text)
	}
	if !held {
		text += "; ask for fewer, or accept it with --allow-slow"
	}
	return judge(held, name, "%s", text)
}

// percentiles of latencies, with the beginnings of their units.
var percentiles = []struct {
	of   float64
	unit string
}{{50, "p50"}, {90, "p90"}, {99, "p99"}, {99.9, "p99.9"}, {100, "max"}}

// values are the figures for a results file, of calls without the profiler and with
// it.
func paceValues(base, with pace) []results.Value {
	if with.asked == 0 {
		return nil
	}
	v := []results.Value{
		{V: round3(base.achieved), Unit: "base-calls/s"},
		{V: round3(with.achieved), Unit: "achieved-calls/s"},
		{V: round3(with.late), Unit: "latest-start-ns"},
	}
	for _, p := range percentiles {
		v = append(v,
			results.Value{V: float64(base.latency.ValueAtPercentile(p.of)), Unit: "base-" + p.unit + "-latency-insn"},
			results.Value{V: float64(with.latency.ValueAtPercentile(p.of)), Unit: p.unit + "-latency-insn"})
	}
	return v
}

// rateName is a rate as the value of a parameter, which may hold no slash.
func rateName(r workloads.Rate) string {
	return strings.ReplaceAll(r.String(), "/", "-per-")
}

func checkCPUs(cpus []int) error {
	for _, c := range cpus {
		if c < 0 {
			return fmt.Errorf("CPU %d: there is none below 0", c)
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(cpus)))) < len(cpus) {
		return fmt.Errorf("CPUs %v: one is given twice", cpus)
	}
	return nil
}
