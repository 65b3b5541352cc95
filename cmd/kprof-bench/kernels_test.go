// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/bench"
	"kprof-bench/guest/guesttest"
	"kprof-bench/kernels"
	"kprof-bench/kmod"
	"kprof-bench/results"
)

// notSupported is all that is not judged on one of the kernels, and why.
var notSupported = []string{
	"5.10: backend direct: not supported: ftrace of Linux 5.10 has no direct calls from a set of functions",
	"5.10: backend rethook: not supported: Linux 5.10 has no rethook",
	"5.10: vmallocinfo: not supported: in Linux 5.10 the probe is on vmalloc() itself, which takes the probe's trampoline for its caller",
}

// dearest is how many instructions a probe of getpid may cost on each kernel.
var dearest = map[string]map[bench.Backend]float64{
	"5.10": {bench.KRetProbe: 540},
	"6.1":  {bench.Direct: 26, bench.RetHook: 300, bench.KRetProbe: 415},
	"6.12": {bench.Direct: 26, bench.RetHook: 340, bench.KRetProbe: 470},
	"7.3":  {bench.Direct: 26, bench.RetHook: 360, bench.KRetProbe: 500},
}

// On each kernel each backend counts right, costs no more than it may and reports
// what is true, and every verdict on leaks is right. What a kernel cannot do is
// no more than what is known.
func TestRunOnAllKernels(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "results.txt")
	got := kprofBench(t, "run", "--kernel", "all", "--funcs", "sys_getpid,sys_clone,sys_nanosleep", "--calls", "400",
		"--backends", "direct,rethook,kretprobe", "--out", out)
	got.must(t, 0, []string{"kernels 5.10.", "clock icount", "\nPASS: ", " checks held on 4 kernels, 0 failed"},
		[]string{"5.10: boot\n", "7.3: time sys_getpid by the testbed\n"})
	lines := regexp.MustCompile(`(?m)^.*: not supported: .*$`).FindAllString(got.stdout, -1)
	if diff := cmp.Diff(notSupported, lines); diff != "" {
		t.Errorf("what is not supported (-want +got):\n%s", diff)
	}
	if t.Failed() {
		return
	}
	files, err := results.ReadAllFile(out)
	if err != nil || len(files) != len(kernels.Series) {
		t.Fatalf("%d kernels are in the file: %v", len(files), err)
	}
	for i, series := range kernels.Series {
		f := files[i]
		if release := setting(t, f, "kernel"); !strings.HasPrefix(release, series+".") {
			t.Errorf("the results of %s are those of %s", series, release)
		}
		wantCounted(t, f, 400, slices.Collect(maps.Keys(dearest[series])))
		wantCheap(t, f, dearest[series])
		wantCheapPairs(t, f)
		wantUnbiased(t, f)
		wantRight(t, f)
		if series == kmod.DefaultSeries {
			wantRecorded(t, f)
		}
	}
	wantRecordedKernels(t, files)
	wantBaseline(t, out)
	text, err := exec.CommandContext(t.Context(), "go", "tool", "benchstat", "-col", "kernel", out).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "Probe/func=sys_clone") || strings.Contains(string(text), "benchfmt") {
		t.Errorf("benchstat: %v\n%s", err, text)
	}
}

// wantCounted fails unless so many calls of each function were made and counted by
// each of the backends and no other.
func wantCounted(t *testing.T, f *results.File, calls float64, backends []bench.Backend) {
	t.Helper()
	byFunc := rows(f)
	for _, name := range []string{"sys_getpid", "sys_clone", "sys_nanosleep"} {
		for _, b := range bench.AllBackends {
			r, ok := byFunc[name+", "+string(b)]
			if ok != slices.Contains(backends, b) {
				t.Errorf("%s by %s on %s: measured is %v", name, b, setting(t, f, "kernel"), ok)
			}
			if !ok {
				continue
			}
			if issued, counted := value(t, r, "calls-issued"), value(t, r, "calls-reported"); issued != calls || counted != calls {
				t.Errorf("%s by %s on %s: %v calls issued, %v counted, want %v", name, b, setting(t, f, "kernel"), issued, counted, calls)
			}
			if issued, counted := value(t, r, "calls-issued-bpf"), value(t, r, "calls-counted-bpf"); issued == 0 || counted != issued {
				t.Errorf("%s on %s: %v calls issued, %v counted by BPF programs", name, setting(t, f, "kernel"), issued, counted)
			}
		}
	}
}

