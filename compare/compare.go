// SPDX-License-Identifier: MIT

package compare

import (
	"time"

	"golang.org/x/perf/benchfmt"

	"kprof-bench/results"
)

// Options say what counts.
type Options struct {
	// Alpha is the chance of any false alarm among all noisy comparisons.
	Alpha float64
	// Floor is the smallest change of a median that counts, in parts of it.
	Floor float64
	// Partial accepts that NEW lacks rows of OLD.
	Partial bool
	// Accept are changes that are known.
	Accept []Entry
	// Today is the day by which entries expire.
	Today time.Time
}

// Usual values of the options.
const (
	DefaultAlpha = 0.05
	DefaultFloor = 0.01
)

// Outcome is the verdict on the whole. It is an exit code.
type Outcome int

// The outcomes. The gravest is the one that holds: a regression comes before
// what could not be told.
const (
	NoRegression Outcome = iota
	Regression
	Undecided
	Failed // nothing was compared
)

// Report is what came out of a comparison.
type Report struct {
	Old, New string
	// Revisions are what was compared, where the files say so.
	Revisions   []Revision
	Comparisons []*Comparison
	// Apart are rows of both files that were measured in different places.
	Apart []Apart
	// OnlyOld and OnlyNew are what one file lacks.
	OnlyOld, OnlyNew []Lone
	// Expired and Unused are entries that did nothing.
	Expired, Unused []Entry
	// Exceeded are changes that an entry would accept if they were smaller.
	Exceeded []Exceeded `json:",omitempty"`
	Partial  bool
	Outcome  Outcome
}

// Revision is a key that says what was measured, and its values.
type Revision struct{ Key, Old, New string }

// Apart is a row that was not compared, and why.
type Apart struct{ Row, Why string }

// Exceeded is a change to a value that is worse than the accepted one.
type Exceeded struct {
	Entry      Entry
	Comparison *Comparison
}

// Lone is a row that only one file has, or a unit of it.
type Lone struct {
	Env       []results.Config
	Row, Unit string
}

// Compare compares two files. The error is for files that contradict
// themselves or each other. That nothing could be compared is an [Outcome].
func Compare(old, next *Set, o Options) (*Report, error) {
	units, err := mergeUnits(old, next)
	if err != nil {
		return nil, err
	}
	extra := append(old.extraKeys(), next.extraKeys()...)
	before, err := old.rows(extra)
	if err != nil {
		return nil, err
	}
	after, err := next.rows(extra)
	if err != nil {
		return nil, err
	}
	r := &Report{Old: old.Name, New: next.Name, Partial: o.Partial, Revisions: revisionsOf(before, after)}
	r.compare(pairUp(before, after), units, o)
	r.accept(o.Accept, o.Today)
	r.Outcome = r.outcome()
	return r, nil
}

func (r *Report) compare(p pairing, units benchfmt.UnitMetadataMap, o Options) {
	var noisy []*Comparison
	for _, both := range p.pairs {
		if both.why != "" {
			r.Apart = append(r.Apart, Apart{both.old.name, both.why})
			continue
		}
		noisy = append(noisy, r.compareRow(both, units)...)
	}
	judgeNoisy(noisy, o)
	for _, lone := range p.onlyOld {
		r.OnlyOld = append(r.OnlyOld, Lone{lone.env, lone.name, ""})
	}
	for _, lone := range p.onlyNew {
		r.OnlyNew = append(r.OnlyNew, Lone{lone.env, lone.name, ""})
	}
}

// compareRow compares a row in each unit and returns the comparisons that are
// noisy and not judged yet.
func (r *Report) compareRow(both pair, units benchfmt.UnitMetadataMap) (noisy []*Comparison) {
	for _, s := range both.old.series {
		other := both.next.in(s.base)
		if other == nil {
			r.OnlyOld = append(r.OnlyOld, Lone{both.old.env, both.old.name, s.values[0].unit})
			continue
		}
		unit, old, next := inOneUnit(s, other)
		c := &Comparison{Env: both.old.env, Row: both.old.name, Unit: unit, Better: better(units, unit)}
		c.Exact = exact(units, unit, both.old.env)
		if c.Exact {
			c.judgeExact(old, next)
			c.loosen(slackBetween(units, unit, both))
		} else {
			c.measure(old, next)
			noisy = append(noisy, c)
		}
		r.Comparisons = append(r.Comparisons, c)
	}
	for _, s := range both.next.series {
		if both.old.in(s.base) == nil {
			r.OnlyNew = append(r.OnlyNew, Lone{both.next.env, both.next.name, s.values[0].unit})
		}
	}
	return noisy
}

// exact tells whether values repeat to the digit: where the unit says nothing,
// on the clock that counts instructions.
func exact(units benchfmt.UnitMetadataMap, unit string, env []results.Config) bool {
	if m := units.Get(unit, "assume"); m != nil {
		return m.Value == "exact"
	}
	return asMap(env)["clock"] == results.ClockICount
}

// slackBetween is what the files say of exact values of a unit, where it is not
// known that the same suite found both.
func slackBetween(units benchfmt.UnitMetadataMap, unit string, both pair) results.Slack {
	if suite := both.old.revisions["suite"]; suite != "" && suite == both.next.revisions["suite"] {
		return ""
	}
	return slackOf(units, unit)
}

func slackOf(units benchfmt.UnitMetadataMap, unit string) results.Slack {
	if m := units.Get(unit, "slack"); m != nil {
		return results.Slack(m.Value)
	}
	return ""
}

// better is what the files say, or what is known of units: those that go test
// prints, and those with a sign.
func better(units benchfmt.UnitMetadataMap, unit string) string {
	if isSigned(unit) {
		return NearZero
	}
	return map[int]string{-1: "lower", 1: "higher"}[units.GetBetter(unit)]
}

// revisionsOf are those of the first rows; a file may have others further on,
// for other benchmarks.
func revisionsOf(before, after []*row) []Revision {
	var all []Revision
	for _, key := range revisions {
		a, b := before[0].revisions[key], after[0].revisions[key]
		if a != "" || b != "" {
			all = append(all, Revision{key, orNothing(a), orNothing(b)})
		}
	}
	return all
}

// Count is how many comparisons came to the verdict and are not accepted.
func (r *Report) Count(v Verdict) int {
	n := 0
	for _, c := range r.Comparisons {
		if c.Verdict == v && c.Accepted == "" {
			n++
		}
	}
	return n
}

func (r *Report) outcome() Outcome {
	missing := len(r.OnlyOld) > 0 && !r.Partial
	switch {
	case len(r.Comparisons) == 0:
		return Failed
	case r.Count(Worse) > 0:
		return Regression
	case r.Count(Unknown) > 0 || r.Count(Changed) > 0 || len(r.Apart) > 0 || missing:
		return Undecided
	}
	return NoRegression
}
