// SPDX-License-Identifier: MIT

package report

import (
	"fmt"

	"kprof-bench/history"
	"kprof-bench/verdicts"
)

// Suites are the verdicts on the newest run as test suites: one for each kernel, with
// a case for each series that the run has, then the comparison, then what is missing.
// Series without a direction that have changed are skipped, and so is all that could
// not be told.
func (p *Page) Suites() []verdicts.Suite {
	all := p.historySuites()
	if p.Comparison != nil {
		all = append(all, p.Comparison.Suites()...)
	}
	if p.Check != nil && len(p.Check.Unknown) > 0 {
		s := verdicts.Suite{Name: "could not be told"}
		for _, what := range p.Check.Unknown {
			s.Cases = append(s.Cases, verdicts.Case{Name: what, Outcome: verdicts.Skipped, Detail: "could not be told"})
		}
		all = append(all, s)
	}
	for _, what := range p.Missing {
		all = append(all, verdicts.Suite{Name: "missing", Error: what})
	}
	return all
}

func (p *Page) historySuites() []verdicts.Suite {
	runs := p.runs()
	if len(runs) == 0 {
		return nil
	}
	found := p.newest(runs[len(runs)-1])
	l := newLabels(p.Series)
	var all []verdicts.Suite
	for _, name := range p.kernels() {
		s := verdicts.Suite{Name: name}
		for i, one := range p.Series {
			if l.of(one) == name && len(one.Points) > 0 && one.Points[len(one.Points)-1].Run == runs[len(runs)-1] {
				s.Env = one.Env
				s.Cases = append(s.Cases, newCase(i, one, found))
			}
		}
		if len(s.Cases) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// seriesKey tells a series from others.
type seriesKey struct{ env, row, unit string }

func keyOf(s history.Series) seriesKey { return seriesKey{fmt.Sprint(s.Env), s.Row, s.Unit} }

// newest are the changes that are known since a run, which is the last.
func (p *Page) newest(run *history.Run) map[seriesKey]history.Change {
	found := map[seriesKey]history.Change{}
	if p.Check != nil {
		for _, f := range p.Check.Found {
			found[keyOf(*f.Series)] = f.Change
		}
		return found
	}
	for _, s := range p.Series {
		for _, c := range s.Changes {
			if s.Points[c.At].Run == run {
				found[keyOf(s)] = c
			}
		}
	}
	return found
}

func newCase(number int, s history.Series, found map[seriesKey]history.Change) verdicts.Case {
	k := verdicts.Case{Name: s.Row + " " + s.Unit}
	c, changed := found[keyOf(s)]
	if !changed {
		return k
	}
	shown := newChange(number, s, "", c)
	k.Detail = fmt.Sprintf("%s -> %s %s: %s", shown.Before, shown.After, s.Unit, shown.What)
	switch c.Verdict {
	case history.Regression:
		k.Outcome = verdicts.Failed
	case history.Undirected:
		k.Outcome = verdicts.Skipped
	}
	return k
}
