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
				Facts: peers.Facts{Name: "right", Doc: "right(8)", Limit: "dear", Rounded: true, Durations: true, Filter: true},
				Calls: []peers.Calls{
					{Subject: peers.Subject{Function: getpid}, Base: []float64{300}, Probed: []float64{325}, Truth: 68, Reported: []float64{68}, Issued: 6, Counted: 6},
					{Subject: peers.Subject{Function: work, N: 1}, Base: []float64{5}, Probed: []float64{34}, Truth: 5, Reported: []float64{5}},
				},
				Burst: peers.Burst{Issued: 9, Counted: 9},
				Shapes: []peers.Shaped{
					{Shape: peers.Sleeps, Correct: true}, {Shape: peers.Recurses, Correct: true}, {Shape: peers.Migrates, Lacking: "one processor"},
				},
				Attach: []peers.Attached{{Functions: 1, AttachNs: []float64{1e6, 1.1e6}, DetachNs: []float64{2e6, 2e6}, Bytes: []float64{4096, 8192}}},
			},
			{
				Facts: peers.Facts{Name: "wrong", Doc: "wrong(8)"},
				Calls: []peers.Calls{
					{Subject: peers.Subject{Function: getpid}, Base: []float64{300}, Probed: []float64{2000.5}, Truth: 68, Issued: 6, Counted: 5, Lost: 1},
					{Subject: peers.Subject{Function: work, N: 1}, Lacking: "no system call"},
				},
				Burst: peers.Burst{Lacking: "no"},
				Shapes: []peers.Shaped{
					{Shape: peers.Sleeps, Issued: 4, Counted: 4, Truth: []float64{1000, 900, 1100}, Reported: []float64{600}, Plain: 100}, {Shape: peers.Recurses, Issued: 4, Counted: 1},
					{Shape: peers.Migrates, Issued: 4, Counted: 4, Truth: []float64{10}, Reported: []float64{250}},
				},
				Attach: []peers.Attached{{Functions: 1, Lacking: "no"}},
			},
			{
				Facts: peers.Facts{Name: "program", Kind: peers.Tool, Doc: "program(1)"},
				Calls: []peers.Calls{{Subject: peers.Subject{Function: getpid}, Base: []float64{300}, Probed: []float64{400, 390, 410}, Truth: 68, Reported: []float64{70}, Issued: 6, Counted: 6}},
			},
			{Facts: peers.Facts{Name: "absent", Doc: "nowhere"}, Lacking: "this kernel has it not"},
		},
		Leaks: []peers.Leaks{{Way: "scan", Named: 4, Right: 3, Planted: 6, Insns: []float64{1e6, 1.5e6}}, {Way: "other", Lacking: "no"}},
	}
	const want = `kernel 6.1, clock icount, 1 vCPU, module abc

a call, in insn more  sys_getpid  bias  spread, %  at 5
right                         25    ~0               ~0
wrong                     1700.5
program                      100     2          5

calls    issued  counted  lost  in a row  counted  lost  asleep  recursive  migrating
right         6        6     0         9        9     0   right      right          -
wrong         6        5     1                           ~-50 %     1 of 4  ~25 times
program       6       ~6    ~0

to attach to functions, in million insn  to 1  and off  spread, %  KiB for the first  spread, %
right                                     1.1      2.0        9.5                  6       66.7
wrong                                       -        -          -

leaks  named  precision  recall  million insn  spread, %
scan       4      0.750   0.500           1.2         40

what it can  times  filters  stacks  histogram  each call  no module  lockdown  any kernel
right          yes      yes       -          -          -          -         -           -
wrong            -        -       -          -          -          -         -           -
program          -        -       -          -          -          -         -           -
absent           -        -       -          -          -          -         -           -

run as described in
right: right(8) (dear)
wrong: wrong(8)
program: program(1)
absent: nowhere

Figures with a ~, and in tables with a column for the spread those that have one,
differ from one time to the next; all others are the same to the digit. A spread is
from the least to the most, in percent of the median.

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
