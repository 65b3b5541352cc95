// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"strings"

	"kprof-bench/compare"
	"kprof-bench/history"
)

// verdict is what comes first in a report.
type verdict struct {
	Word    string // in capitals
	Class   string // how it is shown: good, bad or unsure
	Details []string
}

// The words of a verdict, the gravest first.
const (
	regression  = "REGRESSION"
	couldNot    = "COULD NOT TELL"
	noneCompare = "NOTHING COMPARED"
	incomplete  = "INCOMPLETE"
	noWorse     = "NO REGRESSION"
)

// verdict is the gravest that the parts come to.
func (p *Page) verdict() verdict {
	v := verdict{Word: noWorse, Class: "good"}
	if len(p.Missing) > 0 {
		v.Word, v.Class = incomplete, "unsure"
	}
	if r := p.Comparison; r != nil {
		v.Details = append(v.Details, "Compared with "+r.Old+": "+afterColon(r.LastLine())+".")
		switch r.Outcome {
		case compare.Regression:
			v.Word, v.Class = regression, "bad"
		case compare.Undecided:
			v.Word, v.Class = couldNot, "unsure"
		case compare.Failed:
			v.Word, v.Class = noneCompare, "unsure"
		}
	}
	if all := p.changes(); len(p.runs()) > 0 {
		newest := p.runs()[len(p.runs())-1]
		n := tallyOf(all, func(r *history.Run) bool { return r == newest })
		if n.worse > 0 {
			v.Word, v.Class = regression, "bad"
		}
		earlier := tallyOf(all, func(r *history.Run) bool { return r != newest })
		v.Details = append(v.Details,
			fmt.Sprintf("The newest run, %s, changes %s.", runName(newest), n.words()),
			fmt.Sprintf("The %s before it: %s.", plural(len(p.runs())-1, "run"), earlier.words()))
	}
	return v
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
