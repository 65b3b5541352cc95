// SPDX-License-Identifier: MIT

package plots

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/history"
	"kprof-bench/results"
)

// sample are series that have each kind of change; nothing was measured.
func sample() []history.Series {
	var runs []*history.Run
	for i := range 40 {
		runs = append(runs, &history.Run{
			File: fmt.Sprintf("%02d.txt", i), Time: time.Date(2026, 9, 1+i, 2, 0, 0, 0, time.UTC),
			Commit: fmt.Sprintf("%08x", 0x1234567*uint32(i+7)), Subject: fmt.Sprintf("change %d", i),
		})
	}
	env := func(clock string) []results.Config {
		return []results.Config{{Key: "kernel", Value: "6.1.0-56-amd64"}, {Key: "clock", Value: clock}}
	}
	exact := history.Series{Env: env("icount"), Row: "Probe/func=sys_getpid/backend=direct/rate=10000-per-s", Unit: "overhead-insn/op", Better: "lower", Exact: true}
	for i, r := range runs {
		v := map[bool]float64{i < 12: 25, i >= 12 && i < 14: 29, i >= 14: 27}[true]
		if i == 33 {
			v = 40
		}
		exact.Points = append(exact.Points, history.Point{Run: r, Value: v, Low: v, High: v})
	}
	exact.Changes = []history.Change{
		{Kind: history.Step, From: 11, At: 12, Before: 25, After: 29, Verdict: "regression"},
		{Kind: history.Step, From: 13, At: 14, Before: 29, After: 27, Verdict: "improvement"},
		{Kind: history.Spike, From: 32, At: 33, Before: 27, After: 40, Verdict: "regression"},
	}
	noisy := history.Series{Env: env("kvm"), Row: "LeakScan/region=64MiB/blocks=1003", Unit: "ns/op", Better: "lower"}
	for i, r := range runs[5:] {
		v := 1e6 + 4e3*math.Sin(float64(i)*1.7) + 3e3*float64(max(i-15, 0))
		noisy.Points = append(noisy.Points, history.Point{Run: r, Value: v, Low: v - 5e3, High: v + 7e3})
	}
	noisy.Changes = []history.Change{{Kind: history.Drift, From: 15, At: 34, Before: 1e6, After: 1.0571234e6, P: 0.001, Verdict: "regression"}}
	same := history.Series{Env: env("icount"), Row: "LeakScan/region=bss/blocks=3", Unit: "recall", Better: "higher", Exact: true}
	for _, r := range runs {
		same.Points = append(same.Points, history.Point{Run: r, Value: 1, Low: 1, High: 1})
	}
	return []history.Series{exact, noisy, same}
}

// golden compares with what is in testdata, or writes it anew.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestHistoryGolden(t *testing.T) {
	svg, err := History(sample(), SVG)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "history.svg", svg)
	png, err := History(sample(), PNG)
	if err != nil || !strings.HasPrefix(string(png), "\x89PNG") {
		t.Errorf("%v, %.10q", err, png)
	}
}

func TestHistoryRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		series []history.Series
		says   string
	}{
		"nothing":   {nil, ErrNoHistory.Error()},
		"no points": {[]history.Series{{Row: "A", Unit: "x"}}, ErrNoHistory.Error()},
		"too many":  {append(append(append(append(append(sample(), sample()...), sample()...), sample()...), sample()...), sample()...), "18 series are more than the 12"},
	} {
		if _, err := History(test.series, SVG); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %v, want %q", name, err, test.says)
		}
	}
	if _, err := History(nil, SVG); !errors.Is(err, ErrNoHistory) {
		t.Errorf("error %v", err)
	}
}

// No label lies over another, and none of few is crossed by a line: what is written
// to the left, at the end of the chart, turns others aside.
func TestHistoryLabelsApart(t *testing.T) {
	series := sample()[:1]
	for _, changed := range [][]int{{24, 30, 39}, {12, 14, 33}, {1, 2, 3, 4}, {1, 2, 3, 4, 20, 22, 25}, {36, 37, 38, 39}, {0 + 1, 39}} {
		series[0].Changes = nil
		for _, at := range changed {
			series[0].Changes = append(series[0].Changes, history.Change{From: at - 1, At: at, Before: 25, After: 29, Verdict: history.Regression})
		}
		p := newHistoryPanel(runsOf(series), series[0])
		for i, l := range p.labels {
			for _, other := range p.labels[:i] {
				if l.meets(other) || other.meets(l) {
					t.Errorf("changes at %v: %+v and %+v", changed, *l, *other)
				}
			}
			if from, to := l.span(); from < 0 || to > historyWidth {
				t.Errorf("changes at %v: %+v is not inside", changed, *l)
			}
		}
	}
}

// Runs of one day are told apart by their revisions.
func TestHistoryTicks(t *testing.T) {
	runs := runsOf(sample())
	c := &historyChart{runs: runs}
	if got := c.ticks(); got[0].Label != "2026-09-01" || got[1].Label != "2026-09-07" || len(got) != 7 {
		t.Errorf("ticks %+v", got)
	}
	runs[6].Time = runs[0].Time
	if got := c.ticks(); got[1].Label != runs[6].Commit || len(got) != 7 {
		t.Errorf("ticks %+v", got)
	}
}

// Each change is told with its revision, and its mark lies at the run.
func TestHistoryMarks(t *testing.T) {
	series := sample()
	c := &historyChart{runs: runsOf(series), panels: []*historyPanel{newHistoryPanel(runsOf(series), series[0]), newHistoryPanel(runsOf(series), series[1])}}
	if len(c.runs) != 40 {
		t.Fatalf("%d runs, want 40", len(c.runs))
	}
	for i, want := range []string{"worse: 25 → 29", "better: 29 → 27", "once worse: 27 → 40"} {
		l := c.panels[0].labels[i]
		commit := series[0].Points[l.At].Run.Commit
		if l.text != commit+" "+want {
			t.Errorf("label %q, want %q of %s", l.text, want, commit)
		}
	}
	if got := c.panels[1].labels[0].text; !strings.HasSuffix(got, "drift, worse: 1,000,000 → 1,057,123") {
		t.Errorf("label %q", got)
	}
	// The series that begins later lies at its runs.
	if got := c.panels[1].at[0]; got != 5 {
		t.Errorf("its first point is at %g, want 5", got)
	}
}
