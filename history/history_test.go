// SPDX-License-Identifier: MIT

package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kprof-bench/compare"
	"kprof-bench/results"
)

// night is the time of run n.
func night(n int) time.Time { return time.Date(2026, 11, 1+n, 1, 0, 0, 0, time.UTC) }

// run is a file with one row in one environment.
func run(kernel, clock, unit string, values ...float64) *results.File {
	f := &results.File{
		Env:   []results.Config{{Key: "kernel", Value: kernel}, {Key: "clock", Value: clock}, {Key: "module", Value: fmt.Sprintf("%012x", int(values[0]))}},
		Units: []results.Unit{{Name: unit, Better: "lower", Exact: clock == results.ClockICount}},
	}
	for _, v := range values {
		f.Rows = append(f.Rows, results.Row{Name: "Probe", Params: []results.Param{{Key: "func", Value: "f"}}, Iters: 1, Values: []results.Value{{V: v, Unit: unit}}})
	}
	if !f.Units[0].Exact && f.Units[0].Better == "" {
		f.Units = nil
	}
	return f
}

// add adds a run of night n.
func add(t *testing.T, dir string, n int, files ...*results.File) string {
	t.Helper()
	m := Meta{Time: night(n), Commit: fmt.Sprintf("%040x", n), CommitTime: night(n).Add(-time.Hour), Subject: fmt.Sprintf("commit %d", n)}
	path, err := Append(dir, files, m)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, dir string) *History {
	t.Helper()
	h, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// exactRuns is a history of exact figures.
func exactRuns(t *testing.T, values ...float64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "history")
	for i, v := range values {
		add(t, dir, i, run("6.1", "icount", "overhead-insn/op", v))
	}
	return dir
}

