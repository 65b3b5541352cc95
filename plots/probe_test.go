// SPDX-License-Identifier: MIT

package plots

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/results"
)

// file reads results whose environment is given, or else that of an exact run.
func file(t *testing.T, text string) *results.File {
	t.Helper()
	if !strings.Contains(text, "kernel:") {
		text = "kernel: 6.1\nclock: icount\n" + text
	}
	f, err := results.Read(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func testdata(t *testing.T, name string) *Probe {
	t.Helper()
	f, err := results.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	p := &Probe{}
	if err := p.Add(f); err != nil {
		t.Fatal(err)
	}
	return p
}

const getpid = "BenchmarkProbe/func=sys_getpid/backend=direct/rate=max  9  "

func TestAddRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, says string }{
		"no probes":              {"BenchmarkLeakScan/region=bss  1  5 insn/op\n", "no rows named BenchmarkProbe"},
		"kernel unknown":         {"# kernel:\nclock: icount\n" + getpid + "25 overhead-insn/op\n", "on which kernel"},
		"clock unknown":          {"kernel: 6.1\n" + getpid + "25 overhead-insn/op\n", "on which clock"},
		"ns on the exact clock":  {getpid + "25 overhead-ns/op\n", "overhead-ns/op is in ns, but the clock counts insn"},
		"insn on a real clock":   {"kernel: 6.1\nclock: kvm\n" + getpid + "25 overhead-insn/op\n", "in insn, but the clock counts ns"},
		"bias in another unit":   {getpid + "25 overhead-insn/op  3 bias-ns/op\n", "bias-ns/op is in ns"},
		"only the last row":      {getpid + "25 overhead-insn/op\n" + getpid + "25 overhead-ns/op\n", "is in ns"},
		"no overhead":            {getpid + "25 bias-insn/op\n", "no overhead-insn/op"},
		"no function":            {"BenchmarkProbe/backend=direct/rate=max  9  25 overhead-insn/op\n", "/func= is missing"},
		"no backend":             {"BenchmarkProbe/func=f/rate=max  9  25 overhead-insn/op\n", "/backend= is missing"},
		"longer than any call":   {getpid + "1e300 overhead-insn/op\n", "no time that a call can take"},
		"another kernel":         {"kernel: 6.12\nclock: icount\nmodule: a\n" + getpid + "25 overhead-insn/op\n", `kernel is "6.12" here and "6.1"`},
		"another clock":          {"kernel: 6.1\nclock: tcg\nmodule: a\n" + getpid + "25 overhead-ns/op\n", `clock is "tcg" here and "icount"`},
		"another module":         {"kernel: 6.1\nclock: icount\nmodule: b\n" + getpid + "25 overhead-insn/op\n", `module is "b" here and "a"`},
		"a module not named":     {getpid + "25 overhead-insn/op\n", `module is "" here and "a"`},
		"one more thing is said": {"kernel: 6.1\nclock: icount\nmodule: a\ncpu: x\n" + getpid + "25 overhead-insn/op\n", `cpu is "x" here and ""`},
	} {
		t.Run(name, func(t *testing.T) {
			const before = "kernel: 6.1\nclock: icount\nmodule: a\n" + getpid + "7 overhead-insn/op\n"
			p := &Probe{}
			if err := p.Add(file(t, before)); err != nil {
				t.Fatal(err)
			}
			was := picture(t, p, SVG)
			added := file(t, test.text)
			err := p.Add(added)
			if strings.Contains(test.says, " here and ") {
				// Alone it would do.
				if err := (&Probe{}).Add(added); err != nil {
					t.Error(err)
				}
			} else {
				err = (&Probe{}).Add(added)
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
			if diff := cmp.Diff(was, picture(t, p, SVG)); diff != "" {
				t.Errorf("the chart changed (-was +is):\n%s", diff)
			}
		})
	}
	if err := (&Probe{}).Add(file(t, "BenchmarkA 1 1 x\n")); !errors.Is(err, ErrNoProbes) {
		t.Errorf("error %v, want ErrNoProbes", err)
	}
}

func TestRowsOfOneNameAreSamples(t *testing.T) {
	row := func(v string) string { return getpid + v + " overhead-insn/op  -" + v + " bias-insn/op\n" }
	for name, test := range map[string]struct {
		files []string
		want  []string
	}{
		"one":                    {[]string{row("7")}, []string{"7", "-7", "1 run"}},
		"the middle one":         {[]string{row("1000") + row("7") + row("9")}, []string{"9", "-9", "medians of 3 runs"}},
		"between the middle two": {[]string{row("7") + row("8.001")}, []string{"7.5005", "-7.5005", "medians of 2 runs"}},
		"in several files":       {[]string{row("9"), row("7"), row("1000")}, []string{"9", "-9", "medians of 3 runs"}},
		"more of one": {
			[]string{row("9"), row("7") + strings.Replace(row("5"), "getpid", "read", 1)},
			[]string{"8", "-8", "5", "-5", "medians of 1 to 2 runs"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Probe{}
			for _, text := range test.files {
				if err := p.Add(file(t, text)); err != nil {
					t.Fatal(err)
				}
			}
			words := allText(record(t, p))
			for _, want := range test.want {
				if !strings.Contains(words, "|"+want+"|") && !strings.Contains(words, " "+want+"|") {
					t.Errorf("%q is not in the chart: %s", want, words)
				}
			}
		})
	}
}

// What makes a difference between rows is part of the name on the chart, so
// that no two things pass for samples of one.
func TestFunctionNames(t *testing.T) {
	for name, want := range map[string]string{
		"func=sys_read/backend=direct/rate=max":            "sys_read",
		"func=sys_read/backend=direct":                     "sys_read",
		"func=sys_read/backend=direct/rate=10000-per-s":    "sys_read, 10000-per-s",
		"func=tb_work/n=100/backend=direct/rate=max":       "tb_work(100)",
		"func=tb_work/n=1/backend=direct/cpus=2/rate=9-ms": "tb_work(1), cpus=2, 9-ms",
	} {
		f := file(t, "BenchmarkProbe/"+name+" 1 1 x\n")
		if got := functionName(f.Rows[0]); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestBackends(t *testing.T) {
	probe := func(names ...string) *Probe {
		p := &Probe{}
		for _, name := range names {
			if err := p.Add(file(t, "BenchmarkProbe/func=f/backend="+name+"/rate=max 1 1 overhead-insn/op\n")); err != nil {
				t.Fatal(err)
			}
		}
		return p
	}
	// In whatever order they come, and whatever others there are.
	got, err := probe("new", "kretprobe+hist", "newer", "rethook", "direct").backends()
	if err != nil {
		t.Fatal(err)
	}
	want := []backend{{"direct", blue}, {"rethook", green}, {"kretprobe+hist", orange}, {"new", spare[0]}, {"newer", spare[1]}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(backend{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = probe("a", "b", "c", "d", "direct").Draw(SVG)
	if err == nil || !strings.Contains(err.Error(), "not enough colours for the backends a, b, c, d") {
		t.Errorf("error %v for too many backends", err)
	}
}

func TestTooMuchForAPicture(t *testing.T) {
	var b strings.Builder
	for i := range maxLines {
		fmt.Fprintf(&b, "BenchmarkProbe/func=f%d/backend=direct/rate=max 1 1 overhead-insn/op\n", i)
	}
	p := &Probe{}
	if err := p.Add(file(t, b.String())); err != nil {
		t.Fatal(err)
	}
	picture(t, p, SVG)
	if err := p.Add(file(t, getpid+"1 overhead-insn/op\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Draw(SVG); err == nil || !strings.Contains(err.Error(), "201 pairs of function and backend") {
		t.Errorf("error %v, want one that counts them", err)
	}
}
