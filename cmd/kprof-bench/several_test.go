// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/bench"
	"kprof-bench/guest"
	"kprof-bench/results"
)

// on is a run on one of several kernels that was measured, with results of its
// own.
func on(kernel, release string, change func(*bench.Result)) *kernelRun {
	r := &kernelRun{result: specimen(bench.ICount)}
	r.kernel = kernel
	r.result.Env[0].Value = release
	r.result.Checks[1].Verdict = bench.Held
	if change != nil {
		change(r.result)
	}
	return r
}

// failed is one that was not.
func failed(kernel string, err error) *kernelRun {
	r := &kernelRun{err: err}
	r.kernel = kernel
	return r
}

// three have a row that the first lacks, calls that were missed on the second, a
// check that failed there, and figures that differ.
func three() []*kernelRun {
	return []*kernelRun{
		on("5.10", "5.10.0-32-amd64", func(r *bench.Result) {
			r.Rows = append(r.Rows[:2], r.Rows[3])
			r.Rows[2].Values[6].V, r.Rows[2].Values[7].V, r.Rows[2].Values[8].V = 2000, 2000, 0
			r.Checks = append(r.Checks, bench.Check{Name: "backend direct", Verdict: bench.NotSupported, Detail: "it has none"})
		}),
		on("6.1", "6.1.0-56-amd64", func(r *bench.Result) { r.Checks[1].Verdict = bench.Failed }),
		on("7.3", "7.3.4+deb13-amd64", func(r *bench.Result) {
			r.Rows[3].Values[2].V, r.Rows[3].Values[5].V = 98765, 0
			r.Rows[3].Values[7].V, r.Rows[3].Values[8].V = 2000, 0
		}),
	}
}

func TestKernelsSideBySide(t *testing.T) {
	var got bytes.Buffer
	if err := writeKernels(&got, three()); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "kernels.golden"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, room := range []int{0, 150, got.Len() - 1} {
		if err := writeKernels(&full{room}, three()); err == nil {
			t.Errorf("no error with room for %d of %d bytes", room, got.Len())
		}
	}
}

