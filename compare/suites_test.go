// SPDX-License-Identifier: MIT

package compare

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/results"
	"kprof-bench/verdicts"
)

func TestSuites(t *testing.T) {
	old := []results.Config{{Key: "kernel", Value: "6.1"}, {Key: "clock", Value: "icount"}}
	next := []results.Config{{Key: "kernel", Value: "6.12"}, {Key: "clock", Value: "icount"}}
	of := func(env []results.Config, row string, v Verdict, why, accepted string) *Comparison {
		return &Comparison{Env: env, Row: row, Unit: "insn/op", Exact: true, Old: Figure{Value: 25, N: 1}, New: Figure{Value: 26.5, N: 1}, Verdict: v, Why: why, Accepted: accepted}
	}
	r := &Report{
		Comparisons: []*Comparison{
			of(old, "A", Worse, "", ""), of(next, "A", Same, "", ""), of(old, "B", Better, "", ""),
			of(old, "C", Changed, "no direction", ""), of(old, "D", Unknown, "2 samples", ""), of(old, "E", Worse, "", "known"),
		},
		Apart:   []Apart{{"F", "kernel is 5.10 in OLD and 7.3 in NEW"}},
		OnlyOld: []Lone{{old, "G", "insn/op"}},
		OnlyNew: []Lone{{old, "H", "insn/op"}},
	}
	figures := "25 -> 26.5 insn/op: "
	want := []verdicts.Suite{
		{Name: "kernel 6.1, clock icount", Env: old, Cases: []verdicts.Case{
			{Name: "A insn/op", Outcome: verdicts.Failed, Detail: figures + "worse"},
			{Name: "B insn/op", Outcome: verdicts.Passed, Detail: figures + "better"},
			{Name: "C insn/op", Outcome: verdicts.Skipped, Detail: figures + "changed: no direction"},
			{Name: "D insn/op", Outcome: verdicts.Skipped, Detail: figures + "could not tell: 2 samples"},
			{Name: "E insn/op", Outcome: verdicts.Passed, Detail: figures + "worse, accepted: known"},
		}},
		{Name: "kernel 6.12, clock icount", Env: next, Cases: []verdicts.Case{
			{Name: "A insn/op", Outcome: verdicts.Passed, Detail: figures + "same"},
		}},
		{Name: "not compared", Cases: []verdicts.Case{
			{Name: "F", Outcome: verdicts.Skipped, Detail: "kernel is 5.10 in OLD and 7.3 in NEW"},
			{Name: "G in insn/op, kernel 6.1, clock icount", Outcome: verdicts.Skipped, Detail: "only in OLD"},
		}},
	}
	if diff := cmp.Diff(want, r.Suites()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
