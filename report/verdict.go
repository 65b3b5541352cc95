// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"slices"
	"strings"

	"kprof-bench/compare"
	"kprof-bench/history"
)

// verdict is what comes first in a report.
type verdict struct {
	Word    string // in capitals
	Class   string // how it is shown: good, bad or unsure
	Details []string
	Unknown []string // what could not be told
}

// The words of a verdict, the gravest first.
const (
	regression  = "REGRESSION"
	couldNot    = "COULD NOT TELL"
	noneCompare = "NOTHING COMPARED"
	incomplete  = "INCOMPLETE"
	noWorse     = "NO REGRESSION"
)

// Word is the verdict on the whole, in capitals.
func (p *Page) Word() string { return p.verdict().Word }

// verdict is the gravest that the parts come to.
func (p *Page) verdict() verdict {
	v := verdict{Word: noWorse, Class: "good"}
	if len(p.Missing) > 0 {
		v.grow(incomplete)
	}
	if r := p.Comparison; r != nil {
		v.Details = append(v.Details, "Compared with "+r.Old+": "+afterColon(r.LastLine())+".")
		v.outcome(r.Outcome)
	}
	runs := p.runs()
	if len(runs) == 0 {
		return v
	}
	newest := runs[len(runs)-1]
	n := tallyOf(p.changes(), func(r *history.Run) bool { return r == newest })
	if p.Check != nil {
		n = p.found()
		v.outcome(p.Check.Outcome)
		v.Unknown = p.Check.Unknown
	} else if n.worse > 0 {
		v.grow(regression)
	}
	v.Details = append(v.Details, fmt.Sprintf("The newest run, %s, changes %s.", runName(newest), n.words()))
	if len(runs) > 1 {
		earlier := tallyOf(p.changes(), func(r *history.Run) bool { return r != newest })
		v.Details = append(v.Details, fmt.Sprintf("The %s before it: %s.", plural(len(runs)-1, "run"), earlier.words()))
	}
	return v
}

// found counts what is known since the newest run.
func (p *Page) found() tally {
	var r changedRun
	for _, f := range p.Check.Found {
		r.add(newChange(0, *f.Series, "", f.Change))
	}
	return tally{r.worse, r.better, r.other}
}

// outcome takes in that of a part.
func (v *verdict) outcome(o compare.Outcome) {
	switch o {
	case compare.Regression:
		v.grow(regression)
	case compare.Undecided:
		v.grow(couldNot)
	case compare.Failed:
		v.grow(noneCompare)
	}
}

// grow takes the graver of two words.
func (v *verdict) grow(word string) {
	order := []string{noWorse, incomplete, noneCompare, couldNot, regression}
	if slices.Index(order, word) > slices.Index(order, v.Word) {
		v.Word, v.Class = word, "unsure"
	}
	if v.Word == regression {
		v.Class = "bad"
	}
}

func afterColon(text string) string {
	_, after, _ := strings.Cut(text, ": ")
	return after
}

// tally counts changes.
type tally struct{ worse, better, other int }

func tallyOf(all []*changedRun, wanted func(*history.Run) bool) tally {
	var t tally
	for _, r := range all {
		if wanted(r.Run) {
			t.worse += r.worse
			t.better += r.better
			t.other += r.other
		}
	}
	return t
}

func (t tally) words() string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{t.worse, "for the worse"}, {t.better, "for the better"}, {t.other, "without a direction"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d series %s", part.n, part.what))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
