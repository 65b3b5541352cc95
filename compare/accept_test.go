// SPDX-License-Identifier: MIT

package compare

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadAccept(t *testing.T) {
	const text = `# what is known
Probe/func=sys_getpid/*  overhead-insn/op  until 2027-01-31: a counter more

  BenchmarkLeakScan/* * until 2026-12-01:   why: it says so
A to  to  26.5 until 2026-12-01: no more
`
	limit := 26.5
	got, err := ReadAccept(strings.NewReader(text), "known")
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{2, "Probe/func=sys_getpid/*", "overhead-insn/op", nil, "2027-01-31", "a counter more"},
		{4, "LeakScan/*", "*", nil, "2026-12-01", "why: it says so"},
		{5, "A", "to", &limit, "2026-12-01", "no more"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadAcceptErrors(t *testing.T) {
	const shape = "read accepted changes: known:2: must be ROW UNIT [to VALUE] until YYYY-MM-DD: REASON"
	for line, want := range map[string]string{
		"A x until 2027-02-30: why":       `read accepted changes: known:2: "2027-02-30" is no day; write it as YYYY-MM-DD`,
		"A x until 27-02-01: why":         `read accepted changes: known:2: "27-02-01" is no day; write it as YYYY-MM-DD`,
		"A x until 2027-02-01:  ":         "read accepted changes: known:2: the reason is missing",
		"A x until 2027-02-01":            shape,
		"A until 2027-02-01: why":         shape,
		"A x 2027-02-01: why":             shape,
		"A x y until 2027-01-01: so":      shape,
		"A x to until 2027-01-01: so":     shape,
		"A x to y until 2027-01-01: so":   `read accepted changes: known:2: "y" is no value`,
		"A x to NaN until 2027-01-01: so": `read accepted changes: known:2: "NaN" is no value`,
	} {
		if _, err := ReadAccept(strings.NewReader("# one\n"+line+"\n"), "known"); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", line, err, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"A/n=1", "A/n=1", true}, {"A/n=1", "A/n=10", false}, {"A", "BA", false},
		{"A/*", "A/n=1/m=2", true}, {"*/m=2", "A/n=1/m=2", true}, {"A/n=?", "A/n=1", true}, {"A/n=?", "A/n=10", false},
		{"A.B", "AxB", false}, {"A+hist", "A+hist", true}, {"*", "", true},
	} {
		if got := Matches(test.pattern, test.text); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.text, got)
		}
	}
}

func TestAccept(t *testing.T) {
	const old = exactPlace + "BenchmarkA 1 411 overhead-insn/op 68 true-insn/op\n"
	const next = exactPlace + "BenchmarkA 1 412 overhead-insn/op 67 true-insn/op\n"
	const both = "A overhead-insn/op until 2026-11-26: known\nA true-insn/op until 2099-01-01: known too\n"
	for name, test := range map[string]struct {
		old, next, text string
		outcome         Outcome
		accepted        int
		expired, unused int
	}{
		"all":                         {old, next, both, NoRegression, 2, 0, 0},
		"one of two":                  {old, next, "A overhead* until 2026-11-26: known", Undecided, 1, 0, 0},
		"expired since yesterday":     {old, next, "A * until 2026-11-25: known", Regression, 0, 1, 0},
		"of another row":              {old, next, "B * until 2026-11-26: known", Regression, 0, 0, 1},
		"of another unit":             {old, next, "A missed until 2026-11-26: known", Regression, 0, 0, 1},
		"of what is better is unused": {next, old, "A overhead* until 2026-11-26: known", Undecided, 0, 0, 1},
		"to its value":                {old, next, "A overhead* to 412 until 2026-11-26: known\nA true* to 67 until 2026-11-26: known", NoRegression, 2, 0, 0},
		"better than its value":       {old, next, "A overhead* to 500 until 2026-11-26: known\nA true* to 67 until 2026-11-26: known", NoRegression, 2, 0, 0},
		"worse than its value":        {old, next, "A overhead* to 411.5 until 2026-11-26: known\nA true* to 67 until 2026-11-26: known", Regression, 1, 0, 0},
		"another, undirected":         {old, next, "A overhead* to 412 until 2026-11-26: known\nA true* to 66 until 2026-11-26: known", Undecided, 1, 0, 0},
		"what could not be told": {
			exactPlace + "BenchmarkA 1 1 recall\n", exactPlace + "BenchmarkA 1 1 recall\nBenchmarkA 1 2 recall\n",
			"A recall until 2026-11-26: known", Undecided, 0, 0, 1,
		},
	} {
		list, err := ReadAccept(strings.NewReader(test.text), "known")
		if err != nil {
			t.Fatal(err)
		}
		o := usual()
		o.Accept = list
		r := compared(t, test.old, test.next, o)
		if r.Outcome != test.outcome || r.accepted() != test.accepted || len(r.Expired) != test.expired || len(r.Unused) != test.unused {
			t.Errorf("%s: outcome %d, %d accepted, %d expired, %d unused", name, r.Outcome, r.accepted(), len(r.Expired), len(r.Unused))
		}
	}
}
