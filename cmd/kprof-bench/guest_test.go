// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"kprof-bench/bench"
	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
	"kprof-bench/kmod"
	"kprof-bench/results"
	"kprof-bench/workloads"

	"github.com/google/go-cmp/cmp"
)

// said is what a command printed and how it ended.
type said struct {
	code           int
	stdout, stderr string
}

// kprofBench runs the program. It boots guests, so that a test that uses it is
// left out of short runs.
func kprofBench(t *testing.T, args ...string) said {
	t.Helper()
	cmd := command(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return said{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if testing.Short() {
		t.Skip("it boots a guest")
	}
	cmd := exec.CommandContext(t.Context(), guesttest.Build(t, program), args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache(t))
	return cmd
}

// must checks the exit code and that the output has these texts.
func (s said) must(t *testing.T, code int, stdout, stderr []string) {
	t.Helper()
	if s.code != code {
		t.Errorf("exit code %d, want %d", s.code, code)
	}
	for _, text := range stdout {
		if !strings.Contains(s.stdout, text) {
			t.Errorf("%q is not in the output", text)
		}
	}
	for _, text := range stderr {
		if !strings.Contains(s.stderr, text) {
			t.Errorf("%q is not among the messages", text)
		}
	}
	if t.Failed() {
		t.Logf("output:\n%s\nmessages:\n%s", s.stdout, s.stderr)
	}
}

// readFile reads results of one kernel.
func readFile(t *testing.T, path string) *results.File {
	t.Helper()
	f, err := results.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// rows are the rows about the functions, by name.
func rows(f *results.File) map[string]results.Row {
	byFunc := map[string]results.Row{}
	for _, r := range f.Rows {
		if r.Name == "Probe" {
			byFunc[probeLabel(r)] = r
		}
	}
	return byFunc
}

func value(t *testing.T, r results.Row, unit string) float64 {
	t.Helper()
	v, ok := r.Value(unit)
	if !ok {
		t.Errorf("%s has no %s", r.FullName(), unit)
	}
	return v
}

// Two runs say the same to the digit, and BPF programs judge a function that the
// testbed cannot call.
func TestTwoRuns(t *testing.T) {
	t.Parallel()
	kprofBench(t, "run", "--funcs", "sys_getpid,vfs_read", "--calls", "400", "--backends", "direct", "--verify-determinism").
		must(t, 0, []string{"\nPASS: ", " checks held, 0 failed\n"}, []string{"count and time vfs_read by BPF programs\n"})
}

// A histogram costs little more, and nothing of what README.md shows has changed.
func TestHistograms(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "results.txt")
	kprofBench(t, "run", "--only", "lengths,calls", "--funcs", "sys_getpid", "--calls", "400", "--backends", "direct+hist,rethook+hist,kretprobe+hist", "--out", out).
		must(t, 0, []string{"\nPASS: "}, []string{"boot\n"})
	f := readFile(t, out)
	wantCheap(t, f, map[bench.Backend]float64{bench.DirectHist: 46, bench.RetHookHist: 320, bench.KRetProbeHist: 435})
	wantUnbiased(t, f)
	wantRecorded(t, f)
}

// wantCheap fails if a probe costs more instructions than it may.
func wantCheap(t *testing.T, f *results.File, most map[bench.Backend]float64) {
	t.Helper()
	for b, most := range most {
		r := rows(f)["sys_getpid, "+string(b)]
		if got := value(t, r, "overhead-insn/op"); !(got > 0 && got <= most) {
			t.Errorf("sys_getpid by %s on %s: a probe costs %v instructions, %v at the most are wanted", b, setting(t, f, "kernel"), got, most)
		}
	}
}

// wantCheapPairs fails if tracing vmalloc() and vfree() costs more than it may, or
// hooks that do nothing cost as much.
func wantCheapPairs(t *testing.T, f *results.File) {
	t.Helper()
	i := slices.IndexFunc(f.Rows, func(r results.Row) bool { return r.Name == "VmallocPair" })
	if i < 0 {
		t.Fatal("there is no row about vmalloc() and vfree()")
	}
	overhead, hooks := value(t, f.Rows[i], "overhead-insn/pair"), value(t, f.Rows[i], "hooks-insn/pair")
	if !(0 < hooks && hooks < overhead && overhead <= 860) {
		t.Errorf("%s: a pair costs %v instructions more, 860 at the most are wanted, and hooks alone %v", setting(t, f, "kernel"), overhead, hooks)
	}
}

// wantUnbiased fails if a function of known length is reported to take longer or
// shorter than may be.
func wantUnbiased(t *testing.T, f *results.File) {
	t.Helper()
	most := map[string]float64{"tb_work(1)": 1, "tb_work_even(32)": 1, "tb_work(100)": 1, "tb_work(1000)": 2, "tb_work(10000)": 20}
	seen := 0
	for name, r := range rows(f) {
		function, _, _ := strings.Cut(name, ", ")
		most, ok := most[function]
		if !ok {
			continue
		}
		seen++
		if got := value(t, r, "bias-insn/op"); math.Abs(got) > most {
			t.Errorf("%s on %s: the bias is %v instructions, %v at the most are wanted", name, setting(t, f, "kernel"), got, most)
		}
	}
	if seen == 0 || seen%len(most) != 0 {
		t.Errorf("%s: %d functions of known length were measured, want %d by each backend", setting(t, f, "kernel"), seen, len(most))
	}
}

// recorded is the file that README.md's chart is drawn from.
const recorded = "../../results/recorded/backends.txt"

// wantRecorded fails if what README.md shows is not what is measured. With another
// kernel, compiler or QEMU than it was recorded with, that tells nothing.
func wantRecorded(t *testing.T, got *results.File) {
	t.Helper()
	was := readFile(t, recorded)
	if !sameSetting(t, was, got) {
		return
	}
	then := rows(was)
	for name, r := range rows(got) {
		if _, ok := then[name]; !ok {
			continue // of functions that README.md does not show
		}
		for _, unit := range []string{"overhead-insn/op", "bias-insn/op"} {
			want, got := value(t, then[name], unit), value(t, r, unit)
			if unit == "overhead-insn/op" && got != want || math.Abs(got-want) > 1 {
				t.Errorf("%s: %v %s, recorded are %v; has make record been forgotten?", name, got, unit, want)
			}
		}
	}
}

// sameSetting tells whether figures of both files can be compared.
func sameSetting(t *testing.T, recorded, got *results.File) bool {
	t.Helper()
	for _, key := range []string{"kernel", "qemu", "compiler"} {
		if then, now := setting(t, recorded, key), setting(t, got, key); then != now {
			t.Logf("recorded with %s %s, which is %s now; time for make record", key, then, now)
			return false
		}
	}
	return true
}

func setting(t *testing.T, f *results.File, key string) string {
	t.Helper()
	value, ok := environmentOf(f)[key]
	if !ok {
		t.Fatalf("the results do not say their %s", key)
	}
	return value
}

// README.md's charts are what the program draws from the recorded files.
func TestChartsAreDrawnFromTheRecordedFiles(t *testing.T) {
	for file, chart := range map[string]string{recorded: "backends.svg", recordedLatency: "latency.svg", recordedPeers: "peers.svg"} {
		out := filepath.Join(t.TempDir(), chart)
		var stdout, stderr bytes.Buffer
		if code := Main(t.Context(), []string{"plot", file, "--out", out}, &stdout, &stderr); code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr.String())
		}
		want, err := os.ReadFile(filepath.Join("../../plots", chart))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s in the repository is another (%v); make record makes it anew", chart, err)
		}
	}
}

