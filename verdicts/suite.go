// SPDX-License-Identifier: MIT

package verdicts

import (
	"strings"
	"unicode"

	"kprof-bench/results"
)

// Outcome is what a case came to.
type Outcome int

// The outcomes. Skipped is what was not told, and says why in its detail.
const (
	Passed Outcome = iota
	Failed
	Skipped
)

// Case is one check.
type Case struct {
	Name    string
	Outcome Outcome
	// Detail says in one line what was found or why it was skipped; may be empty.
	Detail string
}

// Suite is the checks in one environment.
type Suite struct {
	Name  string
	Env   []results.Config // may be empty
	Cases []Case
	// Error says why the checks, or the rest of them, could not be done; empty
	// if they were.
	Error string
}

// Good tells whether all that could be told is as it should be.
func (s Suite) Good() bool { return s.Error == "" && s.count(Failed) == 0 }

func (s Suite) count(o Outcome) int {
	n := 0
	for _, c := range s.Cases {
		if c.Outcome == o {
			n++
		}
	}
	return n
}

// line makes one line of a text: what is no character that can be seen becomes
// a space. Neither form could hold it.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	return strings.Join(strings.Fields(text), " ")
}