// A kernel of one's own is booted, and modules are built for it as for the same
// kernel when it is known.
func TestRunOnOnesOwnKernel(t *testing.T) {
	t.Parallel()
	modules, out := t.TempDir(), filepath.Join(t.TempDir(), "results.txt")
	kprofBench(t, "build", "--out", modules).must(t, 0, []string{"profiler.ko\n", "kprof_testbed.ko\n"}, nil)
	k := guesttest.Kernel(t)
	image := filepath.Join(filepath.Dir(k.Config), "vmlinuz-"+k.Release)
	own, err := kernels.Own(t.Context(), image, k.HeadersDir, kernels.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(k.MakeArgs("/m"), own.MakeArgs("/m")); diff != "" || own.Release != k.Release || own.Variant == "" {
		t.Errorf("%+v is built for otherwise (-known +own):\n%s", own, diff)
	}

	kprofBench(t, "run", "--only", "overhead", "--funcs", "sys_getpid", "--kernel-image", image, "--modules", modules, "--out", out).
		must(t, 0, []string{"kernel " + k.Release + ", ", "module file-", "\nPASS: 2 checks held"}, []string{"unpacking " + image + "\n", "boot\n"})
	f := readFile(t, out)
	most := dearest[kmod.DefaultSeries]
	wantCheap(t, f, map[bench.Backend]float64{bench.Direct: most[bench.Direct], bench.KRetProbe: most[bench.KRetProbe]})
	if got := setting(t, f, "image"); got != "file-"+own.Identity {
		t.Errorf("the results name image %s, and it is %s", got, own.Identity)
	}
}

// recordedKernels is the file that README.md's table of kernels is made from.
const recordedKernels = "../../results/recorded/kernels.txt"

// wantRecordedKernels fails if what the table shows is not what is measured.
func wantRecordedKernels(t *testing.T, files []*results.File) {
	t.Helper()
	all, err := results.ReadAllFile(recordedKernels)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		i := slices.IndexFunc(all, func(r *results.File) bool { return setting(t, r, "kernel") == setting(t, f, "kernel") })
		if i < 0 || !sameSetting(t, all[i], f) {
			t.Logf("%s is not recorded; time for make record", setting(t, f, "kernel"))
			continue
		}
		for _, key := range []string{"features", "compiler"} {
			if then, now := setting(t, all[i], key), setting(t, f, key); then != now {
				t.Errorf("%s: %s is %q, recorded is %q", setting(t, f, "kernel"), key, now, then)
			}
		}
		for b := range dearest[kernels.SeriesOf(setting(t, f, "kernel"))] {
			name := "sys_getpid, " + string(b)
			then, now := value(t, rows(all[i])[name], "overhead-insn/op"), value(t, rows(f)[name], "overhead-insn/op")
			if then != now {
				t.Errorf("%s on %s: %v instructions, recorded are %v; has make record been forgotten?", name, setting(t, f, "kernel"), now, then)
			}
		}
	}
}

// README.md's table is what is made of the recorded file.
func TestReadmeShowsTheRecordedKernels(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, readme, 0o644); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := Main(t.Context(), []string{"kernels", "table", recordedKernels, "--into", path}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	made, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(made), string(readme)); diff != "" {
		t.Errorf("make record makes it anew (-made +there):\n%s", diff)
	}
}

func TestKernelTable(t *testing.T) {
	file := func(release, features string, overheads ...string) *results.File {
		f := specimen(bench.ICount).File()
		f.Env[0].Value, f.Rows = release, nil
		f.Env = append(f.Env, results.Config{Key: "features", Value: features})
		for i, backend := range overheads {
			f.Rows = append(f.Rows, results.Row{
				Name:   "Probe",
				Params: []results.Param{{Key: "func", Value: "sys_getpid"}, {Key: "backend", Value: backend}},
				Values: []results.Value{{V: float64(100 + i), Unit: "overhead-insn/op"}},
			})
		}
		return f
	}
	got := kernelTable([]*results.File{
		file("6.6.30-mine", "none", "direct"), file("5.10.0-32-rt-amd64", "kretprobe RT", "kretprobe"),
		file("7.3.4+deb13-amd64", "rethook BTF", "direct", "rethook", "kretprobe"),
	})
	for _, line := range []string{
		"| `--kernel` | release | can do | direct | rethook | kretprobe | checks |",
		"| 5.10-rt | 5.10.0-32-rt-amd64 | kretprobe, RT | no | no | 100 | pass |",
		"| 6.1 | - | - | - | - | - | not recorded |",
		"| 7.3 | 7.3.4+deb13-amd64 | rethook, BTF | 100 | 101 | 102 | pass |",
		"| 6.6.30-mine | 6.6.30-mine | none | 100 | no | no | pass |",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("there is no line %q:\n%s", line, got)
		}
	}
	if n := strings.Count(got, "\n"); n != 2+len(kernels.All())+1 {
		t.Errorf("%d lines:\n%s", n, got)
	}
}
