// SPDX-License-Identifier: MIT

package report

import (
	"cmp"
	"slices"
	"strings"

	"kprof-bench/compare"
	"kprof-bench/history"
)

// section is the series of one unit.
type section struct {
	Unit, Better string
	Exact        bool
	Rows         []seriesRow
	Changed      int  // series that have changes
	Open         bool // it is shown unfolded
}

// seriesRow is a series in a table.
type seriesRow struct {
	Number  int      // of the series on the page
	Parts   []string // of the name, at which a line may be broken
	Row     string
	Again   bool // it has the name of the one before
	Kernel  int  // its number among the kernels
	Label   string
	Newest  string
	Since   string // what has changed since the first run
	Class   string // worse, better or other, of that
	Spark   spark
	Changes int
}

// sections are the series by unit, those that have changed first and else in the
// order in which they come, with those of a row beside each other.
func (p *Page) sections(kernels []string, runs map[*history.Run]int) []*section {
	var all []*section
	at := map[string]*section{}
	labels := newLabels(p.Series)
	for i, s := range p.Series {
		if len(s.Points) == 0 {
			continue
		}
		sec := at[s.Unit]
		if sec == nil {
			sec = &section{Unit: s.Unit, Better: s.Better, Exact: s.Exact}
			at[s.Unit] = sec
			all = append(all, sec)
		}
		if len(s.Changes) > 0 {
			sec.Changed++
		}
		label := labels.of(s)
		sec.Rows = append(sec.Rows, newRow(i, s, label, slices.Index(kernels, label), runs))
	}
	shown := 0
	slices.SortStableFunc(all, func(a, b *section) int { return cmp.Compare(min(b.Changed, 1), min(a.Changed, 1)) })
	for _, sec := range all {
		sec.sort()
		if sec.worthOpening() && shown+len(sec.Rows) <= mostShown {
			sec.Open = true
			shown += len(sec.Rows)
		}
	}
	return all
}

// mostShown is how many rows are unfolded at the most.
const mostShown = 100

// worthOpening is what changed, and what a probe costs.
func (s *section) worthOpening() bool {
	return s.Changed > 0 || strings.HasPrefix(s.Unit, "overhead-")
}

func (s *section) sort() {
	first := map[string]int{}
	for i, r := range s.Rows {
		if _, ok := first[r.Row]; !ok {
			first[r.Row] = i
		}
	}
	slices.SortStableFunc(s.Rows, func(a, b seriesRow) int {
		return cmp.Or(cmp.Compare(first[a.Row], first[b.Row]), cmp.Compare(a.Kernel, b.Kernel))
	})
	for i := range s.Rows {
		s.Rows[i].Again = i > 0 && s.Rows[i].Row == s.Rows[i-1].Row
	}
}

func newRow(number int, s history.Series, label string, kernel int, runs map[*history.Run]int) seriesRow {
	first, last := s.Points[0].Value, s.Points[len(s.Points)-1].Value
	row := seriesRow{
		Number: number, Row: s.Row, Parts: parts(s.Row), Kernel: kernel, Label: label,
		Newest: value(last, s.Exact), Spark: newSpark(s, runs), Changes: len(s.Changes), Class: "other",
	}
	// What is not exact always differs; only a change is one.
	if s.Exact || len(s.Changes) > 0 {
		row.Since = sinceFirst(first, last, s.Exact)
	}
	switch compare.Direction(s.Better, first, last) {
	case compare.Worse:
		row.Class = "worse"
	case compare.Better:
		row.Class = "better"
	}
	return row
}

func sinceFirst(first, last float64, exact bool) string {
	if first == last {
		return "same"
	}
	if p := percent(first, last); p != "" {
		return p
	}
	return "from " + value(first, exact)
}

// Kind says how values of the unit compare.
func (s *section) Kind() string {
	var words []string
	if s.Exact {
		words = append(words, "exact")
	}
	switch s.Better {
	case "":
	case compare.NearZero:
		words = append(words, "nearer to zero is better")
	default:
		words = append(words, s.Better+" is better")
	}
	return strings.Join(words, ", ")
}
