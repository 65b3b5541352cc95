// SPDX-License-Identifier: MIT

package main

import (
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kprof-bench/results"

	"github.com/google/go-cmp/cmp"
)

// recordedPeers is the file that README.md's table and chart of peers are made of, and
// recordedPeersNewer that of the other table.
const (
	recordedPeers      = "../../results/recorded/peers.txt"
	recordedPeersNewer = "../../results/recorded/peers-6.12.txt"
)

// peersLine is how README.md's command begins that measures some peers.
const peersLine = "bin/kprof-bench peers "

// README.md's command measures peers in a guest. What they take is known from programs
// of the same shape that others have written and measured; what they get wrong must
// show.
func TestPeers(t *testing.T) {
	commands := slices.DeleteFunc(consoleCommands(readme(t)), func(c shown) bool { return !strings.HasPrefix(c.line, peersLine) })
	if len(commands) != 1 {
		t.Fatalf("README.md shows %d commands that measure peers, want 1", len(commands))
	}
	out := filepath.Join(t.TempDir(), "peers.txt")
	s := kprofBench(t, append(strings.Fields(commands[0].line)[1:], "--out", out)...)
	s.must(t, 0, nil, nil)
	if missing := firstMissing(commands[0].output, s.stdout); missing != "" {
		t.Errorf("no line like %q is where README.md shows it:\n%s", missing, s.stdout)
	}
	if t.Failed() {
		return
	}
	f := readFile(t, out)
	for name, want := range map[string]map[string]float64{
		"Peer/peer=bpf-fentry-percpu/func=sys_getpid":                                {"overhead-insn/op": 448, "calls-issued": 6000, "calls-reported": 6000, "lost": 0},
		"Peer/peer=bpf-fentry-percpu/func=tb_work/n=1":                               {"overhead-insn/op": 448, "bias-insn/op": 183, "true-insn/op": 5},
		"PeerBurst/peer=bpf-fentry-percpu/func=sys_getpid":                           {"calls-issued": 60_010, "calls-reported": 60_010, "lost": 0},
		"PeerShape/peer=bpf-fentry-percpu/func=sys_poll/shape=sleeps":                {"correct": 0, "calls-reported": 60},
		"PeerShape/peer=bpf-fentry-percpu/func=tb_recurse/shape=recurses":            {"correct": 0, "calls-issued": 500},
		"PeerShape/peer=bpf-fentry-percpu/func=sys_sched_setaffinity/shape=migrates": {"correct": 0, "calls-reported": 201},
		"PeerShape/peer=profiler-direct/func=tb_recurse/shape=recurses":              {"correct": 1, "calls-reported": 500},
		"PeerShape/peer=syscalls/func=sys_poll/shape=sleeps":                         {"correct": 1, "calls-reported": 60},
		"PeerShape/peer=syscalls/func=sys_sched_setaffinity/shape=migrates":          {"correct": 1, "calls-reported": 201},
		"PeerLeaks/way=profiler.ko":                                                  {"precision": 1, "recall": 1},
		"PeerLeaks/way=vmallocinfo":                                                  {"recall": 1},
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
	checkRepeats(t, f)
}

// checkRingBuffer: a ring buffer that nobody reads does not hold 60,000 calls.
func checkRingBuffer(t *testing.T, f *results.File) {
	t.Helper()
	burst := rowNamed(t, f, "PeerBurst/peer=syscalls/func=sys_getpid")
	issued, _ := burst.Value("calls-issued")
	counted, _ := burst.Value("calls-reported")
	lost, _ := burst.Value("lost")
	if lost == 0 || counted == 0 || counted+lost < issued || counted+lost > issued+2 {
		t.Errorf("of %v calls %v are counted and %v lost", issued, counted, lost)
	}
}

// checkRepeats: what a call takes more, and what it is said to take, is the same to the
// digit in another boot, of other peers, in a guest with more memory.
func checkRepeats(t *testing.T, f *results.File) {
	t.Helper()
	was := readFile(t, recordedPeers)
	if !sameSetting(t, was, f) {
		return
	}
	for _, r := range f.Rows {
		if r.Name != "Peer" {
			continue
		}
		for _, unit := range []string{"overhead-insn/op", "bias-insn/op"} {
			then, _ := rowNamed(t, was, r.FullName()).Value(unit)
			if now, _ := r.Value(unit); now != then {
				t.Errorf("%s is %v %s, recorded are %v; has make record been forgotten?", r.FullName(), now, unit, then)
			}
		}
	}
}

var all = flag.Bool("all", false, "do what takes minutes, too")

// All peers that README.md shows are measured twice, and what is exact is the same to
// the digit.
func TestPeersRepeat(t *testing.T) {
	if !*all {
		t.Skip("it takes more than half an hour; -all does it")
	}
	lines := slices.DeleteFunc(longCommands(readme(t)), func(line string) bool { return !strings.HasPrefix(line, "peers ") })
	if len(lines) != 1 {
		t.Fatalf("README.md shows %d commands that measure all peers, want 1", len(lines))
	}
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			kprofBench(t, append(strings.Fields(lines[0]), "--kernel", series, "--verify-determinism")...).must(t, 0, []string{"leaks "}, nil)
		})
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
