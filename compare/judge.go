// SPDX-License-Identifier: MIT

package compare

import (
	"fmt"
	"slices"

	"golang.org/x/perf/benchmath"

	"kprof-bench/results"
)

// Verdict is what a comparison came to.
type Verdict string

// The verdicts.
const (
	Same    Verdict = "same"
	Better  Verdict = "better"
	Worse   Verdict = "worse"
	Changed Verdict = "changed"        // and nobody said what is better
	Unknown Verdict = "could not tell" // why is said
)

// Comparison is one row in one unit, in both files.
type Comparison struct {
	Env  []results.Config
	Row  string
	Unit string
	// Exact values repeat to the digit; any difference is a change.
	Exact bool
	// Better is "lower", "higher", [NearZero], or empty if it is not known.
	Better   string
	Old, New Figure
	// Change is that of the figures in parts of the old one; nil from zero.
	Change *float64
	// P is that of the rank test, and Adjusted what Holm's correction leaves of
	// it. Exact values have none.
	P, Adjusted *float64
	Verdict     Verdict
	// Why says what the figures do not show.
	Why string `json:",omitempty"`
	// Accepted is the reason that somebody gave for the change.
	Accepted string `json:",omitempty"`
}

// Figure is the value of a row in one file: exact, or the median of samples.
type Figure struct {
	Value float64
	N     int
	// Lo and Hi are the 95 % confidence interval of the median, nil where the
	// samples are too few for one or the value is exact.
	Lo, Hi *float64
}

// confidence of the intervals.
const confidence = 0.95

// judgeExact compares values of which each alone is the figure.
func (c *Comparison) judgeExact(old, next []float64) {
	c.Old, c.New = Figure{Value: old[0], N: len(old)}, Figure{Value: next[0], N: len(next)}
	for _, side := range []struct {
		values []float64
		name   string
	}{{old, "OLD"}, {next, "NEW"}} {
		if lo, hi := slices.Min(side.values), slices.Max(side.values); lo != hi {
			c.Verdict, c.Why = Unknown, fmt.Sprintf("exact values differ from %s to %s in %s alone", exactly(lo), exactly(hi), side.name)
			return
		}
	}
	c.Change = finite(change(old[0], next[0]))
	c.Verdict = c.direction()
}

// loosen takes a difference of exact values back that different builds of the
// suite make.
func (c *Comparison) loosen(slack results.Slack) {
	if differ := c.Verdict == Worse || c.Verdict == Better || c.Verdict == Changed; differ && slack.Covers(c.Old.Value, c.New.Value) {
		c.Verdict, c.Why = Same, fmt.Sprintf("different builds of the suite find figures up to %s apart", slack)
	}
}

// direction is the verdict on figures of which it is known whether they differ.
func (c *Comparison) direction() Verdict {
	if c.Old.Value == c.New.Value {
		return Same
	}
	v := Direction(c.Better, c.Old.Value, c.New.Value)
	if v == Changed {
		c.Why = "no better= says which direction is worse"
		if c.Better == NearZero {
			c.Why = "as far from zero as before"
		}
	}
	return v
}

// measure takes what the rank test says of samples. The verdict has to wait for
// all others.
func (c *Comparison) measure(old, next []float64) {
	limits := benchmath.DefaultThresholds
	a, b := benchmath.NewSample(old, &limits), benchmath.NewSample(next, &limits)
	c.Old, c.New = figure(a), figure(b)
	c.Change = finite(change(c.Old.Value, c.New.Value))
	p := benchmath.AssumeNothing.Compare(a, b).P // 1 where all samples are equal
	c.P = &p
}

func figure(s *benchmath.Sample) Figure {
	sum := benchmath.AssumeNothing.Summary(s, confidence)
	f := Figure{Value: sum.Center, N: len(s.Values)}
	if lo, hi := finite(sum.Lo), finite(sum.Hi); lo != nil && hi != nil {
		f.Lo, f.Hi = lo, hi
	}
	return f
}

// judgeNoisy gives verdicts on all comparisons of samples together.
func judgeNoisy(noisy []*Comparison, o Options) {
	p := make([]float64, len(noisy))
	for i, c := range noisy {
		p[i] = *c.P
	}
	sorted := slices.Sorted(slices.Values(p))
	for i, adjusted := range holm(p) {
		noisy[i].Adjusted = &adjusted
		noisy[i].judge(sorted, o)
	}
}

// judge gives a verdict beside the sorted p values of all.
func (c *Comparison) judge(sorted []float64, o Options) {
	size := change(c.Old.Value, c.New.Value)
	switch {
	case *c.Adjusted > o.Alpha && !canTell(sorted, *c.P, leastP(c.Old.N, c.New.N), o.Alpha):
		c.Verdict, c.Why = Unknown, tooFew(c.Old.N, c.New.N, enough(sorted, *c.P, o.Alpha))
	case *c.Adjusted > o.Alpha:
		c.Verdict = Same
	case max(size, -size) < o.Floor:
		c.Verdict, c.Why = Same, fmt.Sprintf("significant, but below the floor of %s%%", roughly(100*o.Floor))
	default:
		c.Verdict = c.direction()
	}
}

func tooFew(old, next, need int) string {
	have := plural(old, "sample")
	if old != next {
		have = fmt.Sprintf("%d and %s", old, plural(next, "sample"))
	}
	return fmt.Sprintf("%s, at least %d are needed", have, need)
}
