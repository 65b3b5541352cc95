// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kprof-bench/bench"
	"kprof-bench/results"

	"github.com/google/go-cmp/cmp"
)

// specimen has a row of each kind, on any clock, and a check of each verdict.
func specimen(clock bench.Clock) *bench.Result {
	unit := func(v float64, name string) results.Value {
		return results.Value{V: v, Unit: results.UnitOn(string(clock), name)}
	}
	return &bench.Result{
		Env: []results.Config{
			{Key: "kernel", Value: "6.1.0-56-amd64"}, {Key: "clock", Value: string(clock)}, {Key: "vcpus", Value: "1"},
			{Key: "cpu", Value: "QEMU TCG CPU"}, {Key: "qemu", Value: "7.2.22"}, {Key: "module", Value: "0123456789ab"},
		},
		// In an order that is not that of the tables.
		Rows: []results.Row{
			{
				Name: "VmallocPair", Params: []results.Param{{Key: "size", Value: "4096"}}, Iters: 400,
				Values: []results.Value{unit(8141, "base-insn/pair"), unit(8994, "probed-insn/pair"), unit(853, "overhead-insn/pair")},
			},
			{
				Name: "LeakScan", Params: []results.Param{{Key: "region", Value: "directmap"}, {Key: "blocks", Value: "1003"}}, Iters: 1,
				Values: []results.Value{unit(166193988, "insn/op"), unit(2.4771, "insn/word"), {V: 0.98, Unit: "precision"}, {V: 0.9377, Unit: "recall"}, {V: 1003, Unit: "catches-verdict-1-in"}},
			},
			{
				Name:   "Probe",
				Params: []results.Param{{Key: "func", Value: "tb_work"}, {Key: "n", Value: "1"}, {Key: "backend", Value: "kretprobe"}, {Key: "rate", Value: "max"}},
				Iters:  8000,
				Values: []results.Value{
					unit(5.1234, "base-insn/op"), unit(518, "probed-insn/op"), unit(512.8766, "overhead-insn/op"),
					unit(217, "reported-insn/op"), unit(5, "true-insn/op"), unit(212, "bias-insn/op"),
					{V: 8000, Unit: "calls-issued"}, {V: 8000, Unit: "calls-reported"}, {V: 0, Unit: "missed"},
					{V: 8000, Unit: "catches-lost-1-in"}, {V: 7999, Unit: "catches-untimed-1-in"}, unit(1.51, "catches-insn/op"), {V: 30.2, Unit: "catches-percent"},
				},
			},
			{
				Name:   "Probe",
				Params: []results.Param{{Key: "func", Value: "sys_read"}, {Key: "backend", Value: "kretprobe"}, {Key: "rate", Value: "10000-per-s"}},
				Iters:  2000,
				Values: []results.Value{
					unit(306.27, "base-insn/op"), unit(819, "probed-insn/op"), unit(512.73, "overhead-insn/op"),
					unit(279, "reported-insn/op"), unit(68, "true-insn/op"), unit(211, "bias-insn/op"),
					{V: 2000, Unit: "calls-issued"}, {V: 1999, Unit: "calls-reported"}, {V: 1, Unit: "missed"},
					{V: 9999.1, Unit: "achieved-calls/s"}, {V: 4945, Unit: "latest-start-ns"},
					unit(712, "base-p50-latency-insn"), unit(740, "p50-latency-insn"), unit(4711, "p99.9-latency-insn"),
				},
			},
		},
		Checks: []bench.Check{
			{Name: "tb_work(1): invocations", Verdict: bench.Held, Detail: "8000 calls were made, profiler.ko reports 8000"},
			{Name: "sys_read: invocations", Verdict: bench.Failed, Detail: "2000 calls were made, profiler.ko reports 1999"},
			{Name: "sys_read: average", Verdict: bench.NotJudged, Detail: "reported 279 ns, true 68 ns"},
			{Name: "leak scan: losses", Verdict: bench.Held, Detail: "profiler.ko admits to none"},
		},
		Samples: []bench.Sample{{Row: "Probe/func=tb_work/n=1", Base: []float64{5, 5.1234, 6}, With: []float64{518}}},
	}
}

