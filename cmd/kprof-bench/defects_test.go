// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/bench"
	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
	"kprof-bench/kmod"
)

// A defect is a mistake that is made in the sources of profiler.ko.
type defect struct{ file, old, new string }

// begin is where loading begins: there is nothing to undo yet.
const begin = "static int __init profiler_init(void)\n{\n	int ret;\n\n"

var (
	// One call in a thousand is forgotten, by each backend.
	dropsCalls = []defect{
		{"krp_kretprobe.c",
			"	this_cpu_inc(p->counts->entered);\n",
			"	static atomic_t calls;\n\n	if (atomic_inc_return(&calls) % 1000)\n		this_cpu_inc(p->counts->entered);\n"},
		{"krp_rethook.c",
			"	this_cpu_inc(p->counts->entered);\n",
			"	static atomic_t calls;\n\n	if (atomic_inc_return(&calls) % 1000)\n		this_cpu_inc(p->counts->entered);\n"},
		{"krp_trampolines.S",
			"	incq	%gs:KRP_ENTERED(%rax)\n",
			"	.pushsection .data\n.Lleft_\\@:	.long 1000\n	.popsection\n" +
				"	decl	.Lleft_\\@(%rip)\n	jz	8f\n	incq	%gs:KRP_ENTERED(%rax)\n	jmp	9f\n" +
				"8:	movl	$1000, .Lleft_\\@(%rip)\n9:\n"},
	}
	// Behind the calibration, which would take it for the probe's own.
	adds10 = defect{"krp_text.c",
		"f->name, average,\n",
		"f->name, average + 10,\n"}
	invertsVerdicts = defect{"memleaks.c", "held ? HELD : LEAK", "held ? LEAK : HELD"}
	wrongCaller     = defect{"memleaks.c",
		"lower_32_bits(b->ip),", "lower_32_bits(b->ip - 1),"}
	warns = defect{"main.c",
		begin,
		begin + "	WARN(1, \"a deliberate warning\\n\");\n"}
	refuses = defect{"main.c",
		begin,
		begin + "	pr_err(\"it does not feel like it\\n\");\n	return -EIO;\n"}
	// With interrupts off, so that the kernel itself cannot tell.
	spins = defect{"main.c",
		begin,
		begin + "	pr_err(\"spin for ever\\n\");\n	local_irq_disable();\n	for (;;)\n		cpu_relax();\n"}
)

// sourcesWith returns a directory with the module's sources and the defects.
func sourcesWith(t *testing.T, defects ...defect) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "profiler")
	if err := os.CopyFS(dir, kmod.ProfilerSource()); err != nil {
		t.Fatal(err)
	}
	for _, d := range defects {
		path := filepath.Join(dir, d.file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), d.old); n != 1 {
			t.Fatalf("%s has %d times, not once:\n%s", d.file, n, d.old)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), d.old, d.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Each defect makes the checks fail that are about it, and no other, with both
