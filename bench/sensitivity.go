// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"kprof-bench/kmod"
	"kprof-bench/results"
)

// span is what profiler.ko said of a function before and after calls that count,
// without being loaded anew in between.
type span struct {
	before, after reading
	issued        uint64  // calls of the function, according to the one who made them
	caller        float64 // what one took for that one; 0 if unknown
}

// calls are those that were counted in between.
func (s span) calls() uint64 { return s.after.stat.Invocations - s.before.stat.Invocations }

// fault is an error in profiler.ko: what it would have said in place of what it
// said, in the numbers that it writes.
type fault func(span) span

// forgets is for one call in n that is not counted. The last one before those that
// count is such, so that it takes the longest until the next.
func forgets(n uint64) fault {
	return func(s span) span {
		s.after.stat.Invocations -= s.calls() / n
		return s
	}
}

// cannotTime is for one call in n that is counted and not timed, likewise.
func cannotTime(n uint64) fault {
	return func(s span) span {
		s.after.missed += s.calls() / n
		return s
	}
}

// lengthens is for calls that are timed as longer than they are. The module
// writes whole numbers, none below 0, and adds half before it cuts off.
func lengthens(by float64) fault {
	longer := func(ns uint64) uint64 { return uint64(max(math.Floor(float64(ns)+by+0.5), 0)) }
	return func(s span) span {
		s.before.stat.AverageNs, s.after.stat.AverageNs = longer(s.before.stat.AverageNs), longer(s.after.stat.AverageNs)
		return s
	}
}

// under is what would have been measured of a module with an error.
func (p probed) under(f fault) probed {
	p.spans = slices.Clone(p.spans)
	for i, s := range p.spans {
		p.spans[i] = f(s)
	}
	p.count()
	return p
}

// count makes up calls and average of what profiler.ko said.
func (p *probed) count() {
	var c counted
	for _, s := range p.spans {
		c = c.plus(s.after.since(s.before))
	}
	p.reported, p.missed, p.average = c.calls, c.missed, c.average()
}

// catches are the smallest errors that the checks of a function find. Each is 0
// where there is no such check, or it is not judged, or fails as it is.
type catches struct {
	lost, untimed uint64  // one call in so many
	length        float64 // of each call, by which it is too long or too short
}

// sense finds out what the checks catch, by putting errors into what was measured
// and judging that as well.
func (p probed) sense(clock Clock) catches {
	average := func(q probed) Check { return worst(q.averageChecks(clock)) }
	c := catches{
		lost:    p.oneIn(forgets, func(q probed) Check { return q.checkInvocations(clock) }),
		untimed: p.oneIn(cannotTime, probed.checkMissed),
	}
	if !p.costOnly && len(p.spans) > 0 && average(p).Verdict == Held {
		c.length = max(p.least(+1, average), p.least(-1, average))
	}
	return c
}

// oneIn is the largest n for which a check fails when the module errs in one call
// in n.
func (p probed) oneIn(f func(n uint64) fault, check func(probed) Check) uint64 {
	if check(p).Verdict != Held {
		return 0
	}
	most := uint64(0)
	for _, s := range p.spans {
		most = max(most, s.calls())
	}
	return uint64(sort.Search(int(most), func(i int) bool {
		return check(p.under(f(uint64(i)+1))).Verdict != Failed
	}))
}

// lengthSteps is how exactly the least error in a length is looked for, in steps
// for a unit.
const lengthSteps = 100

// least is the least error in a length, in one direction, with which a check
// fails. One of more than the length itself is infinite.
func (p probed) least(sign float64, check func(probed) Check) float64 {
	most := int(math.Ceil(p.length() * lengthSteps))
	n := sort.Search(most+1, func(i int) bool {
		return check(p.under(lengthens(sign*float64(i)/lengthSteps))).Verdict == Failed
	})
	if n > most {
		return math.Inf(1)
	}
	return float64(n) / lengthSteps
}

// length is what the average is held against.
func (p probed) length() float64 {
	if !p.hasTruth() && p.programs.useless() == "" {
		return p.programs.takes()
	}
	return p.truth
}

// bluntPart is the part of a length from which on an error that is let pass makes
// a check worthless.
const bluntPart = 0.5

func (p probed) blunt() bool { return p.catches.length > bluntPart*p.length() }

// sharp is a check unless it would hold with almost any average.
func (p probed) sharp(c Check) Check {
	if c.Verdict != Held || !p.blunt() {
		return c
	}
	return Check{Name: c.Name, Verdict: Blunt, Detail: fmt.Sprintf("an error of half of %.1f insn would pass: %s", p.length(), c.Detail)}
}

// catchesValues are the figures for a results file.
func (p probed) catchesValues() []results.Value {
	var v []results.Value
	if n := p.catches.lost; n > 0 {
		v = append(v, results.Value{V: float64(n), Unit: "catches-lost-1-in"})
	}
	if n := p.catches.untimed; n > 0 {
		v = append(v, results.Value{V: float64(n), Unit: "catches-untimed-1-in"})
	}
	if d := p.catches.length; d > 0 && !p.blunt() {
		v = append(v,
			results.Value{V: d, Unit: "catches-insn/op"},
			results.Value{V: round3(100 * d / p.length()), Unit: "catches-percent"})
	}
	return v
}

// catchesVerdict tells whether one wrong verdict on a planted block would be
// found, be it a leak that is said to be held or the other way round.
func catchesVerdict(r region, leaks []kmod.Leak, truth *plantedBlocks, clock Clock) bool {
	for _, verdict := range []kmod.Verdict{kmod.PossibleLeak, kmod.NotFreedYet} {
		at := slices.IndexFunc(leaks, func(l kmod.Leak) bool {
			_, planted := truth.blocks[l.Page]
			return planted && l.Verdict == verdict
		})
		if at < 0 {
			continue
		}
		wrong := slices.Clone(leaks)
		wrong[at].Verdict = inverted[verdict]
		if gradeRegion(r, wrong, truth).checkVerdicts(r, clock).Verdict != Failed {
			return false
		}
	}
	return true
}

var inverted = map[kmod.Verdict]kmod.Verdict{kmod.PossibleLeak: kmod.NotFreedYet, kmod.NotFreedYet: kmod.PossibleLeak}
