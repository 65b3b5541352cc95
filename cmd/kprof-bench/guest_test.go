// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
	"kprof-bench/results"
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

// rows reads the rows about the functions, by name.
func rows(t *testing.T, path string) map[string]results.Row {
	t.Helper()
	f, err := results.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
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

// Two runs say the same to the digit, and right.
func TestRun(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "results.txt")
	kprofBench(t, "run", "--funcs", "sys_getpid,sys_clone,sys_nanosleep", "--verify-determinism", "--out", out).
		must(t, 0, []string{"\nPASS: ", "sys_getpid", "sys_clone", "sys_nanosleep"}, []string{"boot\n", "time sys_clone by the testbed\n"})

	byFunc := rows(t, out)
	// The generators' own numbers of calls.
	for name, calls := range map[string]float64{
		"sys_getpid, kretprobe": 150000, "sys_clone, kretprobe": 500, "sys_nanosleep, kretprobe": 2000,
	} {
		r := byFunc[name]
		if issued, reported := value(t, r, "calls-issued"), value(t, r, "calls-reported"); issued != calls || reported != calls {
			t.Errorf("%s: %v calls issued, %v reported, want %v", name, issued, reported, calls)
		}
	}
	text, err := exec.CommandContext(t.Context(), "go", "tool", "benchstat", out, out).CombinedOutput()
	if err != nil || !bytes.Contains(text, []byte("Probe/func=sys_clone")) || bytes.Contains(text, []byte("benchfmt")) {
		t.Errorf("benchstat: %v\n%s", err, text)
	}
}

// A rate is kept, and what it is comes out of the run.
func TestRunAtARate(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "results.txt")
	kprofBench(t, "run", "--funcs", "sys_read", "--rate", "10000/s", "--calls", "2000", "--out", out).
		must(t, 0, []string{"\nPASS: "}, nil)
	r := rows(t, out)["sys_read, 10000-per-s, kretprobe"]
	if got := value(t, r, "achieved-calls/s"); math.Abs(got-10000) > 10 {
		t.Errorf("%v calls/s, want 10000 to a thousandth", got)
	}
	if got := value(t, r, "calls-reported"); got != 2000 {
		t.Errorf("%v calls were counted, want 2000", got)
	}
}

// On several processors time means nothing, which the run says; all else is
// judged.
func TestRunOnSeveralProcessors(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "results.txt")
	kprofBench(t, "run", "--funcs", "sys_getpid", "--calls", "400", "--clock", "tcg", "--out", out).
		must(t, 0, []string{"clock tcg, 2 vCPU", "\nPASS: ", " 0 failed, ", " could not be judged on this clock"}, nil)
	byFunc := rows(t, out)
	if got := value(t, byFunc["sys_getpid, kretprobe"], "calls-reported"); got != 400 {
		t.Errorf("%v calls were counted, want 400", got)
	}
	// 20003 instructions are no nanoseconds.
	r := byFunc["tb_work(10000), kretprobe"]
	if truth, base := value(t, r, "true-ns/op"), value(t, r, "base-ns/op"); truth != base {
		t.Errorf("true is %v ns, without the profiler it took %v ns", truth, base)
	}
}

// The exit code of a command in a guest is that of kprof-bench, and the
// experiments can be done in the kernel that runs: the guest's.
func TestExec(t *testing.T) {
	t.Parallel()
	kprofBench(t, "exec", "--", "sh", "-c",
		"echo out; echo err >&2; kprof-bench run --native --modules /modules --funcs sys_getpid --calls 400 && exit 42").
		must(t, 42, []string{"out\n", "err\n", "clock native", "module file-", "\nPASS: "}, []string{"boot\n"})
}

// interruptMark is in the environment of what the interrupted program starts.
const interruptMark = "KPROF_BENCH_TEST_INTERRUPT"

func TestInterrupt(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "results.txt")
	if err := os.WriteFile(out, []byte("precious\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "run", "--funcs", "sys_getpid", "--out", out)
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
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		fmt.Fprintln(&messages, lines.Text())
		if lines.Text() != "load kprof_testbed.ko" {
			continue
		}
		if n := len(marked(t, mark)); n != 2 {
			t.Errorf("%d processes run, want kprof-bench and QEMU", n)
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
