// SPDX-License-Identifier: MIT

package kmod_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"kprof-bench/guest/guesttest"
	"kprof-bench/kernels"
	"kprof-bench/kmod"
)

// two is a module of two files, of which one has a header.
var two = map[string]string{
	"Kbuild": "obj-m := two.o\ntwo-y := one.o other.o\n",
	"one.h":  "#define ONE 1\n",
	"one.c": "#include <linux/module.h>\n#include \"one.h\"\nint one(void);\n" +
		"int one(void) { return WARN_ON(ONE); }\n\nMODULE_DESCRIPTION(\"two\");\nMODULE_LICENSE(\"GPL\");\n",
	"other.c": "#include <linux/bug.h>\nint one(void);\nint other(void);\nint other(void) { return WARN_ON(one()) + 2; }\n",
}

// with returns the files of that module, some of them changed.
func with(changed ...string) fstest.MapFS {
	all := fstest.MapFS{}
	for name, text := range two {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for i := 0; i < len(changed); i += 2 {
		all[changed[i]] = &fstest.MapFile{Data: []byte(changed[i+1])}
	}
	return all
}

// builder builds versions of a module for a kernel, in a cache of its own.
type builder struct {
	t   *testing.T
	dir string
	k   *kernels.Kernel
}

func (b builder) build(source fstest.MapFS) (*kmod.Module, error) {
	return kmod.Build(b.t.Context(), kmod.BuildOptions{
		Name: "two", Source: source, Make: b.k.Make, Command: b.k.Command, Kernel: b.k.Release, Version: b.k.Version,
		Compiler: b.k.Compiler, Check: b.k.CanCheck(), CacheDir: b.dir,
	})
}

var compiled = regexp.MustCompile(`(?m)^  CC \[M\] .*?(\w+)\.o$`)

// must returns the module, and which sources were compiled.
func (b builder) must(source fstest.MapFS) (ko []byte, files []string) {
	b.t.Helper()
	m, err := b.build(source)
	if err != nil {
		b.t.Fatal(err)
	}
	log, err := m.Log()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, match := range compiled.FindAllSubmatch(log, -1) {
		if _, ok := source[string(match[1])+".c"]; ok {
			files = append(files, string(match[1]))
		}
	}
	slices.Sort(files)
	if ko, err = os.ReadFile(m.Path); err != nil {
		b.t.Fatal(err)
	}
	return ko, files
}

// Of a version only what has changed is compiled, and the module is what it is
// when all of it is.
func TestBuildOfAChange(t *testing.T) {
	for _, series := range []string{kmod.DefaultSeries, kernels.Series[len(kernels.Series)-1]} {
		t.Run(series, func(t *testing.T) {
			b := builder{t, t.TempDir(), guesttest.KernelOf(t, series)}
			want := func(source fstest.MapFS, compiled ...string) []byte {
				t.Helper()
				ko, files := b.must(source)
				if !slices.Equal(files, compiled) {
					t.Errorf("compiled were %v, want %v", files, compiled)
				}
				return ko
			}
			first := want(with(), "one", "other")
			header := want(with("one.h", "#define ONE 0\n"), "one")
			both := with("other.c", strings.ReplaceAll(two["other.c"], "2", "3"), "one.h", "#define ONE 0\n")
			last := want(both, "other")
			if bytes.Equal(first, header) || bytes.Equal(header, last) {
				t.Error("other sources, and the same module")
			}
			if err := os.RemoveAll(filepath.Join(b.dir, b.k.Release)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(last, want(both, "one", "other")) {
				t.Error("from the beginning it is another module")
			}
		})
	}
}

// A warning is told of with every version that has it, and a mistake does not
// have all compiled anew when it is mended.
func TestBuildTellsWhatIsWrong(t *testing.T) {
	b := builder{t, t.TempDir(), guesttest.Kernel(t)}
	warned := func(source fstest.MapFS) []string {
		m, err := b.build(source)
		if err != nil {
			t.Fatal(err)
		}
		warnings, err := m.Warnings()
		if err != nil {
			t.Fatal(err)
		}
		return warnings
	}
	const unused = "static int unused;\n"
	one := two["one.c"] + unused
	for name, source := range map[string]fstest.MapFS{
		"itself": with("one.c", one), "of a file that is as it was": with("one.c", one, "other.c", two["other.c"]+"\n"),
	} {
		if w := warned(source); len(w) != 1 || !strings.Contains(w[0], "one.c:8:12: warning: ") {
			t.Errorf("%s: warnings %q", name, w)
		}
	}
	if w := warned(with("one.c", two["one.c"]+"\n")); len(w) > 0 {
		t.Errorf("mended: warnings %q", w)
	}
	if m, err := b.build(with("one.c", "mistake\n")); err == nil || !strings.Contains(err.Error(), "one.c:1:1: error: ") {
		t.Errorf("%+v, %v", m, err)
	}
	if _, files := b.must(with("one.c", two["one.c"]+"\n\n")); !slices.Equal(files, []string{"one"}) {
		t.Errorf("mended: compiled were %v", files)
	}
}

// A tree that a killed process or a stopped machine has left is not built upon,
// and what has changed is compiled whatever the clock says.
func TestBuildAfterAnInterruption(t *testing.T) {
	b := builder{t, t.TempDir(), guesttest.Kernel(t)}
	for _, test := range []struct {
		name  string
		spoil func(tree string) error
		want  []string
	}{
		{"killed", func(tree string) error { return os.Remove(tree + "/whole") }, []string{"one", "other"}},
		{"stopped", func(tree string) error { return os.WriteFile(tree+"/whole", []byte("another boot\n"), 0o644) }, []string{"one", "other"}},
		{"clock set back", age(-time.Hour), []string{"other"}},
	} {
		b.must(with())
		whole, err := filepath.Glob(filepath.Join(b.dir, "*/*/whole"))
		if err != nil || len(whole) != 1 {
			t.Fatalf("%v, %v", whole, err)
		}
		if err := test.spoil(filepath.Dir(whole[0])); err != nil {
			t.Fatal(err)
		}
		if _, files := b.must(with("other.c", two["other.c"]+"// "+test.name+"\n")); !slices.Equal(files, test.want) {
			t.Errorf("%s: compiled were %v, want %v", test.name, files, test.want)
		}
	}
}

// age makes all files of a tree that much older.
func age(by time.Duration) func(tree string) error {
	then := time.Now().Add(-by)
	return func(tree string) error {
		return filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
			return errors.Join(err, os.Chtimes(path, then, then))
		})
	}
}

