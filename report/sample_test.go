// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"kprof-bench/compare"
	"kprof-bench/history"
	"kprof-bench/results"
)

// nightly makes up the history of nights on kernels, with so many series on each
// that change now and then: a unit of every tenth row is noisy. Nothing was
// measured.
func nightly(nights, kernels, each int) []history.Series {
	var runs []*history.Run
	for i := range nights {
		runs = append(runs, &history.Run{
			File: fmt.Sprintf("2026-%03d.txt", i), Time: time.Date(2026, 9, 1+i, 2, 0, 0, 0, time.UTC),
			Commit: fmt.Sprintf("%016x%024d", uint64(i+1)*0x9e3779b97f4a7c15, i), Subject: fmt.Sprintf("profiler: change number %d of what a probe does", i),
		})
	}
	units := []results.Unit{
		{Name: "overhead-insn/op", Better: "lower", Exact: true}, {Name: "bias-insn/op", Better: "lower", Exact: true},
		{Name: "probed-insn/op", Better: "lower", Exact: true}, {Name: "calls-issued", Exact: true}, {Name: "whole-ns/op", Better: "lower"},
	}
	random := rand.New(rand.NewPCG(1, 2))
	var all []history.Series
	for k := range kernels {
		release := []string{"6.1.0-56-amd64", "5.10.0-32-amd64", "6.12.95+deb12-amd64", "7.3.4+deb13-amd64"}[k%4]
		env := []results.Config{{Key: "kernel", Value: release}, {Key: "clock", Value: "icount"}, {Key: "vcpus", Value: "1"}, {Key: "cpu", Value: "QEMU TCG CPU version 2.5+"}}
		for i := range each {
			row := fmt.Sprintf("Probe/func=sys_%s/backend=%s/rate=max", []string{"getpid", "read", "clone", "nanosleep", "openat", "futex"}[i/5%6], []string{"direct", "rethook", "kretprobe", "direct+hist", "kretprobe+hist"}[i/30%5])
			all = append(all, made(random, env, row, units[i%5], runs))
		}
	}
	return all
}

// made is a series that stays, steps or drifts.
func made(random *rand.Rand, env []results.Config, row string, u results.Unit, runs []*history.Run) history.Series {
	s := history.Series{Env: env, Row: row, Unit: u.Name, Better: u.Better, Exact: u.Exact}
	v := float64(random.IntN(500))
	step := 0
	if random.IntN(6) == 0 {
		step = 1 + random.IntN(len(runs)-1)
	}
	for i, r := range runs {
		if i > 0 && i == step {
			before := v
			v += float64(random.IntN(20) - 8)
			c := history.Change{From: i - 1, At: i, Before: before, After: v, Verdict: "change"}
			if u.Better == "lower" && v != before {
				c.Verdict = map[bool]string{true: "improvement", false: "regression"}[v < before]
			}
			if v != before {
				s.Changes = append(s.Changes, c)
			}
		}
		p := history.Point{Run: r, Value: v, Low: v, High: v}
		if !u.Exact {
			p.Value = 1e6 + 1e4*v + 5000*random.NormFloat64()
			p.Low, p.High = p.Value-7000, p.Value+9000
		}
		s.Points = append(s.Points, p)
	}
	if !u.Exact {
		s.Changes = nil
	}
	return s
}

// comparison compares two results, of which the second is as it is given.
func comparedWith(t *testing.T, next string) *compare.Report {
	t.Helper()
	const head = "kernel: 6.1.0-56-amd64\nclock: icount\nUnit overhead-insn/op better=lower assume=exact\n"
	read := func(name, text string) *compare.Set {
		set, err := compare.Read(strings.NewReader(head+text), name)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	old := read("old.txt", "BenchmarkProbe/func=sys_getpid/backend=direct 9 25 overhead-insn/op\nBenchmarkProbe/func=sys_read/backend=direct 9 29 overhead-insn/op\n")
	r, err := compare.Compare(old, read("new.txt", next), compare.Options{Alpha: compare.DefaultAlpha, Floor: compare.DefaultFloor})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
