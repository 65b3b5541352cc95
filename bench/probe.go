// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"kprof-bench/kmod"
	"kprof-bench/results"

	"github.com/montanaflynn/stats"
)

// probed is what was measured of one function, without and with the profiler
// on it. Times are in instructions or nanoseconds, as the clock has it.
type probed struct {
	fn      string
	n       uint64 // argument of a testbed function, 0 for others
	backend Backend
	rate    string
	threads int
	leaves  bool // see target.leaves

	// What a call took in each batch. truths is as the testbed timed it.
	base, with, truths []float64

	issued   uint64  // calls made, by the one who made them
	reported uint64  // calls according to profiler.ko
	missed   uint64  // calls that profiler.ko could not time, by its own count
	average  float64 // of a call according to profiler.ko
	truth    float64 // of a call: a mean, as it is held against an average; 0 if nobody knows
	around   float64 // what a call takes for its caller beyond the function; 0 if unknown

	// spans are what reported, missed and average are made of.
	spans    []span
	catches  catches
	programs *programmed // what BPF programs say, nil if they were not asked

	basePace, pace pace // without the profiler and with it

	// costOnly is set when no truth was asked for: only the cost of the probe
	// and the number of calls matter.
	costOnly bool
}

// function is the function as people write it.
func (p probed) function() string {
	if p.n == 0 {
		return p.fn
	}
	return fmt.Sprintf("%s(%d)", p.fn, p.n)
}

// hasTruth tells whether something else than profiler.ko knows what a call takes.
func (p probed) hasTruth() bool { return p.truth > 0 }

// name is what checks call it.
func (p probed) name() string { return p.function() + " by " + string(p.backend) }

// against has the profiler's average held against these, if there are any. The
// longest of many is left out: a tick of the kernel's clock that falls into one of
// them is a large part of their mean, and a small one of the profiler's.
func (p *probed) against(truths []float64) {
	p.truths, p.truth = slices.Clone(truths), 0
	if len(truths) >= truthBatches {
		longest := slices.Index(truths, slices.Max(truths))
		p.truths = slices.Delete(p.truths, longest, longest+1)
	}
	if len(p.truths) > 0 {
		p.truth = mean(p.truths)
	}
}

func (p probed) overhead() float64 { return median(p.with) - median(p.base) }

// row is the line for a results file, in canonical units.
func (p probed) row() results.Row {
	params := []results.Param{{Key: "func", Value: p.fn}}
	if p.n != 0 {
		params = append(params, results.Param{Key: "n", Value: strconv.FormatUint(p.n, 10)})
	}
	params = append(params,
		results.Param{Key: "backend", Value: string(p.backend)},
		results.Param{Key: "rate", Value: p.rate})
	if p.threads > 1 {
		params = append(params, results.Param{Key: "threads", Value: strconv.Itoa(p.threads)})
	}
	values := []results.Value{
		{V: round3(median(p.base)), Unit: "base-insn/op"},
		{V: round3(median(p.with)), Unit: "probed-insn/op"},
		{V: round3(p.overhead()), Unit: "overhead-insn/op"},
	}
	if !p.costOnly {
		values = append(values, results.Value{V: round3(p.average), Unit: "reported-insn/op"})
	}
	if p.hasTruth() {
		values = append(values,
			results.Value{V: round3(p.truth), Unit: "true-insn/op"},
			results.Value{V: round3(p.average - p.truth), Unit: "bias-insn/op"})
	}
	if p.around > 0 {
		values = append(values, results.Value{V: round3(p.seenTime()), Unit: "caller-insn/op"})
	}
	values = append(values, p.programs.values()...)
	values = append(values,
		results.Value{V: float64(p.issued), Unit: "calls-issued"},
		results.Value{V: float64(p.reported), Unit: "calls-reported"},
		results.Value{V: float64(p.missed), Unit: "missed"})
	values = append(values, p.catchesValues()...)
	values = append(values, paceValues(p.basePace, p.pace)...)
	return results.Row{Name: "Probe", Params: params, Iters: int(p.issued), Values: values}
}

func (p probed) sample() Sample {
	return Sample{Row: p.row().FullName(), Base: p.base, With: p.with, Truth: p.truths}
}

// How far a reported average may be from the true one, on a clock that counts
// instructions. Interrupts that fall into system calls are part of their
// durations, and a sleep ends at a tick of a timer that has one for every 10
// instructions. Some calls vary, and then what went on between them matters too,
// which is not quite the same for both.
const (
	averageSlack  = 1
	averagePart   = 0.001 // of a function of known length, which is not interrupted
	syscallPart   = 0.005
	averageErrors = 4 // standard errors of the difference of two means

	varying     = 0.01 // a standard deviation of more than this part of the mean
	varyingPart = 0.03

	tickLength = 50_000 // more than a tick of the kernel's clock takes
)