// What is added is read again, in the order of time and not in that in which it was
// added.
func TestAppend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "history")
	path := add(t, dir, 2, run("6.1", "icount", "overhead-insn/op", 26))
	if want := filepath.Join(dir, "20261103T010000Z-000000000000.txt"); path != want {
		t.Errorf("%s, want %s", path, want)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = `date: 2026-11-03T01:00:00Z
commit: 0000000000000000000000000000000000000002
commit-time: 2026-11-03T00:00:00Z
subject: commit 2
rows: 1
kernel: 6.1
clock: icount
module: 00000000001a
Unit overhead-insn/op better=lower assume=exact
BenchmarkProbe/func=f  1  26 overhead-insn/op
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	add(t, dir, 1, run("6.1", "icount", "overhead-insn/op", 25))
	h := open(t, dir)
	if len(h.Runs) != 2 || h.Runs[0].Subject != "commit 1" || h.Runs[1].Subject != "commit 2" || !h.Runs[1].Time.Equal(night(2)) {
		t.Errorf("%+v", h.Runs)
	}
	if !h.Has(fmt.Sprintf("%040x", 1)) || h.Has("1") {
		t.Error("it does not know its commits")
	}
}

// Nothing is replaced, and what cannot be a run is none.
func TestAppendRefuses(t *testing.T) {
	dir := exactRuns(t, 25)
	before := contents(t, dir)
	m := Meta{Time: night(0), Commit: fmt.Sprintf("%040x", 0)}
	_, err := Append(dir, []*results.File{run("6.1", "icount", "overhead-insn/op", 99)}, m)
	if err == nil || !strings.HasSuffix(err.Error(), "is there already, of the same time and commit") {
		t.Errorf("the same run twice: %v", err)
	}
	if _, err := Append(dir, nil, Meta{Time: night(1)}); !errors.Is(err, results.ErrEmpty) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Append(dir, []*results.File{run("6.1", "icount", "x", 1)}, Meta{}); err == nil {
		t.Error("no time: no error")
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("the history is another (-before +after):\n%s", diff)
	}
}

// contents are the files of a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(text)
	}
	return all
}

// Files of one environment in a run are samples of the same rows, and others keep
// theirs.
func TestAppendSeveral(t *testing.T) {
	dir := t.TempDir()
	noisy := func(kernel string, v float64) *results.File {
		f := run(kernel, "kvm", "overhead-ns/op", v)
		f.Env = f.Env[:2]
		return f
	}
	add(t, dir, 0, noisy("6.1", 30), noisy("6.12", 50), noisy("6.1", 32), noisy("6.1", 31))
	all := open(t, dir).Series()
	if len(all) != 2 || all[0].Points[0].Value != 31 || all[0].Points[0].Low != 30 || all[0].Points[0].High != 32 || all[1].Points[0].Value != 50 {
		t.Errorf("%+v", all)
	}
}

func TestOpenErrors(t *testing.T) {
	const good = "date: 2026-11-26T01:00:00Z\nrows: 2\nclock: icount\nBenchmarkA 1 25 insn/op\nBenchmarkB 1 25 insn/op\n"
	for name, test := range map[string]struct{ text, want string }{
		"a cut row":       {good[:len(good)-9], "x.txt:5: missing units"},
		"a cut unit":      {good[:len(good)-2], "x.txt:5: the last line has no end, so that the file is cut"},
		"a lost row":      {good[:len(good)-len("BenchmarkB 1 25 insn/op\n")], "x.txt:4: the file has 1 of 2 rows and ends here"},
		"no row":          {"date: 2026-11-26T01:00:00Z\n", "x.txt: no benchmark rows"},
		"empty":           {"", "x.txt: no benchmark rows"},
		"no number":       {"date: 2026-11-26T01:00:00Z\nBenchmarkA 1 x insn/op\n", "x.txt:2: parsing measurement: invalid syntax"},
		"no date":         {"BenchmarkA 1 25 insn/op\n", `x.txt:1: there must be a line with the time of the run, such as date: 2026-11-26T01:00:00Z, and it is ""`},
		"not a date":      {"date: yesterday\nBenchmarkA 1 25 insn/op\n", `x.txt:1: there must be a line with the time of the run, such as date: 2026-11-26T01:00:00Z, and it is "yesterday"`},
		"another better=": {"date: 2026-11-26T01:00:00Z\nUnit insn/op better=less\nBenchmarkA 1 25 insn/op\n", "x.txt:2: unit insn/op: better is \"less\", must be lower or higher"},
	} {
		dir := exactRuns(t, 25, 26)
		path := filepath.Join(dir, "x.txt")
		if err := os.WriteFile(path, []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, Options{})
		if !errors.Is(err, ErrDamaged) || !strings.HasSuffix(err.Error(), filepath.Join(dir, test.want)) {
			t.Errorf("%s: %v, want it to end in %s", name, err, test.want)
		}
		h, err := Open(dir, Options{SkipDamaged: true})
		if err != nil || len(h.Runs) != 2 || len(h.Damaged) != 1 || !strings.HasSuffix(h.Damaged[0].Error(), test.want) {
			t.Errorf("%s, skipped: %v, %+v", name, err, h)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: the file is gone: %v", name, err)
		}
	}
}

func TestOpenNothing(t *testing.T) {
	for name, dir := range map[string]string{"no directory": filepath.Join(t.TempDir(), "no"), "an empty one": t.TempDir()} {
		if _, err := Open(dir, Options{}); err == nil || !IsEmpty(err) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each difference of an exact figure is a change, with the run that brought it.
func TestExact(t *testing.T) {
	all := open(t, exactRuns(t, 25, 25, 26, 26, 24)).Series()
	if len(all) != 1 || !all[0].Exact || all[0].Row != "Probe/func=f" || len(all[0].Points) != 5 {
		t.Fatalf("%+v", all)
	}
	want := []Change{
		{Step, 1, 2, 25, 26, 0, Regression},
		{Step, 3, 4, 26, 24, 0, Improvement},
	}
	if diff := cmp.Diff(want, all[0].Changes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := all[0].Points[2].Run.Subject; got != "commit 2" {
		t.Errorf("the first change is that of %s", got)
	}
}

// Builds of the suite differ by as much as the slack, from where the last change was.
func TestSlack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	for i, night := range []struct {
		suite string
		value float64
	}{
		{"a", 100}, {"b", 100.9}, {"b", 101}, {"c", 100.5}, {"d", 101.4}, {"e", 101.9}, {"e", 101.9}, {"f", 101},
	} {
		f := run("6.1", "icount", "insn/op", night.value)
		f.Env = append(f.Env, results.Config{Key: "suite", Value: night.suite})
		f.Units[0].Slack = "1%"
		add(t, dir, i, f)
	}
	var got []string
	for _, s := range open(t, dir).Series() {
		for _, c := range s.Changes {
			got = append(got, fmt.Sprintf("%d: %v -> %v", c.At, c.Before, c.After))
		}
	}
	// At 2 the suite is the same. At 4 it is within 1 % of 101, and so is all since.
	if diff := cmp.Diff([]string{"2: 100.9 -> 101"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A figure with a sign is worse if it is further from zero.
func TestSigned(t *testing.T) {
	dir := t.TempDir()
	for i, v := range []float64{-1, -3, 2, 0} {
		f := run("6.1", "icount", "bias-insn/op", v)
		f.Units[0].Better = ""
		add(t, dir, i, f)
	}
	var got []string
	for _, c := range open(t, dir).Series()[0].Changes {
		got = append(got, c.Verdict)
	}
	if diff := cmp.Diff([]string{Regression, Improvement, Improvement}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A kernel that is upgraded begins a series, and that is said; kernels that are
// measured side by side do not.
func TestBreaks(t *testing.T) {
	dir := t.TempDir()
	for i, kernel := range []string{"6.1.0-56", "6.1.0-56", "6.1.0-57", "6.1.0-57"} {
		add(t, dir, i, run(kernel, "icount", "overhead-insn/op", float64(25+i)), run("6.12", "icount", "overhead-insn/op", 50))
	}
	h := open(t, dir)
	want := []Break{{h.Runs[2], []string{"kernel 6.1.0-56 -> 6.1.0-57"}}}
	if diff := cmp.Diff(want, h.Breaks()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var changes [][]Change
	for _, s := range h.Series() {
		changes = append(changes, s.Changes)
	}
	step := func(v float64) []Change { return []Change{{Step, 0, 1, v, v + 1, 0, Regression}} }
	if diff := cmp.Diff([][]Change{step(25), nil, step(27)}, changes, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	flat := []float64{1000, 1004, 997, 1001, 995, 1003, 999, 1006, 1000, 998, 1002, 996, 1005, 1000, 997, 1003, 999, 1001, 998, 1002}
	for name, test := range map[string]struct {
		values  []float64
		clock   string
		outcome compare.Outcome
		found   int
		unknown string
	}{
		"the same":          {[]float64{25, 25}, "icount", compare.NoRegression, 0, ""},
		"worse":             {[]float64{25, 26}, "icount", compare.Regression, 1, ""},
		"better":            {[]float64{26, 25}, "icount", compare.NoRegression, 1, ""},
		"worse long ago":    {[]float64{25, 26, 26}, "icount", compare.NoRegression, 0, ""},
		"one run":           {[]float64{25}, "icount", compare.Undecided, 0, "there is no run before it with the same rows in the same environment"},
		"noise":             {flat, "kvm", compare.NoRegression, 0, ""},
		"short":             {flat[:5], "kvm", compare.Undecided, 0, "Probe/func=f: 5 noisy figures in overhead-ns/op, of which at least 13 are needed"},
		"a step":            {append(flat[:20:20], 1101, 1098, 1100), "kvm", compare.Regression, 1, ""},
		"a step downward":   {append(flat[:20:20], 901, 898, 900), "kvm", compare.NoRegression, 1, ""},
		"a step before":     {append(flat[:20:20], 1101, 1098, 1100, 1099), "kvm", compare.NoRegression, 0, ""},
		"a step or a spike": {append(flat[:20:20], 1101), "kvm", compare.Undecided, 0, "Probe/func=f: 1101 overhead-ns/op is far from 1000 before it, which one run cannot tell from a spike"},
		"a spike":           {append(flat[:20:20], 1101, 1000), "kvm", compare.NoRegression, 0, ""},
	} {
		dir := t.TempDir()
		for i, v := range test.values {
			f := run("6.1", test.clock, results.UnitOn(test.clock, "overhead-insn/op"), v)
			f.Env = f.Env[:2]
			add(t, dir, i, f)
		}
		v := open(t, dir).Check()
		if v.Outcome != test.outcome || len(v.Found) != test.found || strings.Join(v.Unknown, "; ") != test.unknown {
			t.Errorf("%s: %d, %+v, %q, want %d, %d, %q", name, v.Outcome, v.Found, v.Unknown, test.outcome, test.found, test.unknown)
		}
	}
}

// What the last run cannot be compared with is not taken for no change.
func TestCheckEnvironment(t *testing.T) {
	dir := exactRuns(t, 25, 25)
	add(t, dir, 2, run("6.2", "icount", "overhead-insn/op", 99))
	v := open(t, dir).Check()
	if want := []string{"environment changed: kernel 6.1 -> 6.2: there is nothing to compare with"}; v.Outcome != compare.Undecided || !cmp.Equal(v.Unknown, want) {
		t.Errorf("another kernel: %d, %q", v.Outcome, v.Unknown)
	}
	dir = exactRuns(t, 25)
	f := run("6.1", "icount", "overhead-insn/op", 25)
	f.Rows[0].Name = "Other"
	add(t, dir, 1, f)
	v = open(t, dir).Check()
	if want := []string{"Probe/func=f in overhead-insn/op was in the run before and is missing"}; v.Outcome != compare.Undecided || !cmp.Equal(v.Unknown, want) {
		t.Errorf("another row: %d, %q", v.Outcome, v.Unknown)
	}
}
