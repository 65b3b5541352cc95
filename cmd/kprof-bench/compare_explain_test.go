// SPDX-License-Identifier: MIT

package main

import (
	"testing"

	"kprof-bench/compare"

	"github.com/google/go-cmp/cmp"
)

func TestWorseProbes(t *testing.T) {
	worse := func(row string) *compare.Comparison {
		return &compare.Comparison{Row: row, Unit: "overhead-insn/op", Verdict: compare.Worse}
	}
	known, better, other := worse("Probe/func=sys_a/backend=direct/rate=max"), worse("Probe/func=sys_b/backend=direct/rate=max"), worse("Probe/func=sys_c/backend=direct/rate=max")
	known.Accepted, better.Verdict, other.Unit = "we know", compare.Better, "probed-insn/op"
	got := worseProbes(&compare.Report{Comparisons: []*compare.Comparison{
		known, better, other,
		worse("Probe/func=tb_work/n=1/backend=direct/rate=max"),
		worse("Probe/func=tb_work/n=100/backend=rethook/rate=max"),
		worse("Probe/func=tb_work/n=1000/backend=rethook/rate=max"),
		worse("Probe/func=sys_getpid/backend=kretprobe/rate=max"),
		worse("Probe/func=tb_work/n=1/backend=kretprobe/rate=max"),
		worse("Probe/func=sys_read/backend=kretprobe/rate=1000-per-s"),
		worse("Probe/func=sys_read/backend=kretprobe/rate=max/threads=2"),
		worse("Explain/func=sys_read/backend=kretprobe/in=get_kprobe"),
	}})
	want := []worseProbe{{"sys_getpid", "kretprobe"}, {standIn, "direct"}, {standIn, "rethook"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(worseProbe{})); diff != "" {
		t.Errorf("what is explained (-want +got):\n%s", diff)
	}
}