func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	const log = `warning: the compiler differs from the one used to build the kernel
warning: pahole version differs from the one used to build the kernel
  CC [M]  /m/error.o
  CHECK   /m/warning.c
In file included from /m/a.c:1:
/m/a.h:3:12: warning: 'x' defined but not used [-Wunused-variable]
    3 | static int warning;
/m/a.c:4:1: error: cast removes address space
/m/a.S:5: Error: no such instruction
/m/a.o: warning: objtool: f() falls through to next function g()
/m/a.h:3:12: warning: 'x' defined but not used [-Wunused-variable]
WARNING: modpost: missing MODULE_LICENSE() in /m/a.o
ld: warning: a.o: missing .note.GNU-stack section
`
	if err := os.WriteFile(filepath.Join(dir, "log"), []byte(log), 0o644); err != nil {
		t.Fatal(err)
	}
	m := &kmod.Module{Path: filepath.Join(dir, "m.ko")}
	got, err := m.Warnings()
	want := []string{
		"/m/a.S:5: Error: no such instruction",
		"/m/a.c:4:1: error: cast removes address space",
		"/m/a.h:3:12: warning: 'x' defined but not used [-Wunused-variable]",
		"/m/a.o: warning: objtool: f() falls through to next function g()",
		"WARNING: modpost: missing MODULE_LICENSE() in /m/a.o",
		"ld: warning: a.o: missing .note.GNU-stack section",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}