// Every call of every function that a workload calls is counted while all of them
// are probed at once, and none is left out but those that are named here.
func TestAllFunctions(t *testing.T) {
	t.Parallel()
	s := kprofBench(t, "run", "--only", "counts", "--funcs", "all", "--calls", "20", "--json")
	s.must(t, 0, nil, nil)
	var r bench.Result
	if err := json.Unmarshal([]byte(s.stdout), &r); err != nil {
		t.Fatal(err)
	}
	funcs := -2 // anon_pipe_read and anon_pipe_write are of later kernels
	for _, g := range workloads.All() {
		funcs += len(g.Funcs)
	}
	got := map[string]string{}
	for _, c := range r.Checks {
		got[c.Name] = string(c.Verdict)
		if c.Verdict == bench.Held && strings.HasSuffix(c.Detail, "; perf events count the same in every workload, and the kernel's own events too") {
			if _, of, ok := strings.Cut(c.Detail, " calls of "); ok {
				got[c.Name], _, _ = strings.Cut(of, " ")
			}
		}
	}
	missing := string(bench.NotSupported)
	want := map[string]string{
		"anon_pipe_read": missing, "anon_pipe_write": missing,
		"do_futex by direct": missing, "do_mmap by direct": missing, // with arguments on the stack
		"all functions by direct: invocations":    strconv.Itoa(funcs - 2),
		"all functions by kretprobe: invocations": strconv.Itoa(funcs),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("functions that were counted right, by check (-want +got):\n%s", diff)
	}
}

