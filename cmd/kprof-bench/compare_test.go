// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/compare"
	"kprof-bench/kmod"
)

// oneMore is an instruction more in one of the backends.
var oneMore = defect{"krp_kretprobe.c",
	"	this_cpu_inc(p->counts->entered);\n",
	"	this_cpu_inc(p->counts->entered);\n	asm volatile(\"nop\");\n"}

// repository has two commits: the sources of the modules, and these with a defect.
func repository(t *testing.T, d defect) string {
	t.Helper()
	dir := t.TempDir()
	commit := func() {
		t.Helper()
		for _, args := range [][]string{{"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "a"}} {
			cmd := exec.CommandContext(t.Context(), "git", args...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("git %q: %v\n%s", args, err, out)
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	profiler := filepath.Join(dir, profilerDir)
	if err := os.CopyFS(profiler, kmod.ProfilerSource()); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, testbedDir), kmod.TestbedSource()); err != nil {
		t.Fatal(err)
	}
	commit()
	// The embedded files are read-only.
	if err := os.RemoveAll(profiler); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(profiler, os.DirFS(sourcesWith(t, d))); err != nil {
		t.Fatal(err)
	}
	commit()
	return dir
}

// An instruction that a commit adds to a probe is found, in the figures that have
// it and no others, and it is said in which function it is.
func TestCompareRevisions(t *testing.T) {
	cmd := command(t, "compare", "HEAD~1", "HEAD", "--only", "overhead", "--format", "json")
	cmd.Dir = repository(t, oneMore)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != int(compare.Regression) {
		t.Fatalf("%v, want exit code %d\n%s\n%s", err, compare.Regression, out, stderr.String())
	}
	var r compare.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	more := map[string]float64{}
	for _, c := range r.Comparisons {
		if c.Verdict != compare.Same {
			more[c.Row+" "+c.Unit] = c.New.Value - c.Old.Value
		}
	}
	const row = "Probe/func=sys_getpid/backend=kretprobe/rate=max "
	want := map[string]float64{row + "probed-insn/op": 1, row + "overhead-insn/op": 1}
	if diff := cmp.Diff(want, more); diff != "" {
		t.Errorf("what has changed (-want +got):\n%s\n%s", diff, out)
	}
	if diff := cmp.Diff([]string{
		"sys_getpid by kretprobe, in insn HEAD~N HEAD difference",
		"on_entry_tsc [profiler] N N N",
		"N others, the same N N N",
		"sum N N N",
	}, explained(stderr.String())); diff != "" {
		t.Errorf("how it is explained (-want +got):\n%s\n%s", diff, &stderr)
	}
	if len(r.Comparisons) < 6 || len(r.Apart)+len(r.OnlyOld)+len(r.OnlyNew) > 0 {
		t.Errorf("%s", r.LastLine())
	}
}

// explained are the lines of tables of functions among messages, without numbers.
func explained(messages string) []string {
	var all []string
	inside := false
	for line := range strings.Lines(messages) {
		inside = inside || strings.Contains(line, ", in insn")
		if inside {
			all = append(all, shape(line))
		}
		inside = inside && !strings.HasPrefix(line, "sum")
	}
	return all
}
