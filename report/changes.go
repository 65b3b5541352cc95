// SPDX-License-Identifier: MIT

package report

import (
	"cmp"
	"math"
	"slices"

	"kprof-bench/history"
)

// changedRun is a run in which series changed.
type changedRun struct {
	Run     *history.Run
	Before  *history.Run // the newest of the last runs before the changes
	Changes []change

	worse, better, other int
}

// change is a series' change, for people.
type change struct {
	Row, Unit, Kernel string
	Parts             []string // of the row, at which a line may be broken
	Series            int      // its number on the page
	What              string
	Class             string // worse, better or other
	Before, After     string
	Percent           string

	size float64
}

// changes are all, those of a run together, the newest run first and in it what is
// worse before what is better.
func (p *Page) changes() []*changedRun {
	var all []*changedRun
	at := map[*history.Run]*changedRun{}
	labels := newLabels(p.Series)
	for i, s := range p.Series {
		for _, c := range s.Changes {
			run, before := s.Points[c.At].Run, s.Points[c.From].Run
			r := at[run]
			if r == nil {
				r = &changedRun{Run: run, Before: before}
				at[run] = r
				all = append(all, r)
			}
			if before.Time.After(r.Before.Time) {
				r.Before = before
			}
			r.add(newChange(i, s, labels.of(s), c))
		}
	}
	slices.SortStableFunc(all, func(a, b *changedRun) int { return b.Run.Time.Compare(a.Run.Time) })
	for _, r := range all {
		slices.SortStableFunc(r.Changes, func(a, b change) int {
			return cmp.Or(cmp.Compare(rank(a.Class), rank(b.Class)), cmp.Compare(b.size, a.size))
		})
	}
	return all
}

func rank(class string) int { return slices.Index([]string{"worse", "better", "other"}, class) }

func (r *changedRun) add(c change) {
	r.Changes = append(r.Changes, c)
	switch c.Class {
	case "worse":
		r.worse++
	case "better":
		r.better++
	default:
		r.other++
	}
}

// Words counts the changes.
func (r *changedRun) Words() string { return tally{r.worse, r.better, r.other}.words() }

func newChange(number int, s history.Series, kernel string, c history.Change) change {
	class, word := "other", "changed"
	switch c.Verdict {
	case history.Regression:
		class, word = "worse", "worse"
	case history.Improvement:
		class, word = "better", "better"
	}
	switch c.Kind {
	case history.Spike:
		word += ", in this run alone"
	case history.Drift:
		word += ", slowly"
	}
	return change{
		Row: s.Row, Parts: parts(s.Row), Unit: s.Unit, Kernel: kernel, Series: number, What: word, Class: class,
		Before: value(c.Before, s.Exact), After: value(c.After, s.Exact), Percent: percent(c.Before, c.After),
		size: math.Abs(relative(c.Before, c.After)),
	}
}

// relative is a change in parts of what was before, infinite from nothing.
func relative(before, after float64) float64 {
	if before == after {
		return 0
	}
	return (after - before) / math.Abs(before)
}
