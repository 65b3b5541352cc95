// SPDX-License-Identifier: MIT

package kmod

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// fakeBuild has a compiler and a make that cost nothing. The module is this
// machine's true(1), as good an ELF file for strip as any.
type fakeBuild struct {
	BuildOptions
	makes atomic.Int32
}

const kernelRelease = "6.1.0-1-amd64"

func newFakeBuild(t *testing.T) *fakeBuild {
	t.Helper()
	b := &fakeBuild{}
	b.BuildOptions = BuildOptions{
		Name: "m", Kernel: kernelRelease, CacheDir: filepath.Join(t.TempDir(), "modules"),
		Compiler: script(t, "cc", "echo cc 12.2; echo more about it"),
		Source:   fstest.MapFS{"Kbuild": {Data: []byte("obj-m := m.o\n")}, "m.c": {Data: []byte("int m;\n")}},
		Make: func(ctx context.Context, dir string, args ...string) (*exec.Cmd, error) {
			b.makes.Add(1)
			if !slices.Contains(args, "W=1") || args[len(args)-1] != "modules" {
				t.Errorf("make %q, want modules with all warnings", args)
			}
			return exec.CommandContext(ctx, "sh", "-c", `test -s "$0/Kbuild" && test -s "$0/m.c" && cp /bin/true "$0/m.ko"`, dir), nil
		},
	}
	return b
}

