// SPDX-License-Identifier: MIT

package history

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"

	"kprof-bench/changepoint"
	"kprof-bench/compare"
)

// key is what tells series apart.
type key struct{ env, row, unit string }

// Series returns the figures of each row in each unit and environment over time, in
// the order in which they first came, with their changes.
func (h *History) Series() []Series {
	var all []*Series
	at := map[key]*Series{}
	for _, run := range h.Runs {
		for _, row := range h.rows[run] {
			for _, s := range row.Units {
				k := key{envText(row.Env), row.Name, s.Unit}
				one := at[k]
				if one == nil {
					one = &Series{Env: row.Env, Row: row.Name, Unit: s.Unit}
					at[k] = one
					all = append(all, one)
				}
				one.add(run, row.Suite, s)
			}
		}
	}
	return finished(all)
}

// finished are the series with their changes, those of an environment together.
func finished(all []*Series) []Series {
	var order []string
	byEnv := map[string][]Series{}
	for _, s := range all {
		s.Changes = s.changes()
		env := envText(s.Env)
		if byEnv[env] == nil {
			order = append(order, env)
		}
		byEnv[env] = append(byEnv[env], *s)
	}
	var sorted []Series
	for _, env := range order {
		sorted = append(sorted, byEnv[env]...)
	}
	return sorted
}

// add takes in what a run has. What the newest run says of the unit holds.
func (s *Series) add(run *Run, suite string, samples compare.Samples) {
	s.Better, s.Exact, s.slack = samples.Better, samples.Exact, samples.Slack
	p := pointOf(run, samples)
	p.suite = suite
	s.Points = append(s.Points, p)
}

// pointOf is the median of samples and its interval, or if they are too few for one
// their extremes.
func pointOf(run *Run, samples compare.Samples) Point {
	limits := benchmath.DefaultThresholds
	sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(samples.Values), &limits), 0.95)
	p := Point{Run: run, Value: sum.Center, Low: sum.Lo, High: sum.Hi}
	if math.IsInf(p.Low, 0) || math.IsInf(p.High, 0) {
		p.Low, p.High = slices.Min(samples.Values), slices.Max(samples.Values)
	}
	return p
}

// changes are each difference of what is exact, and else what is beyond noise.
func (s *Series) changes() []Change {
	var all []Change
	if s.Exact {
		all = s.differences()
	} else {
		for _, c := range changepoint.Find(s.values(), changepoint.Options{}) {
			all = append(all, Change{Kind(c.Kind), c.From, c.At, c.Before, c.After, c.P, ""})
		}
	}
	for i, c := range all {
		all[i].Verdict = s.verdict(c.Before, c.After)
	}
	return all
}

// differences are the changes of exact figures. Where the suite is another one, or
// not known, the slack is measured from where the last change was, so that many
// small ones are not overlooked.
func (s *Series) differences() []Change {
	var all []Change
	since := 0 // the first point that is like the one before
	for i := 1; i < len(s.Points); i++ {
		before, p := s.Points[i-1], s.Points[i]
		other := p.suite == "" || p.suite != before.suite
		if before.Value == p.Value || other && s.slack.Covers(s.Points[since].Value, p.Value) {
			continue
		}
		all = append(all, Change{Kind: Step, From: i - 1, At: i, Before: before.Value, After: p.Value})
		since = i
	}
	return all
}

func (s *Series) values() []float64 {
	var all []float64
	for _, p := range s.Points {
		all = append(all, p.Value)
	}
	return all
}

// Verdicts on changes.
const (
	Regression  = "regression"
	Improvement = "improvement"
	Undirected  = "change"
)

func (s *Series) verdict(before, after float64) string {
	switch compare.Direction(s.Better, before, after) {
	case compare.Worse:
		return Regression
	case compare.Better:
		return Improvement
	}
	return Undirected
}