// A rate is kept, and what it is comes out of the run.
func TestRunAtARate(t *testing.T) {
	t.Parallel()
	for rate, calls := range map[string]float64{"10": 400, "1000": 400, "50000": 2000} {
		out := filepath.Join(t.TempDir(), "results.txt")
		kprofBench(t, "run", "--only", "calls", "--funcs", "sys_getpid", "--backends", "kretprobe", "--rate", rate+"/s", "--calls", fmt.Sprint(calls), "--out", out).
			must(t, 0, []string{"\nPASS: "}, nil)
		r := rows(readFile(t, out))["sys_getpid, "+rate+"-per-s, kretprobe"]
		asked, err := strconv.ParseFloat(rate, 64)
		if err != nil {
			t.Fatal(err)
		}
		for _, unit := range []string{"achieved-calls/s", "base-calls/s"} {
			if got := value(t, r, unit); math.Abs(got-asked) > asked/1000 {
				t.Errorf("%v %s, want %s to a thousandth", got, unit, rate)
			}
		}
		if got := value(t, r, "calls-reported"); got != calls {
			t.Errorf("%v calls were counted, want %v", got, calls)
		}
	}
}

// A rate that no kernel can hold fails a run, and can be accepted.
func TestARateThatIsNotHeld(t *testing.T) {
	t.Parallel()
	args := []string{"run", "--only", "overhead", "--funcs", "sys_getpid", "--backends", "direct", "--rate", "1000000/s", "--calls", "400"}
	kprofBench(t, args...).must(t, 1, []string{"FAILED  sys_getpid by direct: rate: asked for were 1e+06 calls/s, made were ", "accept it with --allow-slow\n"}, nil)
	kprofBench(t, append(args, "--allow-slow")...).must(t, 0, []string{"\nPASS: 1 checks held, 0 failed, 1 could not be judged\n"}, nil)
}

// On several processors time means nothing, which the run says; all else is
// judged.
func TestRunOnSeveralProcessors(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "results.txt")
	kprofBench(t, "run", "--funcs", "sys_getpid", "--calls", "400", "--clock", "tcg", "--out", out).
		must(t, 0, []string{"clock tcg, 2 vCPU", "\nPASS: ", " 0 failed, ", " could not be judged"}, nil)
	byFunc := rows(readFile(t, out))
	if got := value(t, byFunc["sys_getpid, kretprobe"], "calls-reported"); got != 400 {
		t.Errorf("%v calls were counted, want 400", got)
	}
	// 20003 instructions are no nanoseconds.
	r := byFunc["tb_work(10000), kretprobe"]
	if truth, base := value(t, r, "true-ns/op"), value(t, r, "base-ns/op"); truth != base {
		t.Errorf("true is %v ns, without the profiler it took %v ns", truth, base)
	}
}

