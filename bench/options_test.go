// SPDX-License-Identifier: MIT

package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"kprof-bench/kernels"
	"kprof-bench/kmod"
	"kprof-bench/results"
	"kprof-bench/workloads"

	"github.com/google/go-cmp/cmp"
)

func TestOptionsCheck(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		words   []string // of the error; none if there is none
	}{
		"one function":                 {Options{Funcs: []string{"sys_getpid"}, Rate: "max"}, nil},
		"two, and a rate":              {Options{Funcs: []string{"sys_getpid", "sys_clone"}, Rate: "10000/s"}, nil},
		"by the kernel's own name":     {Options{Funcs: []string{"__x64_sys_read"}, Rate: "max"}, nil},
		"all functions":                {Options{Funcs: []string{"all"}, Rate: "max"}, nil},
		"all functions and one":        {Options{Funcs: []string{"all", "sys_read"}, Rate: "max"}, []string{`"all"`}},
		"no function":                  {Options{Rate: "max"}, []string{"no functions"}},
		"a function nobody calls":      {Options{Funcs: []string{"sys_getpid", "sys_nothing"}, Rate: "max"}, []string{`"sys_nothing"`, "sys_clone, sys_clone3, sys_close, ", ", vfs_write"}},
		"an empty name":                {Options{Funcs: []string{""}, Rate: "max"}, []string{`""`}},
		"a rate without a unit":        {Options{Funcs: []string{"sys_getpid"}, Rate: "100"}, []string{`"100"`, `"10000/s"`}},
		"no rate":                      {Options{Funcs: []string{"sys_getpid"}}, []string{`""`}},
		"as few calls as can be":       {Options{Funcs: []string{"sys_getpid"}, Rate: "max", Calls: 4}, nil},
		"fewer calls than rounds":      {Options{Funcs: []string{"sys_getpid"}, Rate: "max", Calls: 3}, []string{"3 calls", "at least 4"}},
		"calls below 0":                {Options{Funcs: []string{"sys_getpid"}, Rate: "max", Calls: -1}, []string{"-1 calls"}},
		"faster than a clock can tell": {Options{Funcs: []string{"sys_getpid"}, Rate: "2000000/ms"}, []string{"2000000/ms"}},
	} {
		err := test.options.Check()
		if (err != nil) != (len(test.words) > 0) {
			t.Errorf("%s: error %v", name, err)
			continue
		}
		for _, word := range test.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q is missing in %q", name, word, err)
			}
		}
	}
}

