// SPDX-License-Identifier: MIT

package history

import (
	"slices"
	"strings"

	"kprof-bench/compare"
	"kprof-bench/results"
)

// Break is where the environment of series changed, so that they end and others
// begin: nothing is compared across it.
type Break struct {
	// Run is the first in the new environment.
	Run *Run
	// Changed says in what they differ, as "KEY OLD -> NEW".
	Changed []string
}

// span is when an environment was measured in, and which rows.
type span struct {
	env         []results.Config
	first, last int // runs
	rows        map[string]bool
}

// Breaks returns the changes of the environment, in the order of time. What is
// measured in several environments side by side has not changed.
func (h *History) Breaks() []Break {
	all := h.spans()
	var breaks []Break
	for _, s := range all {
		if before := s.successorOf(all); before != nil {
			breaks = append(breaks, Break{h.Runs[s.first], compare.EnvironmentChanges(before.env, s.env)})
		}
	}
	slices.SortStableFunc(breaks, func(a, b Break) int { return slices.Index(h.Runs, a.Run) - slices.Index(h.Runs, b.Run) })
	return breaks
}

func (h *History) spans() []*span {
	var all []*span
	at := map[string]*span{}
	for i, run := range h.Runs {
		for _, row := range h.rows[run] {
			env := envText(row.Env)
			s := at[env]
			if s == nil {
				s = &span{env: row.Env, first: i, rows: map[string]bool{}}
				at[env] = s
				all = append(all, s)
			}
			s.last = i
			s.rows[row.Name] = true
		}
	}
	return all
}

// successorOf returns the environment, over by then, that differs from this one in
// the fewest things and of those the latest, or nil.
func (s *span) successorOf(all []*span) *span {
	var best *span
	fewest := 0
	for _, old := range all {
		if old.last >= s.first || !old.shares(s) {
			continue
		}
		n := len(compare.EnvironmentChanges(old.env, s.env))
		if best == nil || n < fewest || n == fewest && old.last > best.last {
			best, fewest = old, n
		}
	}
	return best
}

func (s *span) shares(other *span) bool {
	for row := range s.rows {
		if other.rows[row] {
			return true
		}
	}
	return false
}

// envText is an environment as something to tell it from others by.
func envText(env []results.Config) string {
	var b strings.Builder
	for _, c := range env {
		b.WriteString(c.Key + ": " + c.Value + "\n")
	}
	return b.String()
}
