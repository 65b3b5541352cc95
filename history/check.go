// SPDX-License-Identifier: MIT

package history

import (
	"fmt"
	"slices"

	"kprof-bench/changepoint"
	"kprof-bench/compare"
)

// Verdict is what the last run brought.
type Verdict struct {
	Run     *Run
	Outcome compare.Outcome
	// Found are the changes that are known since that run.
	Found []Found
	// Unknown says what could not be told, and why.
	Unknown []string
	// Compared is how many figures have others before them.
	Compared int
}

// Found is a change and its series.
type Found struct {
	Series *Series
	Change
}

// sameChange is how many runs the place of a step may move when a run is added.
const sameChange = 5

// Check judges the last run by those before it.
func (h *History) Check() *Verdict {
	last := h.Runs[len(h.Runs)-1]
	v := &Verdict{Run: last}
	for _, b := range h.Breaks() {
		if b.Run == last {
			for _, what := range b.Changed {
				v.unknown("environment changed: %s: there is nothing to compare with", what)
			}
		}
	}
	for _, s := range h.Series() {
		if s.Points[len(s.Points)-1].Run == last && len(s.Points) > 1 {
			v.Compared++
			v.judge(&s)
		}
	}
	h.missing(v)
	if v.Compared == 0 && len(v.Unknown) == 0 {
		v.unknown("there is no run before it with the same rows in the same environment")
	}
	v.Outcome = v.outcome()
	return v
}

func (v *Verdict) unknown(format string, args ...any) {
	v.Unknown = append(v.Unknown, fmt.Sprintf(format, args...))
}

// judge judges the last point of a series.
func (v *Verdict) judge(s *Series) {
	if s.Exact {
		for _, c := range s.Changes {
			if c.At == len(s.Points)-1 {
				v.Found = append(v.Found, Found{s, c})
			}
		}
		return
	}
	if need := changepoint.Enough(changepoint.Options{}); len(s.Points) < need {
		v.unknown("%s: %d noisy figures in %s, of which at least %d are needed", s.Row, len(s.Points), s.Unit, need)
		return
	}
	before := Series{Better: s.Better, Points: s.Points[:len(s.Points)-1]}
	known := before.changes()
	for _, c := range s.Changes {
		switch {
		case c.Kind == Spike && c.At == len(s.Points)-1:
			v.unknown("%s: %v %s is far from %v before it, which one run cannot tell from a spike", s.Row, c.After, s.Unit, c.Before)
		case c.Kind != Spike && !slices.ContainsFunc(known, c.isLike):
			v.Found = append(v.Found, Found{s, c})
		}
	}
}

// isLike tells whether it is the same change, found with a run more.
func (c Change) isLike(other Change) bool {
	if c.Kind == Drift && other.Kind == Drift {
		return c.Verdict == other.Verdict && c.From <= other.At && other.From <= c.At
	}
	return c.Kind == other.Kind && c.Verdict == other.Verdict && max(c.At-other.At, other.At-c.At) <= sameChange
}

// missing finds what the run before has in an environment of the last one that this
// lacks.
func (h *History) missing(v *Verdict) {
	if len(h.Runs) < 2 {
		return
	}
	in := map[key]bool{}
	envs := map[string]bool{}
	each := func(run *Run, do func(k key)) {
		for _, row := range h.rows[run] {
			for _, s := range row.Units {
				do(key{envText(row.Env), row.Name, s.Unit})
			}
		}
	}
	each(v.Run, func(k key) { in[k], envs[k.env] = true, true })
	each(h.Runs[len(h.Runs)-2], func(k key) {
		if envs[k.env] && !in[k] {
			v.unknown("%s in %s was in the run before and is missing", k.row, k.unit)
		}
	})
}

func (v *Verdict) outcome() compare.Outcome {
	is := func(verdict string) bool {
		return slices.ContainsFunc(v.Found, func(f Found) bool { return f.Verdict == verdict })
	}
	switch {
	case is(Regression):
		return compare.Regression
	case is(Undirected) || len(v.Unknown) > 0:
		return compare.Undecided
	}
	return compare.NoRegression
}
