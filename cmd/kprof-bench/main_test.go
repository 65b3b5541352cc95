// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kprof-bench/guest/guesttest"
)

// The tests run the program as it is built for users: static, because it is
// the guest's init too. That Go keeps the outcome of tests it has seen is safe
// here: the test binary is made of all that the program is made of, the
// modules' sources included.
const program = "kprof-bench/cmd/kprof-bench"

func TestMain(m *testing.M) {
	code := m.Run()
	dir, _ := cacheOnce()
	if err := errors.Join(guesttest.RemoveBuilds(), os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// cache returns a directory for XDG_CACHE_HOME: the user's own kernels, packages
// and modules, which other tests build too. All else that the tests keep goes
// with it.
func cache(t *testing.T) string {
	t.Helper()
	guesttest.Kernel(t)
	guesttest.Busybox(t)
	dir, err := cacheOnce()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var cacheOnce = sync.OnceValues(func() (string, error) {
	users, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "kprof-bench-test-")
	if err != nil {
		return "", err
	}
	own := filepath.Join(dir, "kprof-bench")
	err = errors.Join(os.Chmod(dir, 0o755), os.Mkdir(own, 0o755))
	for _, part := range []string{"kernels", "packages", "roots", "modules", "snapshots"} {
		in := filepath.Join(users, part)
		err = errors.Join(err, os.MkdirAll(in, 0o755), os.Symlink(in, filepath.Join(own, part)))
	}
	return dir, err
})

func TestScripts(t *testing.T) {
	bin, cacheHome := guesttest.Build(t, program), cache(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(bin)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("XDG_CACHE_HOME", cacheHome)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":       exits,
			"pathwithout": pathWithout,
		},
	})
}

// exits CODE COMMAND... runs a command that must end with the exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits code command...")
	}
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// pathwithout NAME sets PATH to all that is on it but one command.
func pathWithout(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pathwithout command")
	}
	dir := ts.MkAbs("without-" + args[0])
	ts.Check(os.Mkdir(dir, 0o755))
	for _, from := range filepath.SplitList(ts.Getenv("PATH")) {
		entries, err := os.ReadDir(from)
		if err != nil {
			continue // a PATH may name what is not there
		}
		for _, e := range entries {
			err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name()))
			if err != nil && !errors.Is(err, os.ErrExist) {
				ts.Check(err)
			}
		}
	}
	ts.Check(os.Remove(filepath.Join(dir, args[0])))
	ts.Setenv("PATH", dir)
}

// What takes root says so to others.
func TestNativeNeedsRoot(t *testing.T) {
	dir := openDir(t)
	text, err := os.ReadFile(guesttest.Build(t, program))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "kprof-bench")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "run", "--native", "--funcs", "sys_getpid")
	if os.Geteuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+dir)
	out, err := cmd.CombinedOutput()
	const want = "kprof-bench: --native loads modules into this kernel, which needs root\n"
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != exitFailure || string(out) != want {
		t.Errorf("%v: %q, want exit code %d and %q", err, out, exitFailure, want)
	}
}

// openDir is a temporary directory that any user may enter, unlike those of
// [testing.T.TempDir].
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kprof-bench-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
