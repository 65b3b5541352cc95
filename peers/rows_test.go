// SPDX-License-Identifier: MIT

package peers

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"kprof-bench/results"

	"github.com/google/go-cmp/cmp"
)

func testResult() *Result {
	getpid, work := Subject{Function: FunctionOf("sys_getpid")}, Subject{Function: FunctionOf("tb_work"), N: 1}
	return &Result{
		Env: []results.Config{{Key: "kernel", Value: "6.1"}, {Key: "clock", Value: "icount"}},
		Peers: []Measured{
			{
				Facts: Facts{Name: "timer", Kind: BPF, Durations: true},
				Calls: []Calls{
					{Subject: getpid, Base: []float64{306, 306, 400}, Probed: []float64{754, 754, 900}, Truth: 68, Reported: []float64{251}, Issued: 6000, Counted: 6000},
					{Subject: work, Lacking: "no such thing"},
				},
				Burst:  Burst{Function: "sys_getpid", Issued: 10, Counted: 7, Lost: 3},
				Shapes: []Shaped{{Shape: Sleeps, Function: "sys_poll", Issued: 20, Counted: 20, Timed: 20, Truth: []float64{2000, 2001}, Reported: []float64{2100, 2110}, Correct: true, Durable: true}, {Shape: Recurses, Lacking: "no such thing"}},
				Attach: []Attached{{Functions: 10, AttachNs: []float64{100, 110, 105}, DetachNs: []float64{5, 6}, Bytes: []float64{4096, 4096}}},
			},
			{
				Facts: Facts{Name: "counter", Kind: Tracefs},
				Calls: []Calls{{Subject: getpid, Base: []float64{306}, Probed: []float64{406}, Truth: 68, Issued: 6000, Counted: 5999, Lost: 1}},
			},
			{
				Facts:  Facts{Name: "rounder", Kind: Tracefs, Durations: true, Rounded: true},
				Calls:  []Calls{{Subject: getpid, Base: []float64{306}, Probed: []float64{1306}, Truth: 68, Reported: []float64{700, 707, 714}, Issued: 6, Counted: 6}},
				Shapes: []Shaped{{Shape: Recurses, Function: "tb_recurse", Issued: 2, Counted: 2, Timed: 2, Truth: []float64{50, 50}, Reported: []float64{100, 101}, Correct: true}},
			},
			{
				Facts: Facts{Name: "program", Kind: Tool},
				Calls: []Calls{{Subject: getpid, Base: []float64{300}, Probed: []float64{400, 500}, Truth: 68, Reported: []float64{100}, Issued: 6, Counted: 5}},
			},
			{Facts: Facts{Name: "absent"}, Lacking: "this kernel has it not"},
		},
		Leaks: []Leaks{{Way: "scan", Named: 4, Right: 3, Planted: 6, Insns: []float64{10, 20}}, {Way: "absent", Lacking: "no"}},
	}
}

