// SPDX-License-Identifier: MIT

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"kprof-bench/results"

	"github.com/google/go-cmp/cmp"
)

// recordedPeers is the file that README.md's table and chart of peers are made of.
const recordedPeers = "../../results/recorded/peers.txt"

// Peers are measured in a guest, twice to the digit. What they take is known from
// programs of the same shape that others have written and measured; what they get
// wrong must show.
func TestPeers(t *testing.T) {
	out := filepath.Join(t.TempDir(), "peers.txt")
	s := kprofBench(t, "peers", "--funcs", "sys_getpid", "--peers", "profiler-direct,bpf-fentry-percpu,kprobe_events,bpf-multi-session",
		"--attach", "1", "--verify-determinism", "--out", out)
	s.must(t, 0, []string{"leaks ", "bpf-multi-session: not supported: this kernel has no sessions of kprobes"}, nil)
	if t.Failed() {
		return
	}
	f := readFile(t, out)
	for name, want := range map[string]map[string]float64{
		"Peer/peer=profiler-direct/func=sys_getpid":                       {"overhead-insn/op": 25, "bias-insn/op": 0, "calls-issued": 6000, "calls-reported": 6000},
		"Peer/peer=profiler-direct/func=tb_work/n=10000":                  {"overhead-insn/op": 29, "bias-insn/op": 0},
		"Peer/peer=bpf-fentry-percpu/func=sys_getpid":                     {"overhead-insn/op": 448, "bias-insn/op": 183, "calls-reported": 6000, "lost": 0},
		"Peer/peer=bpf-fentry-percpu/func=tb_work/n=1":                    {"overhead-insn/op": 448, "bias-insn/op": 183},
		"PeerBurst/peer=bpf-fentry-percpu/func=sys_getpid":                {"calls-issued": 60_010, "calls-reported": 60_010, "lost": 0},
		"PeerShape/peer=profiler-direct/func=tb_recurse/shape=recurses":   {"correct": 1, "calls-issued": 500},
		"PeerShape/peer=bpf-fentry-percpu/func=sys_poll/shape=sleeps":     {"correct": 0, "calls-reported": 20},
		"PeerShape/peer=kprobe_events/func=sys_poll/shape=sleeps":         {"correct": 1, "calls-reported": 20},
		"PeerShape/peer=bpf-fentry-percpu/func=tb_recurse/shape=recurses": {"correct": 0},
		"PeerLeaks/way=profiler.ko":                                       {"precision": 1, "recall": 1},
		"PeerLeaks/way=vmallocinfo":                                       {"recall": 1},
	} {
		r := rowNamed(t, f, name)
		got := map[string]float64{}
		for unit := range want {
			got[unit], _ = r.Value(unit)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	checkRingBuffer(t, f)
}

// checkRingBuffer: events at a kprobe and a kretprobe take 1707 instructions when they
// are stamped with the time stamp counter, and a ring buffer that nobody reads does not
// hold 60,000 calls.
func checkRingBuffer(t *testing.T, f *results.File) {
	t.Helper()
	call := rowNamed(t, f, "Peer/peer=kprobe_events/func=sys_getpid")
	if added, _ := call.Value("overhead-insn/op"); added < 1707*0.98 || added > 1707*1.02 {
		t.Errorf("kprobe_events add %v insn to a call", added)
	}
	burst := rowNamed(t, f, "PeerBurst/peer=kprobe_events/func=sys_getpid")
	issued, _ := burst.Value("calls-issued")
	counted, _ := burst.Value("calls-reported")
	lost, _ := burst.Value("lost")
	if lost == 0 || counted == 0 || counted+lost < issued || counted+lost > issued+2 {
		t.Errorf("of %v calls %v are counted and %v lost", issued, counted, lost)
	}
}

func rowNamed(t *testing.T, f *results.File, name string) results.Row {
	t.Helper()
	for _, r := range f.Rows {
		if r.FullName() == name {
			return r
		}
	}
	t.Fatalf("there is no row %s", name)
	return results.Row{}
}

func TestPeersRefuses(t *testing.T) {
	for says, args := range map[string][]string{
		"no functions are given":     {"peers"},
		`there is no peer "dtrace"`:  {"peers", "--funcs", "sys_read", "--peers", "dtrace"},
		"201 functions to attach to": {"peers", "--funcs", "sys_read", "--attach", "201"},
		"no such file or directory":  {"peers", "--funcs", "sys_read", "--out", "/nowhere/x"},
	} {
		var stdout, stderr strings.Builder
		if code := Main(t.Context(), args, &stdout, &stderr); code != exitFailure || !strings.Contains(stderr.String(), says) {
			t.Errorf("%v: exit code %d, %q", args, code, stderr.String())
		}
	}
}
