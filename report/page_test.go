// SPDX-License-Identifier: MIT

package report

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"kprof-bench/history"
	"kprof-bench/results"
)

// small is a page that has one of each.
func small(t *testing.T) *Page {
	var runs []*history.Run
	for i, commit := range []string{"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "", "dddddddddddddddd"} {
		runs = append(runs, &history.Run{File: "night" + string(rune('1'+i)) + ".txt", Time: time.Date(2026, 11, 1+i, 3, 0, 0, 0, time.UTC), Commit: commit, Subject: "profiler: part " + string(rune('1'+i))})
	}
	env := func(kernel string) []results.Config {
		return []results.Config{{Key: "kernel", Value: kernel}, {Key: "clock", Value: "icount"}}
	}
	series := func(kernel, unit, better string, values ...float64) history.Series {
		s := history.Series{Env: env(kernel), Row: "Probe/func=sys_getpid/backend=direct", Unit: unit, Better: better, Exact: true}
		for i, v := range values {
			if !math.IsNaN(v) {
				s.Points = append(s.Points, history.Point{Run: runs[i], Value: v, Low: v, High: v})
			}
		}
		return s
	}
	worse := series("6.1", "overhead-insn/op", "lower", 25, 25, 25, 1029.5)
	worse.Changes = []history.Change{{From: 2, At: 3, Before: 25, After: 1029.5, Verdict: "regression"}}
	better := series("6.12", "overhead-insn/op", "lower", math.NaN(), 323, 278, 278)
	better.Changes = []history.Change{{From: 0, At: 1, Before: 323, After: 278, Verdict: "improvement"}}
	once := series("6.1", "calls-issued", "", 7, 8, 7, 7)
	once.Changes = []history.Change{{Kind: history.Spike, From: 0, At: 1, Before: 7, After: 8, Verdict: "change"}}
	noisy := series("6.1", "ns/op", "lower", 1e6, 1.1e6, 1.2e6, 1.31e6)
	noisy.Exact, noisy.Changes = false, []history.Change{{Kind: history.Drift, From: 0, At: 3, Before: 1e6, After: 1.31e6, P: 0.01, Verdict: "regression"}}
	return &Page{
		Series: []history.Series{worse, better, once, noisy}, Missing: []string{"Linux 7.3 was not measured: it hung."},
		Comparison: comparedWith(t, "BenchmarkProbe/func=sys_getpid/backend=direct 9 27 overhead-insn/op\n"),
		Files:      []File{{"night4.txt", "kernel: 6.1\n"}},
	}
}

func TestVerdict(t *testing.T) {
	same := "BenchmarkProbe/func=sys_getpid/backend=direct 9 25 overhead-insn/op\nBenchmarkProbe/func=sys_read/backend=direct 9 29 overhead-insn/op\n"
	worse := strings.Replace(same, " 25 ", " 26 ", 1)
	fewer := strings.SplitAfter(same, "\n")[0]
	quiet := func(p *Page) {
		for i := range p.Series {
			p.Series[i].Changes = nil
		}
	}
	for name, test := range map[string]struct {
		change func(p *Page)
		word   string
		class  string
		says   string
	}{
		"all":              {func(*Page) {}, "REGRESSION", "bad", "The newest run, dddddddddddd of 2026-11-04, changes 2 series for the worse."},
		"history alone":    {func(p *Page) { p.Comparison, p.Missing = nil, nil }, "REGRESSION", "bad", "The 3 runs before it: 1 series for the better, 1 series without a direction."},
		"an older one":     {func(p *Page) { p.Comparison, p.Missing = nil, nil; p.Series = p.Series[1:3] }, "NO REGRESSION", "good", "changes nothing."},
		"something lacks":  {func(p *Page) { p.Comparison = nil; quiet(p) }, "INCOMPLETE", "unsure", "changes nothing."},
		"compared, worse":  {func(p *Page) { p.Comparison = comparedWith(t, worse); quiet(p) }, "REGRESSION", "bad", "Compared with old.txt: 2 comparisons, 1 worse."},
		"compared, same":   {func(p *Page) { p.Comparison = comparedWith(t, same); p.Missing = nil; quiet(p) }, "NO REGRESSION", "good", "Compared with old.txt: 2 comparisons."},
		"compared, fewer":  {func(p *Page) { p.Comparison = comparedWith(t, fewer); quiet(p) }, "COULD NOT TELL", "unsure", "1 missing in NEW."},
		"history is worse": {func(p *Page) { p.Comparison = comparedWith(t, same) }, "REGRESSION", "bad", "2 comparisons."},
		"nothing compared": {func(p *Page) { p.Comparison = comparedWith(t, "BenchmarkOther 1 1 x\n"); quiet(p) }, "NOTHING COMPARED", "unsure", "0 comparisons"},
	} {
		t.Run(name, func(t *testing.T) {
			p := small(t)
			test.change(p)
			v := p.verdict()
			if v.Word != test.word || v.Class != test.class || !strings.Contains(strings.Join(v.Details, "\n"), test.says) {
				t.Errorf("%+v, want %s (%s) that says %q", v, test.word, test.class, test.says)
			}
		})
	}
}

