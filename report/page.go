// SPDX-License-Identifier: MIT

package report

import (
	"errors"
	"slices"

	"kprof-bench/compare"
	"kprof-bench/history"
)

// ErrEmpty is returned for a page without a history and without a comparison.
var ErrEmpty = errors.New("there is nothing to report: no series has a value, and nothing was compared")

// Page is what a report is made of. A part that is empty is left out.
type Page struct {
	// Series are the history, with their changes.
	Series []history.Series
	// Check is the verdict on the newest run. Without one it is told by the changes
	// of that run.
	Check *history.Verdict
	// Breaks are where environments changed.
	Breaks []history.Break
	// Comparison is that of the newest run with another.
	Comparison *compare.Report
	// Missing is what should be there and is not, such as a kernel that was not
	// measured, one sentence each.
	Missing []string
	// Files are shown as they are, at the end.
	Files []File
}

// File is a text that a report shows.
type File struct{ Name, Text string }

// check tells whether there is anything to report.
func (p *Page) check() error {
	if len(p.runs()) == 0 && p.Comparison == nil {
		return ErrEmpty
	}
	return nil
}

// runs are those of all series, each once, as time passed.
func (p *Page) runs() []*history.Run {
	var all []*history.Run
	seen := map[*history.Run]bool{}
	for _, s := range p.Series {
		for _, point := range s.Points {
			if !seen[point.Run] {
				seen[point.Run] = true
				all = append(all, point.Run)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *history.Run) int { return a.Time.Compare(b.Time) })
	return all
}
