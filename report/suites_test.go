// SPDX-License-Identifier: MIT

package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/compare"
	"kprof-bench/history"
	"kprof-bench/verdicts"
)

func TestSuites(t *testing.T) {
	p := small(t)
	p.Comparison = nil
	const row = "Probe/func=sys_getpid/backend=direct "
	passed := func(name string) verdicts.Case { return verdicts.Case{Name: row + name} }
	want := []verdicts.Suite{
		{Name: "6.1", Env: p.Series[0].Env, Cases: []verdicts.Case{
			{Name: row + "overhead-insn/op", Outcome: verdicts.Failed, Detail: "25 -> 1,029.5 overhead-insn/op: worse"},
			passed("calls-issued"),
			{Name: row + "ns/op", Outcome: verdicts.Failed, Detail: "1,000,000 -> 1,310,000 ns/op: worse, slowly"},
		}},
		{Name: "6.12", Env: p.Series[1].Env, Cases: []verdicts.Case{passed("overhead-insn/op")}},
		{Name: "missing", Error: "Linux 7.3 was not measured: it hung."},
	}
	if diff := cmp.Diff(want, p.Suites()); diff != "" {
		t.Errorf("by the changes (-want +got):\n%s", diff)
	}

	// The verdict of the history, where there is one.
	p.Missing = nil
	p.Check = &history.Verdict{
		Outcome: compare.Regression, Unknown: []string{"A in x was in the run before and is missing"},
		Found: []history.Found{{Series: &p.Series[2], Change: history.Change{Before: 7, After: 8, Verdict: history.Undirected}}},
	}
	want[0].Cases = []verdicts.Case{
		passed("overhead-insn/op"),
		{Name: row + "calls-issued", Outcome: verdicts.Skipped, Detail: "7 -> 8 calls-issued: changed"},
		passed("ns/op"),
	}
	want[2] = verdicts.Suite{Name: "could not be told", Cases: []verdicts.Case{
		{Name: "A in x was in the run before and is missing", Outcome: verdicts.Skipped, Detail: "could not be told"},
	}}
	if diff := cmp.Diff(want, p.Suites()); diff != "" {
		t.Errorf("by the verdict (-want +got):\n%s", diff)
	}

	// A series that the newest run lacks has no case, and a comparison has its own.
	p.Check, p.Series = nil, p.Series[:1]
	points := p.Series[0].Points
	p.Series = append(p.Series, history.Series{Row: "old", Unit: "x", Points: points[:2]})
	p.Comparison = comparedWith(t, "BenchmarkProbe/func=sys_getpid/backend=direct 9 27 overhead-insn/op\n")
	if got := len(p.Suites()); got != 1+2 {
		t.Errorf("%d suites, want one of the history and two of the comparison", got)
	}
}

// A verdict of a history counts for more than what can be seen of the changes.
func TestVerdictOfCheck(t *testing.T) {
	p := small(t)
	p.Comparison, p.Missing = nil, nil
	p.Check = &history.Verdict{Outcome: compare.Undecided, Unknown: []string{"why"}}
	v := p.verdict()
	if v.Word != couldNot || v.Class != "unsure" || len(v.Unknown) != 1 || v.Details[0] != "The newest run, dddddddddddd of 2026-11-04, changes nothing." {
		t.Errorf("%+v", v)
	}
}
