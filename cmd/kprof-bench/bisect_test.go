// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kprof-bench/kmod"
)

// gitRepository is one that a test makes.
type gitRepository struct {
	t   *testing.T
	dir string
}

func newRepository(t *testing.T) *gitRepository {
	t.Helper()
	g := &gitRepository{t, t.TempDir()}
	g.git("init", "-q", "-b", "main")
	return g
}

func (g *gitRepository) git(args ...string) string {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
	cmd.Dir = g.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits all that is there and returns its hash.
func (g *gitRepository) commit(subject string) string {
	g.t.Helper()
	g.git("add", ".")
	g.git("commit", "-q", "-m", subject)
	return g.git("rev-parse", "HEAD")
}

func (g *gitRepository) write(name, text string) {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// profiler makes the sources of the module those with the defects.
func (g *gitRepository) profiler(defects ...defect) {
	g.t.Helper()
	dir := filepath.Join(g.dir, profilerDir)
	if err := os.RemoveAll(dir); err != nil {
		g.t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(sourcesWith(g.t, defects...))); err != nil {
		g.t.Fatal(err)
	}
}

// oneMoreDirect is an instruction more in the direct backend.
var oneMoreDirect = defect{"krp_trampolines.S",
	"	incq	%gs:KRP_ENTERED(%rax)\n",
	"	incq	%gs:KRP_ENTERED(%rax)\n	nop\n"}

// Of thirty commits the one is found that adds an instruction to a probe, although
// the one in the middle does not build. The others change what is not compiled.
func TestBisect(t *testing.T) {
	if testing.Short() {
		t.Skip("it boots guests")
	}
	g := newRepository(t)
	g.profiler()
	good := g.commit("the first")
	const commits, middle, culprit = 30, 14, 22
	var want string
	for i := range commits {
		switch {
		case i == middle:
			g.profiler(defect{"main.c", begin, "#error \"not yet\"\n" + begin})
		case i >= culprit:
			g.profiler(oneMoreDirect)
		default:
			g.profiler()
		}
		g.write(profilerDir+"/NOTES", fmt.Sprintln(i))
		hash := g.commit(fmt.Sprintf("commit %d", i))
		if i == culprit {
			want = hash
		}
	}
	g.write(profilerDir+"/NOTES", "not committed")
	out, stderr := g.kprofBench(0, "bisect", "--metric", "overhead-insn/op", "--good", good, "--bad", "main", "--backends", "direct")
	const row = "Probe/func=sys_getpid/backend=direct/rate=max"
	for _, line := range []string{
		fmt.Sprintf("FOUND: %.12s commit %d\n  %s: 25 -> 26 overhead-insn/op\n", want, culprit, row),
		"commit 14: skipped: build profiler.ko ",
		"5 commits of 30 were tried, 1 skipped\n",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("it does not say %q:\n%s", line, out)
		}
	}

	if want := "what is not committed is not measured: [\"kmod/profiler/NOTES\"]\n"; !strings.Contains(stderr, want) {
		t.Errorf("it does not say %q:\n%s", want, stderr)
	}
	_, stderr = g.kprofBench(exitWrong, "bisect", "--good", good, "--bad", "main~20", "--backends", "direct")
	if want := "overhead-insn/op does not differ from " + good + " to main~20 (1 row)\n"; !strings.HasSuffix(stderr, want) {
		t.Errorf("it does not say %q:\n%s", want, stderr)
	}

	// The history of these commits names the same one, and each is measured once.
	replay := []string{"history", "replay", want + "~2.." + want, "--only", "overhead", "--backends", "direct"}
	if out, _ := g.kprofBench(0, replay...); !strings.HasSuffix(out, "2 of 2 revisions were added to results/history\n") {
		t.Errorf("history replay: %s", out)
	}
	if out, _ := g.kprofBench(0, replay...); !strings.HasSuffix(out, "0 of 2 revisions were added to results/history\n") {
		t.Errorf("history replay once more: %s", out)
	}
	shown, _ := g.kprofBench(0, "history", "show", "--unit", "overhead-insn/op")
	for _, line := range []string{
		fmt.Sprintf(" %.12s commit %d\n  ", want, culprit),
		"Probe/func=sys_getpid/backend=direct/rate=max  25  -> 26  +4.00%  overhead-insn/op  regression\n",
		"2 runs, 1 of ",
		" series, 1 change\n",
	} {
		if !strings.Contains(shown, line) {
			t.Errorf("history show does not say %q:\n%s", line, shown)
		}
	}
}

// kprofBench runs the program in the repository, which must end with an exit code,
// and returns what it prints.
func (g *gitRepository) kprofBench(code int, args ...string) (stdout, stderr string) {
	g.t.Helper()
	cmd := command(g.t, args...)
	cmd.Dir = g.dir
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	if e := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		g.t.Fatalf("%q: %v, want exit code %d\n%s\n%s", args, e, code, out.String(), err.String())
	}
	return out.String(), err.String()
}

// What cannot be searched is said before anything is built.
func TestBisectRefuses(t *testing.T) {
	g := newRepository(t)
	if err := os.CopyFS(filepath.Join(g.dir, profilerDir), kmod.ProfilerSource()); err != nil {
		t.Fatal(err)
	}
	first := g.commit("the first")
	g.write("README", "other")
	g.commit("of something else")
	g.git("checkout", "-q", "-b", "side", first)
	g.write(profilerDir+"/NOTES", "aside")
	g.commit("aside")
	for _, test := range []struct{ good, bad, want string }{
		{first, "main", "no commit from " + first + " to main changes kmod/profiler"},
		{"side", "main", "side is no ancestor of main: what changed between them is no line of commits"},
		{"nothing", "main", "--good: there is no revision nothing in git"},
		{first, "nothing", "--bad: there is no revision nothing in git"},
	} {
		cmd := command(t, "bisect", "--good", test.good, "--bad", test.bad)
		cmd.Dir = g.dir
		out, _ := cmd.CombinedOutput()
		if want := "kprof-bench: " + test.want + "\n"; string(out) != want || cmd.ProcessState.ExitCode() != exitFailure {
			t.Errorf("exit code %d, %q, want %q", cmd.ProcessState.ExitCode(), out, want)
		}
	}
}