// script makes an executable.
func script(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// cached lists the modules in the cache, and whatever else a build leaves but
// for the trees.
func (b *fakeBuild) cached(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(b.CacheDir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir() && d.Name() != "src":
			return err
		case d.IsDir():
			return fs.SkipDir
		case !slices.Contains([]string{"lock", "whole", logName}, d.Name()):
			files = append(files, path)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return files
}

func (b *fakeBuild) must(t *testing.T, makes int32) *Module {
	t.Helper()
	m, err := Build(t.Context(), b.BuildOptions)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.makes.Load(); got != makes {
		t.Errorf("make ran %d times so far, want %d", got, makes)
	}
	return m
}

func TestBuildIsCached(t *testing.T) {
	b := newFakeBuild(t)
	first := b.must(t, 1)
	// Of each file, in the order of names: name, 0, size, 0, text.
	sum := sha256.Sum256([]byte("Kbuild\x0013\x00obj-m := m.o\nm.c\x007\x00int m;\n"))
	if want := fmt.Sprintf("%x", sum)[:12]; first.Revision != want || first.Name != "m" || first.Compiler != "cc 12.2" {
		t.Errorf("%+v, want revision %s of m by cc 12.2", first, want)
	}
	if diff := cmp.Diff([]string{first.Path}, b.cached(t)); diff != "" || filepath.Base(first.Path) != "m.ko" {
		t.Errorf("cache (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(first, b.must(t, 1)); diff != "" {
		t.Errorf("second time (-first +second):\n%s", diff)
	}
}

func TestBuildAgainWhenAnythingChanges(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(*fakeBuild)
		revision bool // is another one
	}{
		"a source": {func(b *fakeBuild) {
			b.Source = fstest.MapFS{"Kbuild": {Data: []byte("obj-m := m.o\n")}, "m.c": {Data: []byte("int n;\n")}}
		}, true},
		"another source": {func(b *fakeBuild) {
			b.Source = fstest.MapFS{"Kbuild": {Data: []byte("obj-m := m.o\n")}, "m.c": {Data: []byte("int m;\n")}, "m.h": {Data: []byte("\n")}}
		}, true},
		"one source that reads like two": {func(b *fakeBuild) {
			b.Source = fstest.MapFS{"Kbuild": {Data: []byte("obj-m := m.o\nm.c\x007\x00int m;\n")}}
		}, true},
		"a name from the same": {func(b *fakeBuild) { b.Name = "n" }, false},
		"the kernel":           {func(b *fakeBuild) { b.Kernel = "6.1.0-2-amd64" }, false},
		"the compiler":         {func(b *fakeBuild) { b.Compiler += "-13" }, false},
		"the module was lost":  {func(b *fakeBuild) { os.RemoveAll(b.CacheDir) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFakeBuild(t)
			if err := os.WriteFile(b.Compiler+"-13", []byte("#!/bin/sh\necho cc 13.1\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			honest := b.Make
			b.Make = func(ctx context.Context, dir string, args ...string) (*exec.Cmd, error) {
				if _, err := honest(ctx, dir, args...); err != nil {
					return nil, err
				}
				return exec.CommandContext(ctx, "cp", "/bin/true", filepath.Join(dir, b.Name+".ko")), nil
			}
			first := b.must(t, 1)
			test.change(b)
			second := b.must(t, 2)
			if (first.Revision != second.Revision) != test.revision {
				t.Errorf("revision %s and then %s", first.Revision, second.Revision)
			}
			if _, err := os.Stat(second.Path); err != nil {
				t.Errorf("the module is not where it is said to be: %v", err)
			}
		})
	}
}

// The compiler may be elsewhere than this machine's commands.
func TestBuildWithCompilerElsewhere(t *testing.T) {
	b := newFakeBuild(t)
	here := b.must(t, 1)
	b.Compiler = "gcc-of-elsewhere"
	b.Command = func(ctx context.Context, name string, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, "echo", append([]string{"cc", "1", name}, args...)...)
	}
	there := b.must(t, 2)
	if want := "cc 1 gcc-of-elsewhere --version"; there.Compiler != want || there.Path == here.Path {
		t.Errorf("compiler %q, module at %s; want %q elsewhere than %s", there.Compiler, there.Path, want, here.Path)
	}
}

func TestBuildSeveralAtOnce(t *testing.T) {
	b := newFakeBuild(t)
	const builders = 8
	var done sync.WaitGroup
	paths := make([]string, builders)
	for i := range builders {
		done.Go(func() {
			m, err := Build(t.Context(), b.BuildOptions)
			if err != nil {
				t.Error(err)
				return
			}
			paths[i] = m.Path
		})
	}
	done.Wait()
	for _, path := range paths {
		if path != paths[0] {
			t.Errorf("modules are at %s and %s", paths[0], path)
		}
	}
	if diff := cmp.Diff(paths[:1], b.cached(t)); diff != "" || b.makes.Load() != 1 {
		t.Errorf("make ran %d times, cache (-want +got):\n%s", b.makes.Load(), diff)
	}
}

func TestBuildThatFails(t *testing.T) {
	const complaint = "m.c:1:5: error: expected ';' before end of file"
	failing := func(command string) func(*fakeBuild) {
		return func(b *fakeBuild) {
			b.Make = func(ctx context.Context, dir string, _ ...string) (*exec.Cmd, error) {
				return exec.CommandContext(ctx, "sh", "-c", command, dir), nil
			}
		}
	}
	for name, test := range map[string]struct {
		change func(*fakeBuild)
		words  []string
	}{
		"mistake in the sources":         {failing(`echo "` + complaint + `" >&2; exit 2`), []string{"build m.ko for " + kernelRelease, complaint, "exit status 2"}},
		"after the module was made":      {failing(`cp /bin/true "$0/m.ko"; echo "` + complaint + `"; exit 1`), []string{complaint}},
		"no module":                      {failing("true"), []string{"strip", "m.ko"}},
		"no module that strip can read":  {failing(`echo text > "$0/m.ko"`), []string{"strip", "m.ko"}},
		"make cannot be set up":          {func(b *fakeBuild) { b.Make = noMake }, []string{"no headers here"}},
		"make is not installed":          {func(b *fakeBuild) { b.Make = missingMake }, []string{"make and binutils"}},
		"the compiler is not installed":  {func(b *fakeBuild) { b.Compiler = "gcc-of-nowhere" }, []string{"install the package gcc-of-nowhere"}},
		"the compiler fails":             {func(b *fakeBuild) { b.Compiler = "false" }, []string{"false --version"}},
		"the sources cannot be read":     {func(b *fakeBuild) { b.Source = os.DirFS("/nowhere") }, []string{"read the sources of m"}},
		"the cache cannot be written to": {func(b *fakeBuild) { b.CacheDir = "/dev/null/cache" }, []string{"/dev/null"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFakeBuild(t)
			test.change(b)
			for range 2 { // and again, so that no failure passes for a module
				m, err := Build(t.Context(), b.BuildOptions)
				if err == nil {
					t.Fatalf("%+v was built", m)
				}
				for _, word := range test.words {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("%q is missing in %q", word, err)
					}
				}
			}
			if b.CacheDir == "/dev/null/cache" {
				return
			}
			if left := b.cached(t); len(left) > 0 {
				t.Errorf("left in the cache: %v", left)
			}
		})
	}
}

func noMake(context.Context, string, ...string) (*exec.Cmd, error) {
	return nil, errors.New("no headers here")
}

func missingMake(ctx context.Context, _ string, _ ...string) (*exec.Cmd, error) {
	return exec.CommandContext(ctx, "make-of-nowhere"), nil
}

// A build that is broken off is as if it had not been begun.
func TestBuildIsInterrupted(t *testing.T) {
	b := newFakeBuild(t)
	ctx, cancel := context.WithCancel(t.Context())
	honest := b.Make
	b.Make = func(ctx context.Context, dir string, args ...string) (*exec.Cmd, error) {
		cancel()
		return honest(ctx, dir, args...)
	}
	if m, err := Build(ctx, b.BuildOptions); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v; want an error that wraps %v", m, err, context.Canceled)
	}
	if left := b.cached(t); len(left) > 0 {
		t.Errorf("left in the cache: %v", left)
	}
	b.Make = honest
	b.must(t, 2)
}
