// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kprof-bench/bench"

	"github.com/google/go-cmp/cmp"
)

// explanation is what explain --json prints of a backend.
type explanation struct {
	Name          string
	Sum, Measured float64
	Functions     []struct {
		Function   string
		Values     [2]float64
		Difference float64
	}
	Paths []struct {
		Path       string
		Difference float64
	}
}

// The functions of a call add up to what is measured, by every backend, and all that
// is written says the same.
func TestExplain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	s := kprofBench(t, "explain", "--funcs", "sys_getpid", "--backends", "all", "--json",
		"--out", at("out.txt"), "--flame", at("flame.svg"), "--folded", at("folded"))
	s.must(t, 0, nil, []string{"trace sys_getpid without profiler.ko\n"})
	var all []explanation
	if err := json.Unmarshal([]byte(s.stdout), &all); err != nil {
		t.Fatal(err)
	}
	measured := rows(readFile(t, at("out.txt")))
	if len(all) != len(bench.AllBackends) || len(measured) != len(all) {
		t.Fatalf("%d backends are explained and %d measured, want %d", len(all), len(measured), len(bench.AllBackends))
	}
	folded := foldedSums(t, at("folded"))
	for i, e := range all {
		b := string(bench.AllBackends[i])
		if want := "sys_getpid by " + b; e.Name != want {
			t.Errorf("%s is explained where %s should be", e.Name, want)
		}
		row := measured["sys_getpid, "+b]
		e.check(t, value(t, row, "base-insn/op"), value(t, row, "overhead-insn/op"))
		if folded[e.Name] != e.Sum {
			t.Errorf("%s: folded stacks come to %v, want %v", e.Name, folded[e.Name], e.Sum)
		}
	}
	checkParts(t, all)
	svg, err := os.ReadFile(at("flame.svg"))
	if err == nil {
		err = xml.Unmarshal(svg, new(struct{}))
	}
	if err != nil || strings.Count(string(svg), `class="head"`) != len(all) {
		t.Errorf("the flame graph: %v", err)
	}
}

func (e explanation) check(t *testing.T, base, overhead float64) {
	t.Helper()
	var functions, bare, paths float64
	for _, f := range e.Functions {
		functions, bare = functions+f.Difference, bare+f.Values[0]
		if strings.Contains(f.Function, "[unknown]") {
			t.Errorf("%s: %v instructions have no name", e.Name, f.Values)
		}
	}
	for _, p := range e.Paths {
		paths += p.Difference
	}
	want := [5]float64{overhead, overhead, overhead, overhead, base}
	if diff := cmp.Diff(want, [5]float64{e.Sum, e.Measured, functions, paths, bare}); diff != "" {
		t.Errorf("%s: sum, measured, sums by function and path, and base (-want +got):\n%s", e.Name, diff)
	}
}

// checkParts holds functions against what the backends are made of.
func checkParts(t *testing.T, all []explanation) {
	t.Helper()
	for i, want := range []map[string]string{
		{"krp_syscall0 [profiler]": "__x64_sys_getpid;krp_syscall0 [profiler]", "krp_syscall0_return [profiler]": "do_syscall_64;krp_syscall0_return [profiler]"},
		{"ftrace_trampoline(on_entry_tsc)": "__x64_sys_getpid;ftrace_trampoline(on_entry_tsc)", "arch_rethook_trampoline": "do_syscall_64;arch_rethook_trampoline"},
		{"kprobe_ftrace_handler": "ftrace_trampoline(kprobe_ftrace_handler);kprobe_ftrace_handler", "arch_rethook_trampoline": "do_syscall_64;arch_rethook_trampoline"},
	} {
		for fn, path := range want {
			if !all[i].adds(fn, path) {
				t.Errorf("%s adds no instructions in %s, called as %s", all[i].Name, fn, path)
			}
		}
	}
}

// adds tells whether a function has more instructions, all of them on a path that
// ends so.
func (e explanation) adds(fn, path string) bool {
	for _, f := range e.Functions {
		for _, p := range e.Paths {
			if f.Function == fn && strings.HasSuffix(p.Path, ";"+path) && p.Difference > 0 && p.Difference == f.Difference {
				return true
			}
		}
	}
	return false
}

// foldedSums adds up folded stacks by the first function of each.
func foldedSums(t *testing.T, path string) map[string]float64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		blank := strings.LastIndex(line, " ")
		n, err := strconv.Atoi(line[blank+1:])
		if err != nil || n <= 0 {
			t.Fatalf("%q has no number above 0 at its end", line)
		}
		first, _, _ := strings.Cut(line[:blank], ";")
		sums[first] += float64(n)
	}
	return sums
}
