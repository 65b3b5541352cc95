// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kprof-bench/baseline"
	"kprof-bench/results"
)

// baselines is where those of this module lie.
const baselines = "../../results/baseline"

// An instruction that is added to a probe is found, and the row that has it is
// named.
func TestGateFindsOneMore(t *testing.T) {
	t.Parallel()
	got := kprofBench(t, "gate", "--baseline", baselines, "--kernel", "6.1", "--only", "overhead", "--profiler", sourcesWith(t, oneMore))
	if got.code == int(2) && strings.Contains(got.stdout, "not compared") {
		t.Skipf("the baseline is of another kernel, compiler or QEMU; time for make baseline\n%s", got.stdout)
	}
	got.must(t, 1, []string{"Probe/func=sys_getpid/backend=kretprobe/rate=max: 415 -> 416 overhead-insn/op", "1 worse"}, []string{"kprof-bench gate --renew"})
	if strings.Contains(got.stdout, "direct") {
		t.Errorf("others have changed:\n%s", got.stdout)
	}
}

// wantBaseline fails if results are not what the baselines say.
func wantBaseline(t *testing.T, out string) {
	t.Helper()
	got := kprofBench(t, "gate", "--baseline", baselines, "--results", out)
	switch {
	case got.code == 2 && strings.Contains(got.stdout, "not compared"):
		t.Logf("time for make baseline:\n%s", got.stdout)
	case got.code != 0:
		t.Errorf("exit code %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
}

func TestGateOfAFile(t *testing.T) {
	const rows = "kernel: 6.12.9-cloud-amd64\nclock: icount\nUnit overhead-insn/op better=lower assume=exact\n" +
		"BenchmarkProbe/func=sys_getpid/backend=direct  10  25 overhead-insn/op\n"
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out.txt")
	gate := func(text string, args ...string) said {
		t.Helper()
		if err := os.WriteFile(out, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		code := Main(t.Context(), append([]string{"gate", "--baseline", dir, "--results", out}, args...), &stdout, &stderr)
		return said{code, stdout.String(), stderr.String()}
	}
	gate(rows).must(t, 2, []string{"6.12-cloud: there is no baseline"}, []string{"--renew"})
	gate(rows, "--renew").must(t, 0, []string{"6.12-cloud.txt is renewed"}, nil)
	gate(rows).must(t, 0, []string{"6.12-cloud: 1 figures are the baseline's"}, nil)
	gate(strings.Replace(rows, "25 ", "26 ", 1)).must(t, 1, []string{"25 -> 26 overhead-insn/op"}, []string{"if that is meant"})
	gate(strings.Replace(rows, "25 ", "24 ", 1)).must(t, 1, []string{"1 better"}, []string{"if that is meant"})
	gate(strings.Replace(rows, "direct", "rethook", 1)+rows[strings.Index(rows, "Benchmark"):]).must(t, 2, []string{"rethook"}, nil)
	gate(strings.Replace(rows, "6.12.9", "6.12.10", 1)).must(t, 2, []string{"6.12.10"}, []string{"cannot be told"})
	gate(strings.Replace(rows, "6.12.9", "6.99.9", 1)).must(t, 3, nil, []string{"6.99.9"})
	gate(strings.Replace(rows, "icount", "kvm", 1), "--renew").must(t, 3, nil, []string{"measure on clock icount"})
	gate(rows, "--kernel", "6.1").must(t, 3, nil, []string{"--kernel says how to measure"})
	gate(rows, "--baseline", out).must(t, 3, nil, []string{"not a directory"})
	gate(rows, "--only", "none").must(t, 3, nil, []string{"no experiment"})
	gate("", "--renew").must(t, 3, nil, []string{"no benchmark rows"})
	f, err := baseline.Read(dir, "6.12-cloud")
	if err != nil || len(f.Rows) != 1 {
		t.Errorf("after all that the baseline is %v, %v", f, err)
	}
	if err := os.WriteFile(baseline.Path(dir, "6.12-cloud"), []byte("kernel\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	gate(rows).must(t, 3, nil, []string{results.ErrEmpty.Error(), "6.12-cloud.txt"})
}