func TestText(t *testing.T) {
	for _, clock := range []bench.Clock{bench.ICount, bench.TCG} {
		t.Run(string(clock), func(t *testing.T) {
			result := specimen(clock)
			var got bytes.Buffer
			if err := writeText(&got, result, result.File()); err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join("testdata", "text-"+string(clock)+".golden"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLastLine(t *testing.T) {
	const held, failed, open = bench.Held, bench.Failed, bench.NotJudged
	for name, test := range map[string]struct {
		verdicts []bench.Verdict
		want     string
	}{
		"all held":            {[]bench.Verdict{held, held}, "PASS: 2 checks held, 0 failed\n"},
		"one is open":         {[]bench.Verdict{held, open}, "PASS: 1 checks held, 0 failed, 1 could not be judged\n"},
		"one failed":          {[]bench.Verdict{held, failed}, "FAILED  f: calls: 2, not 1\nFAIL: 1 checks held, 1 failed\n"},
		"one is blunt":        {[]bench.Verdict{held, bench.Blunt}, "f: calls: catches nothing: 2, not 1\nPASS: 1 checks held, 0 failed, 1 could not be judged\n"},
		"all are blunt":       {[]bench.Verdict{bench.Blunt}, "f: calls: catches nothing: 2, not 1\nFAIL: 0 checks held, 0 failed, 1 could not be judged\n"},
		"nothing was judged":  {[]bench.Verdict{open}, "FAIL: 0 checks held, 0 failed, 1 could not be judged\n"},
		"nothing was checked": {nil, "FAIL: 0 checks held, 0 failed\n"},
	} {
		var checks []bench.Check
		for _, v := range test.verdicts {
			checks = append(checks, bench.Check{Name: "f: calls", Verdict: v, Detail: "2, not 1"})
		}
		var got bytes.Buffer
		if err := writeChecks(&got, checks); err != nil || got.String() != test.want {
			t.Errorf("%s: %q, %v; want %q", name, got.String(), err, test.want)
		}
		// The exit code is made of the same checks.
		if good, pass := (&bench.Result{Checks: checks}).Good(), strings.Contains(test.want, "PASS: "); good != pass {
			t.Errorf("%s: good is %v and the last line %q", name, good, test.want)
		}
	}
}

func TestJSON(t *testing.T) {
	want := specimen(bench.ICount)
	var b bytes.Buffer
	if err := writeJSON(&b, want); err != nil {
		t.Fatal(err)
	}
	got := &bench.Result{}
	dec := json.NewDecoder(&b)
	dec.DisallowUnknownFields()
	if err := dec.Decode(got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

// Disk full and broken pipes must not end in exit code 0.
func TestTextReportsAWriterThatFails(t *testing.T) {
	result := specimen(bench.ICount)
	var whole bytes.Buffer
	if err := writeText(&whole, result, result.File()); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 100, whole.Len() - 1} {
		if err := writeText(&full{room}, result, result.File()); err == nil {
			t.Errorf("no error with room for %d of %d bytes", room, whole.Len())
		}
	}
}

// full is a writer with little room.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.room {
		f.room = 0
		return 0, os.ErrClosed
	}
	f.room -= len(p)
	return len(p), nil
}

func TestDeterminism(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*bench.Result)
		want   string
	}{
		"the same": {func(*bench.Result) {}, ""},
		"a digit": {func(r *bench.Result) { r.Rows[3].Values[3].V = 280 },
			"Probe/func=sys_read/backend=kretprobe/rate=10000-per-s is 279 and then 280 reported-insn/op"},
		"another backend": {func(r *bench.Result) { r.Rows[2].Params[2].Value = "fprobe" },
			"row 3 is not Probe/func=tb_work/n=1/backend=kretprobe/rate=max twice"},
		"a value less": {func(r *bench.Result) { r.Rows[0].Values = r.Rows[0].Values[:2] },
			"VmallocPair/size=4096 is 853 and then 0 overhead-insn/pair"},
		"a row less":    {func(r *bench.Result) { r.Rows = r.Rows[:3] }, "row 4 is not Probe/func=sys_read/backend=kretprobe/rate=10000-per-s twice"},
		"a row more":    {func(r *bench.Result) { r.Rows = append(r.Rows, r.Rows[0]) }, "there are 4 rows and then 5"},
		"other details": {func(r *bench.Result) { r.Checks[1].Detail = "" }, "the checks do not say the same"},
	} {
		second := specimen(bench.ICount)
		test.change(second)
		if got := difference(specimen(bench.ICount), second); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
