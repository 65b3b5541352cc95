// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kprof-bench/history"
	"kprof-bench/night"
	"kprof-bench/results"
)

// measuredAt is what a kernel's night found: what a probe costs.
func measuredAt(release string, overhead float64) *results.File {
	return &results.File{
		Env:   []results.Config{{Key: "kernel", Value: release}, {Key: "clock", Value: "icount"}},
		Units: []results.Unit{{Name: "overhead-insn/op", Better: "lower", Exact: true}},
		Rows: []results.Row{{Name: "Probe", Params: []results.Param{{Key: "func", Value: "f"}}, Iters: 1,
			Values: []results.Value{{V: overhead, Unit: "overhead-insn/op"}}}},
	}
}

// What was measured of a night is judged by the night before, and what is missing is
// said, in the report too.
func TestNightlyFrom(t *testing.T) {
	before := []*results.File{measuredAt("6.1.0-56-amd64", 25), measuredAt("6.12.95-amd64", 25)}
	oopsed := night.Failure{Kernel: "6.12", Code: 3, Why: "the guest ended with kernel oops: BUG"}
	full := night.Failure{Kernel: "6.12", Code: 2, Why: "no space left on device"}
	for name, test := range map[string]struct {
		before  []*results.File
		night   []*results.File // of 6.1 and 6.12
		failed  []night.Failure
		damaged bool
		code    int
		stdout  []string
		report  string
		runs    int // in the history afterwards
	}{
		"nothing new":      {before, before, nil, false, 0, []string{"NO REGRESSION"}, "NO REGRESSION", 2},
		"worse":            {before, []*results.File{before[0], measuredAt("6.12.95-amd64", 26)}, nil, false, 1, []string{"REGRESSION", "25 -> 26"}, "REGRESSION", 2},
		"the first night":  {nil, before, nil, false, 2, []string{"no run before"}, "", 1},
		"another kernel":   {before, []*results.File{before[0], measuredAt("6.12.96-amd64", 26)}, nil, false, 2, []string{"6.12.95-amd64 -> 6.12.96-amd64"}, "", 2},
		"an oops":          {before, before[:1], []night.Failure{oopsed}, false, 1, []string{"MISSING: Linux 6.12: the guest ended with kernel oops"}, "kernel oops: BUG", 2},
		"a full disk":      {before, before[:1], []night.Failure{full}, false, 2, []string{"MISSING: Linux 6.12: no space"}, "no space left", 2},
		"one not begun":    {before, before[:1], nil, false, 2, []string{"MISSING: Linux 6.12: it was not measured"}, "was not measured", 2},
		"nothing measured": {before, nil, []night.Failure{full}, false, 3, []string{"MISSING: Linux 6.1:"}, "no space left", 1},
		"damaged history":  {before, before, nil, true, 2, []string{"NO REGRESSION"}, "left out", 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			past, from, out := filepath.Join(dir, "history"), filepath.Join(dir, "from"), filepath.Join(dir, "out")
			if test.before != nil {
				if _, err := history.Append(past, test.before, history.Meta{Time: time.Now().Add(-24 * time.Hour)}); err != nil {
					t.Fatal(err)
				}
			}
			if test.damaged {
				if err := os.WriteFile(filepath.Join(past, "20200101T000000Z.txt"), []byte("BenchmarkX\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := night.Begin(from, nil); err != nil {
				t.Fatal(err)
			}
			for i, f := range test.night {
				if err := night.Keep(from, []string{"6.1", "6.12"}[i], f); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range test.failed {
				if err := night.Fail(from, f); err != nil {
					t.Fatal(err)
				}
			}
			var stdout, stderr bytes.Buffer
			code := Main(t.Context(), []string{"nightly", "--kernel", "6.1,6.12", "--from", from, "--history", past, "--out", out}, &stdout, &stderr)
			said{code, stdout.String(), stderr.String()}.must(t, test.code, test.stdout, nil)
			for _, name := range []string{"report.html", "summary.md"} {
				text, err := os.ReadFile(filepath.Join(out, name))
				if err != nil || !strings.Contains(string(text), test.report) {
					t.Errorf("%s: %v, does not say %q", name, err, test.report)
				}
			}
			h, err := history.Open(past, history.Options{SkipDamaged: true})
			if err != nil || len(h.Runs) != test.runs {
				t.Errorf("%v: the history has %d runs, want %d", err, len(h.Runs), test.runs)
			}
		})
	}
}

func TestNightlyRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, want string }{
		{"--from " + dir + " --measure", "leave one of them out"},
		{"--from " + dir + " --seed 2", "--seed says how to measure"},
		{"--from " + file, "not a directory"},
		{"--from " + dir + "/none", "no such file"},
		{"--kernel 4.19", "no kernel \"4.19\""},
		{"--kernel-image x --headers y", "a history is of Debian's kernels"},
		{"--out " + file + "/night", "--out"},
		{"now", "unknown command"},
	} {
		var stdout, stderr bytes.Buffer
		args := append([]string{"nightly", "--history", filepath.Join(dir, "history")}, strings.Fields(test.args)...)
		if code := Main(t.Context(), args, &stdout, &stderr); code != 3 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("nightly %s: exit code %d, %q does not say %q", test.args, code, stderr.String(), test.want)
		}
	}
}