func TestRows(t *testing.T) {
	const want = `BenchmarkPeer/peer=timer/func=sys_getpid  6000  306 base-insn/op  754 probed-insn/op  448 overhead-insn/op  251 reported-insn/op  68 true-insn/op  183 bias-insn/op  6000 calls-issued  6000 calls-reported  0 lost
BenchmarkPeerBurst/peer=timer/func=sys_getpid  10  10 calls-issued  7 calls-reported  3 lost
BenchmarkPeerShape/peer=timer/func=sys_poll/shape=sleeps  20  2105 asleep-reported-insn/op  2000.5 asleep-true-insn/op  0.475 asleep-spread-percent  20 calls-issued  20 calls-reported  1 correct
BenchmarkPeerAttach/peer=timer/funcs=10  3  105 attach-insn  9.524 attach-spread-percent  5.5 detach-insn  18.182 detach-spread-percent  4096 kernel-bytes  0 kernel-bytes-spread-percent
BenchmarkPeer/peer=counter/func=sys_getpid  6000  306 base-insn/op  406 probed-insn/op  100 overhead-insn/op  68 true-insn/op  6000 calls-issued  5999 calls-reported  1 lost
BenchmarkPeer/peer=rounder/func=sys_getpid  6  306 base-insn/op  1306 probed-insn/op  1000 overhead-insn/op  707 rounded-reported-insn/op  68 true-insn/op  639 rounded-bias-insn/op  1.98 rounded-spread-percent  6 calls-issued  6 calls-reported  0 lost
BenchmarkPeerShape/peer=rounder/func=tb_recurse/shape=recurses  2  100.5 rounded-reported-insn/op  50 rounded-true-insn/op  0.995 rounded-spread-percent  2 calls-issued  2 calls-reported  1 correct
BenchmarkPeerTool/peer=program/func=sys_getpid  6  150 tool-overhead-insn/op  150 tool-mean-overhead-insn/op  22.222 tool-spread-percent  100 tool-reported-insn/op  32 tool-bias-insn/op  6 calls-issued  5 tool-calls-reported  0 tool-lost
BenchmarkPeerLeaks/way=scan  2  0.75 precision  0.5 recall  15 read-insn  66.667 read-spread-percent
`
	var b bytes.Buffer
	if err := results.Write(&b, testResult().File()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if diff := cmp.Diff(want, text[strings.Index(text, "Benchmark"):]); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	for _, r := range testResult().File().Rows {
		for _, v := range r.Values {
			if !slices.ContainsFunc(units, func(u results.Unit) bool { return u.Name == v.Unit }) {
				t.Errorf("%s has the unit %s, which would be taken for exact", r.FullName(), v.Unit)
			}
		}
	}
	for _, u := range []string{"Unit overhead-insn/op better=lower assume=exact\n", "Unit attach-insn better=lower assume=nothing\n", "Unit tool-reported-insn/op assume=nothing\n"} {
		if !strings.Contains(text, u) {
			t.Errorf("%q is not in the file", u)
		}
	}
}

// Two results differ where what is exact does, and only there.
func TestDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Result)
		says   string
	}{
		"nothing":             {func(*Result) {}, ""},
		"time to attach":      {func(r *Result) { r.Peers[0].Attach[0].AttachNs = []float64{1, 2} }, ""},
		"a time to sleep":     {func(r *Result) { r.Peers[0].Shapes[0].Truth = []float64{7, 8} }, ""},
		"a sleeper not timed": {func(r *Result) { r.Peers[0].Shapes[0].Correct = false }, "shape=sleeps is 1 and then 0 correct"},
		"a tool":              {func(r *Result) { r.Peers[3].Calls[0].Probed = []float64{9} }, ""},
		"an instruction more": {func(r *Result) { r.Peers[0].Calls[0].Probed = []float64{755} }, "Peer/peer=timer/func=sys_getpid is 754 and then 755 probed-insn/op"},
		"a call fewer":        {func(r *Result) { r.Peers[1].Calls[0].Counted-- }, "is 5999 and then 5998 calls-reported"},
		"not timed":           {func(r *Result) { r.Peers[0].Calls[0].Reported = nil }, "is 251 and then 0 reported-insn/op"},
		"one more is timed":   {func(r *Result) { r.Peers[1].Calls[0].Reported = []float64{9} }, "is 0 and then 9 reported-insn/op; "},
		"a row fewer":         {func(r *Result) { r.Peers = slices.Delete(r.Peers, 1, 2) }, "there are 9 rows and then 8"},
		"another row":         {func(r *Result) { r.Peers[1].Facts.Name = "other" }, "row 5 is"},
	} {
		again := testResult()
		c.change(again)
		got := strings.Join(Differences(testResult(), again), "; ")
		if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q", name, got, c.says)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{[]float64{90, 100, 130}, 40}, {[]float64{-12, -4, 4}, 400}, {[]float64{7, 7}, 0}} {
		if got := spread(c.v); got != c.want {
			t.Errorf("%v: %v %%, want %v", c.v, got, c.want)
		}
	}
	for _, v := range [][]float64{nil, {1}, {-1, 0, 1}} {
		if got := spread(v); !math.IsNaN(got) {
			t.Errorf("%v: %v %%, and it has none", v, got)
		}
	}
}

func TestLackingParts(t *testing.T) {
	all := testResult().Peers
	if got := all[0].LackingParts(); !slices.Equal(got, []string{"no such thing"}) {
		t.Errorf("%v", got)
	}
	if got := all[4].LackingParts(); got != nil {
		t.Errorf("a peer that lacks all lacks parts: %v", got)
	}
}

func TestOptions(t *testing.T) {
	for says, o := range map[string]Options{
		"":                               {Funcs: []string{"sys_getpid", "sys_read"}, Peers: []string{"profiler-direct", "syscalls"}, Attach: []int{1, 200}},
		"no functions are given":         {},
		"no workload calls \"sys_nono\"": {Funcs: []string{"sys_nono"}},
		"tcp_sendmsg needs a network":    {Funcs: []string{"tcp_sendmsg"}},
		"sys_read is given twice":        {Funcs: []string{"sys_read", "sys_read"}},
		"there is no peer \"dtrace\"":    {Funcs: []string{"sys_read"}, Peers: []string{"dtrace"}},
		"peer syscalls is given twice":   {Funcs: []string{"sys_read"}, Peers: []string{"syscalls", "syscalls"}},
		"0 functions to attach to":       {Funcs: []string{"sys_read"}, Attach: []int{0}},
		"201 functions to attach to":     {Funcs: []string{"sys_read"}, Attach: []int{201}},
	} {
		err := o.Check()
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", o, err, says)
		}
	}
}

// Every peer says where it is described, and what one must know of it.
func TestFacts(t *testing.T) {
	for _, p := range All("") {
		if f := p.Facts(); f.Name == "" || f.Kind == "" || f.Doc == "" || strings.ContainsAny(f.Name, "/= ") {
			t.Errorf("facts are %+v", f)
		}
	}
}
