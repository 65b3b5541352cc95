// SPDX-License-Identifier: MIT

package baseline

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/compare"
	"kprof-bench/results"
)

const env = "kernel: 6.1.0-9-amd64\nclock: icount\nqemu: 7.2\nmodule: abc\n"

const measured = env + `suite: 123
Unit base-insn/op better=lower assume=exact
Unit overhead-insn/op better=lower assume=exact
Unit overhead-insn/pair better=lower assume=exact slack=3%
Unit hooks-insn/pair better=lower assume=exact slack=1%
Unit missed better=lower assume=exact
Unit insn/word better=lower assume=exact slack=0.5%
Unit insn/op better=lower assume=exact
BenchmarkLeakScan/region=directmap/blocks=9  1  7000 insn/op  3 insn/word
BenchmarkLeakScan/region=64MiB/blocks=9  1  9000 insn/op  2.6 insn/word
BenchmarkVmallocPair/size=4096  10  7000 base-insn/pair  700 overhead-insn/pair  400 hooks-insn/pair
BenchmarkProbe/func=tb_work/n=1/backend=direct  10  5 base-insn/op  29 overhead-insn/op  0 missed
BenchmarkProbe/func=sys_getpid/backend=direct  10  300 base-insn/op  25 overhead-insn/op  0 missed
BenchmarkProbe/func=sys_clone/backend=direct  10  100000 base-insn/op  55 overhead-insn/op  0 missed
`

const kept = env + `Unit overhead-insn/op better=lower assume=exact
Unit hooks-insn/pair better=lower assume=exact slack=1%
Unit missed better=lower assume=exact
Unit insn/word better=lower assume=exact slack=0.5%
BenchmarkLeakScan/region=64MiB/blocks=9  1  2.6 insn/word
BenchmarkVmallocPair/size=4096  10  400 hooks-insn/pair
BenchmarkProbe/func=tb_work/n=1/backend=direct  10  29 overhead-insn/op  0 missed
BenchmarkProbe/func=sys_getpid/backend=direct  10  25 overhead-insn/op  0 missed
`

func read(t *testing.T, text string) *results.File {
	t.Helper()
	f, err := results.Read(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// changed is what was measured with a text in it replaced.
func changed(t *testing.T, old, next string) *results.File {
	t.Helper()
	if strings.Count(measured, old) != 1 {
		t.Fatalf("%q is not there once", old)
	}
	return read(t, strings.Replace(measured, old, next, 1))
}

func TestOf(t *testing.T) {
	got, err := Of(read(t, measured))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read(t, kept), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for what, text := range map[string]string{
		"on clock icount":  strings.Replace(measured, "icount", "kvm", 1),
		"nothing that":     env + "BenchmarkProbe/func=sys_clone  1  5 overhead-insn/op\n",
		"measure overhead": env + "BenchmarkProbe/func=sys_getpid  1  5 base-insn/op\n",
	} {
		if _, err := Of(read(t, text)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v, want %q in it", err, what)
		}
	}
}

func TestCompare(t *testing.T) {
	for name, one := range map[string]struct {
		old, next string
		want      compare.Outcome
		better    int
	}{
		"the same":                {"module: abc", "module: def", compare.NoRegression, 0},
		"one more":                {"25 overhead", "26 overhead", compare.Regression, 0},
		"one less":                {"25 overhead", "24 overhead", compare.NoRegression, 1},
		"vmalloc":                 {"400 hooks", "405 hooks", compare.Regression, 0},
		"a call missed":           {"29 overhead-insn/op  0 missed", "29 overhead-insn/op  1 missed", compare.Regression, 0},
		"a scan, by memory":       {"2.6 insn/word", "2.612 insn/word", compare.NoRegression, 0},
		"a scan":                  {"2.6 insn/word", "2.614 insn/word", compare.Regression, 0},
		"what is not kept":        {"55 overhead", "99 overhead", compare.NoRegression, 0},
		"another kernel":          {"6.1.0-9", "6.1.0-10", compare.Failed, 0},
		"a row is no longer made": {"func=tb_work/n=1", "func=other", compare.Undecided, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Compare(read(t, kept), changed(t, one.old, one.next), false)
			if err != nil {
				t.Fatal(err)
			}
			if better := r.Count(compare.Better); r.Outcome != one.want || better != one.better {
				t.Errorf("outcome %v with %d better, want %v with %d", r.Outcome, better, one.want, one.better)
			}
		})
	}
}

func TestComparePart(t *testing.T) {
	part := read(t, env+"Unit overhead-insn/op better=lower assume=exact\nBenchmarkProbe/func=sys_getpid/backend=direct  10  26 overhead-insn/op  0 missed\n")
	r, err := Compare(read(t, kept), part, true)
	if err != nil || r.Outcome != compare.Regression || len(r.OnlyOld) != 0 {
		t.Errorf("outcome %v, %d missing, %v", r.Outcome, len(r.OnlyOld), err)
	}
	if r, err = Compare(read(t, kept), part, false); err != nil || len(r.OnlyOld) != 3 {
		t.Errorf("%d missing of a whole one, %v", len(r.OnlyOld), err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir, "6.1"); !errors.Is(err, ErrMissing) {
		t.Errorf("error %v where there is none", err)
	}
	if err := Write(dir, "6.1", read(t, measured)); err != nil {
		t.Fatal(err)
	}
	wantFile(t, dir, kept)

	// What comes from elsewhere does not show in the diff; all else does.
	next := strings.NewReplacer("2.6 insn/word", "2.601 insn/word", "25 overhead", "27 overhead")
	if err := Write(dir, "6.1", read(t, next.Replace(measured))); err != nil {
		t.Fatal(err)
	}
	now := strings.Replace(kept, "25 overhead", "27 overhead", 1)
	wantFile(t, dir, now)

	if err := Write(dir, "6.1", read(t, strings.Replace(measured, "icount", "tcg", 1))); err == nil {
		t.Error("no error for another clock")
	}
	wantFile(t, dir, now)

	if err := os.WriteFile(Path(dir, "6.1"), []byte("Benchmark\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, "6.1", read(t, measured)); err == nil || !strings.Contains(err.Error(), "take it away") {
		t.Errorf("a damaged baseline: %v", err)
	}
	wantFile(t, dir, "Benchmark\n")
}

func wantFile(t *testing.T, dir, want string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "6.1.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