// The exit code of a command in a guest is that of kprof-bench, and all the
// experiments can be done in the kernel that runs: the guest's, which has two
// processors and where nothing else calls the function.
func TestExec(t *testing.T) {
	t.Parallel()
	got := kprofBench(t, "exec", "--clock", "tcg", "--", "sh", "-c", `
		echo out; echo err >&2
		kprof-bench run --native --modules /modules --funcs sys_getpid --calls 400 --out /tmp/results.txt || exit 1
		grep -E '^(kernel|clock|vcpus|module):|^Unit overhead|Probe.*sys_getpid' /tmp/results.txt
		grep -E '^(profiler|kprof_testbed) ' /proc/modules; ls -d /sys/class/qeexo
		kprof-bench run --native --modules /modules --funcs sys_fsync,vfs_write --cmd 'dd if=/dev/zero of=/tmp/x bs=4k count=10 conv=fsync' --out /tmp/command.txt
		grep Command /tmp/command.txt
		kprof-bench run --native --modules /modules --funcs sys_fsync --cmd 'echo sorry; exit 7'; echo "command $?"
		kprof-bench run --native --modules /bin --funcs sys_getpid; echo "without modules $?"
		exit 42`)
	got.must(t, 42, []string{
		"out\n", "err\n", "clock native, 2 vCPU, module file-", "\nPASS: ", " 0 failed, ",
		"a call, in ns", "a leak scan  ", "vmalloc and vfree, in ns",
		"\nclock: native\nvcpus: 2\nmodule: file-", "\nUnit overhead-ns/op better=lower\n",
		`kprof-bench: command: "echo sorry; exit 7" ended with exit status 7; its output ends with:` + "\nsorry\ncommand 2\n",
		"/sys/class/qeexo: No such file or directory\n",
		"kprof-bench: open /bin/profiler.ko: no such file or directory\nwithout modules 2\n",
	}, []string{"boot\n"})
	if !regexp.MustCompile(`\nkernel: ` + regexp.QuoteMeta(kmod.DefaultSeries) + `\.`).MatchString(got.stdout) {
		t.Error("the results do not name the guest's kernel")
	}
	for _, b := range bench.DefaultBackends {
		if !regexp.MustCompile(`\nBenchmarkProbe/func=sys_getpid/backend=` + string(b) + `/rate=max  400 .*  400 calls-issued  400 calls-reported  0 missed  .*\n`).MatchString(got.stdout) {
			t.Errorf("not 400 calls were counted by %s", b)
		}
	}
	// dd writes ten blocks, and then a report.
	for _, b := range bench.DefaultBackends {
		for fn, calls := range map[string]int{"sys_fsync": 1, "vfs_write": 11} {
			if !strings.Contains(got.stdout, fmt.Sprintf("\nBenchmarkCommand/func=%s/backend=%s  %d  %d calls-counted  %d calls-reported  0 missed  ", fn, b, calls, calls, calls)) {
				t.Errorf("not %d calls of %s by a command were counted by %s", calls, fn, b)
			}
		}
	}
	if regexp.MustCompile(`\n(profiler|kprof_testbed) `).MatchString(got.stdout) {
		t.Error("a module is still loaded")
	}
	if t.Failed() {
		t.Log(got.stdout)
	}
}