func TestLabels(t *testing.T) {
	env := func(words ...string) history.Series {
		var s history.Series
		for _, w := range words {
			key, v, _ := strings.Cut(w, " ")
			s.Env = append(s.Env, results.Config{Key: key, Value: v})
		}
		return s
	}
	all := []history.Series{
		env("kernel 6.1", "clock icount", "qemu 7"), env("kernel 6.1", "clock icount", "qemu 8"), env("kernel 6.12", "clock tcg", "qemu 7"), env("clock kvm"),
	}
	l := newLabels(all)
	for i, want := range []string{"6.1, qemu 7", "6.1, qemu 8", "6.12, qemu 7", "kernel not said"} {
		if got := l.of(all[i]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		v     float64
		exact bool
		want  string
	}{
		{25, true, "25"}, {-1234567.5, true, "-1,234,567.5"}, {123, true, "123"}, {-123, true, "-123"}, {0, true, "0"}, {89386032, true, "89,386,032"},
		{0.1 + 0.2, true, "0.3"}, {1234567.8, false, "1,234,568"}, {3.14159265, false, "3.1416"}, {1e-9, true, "1e-09"}, {2.5e16, true, "2.5e+16"},
	} {
		if got := value(c.v, c.exact); got != c.want {
			t.Errorf("%v: %q, want %q", c.v, got, c.want)
		}
	}
	for _, c := range []struct {
		before, after float64
		want          string
	}{{25, 26, "+4.00 %"}, {-2, -1, "+50.00 %"}, {0, 3, ""}, {3, 3, ""}, {1e6, 1e6 + 1, "+0.0001 %"}, {1, 22.5, "+2,150 %"}, {1, -22.5, "-2,350 %"}} {
		if got := percent(c.before, c.after); got != c.want {
			t.Errorf("%v to %v: %q, want %q", c.before, c.after, got, c.want)
		}
	}
}

// A small chart leaves out points that lie on its line, and no others.
func TestSpark(t *testing.T) {
	runs := map[*history.Run]int{}
	var s history.Series
	for i, v := range []float64{10, 10, 10, 20, 20, 20, 15} {
		r := &history.Run{}
		runs[r] = i
		s.Points = append(s.Points, history.Point{Run: r, Value: v})
	}
	s.Changes = []history.Change{{At: 3, Verdict: "regression"}, {At: 6, Verdict: "improvement"}}
	got := newSpark(s, runs)
	if want := "M5 23L55 23L80 5L130 5L155 14"; got.Line != want {
		t.Errorf("line %s, want %s", got.Line, want)
	}
	if len(got.Marks) != 2 || got.Marks[0] != (sparkMark{"worse", "M80 1l4 7h-8z"}) || got.Marks[1].Class != "better" {
		t.Errorf("marks %+v", got.Marks)
	}
	if got.Says != "7 runs from 10 to 15, 2 changes" {
		t.Errorf("says %q", got.Says)
	}
}

// What changed comes first, and not more is unfolded than can be looked at.
func TestSections(t *testing.T) {
	p := small(t)
	runs := map[*history.Run]int{}
	for i, r := range p.runs() {
		runs[r] = i
	}
	quiet := p.Series[0]
	quiet.Unit, quiet.Changes = "base-insn/op", nil
	p.Series = append([]history.Series{quiet}, p.Series...)
	var got []string
	for _, s := range p.sections(p.kernels(), runs) {
		got = append(got, s.Unit+" "+strconv.FormatBool(s.Open))
	}
	if want := "overhead-insn/op true, calls-issued true, ns/op true, base-insn/op false"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}
	for range mostShown {
		p.Series = append(p.Series, p.Series[1])
	}
	all := p.sections(p.kernels(), runs)
	if all[0].Open || !all[1].Open || !all[0].Rows[1].Again {
		t.Errorf("%d rows of %s are unfolded", len(all[0].Rows), all[0].Unit)
	}
}
