// SPDX-License-Identifier: MIT

package compare

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var today = time.Date(2026, 11, 26, 23, 0, 0, 0, time.UTC)

// usual are the options that the command has without flags.
func usual() Options { return Options{Alpha: DefaultAlpha, Floor: DefaultFloor, Today: today} }

func read(t *testing.T, name, text string) *Set {
	t.Helper()
	s, err := Read(strings.NewReader(text), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func compared(t *testing.T, old, next string, o Options) *Report {
	t.Helper()
	r, err := Compare(read(t, "old.txt", old), read(t, "new.txt", next), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const exactPlace = "kernel: 6.1\nclock: icount\n" +
	"Unit overhead-insn/op better=lower assume=exact\nUnit recall better=higher assume=exact\n"

// repeated are rows of one benchmark on a clock that is not exact.
func repeated(values ...float64) string {
	var b strings.Builder
	b.WriteString("clock: tcg\n")
	for _, v := range values {
		fmt.Fprintf(&b, "BenchmarkRun 1 %v ns/op\n", v)
	}
	return b.String()
}

func TestVerdicts(t *testing.T) {
	partial, fine, strict := usual(), usual(), usual()
	partial.Partial, fine.Floor, strict.Alpha = true, 0.0001, 0.001
	for name, test := range map[string]struct {
		old, next string
		o         Options
		outcome   Outcome
		verdicts  []string // of the comparisons, with why
	}{
		"exact and equal": {
			exactPlace + "BenchmarkA 1 411 overhead-insn/op\n", exactPlace + "BenchmarkA 1 411 overhead-insn/op\n",
			usual(), NoRegression, []string{"same"},
		},
		"one instruction more": {
			exactPlace + "BenchmarkA 1 341797646 overhead-insn/op\n", exactPlace + "BenchmarkA 1 341797647 overhead-insn/op\n",
			usual(), Regression, []string{"worse"},
		},
		"one instruction less": {
			exactPlace + "BenchmarkA 1 411 overhead-insn/op\n", exactPlace + "BenchmarkA 1 410 overhead-insn/op\n",
			usual(), NoRegression, []string{"better"},
		},
		"higher is better": {
			exactPlace + "BenchmarkA 1 1 recall\n", exactPlace + "BenchmarkA 1 0.999 recall\n",
			usual(), Regression, []string{"worse"},
		},
		"from zero": {
			exactPlace + "BenchmarkA 1 0 overhead-insn/op\n", exactPlace + "BenchmarkA 1 1 overhead-insn/op\n",
			usual(), Regression, []string{"worse"},
		},
		"nobody says what is better": {
			exactPlace + "BenchmarkA 1 68 true-insn/op\n", exactPlace + "BenchmarkA 1 67 true-insn/op\n",
			usual(), Undecided, []string{"changed: no better= says which direction is worse"},
		},
		"a regression comes before what could not be told": {
			exactPlace + "BenchmarkA 1 68 true-insn/op 25 overhead-insn/op\n", exactPlace + "BenchmarkA 1 67 true-insn/op 26 overhead-insn/op\n",
			usual(), Regression, []string{"changed: no better= says which direction is worse", "worse"},
		},
		"the exact clock makes units exact": {
			"clock: icount\nBenchmarkA 1 5 ns/op\n", "clock: icount\nBenchmarkA 1 6 ns/op\n",
			usual(), Regression, []string{"worse"},
		},
		"unless they say otherwise": {
			"clock: icount\nUnit ns/op assume=nothing\nBenchmarkA 1 5 ns/op\n", "clock: icount\nBenchmarkA 1 6 ns/op\n",
			usual(), Undecided, []string{"could not tell: 1 sample, at least 4 are needed"},
		},
		"exact on another clock": {
			"clock: tcg\nUnit missed better=lower assume=exact\nBenchmarkA 1 0 missed\n", "clock: tcg\nBenchmarkA 1 1 missed\n",
			usual(), Regression, []string{"worse"},
		},
		"exact values that do not repeat": {
			exactPlace + "BenchmarkA 1 411 overhead-insn/op\n", exactPlace + "BenchmarkA 1 411 overhead-insn/op\nBenchmarkA 1 413 overhead-insn/op\n",
			usual(), Undecided, []string{"could not tell: exact values differ from 411 to 413 in NEW alone"},
		},
		"noise": {
			repeated(100, 104, 98, 101, 99, 103), repeated(101, 99, 103, 98, 104, 100),
			usual(), NoRegression, []string{"same"},
		},
		"slower beyond noise": {
			repeated(100, 104, 98, 101, 99, 103), repeated(110, 114, 108, 111, 109, 113),
			usual(), Regression, []string{"worse"},
		},
		"faster beyond noise": {
			repeated(110, 114, 108, 111, 109, 113), repeated(100, 104, 98, 101, 99, 103),
			usual(), NoRegression, []string{"better"},
		},
		"significant and too small": {
			repeated(1000, 1001, 1002, 1003, 1004, 1005), repeated(1006, 1007, 1008, 1009, 1010, 1011),
			usual(), NoRegression, []string{"same: significant, but below the floor of 1%"},
		},
		"significant and above a lower floor": {
			repeated(1000, 1001, 1002, 1003, 1004, 1005), repeated(1006, 1007, 1008, 1009, 1010, 1011),
			fine, Regression, []string{"worse"},
		},
		"three samples": {
			repeated(100, 101, 102), repeated(200, 201, 202),
			usual(), Undecided, []string{"could not tell: 3 samples, at least 4 are needed"},
		},
		"samples enough only for a milder test": {
			repeated(100, 101, 102, 103, 104, 105), repeated(200, 201, 202, 203, 204, 205),
			strict, Undecided, []string{"could not tell: 6 samples, at least 7 are needed"},
		},
		"samples of unlike numbers": {
			repeated(100), repeated(200, 201, 202, 203, 204, 205),
			usual(), Undecided, []string{"could not tell: 1 and 6 samples, at least 4 are needed"},
		},
		"ns and sec are one unit": {
			exactPlace + "BenchmarkA 1 500000000 ns/op\n", exactPlace + "BenchmarkA 1 0.5 sec/op\n",
			usual(), NoRegression, []string{"same"},
		},
		"zero ns and some sec": {
			exactPlace + "BenchmarkA 1 0 ns/op\n", exactPlace + "BenchmarkA 1 0.5 sec/op\n",
			usual(), Regression, []string{"worse"},
		},
		"another kernel": {
			"kernel: 6.1\nclock: icount\nBenchmarkA 1 5 ns/op\n", "kernel: 6.12\nclock: icount\nBenchmarkA 1 6 ns/op\n",
			usual(), Failed, nil,
		},
		"another kernel among others": {
			"clock: icount\nBenchmarkB 1 5 ns/op\nkernel: 6.1\nBenchmarkA 1 5 ns/op\n",
			"clock: icount\nBenchmarkB 1 5 ns/op\nkernel: 6.12\nBenchmarkA 1 6 ns/op\n",
			usual(), Undecided, []string{"same"},
		},
		"each on its own kernel": {
			"clock: icount\nkernel: 6.1\nBenchmarkA 1 5 ns/op\nkernel: 6.12\nBenchmarkA 1 9 ns/op\n",
			"clock: icount\nkernel: 6.12\nBenchmarkA 1 9 ns/op\nkernel: 6.1\nBenchmarkA 1 5 ns/op\n",
			usual(), NoRegression, []string{"same", "same"},
		},
		"nothing in both": {
			"clock: icount\nBenchmarkA 1 5 ns/op\n", "clock: icount\nBenchmarkB 1 5 ns/op\n",
			usual(), Failed, nil,
		},
		"a row is gone": {
			"clock: icount\nBenchmarkA 1 5 ns/op\nBenchmarkB 1 5 ns/op\n", "clock: icount\nBenchmarkA 1 5 ns/op\n",
			usual(), Undecided, []string{"same"},
		},
		"a row is gone as it may": {
			"clock: icount\nBenchmarkA 1 5 ns/op\nBenchmarkB 1 5 ns/op\n", "clock: icount\nBenchmarkA 1 5 ns/op\n",
			partial, NoRegression, []string{"same"},
		},
		"a unit is gone": {
			"clock: icount\nBenchmarkA 1 5 ns/op 1 recall\n", "clock: icount\nBenchmarkA 1 5 ns/op\n",
			usual(), Undecided, []string{"same"},
		},
		"a row is new": {
			"clock: icount\nBenchmarkA 1 5 ns/op\n", "clock: icount\nBenchmarkA 1 5 ns/op\nBenchmarkB 1 5 ns/op\n",
			usual(), NoRegression, []string{"same"},
		},
		"modules may differ": {
			"clock: icount\nmodule: a\nBenchmarkA 1 5 ns/op\n", "clock: icount\nmodule: b\nBenchmarkA 1 5 ns/op\n",
			usual(), NoRegression, []string{"same"},
		},
		"other keys tell rows apart": {
			"clock: icount\nvariant: a\nBenchmarkA 1 5 ns/op\nvariant: b\nBenchmarkA 1 6 ns/op\n",
			"clock: icount\nvariant: a\nBenchmarkA 1 5 ns/op\nvariant: b\nBenchmarkA 1 7 ns/op\n",
			usual(), Regression, []string{"same", "worse"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := compared(t, test.old, test.next, test.o)
			if r.Outcome != test.outcome {
				t.Errorf("outcome %d, want %d", r.Outcome, test.outcome)
			}
			var got []string
			for _, c := range r.Comparisons {
				got = append(got, c.verdict())
			}
			if diff := cmp.Diff(test.verdicts, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What different builds of the suite make differ is no change, and from one build
// any difference is.
func TestSlack(t *testing.T) {
	file := func(suite, value string) string {
		if suite != "" {
			suite = "suite: " + suite + "\n"
		}
		return "kernel: 6.1\nclock: icount\n" + suite + "Unit insn/word better=lower assume=exact slack=1%\nBenchmarkScan 1 " + value + " insn/word\n"
	}
	for _, test := range []struct {
		old, next, value string
		want             Verdict
	}{
		{"a", "a", "2.001", Worse},
		{"a", "b", "2.001", Same},
		{"a", "b", "1.985", Same},
		{"a", "b", "2.03", Worse},
		{"a", "b", "1.97", Better},
		{"", "", "2.001", Same},
		{"a", "", "2.03", Worse},
	} {
		r := compared(t, file(test.old, "2"), file(test.next, test.value), usual())
		if got := r.Comparisons[0].Verdict; got != test.want {
			t.Errorf("2 of suite %q and %s of %q: %s, want %s", test.old, test.value, test.next, got, test.want)
		}
	}
	if _, err := Read(strings.NewReader(strings.Replace(file("a", "2"), "1%", "much", 1)), "x.txt"); err == nil || !strings.Contains(err.Error(), "slack") {
		t.Errorf("error %v for a slack that is none", err)
	}
}

// What go test prints is read as it is, all packages of it.
func TestGoTest(t *testing.T) {
	const text = `goos: linux
goarch: amd64
pkg: kprof-bench/%s
cpu: Some CPU
BenchmarkRead
BenchmarkRead/small-2         	 5000000	       %d ns/op	  64 B/op	 1 allocs/op
--- BENCH: BenchmarkRead/small-2
    a line of a log
PASS
ok  	kprof-bench/%[1]s	1.5s
`
	of := func(a, b int) string {
		var all strings.Builder
		for i := range 6 {
			fmt.Fprintf(&all, text, "a", a+i)
			fmt.Fprintf(&all, text, "b", b+i)
		}
		return all.String()
	}
	r := compared(t, of(200, 300), of(200, 400), usual())
	var got []string
	for _, c := range r.Comparisons {
		got = append(got, fmt.Sprint(asMap(c.Env)["pkg"], " ", c.Row, " ", c.Unit, " ", c.Better, " ", c.Verdict))
	}
	want := []string{
		"kprof-bench/a Read/small-2 ns/op lower same", "kprof-bench/a Read/small-2 B/op lower same", "kprof-bench/a Read/small-2 allocs/op lower same",
		"kprof-bench/b Read/small-2 ns/op lower worse", "kprof-bench/b Read/small-2 B/op lower same", "kprof-bench/b Read/small-2 allocs/op lower same",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// It is said of every row why it is not compared.
func TestApart(t *testing.T) {
	const old = "cpu: X\nclock: icount\nkernel: 5.10\nBenchmarkA 1 5 ns/op\nkernel: 6.1\nqemu: 7\nBenchmarkA 1 5 ns/op\nBenchmarkC 1 1 ns/op\n"
	const next = "cpu: X\nclock: icount\nkernel: 6.1\nqemu: 8\nBenchmarkA 1 5 ns/op\nBenchmarkD 1 5 ns/op\n"
	r := compared(t, old, next, usual())
	// Not held against that of 5.10, which differs in more.
	if diff := cmp.Diff([]Apart{{"A", "qemu is 7 in OLD and 8 in NEW"}}, r.Apart); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := lones(r.OnlyOld); len(got) != 2 || !strings.HasPrefix(got[0], "A, kernel 5.10") || !strings.HasPrefix(got[1], "C, kernel 6.1") {
		t.Errorf("only in OLD: %q", got)
	}
	if got := lones(r.OnlyNew); len(got) != 1 || !strings.HasPrefix(got[0], "D, kernel 6.1") {
		t.Errorf("only in NEW: %q", got)
	}
}

func TestBadFiles(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":            {"", "read results: f: no benchmark rows"},
		"no rows":          {"PASS\nok\n", "read results: f: no benchmark rows"},
		"cut":              {"BenchmarkA 1 5\n", "read results: f:1: missing units"},
		"no number":        {"kernel: 1\nBenchmarkA 1 x ns/op\n", "read results: f:2: parsing measurement: invalid syntax"},
		"not a number":     {"BenchmarkA 1 NaN ns/op\n", "read results: f:1: ns/op is NaN, which is no measurement"},
		"infinite":         {"BenchmarkA 1 +Inf ns/op\n", "read results: f:1: ns/op is +Inf, which is no measurement"},
		"unit twice":       {"BenchmarkA 1 5 ns/op 6 sec/op\n", "read results: f:1: unit sec/op is there twice"},
		"misspelt better":  {"Unit x better=low\nBenchmarkA 1 5 x\n", `read results: f:1: unit x: better is "low", must be lower or higher`},
		"misspelt assume":  {"Unit x assume=Exact\nBenchmarkA 1 5 x\n", `read results: f:1: unit x: assume is "Exact", must be exact or nothing`},
		"unit that argues": {"Unit x better=lower\nUnit x better=higher\nBenchmarkA 1 5 x\n", "read results: f:2: metadata better of unit x already set to lower"},
	} {
		if _, err := Read(strings.NewReader(test.text), "f"); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}

func TestContradictions(t *testing.T) {
	for name, test := range map[string]struct{ old, next, want string }{
		"of units": {
			"Unit x better=lower\nBenchmarkA 1 5 x\n", "Unit x better=higher\nBenchmarkA 1 5 x\n",
			`unit x: better is "lower" in old.txt and "higher" in new.txt`,
		},
		"of revisions": {
			"module: a\nBenchmarkA 1 5 x\nmodule: b\nBenchmarkA 1 5 x\n", "BenchmarkA 1 5 x\n",
			`old.txt: row A is there with module "a" and "b"; put each into a file of its own`,
		},
	} {
		_, err := Compare(read(t, "old.txt", test.old), read(t, "new.txt", test.next), usual())
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}

// Files that are read one by one are samples together.
func TestAdd(t *testing.T) {
	old, next := read(t, "old", repeated(100, 101)), read(t, "new", repeated(200, 201))
	for i := range 2 {
		for set, base := range map[*Set]float64{old: 100, next: 200} {
			if err := set.Add(read(t, "more", repeated(base+float64(2+2*i), base+float64(3+2*i)))); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := Compare(old, next, usual())
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Comparisons[0]; c.Verdict != Worse || c.Old.N != 6 || c.New.N != 6 || c.Old.Value != 102.5 || c.New.Value != 202.5 {
		t.Errorf("%s: %+v, %+v", c.verdict(), c.Old, c.New)
	}
	if err := old.Add(read(t, "other", "Unit x better=lower\nBenchmarkA 1 1 x\n")); err != nil {
		t.Error(err)
	}
	if err := old.Add(read(t, "other", "Unit x better=higher\nBenchmarkA 1 1 x\n")); err == nil {
		t.Error("no error for files that contradict each other")
	}
}