// figures. There is one in each half of the module, to save a guest.
func TestDefectsAreFound(t *testing.T) {
	for name, test := range map[string]struct {
		defects []defect
		leaks   string   // the check of leak scans that fails, without the region
		failed  []string // checks of functions
		words   []string
	}{
		"calls are dropped and verdicts inverted": {
			append(slices.Clone(dropsCalls), invertsVerdicts),
			"leak scan: verdicts",
			// The calibration makes 4096 calls each time, so that the next one
			// that is forgotten is the 904th; of 500 none is. The system call
			// is profiled four times anew, 1024 calls each time.
			eachBackend("invocations", "sys_getpid", "tb_work(1)", "tb_work(100)", "tb_work(1000)", "tb_work_even(32)"),
			[]string{
				"FAILED  sys_getpid by direct: invocations: 4096 calls were made, profiler.ko reports 4092\n",
				"FAILED  sys_getpid by rethook: invocations: 4096 calls were made, profiler.ko reports 4092\n",
				"FAILED  sys_getpid by kretprobe: invocations: 4096 calls were made, profiler.ko reports 4092\n",
				"FAILED  tb_work(1) by direct: invocations: 8000 calls were made, profiler.ko reports 7992\n",
				"FAILED  tb_work(1000) by kretprobe: invocations: 5000 calls were made, profiler.ko reports 4995\n",
				"FAILED  leak scan of bss: verdicts: 0 of 1003 are right; wrong are 100 of 100 arena, 3 of 3 big, 100 of 100 bss, ",
				"50 of 50 vblock; the first is ",
				"'not freed yet' although no pointer to it lies there",
			},
		},
		"durations are too long and callers wrong": {
			[]defect{adds10, wrongCaller},
			"leak scan: callers",
			// 78 instructions, or some more if a tick fell into one of the
			// calls. Of 20003 instructions 10 are less than is let pass, unless
			// interrupts have added as much already.
			append(eachBackend("average", "sys_getpid", "tb_work(1)", "tb_work(100)", "tb_work(1000)", "tb_work_even(32)"), "vmallocinfo: callers"),
			[]string{
				"FAILED  sys_getpid by direct: average: profiler.ko reports 7",
				"FAILED  sys_getpid by rethook: average: profiler.ko reports 7",
				"FAILED  sys_getpid by kretprobe: average: profiler.ko reports 7",
				"FAILED  vmallocinfo: callers: 1003 blocks are reported with another place of allocation than the kernel noted; the first is ",
				"FAILED  leak scan of directmap: callers: 1003 blocks are reported with a wrong place of allocation; the first is ",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "results.txt")
			if err := os.WriteFile(out, []byte("of an earlier run\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			got := kprofBench(t, "run", "--funcs", "sys_getpid", "--backends", "direct,rethook,kretprobe", "--calls", "4096", "--out", out, "--profiler", sourcesWith(t, test.defects...))
			got.must(t, 1, append(test.words, "\nFAIL: "), []string{"results.txt is not written"})
			if text, err := os.ReadFile(out); err != nil || string(text) != "of an earlier run\n" {
				t.Errorf("the results of an earlier run are now %q, %v", text, err)
			}
			failed := slices.DeleteFunc(failedChecks(got.stdout), func(name string) bool { return strings.HasPrefix(name, "tb_work(10000) ") })
			want := append([]string{test.leaks}, test.failed...)
			if diff := cmp.Diff(want, failed); diff != "" {
				t.Errorf("failed checks (-want +got):\n%s", diff)
			}
		})
	}
}

// What the report says that the checks catch is what they catch of a module that
// is wrong by so much: with one backend by that, with another by less, and with the
// third, whose figures say it, by nothing.
func TestTheLeastThatIsCaught(t *testing.T) {
	t.Parallel()
	const calls, fewer = 120_000, 121_000
	defects := []defect{
		{"krp_text.c",
			"	    c.entered + f->",
			fmt.Sprintf("	    c.entered - (*f->backend->name == 'd' ? div64_u64(c.entered, %d) :\n"+
				"	    *f->backend->name == 'k' ? div64_u64(c.entered, %d) : 0) + f->", calls, fewer)},
		{"krp_text.c",
			"f->name, average,\n",
			"f->name, average + (*f->backend->name == 'd' ? 2 : *f->backend->name == 'k'),\n"},
	}
	got := kprofBench(t, "run", "--only", "calls", "--funcs", "sys_getpid", "--backends", "direct,rethook,kretprobe", "--json", "--profiler", sourcesWith(t, defects...))
	got.must(t, 1, nil, nil)
	var r bench.Result
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, c := range r.Checks {
		if c.Verdict == bench.Failed {
			failed = append(failed, c.Name+": "+c.Detail)
		}
	}
	want := []string{
		"sys_getpid by direct: invocations: 150000 calls were made, profiler.ko reports 149999",
		"sys_getpid by direct: average: profiler.ko reports 70.0 insn, the function takes 68.0 (±1.0)",
	}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Errorf("failed checks (-want +got):\n%s", diff)
	}
	sound := rows(r.File())["sys_getpid, rethook"]
	if n := value(t, sound, "catches-lost-1-in"); n < calls || n >= fewer {
		t.Errorf("one call in %v is said to be caught, one in %d is and one in %d is not", n, calls, fewer)
	}
	if d := value(t, sound, "catches-insn/op"); d <= 1 || d > 2 {
		t.Errorf("%v instructions are said to be caught, 2 are and 1 is not", d)
	}
}

// eachBackend are the names of a check of functions, in order.
func eachBackend(check string, functions ...string) []string {
	var names []string
	for _, f := range functions {
		names = append(names, f+" by direct: "+check, f+" by kretprobe: "+check, f+" by rethook: "+check)
	}
	return names
}

var region = regexp.MustCompile(`^leak scan of [^:]*`)

func failedChecks(text string) []string {
	var failed []string
	for line := range strings.Lines(text) {
		if line, ok := strings.CutPrefix(line, "FAILED  "); ok {
			words := strings.SplitN(line, ": ", 3)
			failed = append(failed, region.ReplaceAllString(words[0], "leak scan")+": "+words[1])
		}
	}
	slices.Sort(failed)
	return slices.Compact(failed)
}

func TestAWarningOfTheKernel(t *testing.T) {
	t.Parallel()
	got := kprofBench(t, "run", "--only", "calls", "--funcs", "sys_getpid", "--calls", "40", "--profiler", sourcesWith(t, warns))
	got.must(t, 3, nil, []string{"kprof-bench: the guest ended with kernel oops: ", "WARNING: CPU: 0 PID: ", "profiler_init"})
	if got.stdout != "" {
		t.Errorf("figures of a sick kernel are shown:\n%s", got.stdout)
	}
}

func TestAModuleThatDoesNotLoad(t *testing.T) {
	t.Parallel()
	kprofBench(t, "run", "--funcs", "sys_getpid", "--profiler", sourcesWith(t, refuses)).
		must(t, 2, nil, []string{"kprof-bench: the guest ended with our failure: ", "load profiler.ko", "input/output error: it does not feel like it"})
}

// Through the package and not the command line, which would wait for minutes.
func TestAModuleThatHangs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it boots a guest")
	}
	h := bench.Host{
		CacheDir: filepath.Join(cache(t), "kprof-bench"), Init: guesttest.Build(t, program),
		Profiler: os.DirFS(sourcesWith(t, spins)), Progress: func(string) {}, SilenceLimit: 8 * time.Second,
	}
	out, err := h.RunInGuest(t.Context(), bench.Options{Funcs: []string{"sys_getpid"}, Rate: "max", Clock: bench.ICount})
	if err != nil {
		t.Fatal(err)
	}
	if out.Ending != guest.Hang || out.Ending.ExitCode() != 4 || out.Result != nil ||
		!strings.Contains(out.Detail, "profiler: spin for ever") {
		t.Errorf("%s (exit code %d), %q, result %v", out.Ending, out.Ending.ExitCode(), out.Detail, out.Result)
	}
}
