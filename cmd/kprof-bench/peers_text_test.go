// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"testing"

	"kprof-bench/peers"
	"kprof-bench/results"

	"github.com/google/go-cmp/cmp"
)

// What was not measured has no figures, and what was wrong says by how much.
func TestPeersText(t *testing.T) {
	getpid, work := peers.FunctionOf("sys_getpid"), peers.FunctionOf("tb_work")
	r := &peers.Result{
		Env: []results.Config{{Key: "kernel", Value: "6.1"}, {Key: "clock", Value: "icount"}, {Key: "vcpus", Value: "1"}, {Key: "module", Value: "abc"}},
		Peers: []peers.Measured{
			{
				Facts: peers.Facts{Name: "right", Durations: true, Filter: true},
				Calls: []peers.Calls{
					{Subject: peers.Subject{Function: getpid}, Base: []float64{300}, Probed: []float64{325}, Truth: 68, Reported: []float64{68}, Issued: 6, Counted: 6},
					{Subject: peers.Subject{Function: work, N: 1}, Base: []float64{5}, Probed: []float64{34}, Truth: 5, Reported: []float64{5}},
				},
				Burst: peers.Burst{Issued: 9, Counted: 9},
				Shapes: []peers.Shaped{
					{Shape: peers.Sleeps, Correct: true}, {Shape: peers.Recurses, Correct: true}, {Shape: peers.Migrates, Lacking: "one processor"},
				},
				Attach: []peers.Attached{{Functions: 1, AttachNs: []float64{1e6, 1.1e6}, DetachNs: []float64{2e6}, Bytes: []float64{4096}}},
			},
			{
				Facts: peers.Facts{Name: "wrong"},
				Calls: []peers.Calls{
					{Subject: peers.Subject{Function: getpid}, Base: []float64{300}, Probed: []float64{2000.5}, Truth: 68, Issued: 6, Counted: 5, Lost: 1},
					{Subject: peers.Subject{Function: work, N: 1}, Lacking: "no system call"},
				},
				Burst: peers.Burst{Lacking: "no"},
				Shapes: []peers.Shaped{
					{Shape: peers.Sleeps, Issued: 4, Counted: 4, Truth: 1000, Reported: 600, Plain: 100}, {Shape: peers.Recurses, Issued: 4, Counted: 1},
					{Shape: peers.Migrates, Issued: 4, Counted: 4, Truth: 10, Reported: 25},
				},
				Attach: []peers.Attached{{Functions: 1, Lacking: "no"}},
			},
			{Facts: peers.Facts{Name: "absent"}, Lacking: "this kernel has it not"},
		},
		Leaks: []peers.Leaks{{Way: "scan", Named: 4, Right: 3, Planted: 6, Insns: []float64{1e6}}, {Way: "other", Lacking: "no"}},
	}
	const want = `kernel 6.1, clock icount, 1 vCPU, module abc

a call, in insn more  sys_getpid  bias  at 5
right                         25     0     0
wrong                     1700.5

calls  issued  counted  lost  in a row  counted  lost  asleep  recursive  migrating
right       6        6     0         9        9     0   right      right          -
wrong       6        5     1                            -50 %     1 of 4  2.5 times

to attach to functions, in million insn  to 1  and off  spread, %  KiB for the first
right                                     1.1      2.0        9.5                  4
wrong                                       -        -          -

what it can  times  filters  stacks  histogram  each call  no module  lockdown  any kernel
right          yes      yes       -          -          -          -         -           -
wrong            -        -       -          -          -          -         -           -
absent           -        -       -          -          -          -         -           -

leaks  named  precision  recall  million insn
scan       4      0.750   0.500           1.0

right: not supported: one processor
wrong: not supported: no system call
wrong: not supported: no
absent: not supported: this kernel has it not
leaks by other: not supported: no
`
	var b bytes.Buffer
	if err := writePeers(&b, r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}