// Rows keep the order that they have on each kernel, whichever comes first.
func TestRowsOfSeveralKernels(t *testing.T) {
	view := kernelView{row: "Probe"}
	rows := func(names string) measuredOn {
		var m measuredOn
		for _, name := range strings.Fields(names) {
			m.rows = append(m.rows, results.Row{Name: "Probe", Params: []results.Param{{Key: "f", Value: name}}}, results.Row{Name: "Other"})
		}
		return m
	}
	for name, test := range map[string]struct {
		kernels []string
		want    string
	}{
		"the same":          {[]string{"a b c", "a b c"}, "a b c"},
		"the first has few": {[]string{"b d", "a b c d"}, "a b c d"},
		"the last has few":  {[]string{"a b c d", "d"}, "a b c d"},
		"one has none":      {[]string{"", "a b"}, "a b"},
		"three":             {[]string{"b", "a b c", "c d"}, "a b c d"},
	} {
		var all []measuredOn
		for _, k := range test.kernels {
			all = append(all, rows(k))
		}
		names, byName := view.rows(all)
		got := strings.ReplaceAll(strings.Join(names, " "), "Probe/f=", "")
		if got != test.want || len(byName) != len(test.kernels) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

var (
	oops    = exitError{3, "the guest ended with kernel oops: BUG"}
	hang    = exitError{4, "the guest ended with hang: nothing"}
	noBoot  = exitError{5, "the guest ended with boot failure: nothing"}
	errOurs = errors.New("no space left")
)

func TestWorst(t *testing.T) {
	wrong := on("w", "w", func(r *bench.Result) { r.Checks[1].Verdict = bench.Failed })
	good := on("g", "g", nil)
	inOrder := []*kernelRun{good, failed("u", errOurs), failed("b", noBoot), wrong, failed("h", hang), failed("o", fmt.Errorf("again: %w", oops))}
	codes := []int{0, 2, 5, 1, 4, 3}
	for i, r := range inOrder {
		for j := range i + 1 {
			for _, pair := range [][]*kernelRun{{r, inOrder[j]}, {inOrder[j], r}} {
				if got := worst(pair); got != codes[i] {
					t.Errorf("%s and %s: exit code %d, want %d", pair[0].kernel, pair[1].kernel, got, codes[i])
				}
			}
		}
	}
	for _, ending := range []guest.Ending{guest.WrongNumbers, guest.OurFailure, guest.KernelOops, guest.Hang, guest.BootFailure} {
		if got := worst([]*kernelRun{good, failed("x", exitError{code: ending.ExitCode()})}); got != ending.ExitCode() {
			t.Errorf("%s: exit code %d, want %d", ending, got, ending.ExitCode())
		}
	}
}

// reported is what report does with runs.
type reported struct {
	code           int
	stdout, stderr string
	file           string // what is in it afterwards, a word if nothing new
}

func report(t *testing.T, f runFlags, runs ...*kernelRun) reported {
	t.Helper()
	f.out = filepath.Join(t.TempDir(), "out.txt")
	if err := os.WriteFile(f.out, []byte("precious\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	err := f.report(runs, &stdout, &stderr)
	b, ferr := os.ReadFile(f.out)
	if ferr != nil {
		t.Fatal(ferr)
	}
	got := reported{0, stdout.String(), strings.ReplaceAll(stderr.String(), f.out, "OUT"), string(b)}
	var exit exitError
	switch {
	case errors.As(err, &exit):
		got.code = exit.code
		if exit.message != "" {
			got.stderr += "MAIN: " + exit.message + "\n"
		}
	case err != nil:
		got.code, got.stderr = exitFailure, got.stderr+"MAIN: "+err.Error()+"\n"
	}
	return got
}

func TestReport(t *testing.T) {
	good := func(kernel string) *kernelRun { return on(kernel, kernel+".0", nil) }
	wrong := func(kernel string) *kernelRun {
		return on(kernel, kernel+".0", func(r *bench.Result) { r.Checks[1].Verdict = bench.Failed })
	}
	noticed := good("6.12")
	noticed.notice = "clock tcg is used instead of kvm"
	for name, test := range map[string]struct {
		runs    []*kernelRun
		code    int
		last    string // line of the output
		stderr  string
		written bool
	}{
		"one, good":  {[]*kernelRun{good("6.1")}, 0, "PASS: 3 checks held, 0 failed, 1 could not be judged", "", true},
		"one, wrong": {[]*kernelRun{wrong("6.1")}, 1, "FAIL: 2 checks held, 1 failed, 1 could not be judged", "kprof-bench: OUT is not written: figures that are known to be wrong are no results\n", false},
		"one, oops":  {[]*kernelRun{failed("6.1", oops)}, 3, "", "MAIN: the guest ended with kernel oops: BUG\n", false},
		"all good": {[]*kernelRun{good("5.10"), noticed}, 0, "PASS: 6 checks held on 2 kernels, 0 failed, 2 could not be judged",
			"kprof-bench: 6.12: clock tcg is used instead of kvm\n", true},
		"one of two wrong": {[]*kernelRun{good("5.10"), wrong("6.1")}, 1, "FAIL: 5 checks held on 2 kernels, 1 failed, 2 could not be judged",
			"kprof-bench: OUT is not written: figures that are known to be wrong are no results\n", false},
		"one of two failed": {[]*kernelRun{failed("5.10", errOurs), good("6.1")}, 2, "FAIL: 3 checks held on 1 kernels, 0 failed, 1 could not be judged, nothing was measured on 5.10",
			"kprof-bench: 5.10: no space left\nkprof-bench: OUT is not written: not all kernels were measured\n", false},
		"one oopsed and one is wrong": {[]*kernelRun{wrong("5.10"), failed("6.1", oops), good("7.3")}, 3, "FAIL: 5 checks held on 2 kernels, 1 failed, 2 could not be judged, nothing was measured on 6.1",
			"kprof-bench: 6.1: the guest ended with kernel oops: BUG\nkprof-bench: OUT is not written: not all kernels were measured\n", false},
		"none was measured": {[]*kernelRun{failed("5.10", noBoot), failed("6.1", hang)}, 4, "FAIL: 0 checks held on 0 kernels, 0 failed, nothing was measured on 5.10, 6.1",
			"kprof-bench: 5.10: the guest ended with boot failure: nothing\nkprof-bench: 6.1: the guest ended with hang: nothing\nkprof-bench: OUT is not written: not all kernels were measured\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			got := report(t, runFlags{}, test.runs...)
			lines := strings.Split(strings.TrimSuffix(got.stdout, "\n"), "\n")
			if got.code != test.code || lines[len(lines)-1] != test.last || got.stderr != test.stderr || (got.file != "precious\n") != test.written {
				t.Errorf("exit code %d, last line %q, messages %q, file %.20q", got.code, lines[len(lines)-1], got.stderr, got.file)
			}
			if !test.written {
				return
			}
			files, err := results.ReadAll(strings.NewReader(got.file), "out")
			if err != nil || len(files) != len(test.runs) {
				t.Fatalf("%d kernels in the file, want %d: %v", len(files), len(test.runs), err)
			}
			for i, r := range test.runs {
				if diff := cmp.Diff(r.result.File(), files[i]); diff != "" {
					t.Errorf("%s (-measured +written):\n%s", r.kernel, diff)
				}
			}
		})
	}
}

func TestKernelsAsJSON(t *testing.T) {
	got := report(t, runFlags{json: true}, on("5.10", "5.10.0", nil), failed("6.1", oops))
	var all []struct {
		Kernel, Error string
		Env           []results.Config
		Rows          []results.Row
		Checks        []bench.Check
		Samples       []bench.Sample
	}
	dec := json.NewDecoder(strings.NewReader(got.stdout))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&all); err != nil {
		t.Fatalf("%v\n%s", err, got.stdout)
	}
	if len(all) != 2 || all[0].Kernel != "5.10" || all[0].Error != "" || len(all[0].Rows) != 4 || len(all[0].Samples) != 1 ||
		all[1].Kernel != "6.1" || all[1].Error != oops.message || all[1].Rows != nil || got.code != 3 {
		t.Errorf("exit code %d, %+v", got.code, all)
	}
}

func TestRunsOfTheCommandLine(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string // kernels, or a part of the error
	}{
		"the default":          {nil, "6.1"},
		"several":              {[]string{"--kernel", "7.3,6.1-rt"}, "7.3 6.1-rt"},
		"all":                  {[]string{"--kernel", "all"}, "5.10 6.1 6.12 7.3"},
		"twice":                {[]string{"--kernel", "7.3,6.1,7.3"}, "kernel 7.3 is given twice"},
		"unknown":              {[]string{"--kernel", "7.3,7.4"}, `there is no kernel "7.4"`},
		"an empty name":        {[]string{"--kernel", "7.3,"}, `there is no kernel ""`},
		"all and one":          {[]string{"--kernel", "all,7.3"}, `there is no kernel "all"; 5.10, 6.1, 6.12 and 7.3 are`},
		"modules of several":   {[]string{"--kernel", "all", "--modules", "."}, "--modules has those of one kernel"},
		"consoles":             {[]string{"--kernel", "all", "--console"}, "--console shows one guest"},
		"modules of one":       {[]string{"--kernel", "7.3", "--modules", "."}, "7.3"},
		"two kernels":          {[]string{"--kernel", "7.3", "--kernel-image", "x", "--headers", "y"}, "--kernel and --kernel-image are two kernels"},
		"headers alone":        {[]string{"--headers", "y"}, "--headers are those of --kernel-image"},
		"an image alone":       {[]string{"--kernel-image", "x"}, "--kernel-image needs --headers to build the modules with, or --modules that are built"},
		"an image and modules": {[]string{"--kernel-image", "x", "--modules", "y"}, "6.1"},
		"modules and sources":  {[]string{"--modules", "y", "--profiler", "z"}, "--modules are built already"},
	} {
		var f runFlags
		cmd := runCommandOf(&f)
		if err := cmd.ParseFlags(test.args); err != nil {
			t.Fatal(err)
		}
		runs, err := f.runs()
		got := ""
		for _, r := range runs {
			got += r.kernel + " "
		}
		if err != nil {
			got = err.Error()
		}
		if got = strings.TrimSpace(got); got != test.want && (err == nil || !strings.Contains(got, test.want)) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// As many runs as there may be are done at the same time, and none of those that
// have failed.
func TestEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := []*kernelRun{{}, {}, failed("6.1", errOurs), {}, {}}
		var done, now atomic.Int32
		next := make(chan struct{})
		go each(runs, 2, func(*kernelRun) {
			now.Add(1)
			<-next
			now.Add(-1)
			done.Add(1)
		})
		for range 3 {
			synctest.Wait()
			if now.Load() != 2 {
				t.Errorf("with %d done %d are there, want 2", done.Load(), now.Load())
			}
			next <- struct{}{}
		}
		next <- struct{}{}
		synctest.Wait()
		if done.Load() != 4 {
			t.Errorf("%d were done, want 4", done.Load())
		}
	})
}