func TestFindTargets(t *testing.T) {
	targets, err := findTargets([]string{"sys_clone", "__x64_sys_getpid"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, target := range targets {
		got = append(got, target.fn+" by "+target.gen.Name)
	}
	if diff := cmp.Diff([]string{"sys_clone by clone", "__x64_sys_getpid by getpid"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = findTargets([]string{"sys_getpid", "sys_read", "sys_getpid"})
	if err == nil || !strings.Contains(err.Error(), "sys_getpid is given twice") {
		t.Errorf("a function given twice: %v", err)
	}
	_, err = findTargets([]string{"sys_getpid", "sys_nothing"})
	var unknown *workloads.UnknownFunctionError
	if !errors.As(err, &unknown) || unknown.Function != "sys_nothing" {
		t.Errorf("error %v does not wrap what is unknown", err)
	}
}

// Nothing is fetched or built for a run that makes no sense.
func TestRunInGuestRefusesFirst(t *testing.T) {
	var unknown *workloads.UnknownFunctionError
	out, err := Host{CacheDir: "/dev/null"}.RunInGuest(t.Context(), Options{Funcs: []string{"sys_nothing"}, Rate: "max", Clock: ICount})
	if !errors.As(err, &unknown) {
		t.Errorf("%v, error %v, want one that names the function", out, err)
	}
}

func TestGood(t *testing.T) {
	for name, test := range map[string]struct {
		verdicts []Verdict
		want     bool
	}{
		"all held":             {[]Verdict{Held, Held}, true},
		"one failed":           {[]Verdict{Held, Failed, Held}, false},
		"one cannot be judged": {[]Verdict{Held, NotJudged}, true},
		"nothing was checked":  {nil, false},
		"nothing was judged":   {[]Verdict{NotJudged, NotJudged}, false},
	} {
		r := &Result{}
		for _, v := range test.verdicts {
			r.Checks = append(r.Checks, Check{Verdict: v})
		}
		if got := r.Good(); got != test.want {
			t.Errorf("%s: good is %v, want %v", name, got, test.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	o := Options{Clock: Native, Env: []results.Config{{Key: "qemu", Value: "7.2.22"}, {Key: "module", Value: "0123456789ab"}}}
	got, err := Environment(o)
	if err != nil {
		t.Fatal(err)
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	cpuinfo, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 6 {
		t.Fatalf("%v, want 6 entries", got)
	}
	cpu := got[3]
	want := []results.Config{
		{Key: "kernel", Value: strings.TrimSpace(string(release))},
		{Key: "clock", Value: "native"},
		{Key: "vcpus", Value: strconv.Itoa(runtime.NumCPU())},
		{Key: "cpu", Value: cpu.Value},
		{Key: "qemu", Value: "7.2.22"},
		{Key: "module", Value: "0123456789ab"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if cpu.Value != "unknown" && !strings.Contains(string(cpuinfo), ": "+cpu.Value+"\n") {
		t.Errorf("cpu %q is not in /proc/cpuinfo", cpu.Value)
	}
	if len(o.Env) != 2 {
		t.Errorf("the caller's environment has changed: %v", o.Env)
	}
}

// A result with one row of each kind becomes a results file in the units of
// its clock, and one that the results package accepts.
func TestFileOnEachClock(t *testing.T) {
	paced := sound()
	paced.pace, paced.basePace = pacedAt(9999.1, 4945), pacedAt(9999.2, 4944)
	r := region{label: "bss", scans: 3, ticks: []float64{300}, words: 100}
	for clock, test := range map[Clock]struct {
		units string // of the header
		row   []string
	}{
		ICount: {
			units: "Unit base-insn/op better=lower assume=exact\n" +
				"Unit probed-insn/op better=lower assume=exact\n" +
				"Unit overhead-insn/op better=lower assume=exact\n" +
				"Unit reported-insn/op assume=exact slack=5%\n" +
				"Unit true-insn/op assume=exact slack=5%\n" +
				"Unit bias-insn/op assume=exact slack=20\n" +
				"Unit caller-insn/op assume=exact slack=5%\n" +
				"Unit bpf-insn/op assume=exact slack=5%\n" +
				"Unit insn/op better=lower assume=exact slack=1%\n" +
				"Unit insn/word better=lower assume=exact slack=1%\n" +
				"Unit loop-insn/word better=lower assume=exact slack=1%\n" +
				"Unit whole-insn/op better=lower assume=exact slack=1%\n" +
				"Unit insn/line better=lower assume=exact slack=1%\n" +
				"Unit base-insn/pair better=lower assume=exact slack=1%\n" +
				"Unit probed-insn/pair better=lower assume=exact slack=1%\n" +
				"Unit overhead-insn/pair better=lower assume=exact slack=5%\n" +
				"Unit hooks-insn/pair better=lower assume=exact slack=1%\n" +
				"Unit base-p50-latency-insn assume=exact slack=5%\n" +
				"Unit base-p90-latency-insn assume=exact slack=5%\n" +
				"Unit base-p99-latency-insn assume=exact slack=5%\n" +
				"Unit base-p99.9-latency-insn assume=exact slack=5%\n" +
				"Unit base-max-latency-insn assume=exact slack=5%\n" +
				"Unit p50-latency-insn better=lower assume=exact slack=5%\n" +
				"Unit p90-latency-insn better=lower assume=exact slack=5%\n" +
				"Unit p99-latency-insn better=lower assume=exact slack=5%\n" +
				"Unit p99.9-latency-insn better=lower assume=exact slack=5%\n" +
				"Unit max-latency-insn better=lower assume=exact slack=5%\n" +
				"Unit calls-issued assume=exact\n" +
				"Unit calls-counted assume=exact\n" +
				"Unit calls-reported assume=exact\n" +
				"Unit calls-issued-bpf assume=exact\n" +
				"Unit calls-counted-bpf assume=exact\n" +
				"Unit missed better=lower assume=exact\n" +
				"Unit catches-lost-1-in better=higher assume=exact\n" +
				"Unit catches-untimed-1-in better=higher assume=exact\n" +
				"Unit catches-insn/op better=lower assume=exact slack=20\n" +
				"Unit catches-percent better=lower assume=exact slack=5\n" +
				"Unit catches-verdict-1-in better=higher assume=exact\n" +
				"Unit precision better=higher assume=exact\n" +
				"Unit recall better=higher assume=exact\n",
			row: []string{"306 base-insn/op", "9999.1 achieved-calls/s", "4945 latest-start-ns", "300 insn/op", "3 insn/word", "853 overhead-insn/pair"},
		},
		TCG:    {units: unitsOfTime, row: []string{"306 base-ns/op", "68 true-ns/op", "300 ns/op", "3 ns/word", "853 overhead-ns/pair"}},
		KVM:    {units: unitsOfTime, row: []string{"306 base-ns/op"}},
		Native: {units: unitsOfTime, row: []string{"306 base-ns/op"}},
	} {
		t.Run(string(clock), func(t *testing.T) {
			result := &Result{
				Env: []results.Config{{Key: "kernel", Value: "6.1.0"}, {Key: "clock", Value: string(clock)}},
				Rows: []results.Row{
					paced.row(), grade{}.row(r, 4), pairs{base: []float64{8141}, hooked: []float64{8900}, with: []float64{8994}}.row(),
				},
			}
			var b bytes.Buffer
			if err := results.Write(&b, result.File()); err != nil {
				t.Fatal(err)
			}
			head := "kernel: 6.1.0\nclock: " + string(clock) + "\n" + test.units + "BenchmarkProbe/"
			if !strings.HasPrefix(b.String(), head) {
				t.Errorf("the file does not begin with\n%s\nbut is\n%s", head, b.String())
			}
			for _, value := range test.row {
				if !strings.Contains(b.String(), "  "+value) {
					t.Errorf("%q is not in\n%s", value, b.String())
				}
			}
			if result.Rows[0].Values[0].Unit != "base-insn/op" {
				t.Error("the result itself was changed")
			}
		})
	}
}

// Real time does not repeat, and nothing can be said of one that is neither
// better low nor high.
const unitsOfTime = "Unit base-ns/op better=lower\n" +
	"Unit probed-ns/op better=lower\n" +
	"Unit overhead-ns/op better=lower\n" +
	"Unit ns/op better=lower\n" +
	"Unit ns/word better=lower\n" +
	"Unit loop-ns/word better=lower\n" +
	"Unit whole-ns/op better=lower\n" +
	"Unit ns/line better=lower\n" +
	"Unit base-ns/pair better=lower\n" +
	"Unit probed-ns/pair better=lower\n" +
	"Unit overhead-ns/pair better=lower\n" +
	"Unit hooks-ns/pair better=lower\n" +
	"Unit p50-latency-ns better=lower\n" +
	"Unit p90-latency-ns better=lower\n" +
	"Unit p99-latency-ns better=lower\n" +
	"Unit p99.9-latency-ns better=lower\n" +
	"Unit max-latency-ns better=lower\n" +
	"Unit calls-issued assume=exact\n" +
	"Unit calls-counted assume=exact\n" +
	"Unit calls-reported assume=exact\n" +
	"Unit calls-issued-bpf assume=exact\n" +
	"Unit calls-counted-bpf assume=exact\n" +
	"Unit missed better=lower assume=exact\n" +
	"Unit catches-lost-1-in better=higher assume=exact\n" +
	"Unit catches-untimed-1-in better=higher assume=exact\n" +
	"Unit catches-ns/op better=lower\n" +
	"Unit catches-percent better=lower assume=exact\n" +
	"Unit catches-verdict-1-in better=higher assume=exact\n" +
	"Unit precision better=higher assume=exact\n" +
	"Unit recall better=higher assume=exact\n"

// Options and results travel as JSON between the guest and the host.
func TestOptionsTravel(t *testing.T) {
	want := job{Run: &Options{
		Funcs: []string{"sys_getpid"}, Rate: "10000/s", Calls: 7, Clock: ICount, Profiler: "/p.ko", Testbed: "/t.ko",
		Env: []results.Config{{Key: "qemu", Value: "7.2.22"}},
	}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got job
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-sent +received):\n%s", diff)
	}
}

// The planted classes are as many blocks as is said, and both kinds of truth
// are among them.
func TestClassesArePlantedInNumbers(t *testing.T) {
	var blocks, held uint64
	for _, c := range classes {
		blocks += c.count
		if c.held {
			held += c.count
		}
	}
	if blocks != 1000 || held != 600 {
		t.Errorf("%d blocks, %d of them held; want 1000 and 600", blocks, held)
	}
}

// What the sources refuse is said before a compiler says it, and not of sources
// that may know better.
func TestMayBuild(t *testing.T) {
	own := func(release string) *kernels.Kernel {
		return &kernels.Kernel{Release: release, Identity: "0123456789ab"}
	}
	for name, test := range map[string]struct {
		host   Host
		kernel *kernels.Kernel
		ok     bool
	}{
		"of a series":           {Host{}, own("6.1.77-mine"), true},
		"of another":            {Host{}, own("6.6.30"), false},
		"a longer number":       {Host{}, own("6.100.1"), false},
		"a preliminary one":     {Host{}, own("7.3-rc7"), true},
		"of another, Debian's":  {Host{}, &kernels.Kernel{Release: "6.6.30-amd64"}, true},
		"with sources of yours": {Host{Profiler: os.DirFS(".")}, own("6.6.30"), true},
	} {
		err := test.host.mayBuild(test.kernel)
		if (err == nil) != test.ok || err != nil && !strings.Contains(err.Error(), "Linux "+test.kernel.Release+", and the modules support none but 5.10, 6.1, 6.12, 7.3; ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModulesOfUnknownCompilers(t *testing.T) {
	m := Modules{&kmod.Module{Revision: "file-0123456789ab"}, &kmod.Module{Revision: "file-ba9876543210"}}
	want := []results.Config{{Key: "module", Value: "file-0123456789ab"}, {Key: "testbed", Value: "file-ba9876543210"}}
	if diff := cmp.Diff(want, m.env()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
