// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/bench"
	"kprof-bench/results"
	"kprof-bench/verdicts"
)

func TestSuites(t *testing.T) {
	env := func(release string) []results.Config { return []results.Config{{Key: "kernel", Value: release}} }
	run := func(asked, release string, checks ...bench.Check) *kernelRun {
		return &kernelRun{hostFlags: hostFlags{kernel: asked}, result: &bench.Result{Env: env(release), Checks: checks}}
	}
	held := bench.Check{Name: "a", Verdict: bench.Held, Detail: "1 of 1"}
	runs := []*kernelRun{
		run("6.1-rt", "6.1.0-56-rt-amd64", held,
			bench.Check{Name: "b", Verdict: bench.Failed, Detail: "1 of 2"},
			bench.Check{Name: "c", Verdict: bench.Blunt, Detail: "0 calls"},
			bench.Check{Name: "d", Verdict: bench.NotSupported, Detail: "no BTF"},
			bench.Check{Name: "e", Verdict: bench.NotJudged, Detail: "calls differ"}),
		run("6.1", "6.12.95+deb12-amd64", held), // the machine's own
		run("7.3", "7.3.4", bench.Check{Name: "c", Verdict: bench.Blunt, Detail: "0 calls"}),
		{hostFlags: hostFlags{kernel: "5.10"}, err: errors.New("it hung")},
	}
	want := []verdicts.Suite{
		{Name: "6.1-rt", Env: env("6.1.0-56-rt-amd64"), Cases: []verdicts.Case{
			{Name: "a", Outcome: verdicts.Passed, Detail: "1 of 1"},
			{Name: "b", Outcome: verdicts.Failed, Detail: "1 of 2"},
			{Name: "c", Outcome: verdicts.Skipped, Detail: "catches nothing: 0 calls"},
			{Name: "d", Outcome: verdicts.Skipped, Detail: "not supported: no BTF"},
			{Name: "e", Outcome: verdicts.Skipped, Detail: "not judged: calls differ"},
		}},
		{Name: "6.12.95+deb12-amd64", Env: env("6.12.95+deb12-amd64"), Cases: []verdicts.Case{{Name: "a", Outcome: verdicts.Passed, Detail: "1 of 1"}}},
		{Name: "7.3", Env: env("7.3.4"), Cases: []verdicts.Case{{Name: "c", Outcome: verdicts.Skipped, Detail: "catches nothing: 0 calls"}}, Error: "no check held"},
		{Name: "5.10", Error: "it hung"},
	}
	if diff := cmp.Diff(want, suites(runs)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, r := range runs {
		if good := r.code() == 0; suites(runs)[i].Good() != good {
			t.Errorf("%s: good is %v, want %v as the exit code says", r.kernel, !good, good)
		}
	}
}