// tick is what the average can be above the true one because ticks of the kernel's
// clock fell into calls: not more than whoever made the calls saw them take beyond
// the usual. The function has its part of that, or twice as much, if there are many
// ticks, and all of it if there is but one.
func (p probed) tick() float64 {
	if p.reported == 0 || len(p.with) == 0 {
		return 0
	}
	usual := median(p.with)
	beyond := max(mean(p.with)-usual, 0)
	return min(beyond, 2*beyond*p.truth/usual+tickLength/float64(p.reported))
}

// slack is how far the average may be from what it is held against. Where calls
// differ much from each other it depends on how many were timed by either side.
func (p probed) slack() float64 {
	part := syscallPart
	if p.n != 0 {
		part = averagePart
	}
	slack := max(averageSlack, part*p.truth)
	variance, err := stats.SampleVariance(p.truths)
	if err != nil || p.reported == 0 {
		return slack
	}
	if math.Sqrt(variance) > varying*p.truth {
		slack = max(slack, varyingPart*p.truth)
	}
	n := 1/float64(len(p.truths)) + 1/float64(p.reported)
	return max(slack, averageErrors*math.Sqrt(variance*n))
}

func (p probed) checks(clock Clock) []Check {
	checks := []Check{p.checkInvocations(clock)}
	if c := p.checkMissed(); c.Verdict != Held {
		checks = append(checks, c)
	}
	if p.costOnly {
		return checks
	}
	for _, c := range p.averageChecks(clock) {
		checks = append(checks, p.sharp(c))
	}
	return checks
}

// averageChecks hold the average against all that knows better.
func (p probed) averageChecks(clock Clock) []Check {
	if !p.heldAgainstCaller() {
		return []Check{p.checkAverage(clock)}
	}
	if len(p.truths) == 0 {
		return []Check{p.checkCaller()}
	}
	return []Check{p.checkAverage(clock), p.checkCaller()}
}

func (p probed) checkAverage(clock Clock) Check {
	name := p.name() + ": average"
	if !clock.Exact() {
		return notJudged(name,
			"reported %.0f ns, true %.0f ns: time on clock %s is too noisy to judge by", p.average, p.truth, clock)
	}
	if !p.hasTruth() {
		return p.judgeAverage(name)
	}
	slack, more := p.slack(), p.average-p.truth
	return judge(-slack <= more && more <= slack+p.tick(), name,
		"profiler.ko reports %.1f insn, the function takes %.1f (±%.1f)", p.average, p.truth, slack)
}

// checkMissed goes by the module's own count: what it cannot time and does not
// admit shows in no check but that of the average.
func (p probed) checkMissed() Check {
	return judge(p.missed == 0, p.name()+": missed",
		"profiler.ko could not time %d of %d calls", p.missed, p.reported)
}

func (p probed) checkInvocations(clock Clock) Check {
	name := p.name() + ": invocations"
	if clock == Native && p.reported > p.issued {
		return notJudged(name, "%d calls were made and profiler.ko reports %d: other processes call it too", p.issued, p.reported)
	}
	return judge(p.reported == p.issued, name, "%d calls were made, profiler.ko reports %d", p.issued, p.reported)
}

// counted is the difference of two readings of `stats` and `missed`.
type counted struct {
	calls, missed uint64
	total         float64 // of the calls that were timed
}

// average is that of the calls between the two readings.
func (c counted) average() float64 {
	if c.calls == c.missed {
		return 0
	}
	return c.total / float64(c.calls-c.missed)
}

func (c counted) plus(d counted) counted {
	return counted{c.calls + d.calls, c.missed + d.missed, c.total + d.total}
}

// reading is what profiler.ko says of one function at one moment.
type reading struct {
	stat   kmod.Stat
	missed uint64
}

func findReading(fn string, stats []kmod.Stat, missed []kmod.Count) (reading, error) {
	var r reading
	inStats, inMissed := 0, 0
	for _, s := range stats {
		if s.Symbol == fn {
			r.stat, inStats = s, inStats+1
		}
	}
	for _, m := range missed {
		if m.Symbol == fn {
			r.missed, inMissed = m.Calls, inMissed+1
		}
	}
	if inStats != 1 || inMissed != 1 {
		return r, fmt.Errorf("profiler.ko does not show %s once in each of its files", fn)
	}
	return r, nil
}

// since returns what was counted from one reading to a later one. The averages
// are rounded, so that the total is good to half a unit for each timed call.
func (r reading) since(before reading) counted {
	total := func(r reading) float64 {
		return float64(r.stat.AverageNs) * float64(r.stat.Invocations-r.missed)
	}
	return counted{
		calls:  r.stat.Invocations - before.stat.Invocations,
		missed: r.missed - before.missed,
		total:  total(r) - total(before),
	}
}

func median(v []float64) float64 {
	m, err := stats.Median(v)
	if err != nil {
		return math.NaN() // of nothing
	}
	return m
}

func mean(v []float64) float64 {
	m, err := stats.Mean(v)
	if err != nil {
		return math.NaN() // of nothing
	}
	return m
}

func round3(v float64) float64 { return math.Round(v*1000) / 1000 }