// The guest's own BTF is asked, and what comes out is taken by the module, which
// hooks what has all its arguments in registers in the cheap way. The prototypes
// of Linux 6.1 are in include/linux/fs.h, time32.h and clk-provider.h: the last
// function takes ten arguments, and the one before it returns two words, of which
// the second one is what time(1) shows of so short a process.
func TestArgs(t *testing.T) {
	t.Parallel()
	const funcs = "vfs_read,sys_getpid,__x64_sys_read,ns_to_kernel_old_timeval,clk_register_divider_table"
	kprofBench(t, "exec", "--", "sh", "-c", `
		kprof-bench args `+funcs+` && kprof-bench args __x64_sys_getpid &&
		insmod /modules/profiler.ko funcs=`+funcs+` $(kprof-bench args `+funcs+`) &&
		cat /sys/class/qeexo/profiler/backends
		time sh -c 'i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done' 2>&1 | grep ^user | grep -v " 0.00s" && echo "both words kept"
		kprof-bench args vfs_read,no_such_function; echo "unknown $?"
		kprof-bench args _printk; echo "variadic $?"
		mount -t tmpfs none /sys; kprof-bench args vfs_read; echo "without $?"`).
		must(t, 0, []string{
			"args=vfs_read:4,sys_getpid:1,__x64_sys_read:1,ns_to_kernel_old_timeval:2,clk_register_divider_table:10\n",
			"args=__x64_sys_getpid:1\n",
			"vfs_read:direct:vfs_read:\n", "ns_to_kernel_old_timeval:direct:ns_to_kernel_old_timeval:\n",
			"clk_register_divider_table:rethook:clk_register_divider_table:it takes arguments on the stack\n",
			"both words kept\n",
			"kprof-bench: arguments of no_such_function: no such function in the BTF of the kernel and of its modules\nunknown 2\n",
			"kprof-bench: arguments of _printk: it takes a variable number of arguments\nvariadic 2\n",
			"kprof-bench: the running kernel shows no BTF in /sys/kernel/btf; it must be built with CONFIG_DEBUG_INFO_BTF\nwithout 2\n",
		}, nil)
}

// interruptMark is in the environment of what the interrupted program starts.
const interruptMark = "KPROF_BENCH_TEST_INTERRUPT"

// All guests end with the program, and results of before stay.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "results.txt")
	if err := os.WriteFile(out, []byte("precious\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "run", "--kernel", kmod.DefaultSeries+","+kmod.NewestSeries, "--funcs", "sys_getpid", "--out", out)
	guests := min(2, runtime.NumCPU())
	mark := fmt.Sprintf("%s=%d", interruptMark, os.Getpid())
	cmd.Env = append(cmd.Env, mark)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var messages strings.Builder
	interrupted := false
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		fmt.Fprintln(&messages, lines.Text())
		if strings.Count(messages.String(), ": load kprof_testbed.ko\n") < guests || interrupted {
			continue
		}
		interrupted = true
		if n := len(marked(t, mark)); n != 1+guests {
			t.Errorf("%d processes run, want kprof-bench and %d of QEMU", n, guests)
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
	}
	_ = cmd.Wait() // the exit code says it
	if code := cmd.ProcessState.ExitCode(); code != exitFailure || !strings.HasSuffix(messages.String(), "kprof-bench: interrupted\n") {
		t.Errorf("exit code %d, want %d, after\n%s", code, exitFailure, messages.String())
	}
	if left := marked(t, mark); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
	if b, err := os.ReadFile(out); err != nil || string(b) != "precious\n" {
		t.Errorf("the results of before are %q, %v", b, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(out)); err != nil || len(entries) != 1 {
		t.Errorf("beside them: %v, %v", entries, err)
	}
}

// marked returns the running processes that have the variable.
func marked(t *testing.T, variable string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		environ, _ := os.ReadFile(file) // others', and those just gone
		if bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+variable+"\x00")) {
			found = append(found, filepath.Dir(file))
		}
	}
	return found
}

// A kernel that is said to have ended in some way by package guest ends the
// program with the code that the help has for it.
func TestExitCodesAreTheHelps(t *testing.T) {
	words := regexp.MustCompile(`\s+`).ReplaceAllString(runCommand().Long, " ")
	for ending, text := range map[guest.Ending]string{
		guest.Done: "0 every check held", guest.WrongNumbers: "1 a check failed", guest.OurFailure: "2 nothing was measured",
		guest.KernelOops: "3 the kernel oopsed or warned", guest.Hang: "4 it hung", guest.BootFailure: "5 it did not boot",
	} {
		if fmt.Sprint(ending.ExitCode()) != text[:1] || !strings.Contains(words, text) {
			t.Errorf("%s: exit code %d, the help has not %q", ending, ending.ExitCode(), text)
		}
	}
}
