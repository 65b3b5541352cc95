// SPDX-License-Identifier: MIT

package results

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const severalGolden = `kernel: 5.10.0-32-amd64
clock: icount
Unit overhead-insn/op better=lower assume=exact
BenchmarkProbe/func=sys_getpid/backend=kretprobe/rate=max  400  386 overhead-insn/op
kernel: 6.1.0-56-amd64
clock: icount
BenchmarkProbe/func=sys_getpid/backend=direct/rate=max  400  25 overhead-insn/op
BenchmarkProbe/func=sys_getpid/backend=kretprobe/rate=max  400  415 overhead-insn/op
`

func severalFiles() []*File {
	row := func(backend string, overhead float64) Row {
		return Row{
			Name:   "Probe",
			Params: []Param{{"func", "sys_getpid"}, {"backend", backend}, {"rate", "max"}},
			Iters:  400, Values: []Value{{overhead, "overhead-insn/op"}},
		}
	}
	file := func(kernel string, rows ...Row) *File {
		return &File{
			Env:   []Config{{"kernel", kernel}, {"clock", "icount"}},
			Units: []Unit{{Name: "overhead-insn/op", Better: "lower", Exact: true}}, Rows: rows,
		}
	}
	return []*File{
		file("5.10.0-32-amd64", row("kretprobe", 386)),
		file("6.1.0-56-amd64", row("direct", 25), row("kretprobe", 415)),
	}
}

func textOfAll(t *testing.T, files []*File) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteAll(&b, files); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSeveralEnvironments(t *testing.T) {
	if diff := cmp.Diff(severalGolden, textOfAll(t, severalFiles())); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	for name, change := range map[string]func(files []*File){
		"as they are": func([]*File) {},
		"a key less":  func(f []*File) { f[1].Env = f[1].Env[:1] },
		"a key more": func(f []*File) {
			f[1].Env = []Config{{"kernel", "6.1.0-56-amd64"}, {"seed", "7"}, {"clock", "icount"}}
		},
		"in another order": func(f []*File) { f[1].Env[0], f[1].Env[1] = f[1].Env[1], f[1].Env[0] },
		"the first again":  func(f []*File) { f[1].Env[0].Value = "x"; f[0].Env = f[0].Env[:1] },
	} {
		want := severalFiles()
		change(want)
		got, err := ReadAll(strings.NewReader(textOfAll(t, want)), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: read (-want +got):\n%s", name, diff)
		}
	}
	_, err := Read(strings.NewReader(severalGolden), "golden")
	if err == nil || !strings.Contains(err.Error(), "golden:7: the environment differs from that of the rows above") {
		t.Errorf("read as one file: %v", err)
	}
}

func TestWriteAllRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(files []*File) []*File
		want   string
	}{
		"none":                   {func([]*File) []*File { return nil }, "no benchmark rows"},
		"one is empty":           {func(f []*File) []*File { f[1].Rows = nil; return f }, "no benchmark rows"},
		"the same twice":         {func(f []*File) []*File { f[1].Env = f[0].Env; return f }, "files 1 and 2 of 2 have the same environment"},
		"units are not the same": {func(f []*File) []*File { f[1].Units[0].Exact = false; return f }, "file 2 of 2 says something else about units"},
	} {
		path := filepath.Join(t.TempDir(), "results.txt")
		if err := os.WriteFile(path, []byte("precious\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		files := test.change(severalFiles())
		if err := WriteAllFile(path, files); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "precious\n" {
			t.Errorf("%s: the file of before is %q, %v", name, b, err)
		}
	}
	if _, err := ReadAll(strings.NewReader("PASS\n"), "x"); !errors.Is(err, ErrEmpty) {
		t.Errorf("read of nothing: %v", err)
	}
}

// benchstat tells the kernels of one file apart, and puts them side by side.
func TestBenchstatSplitsByKernel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "all.txt")
	if err := WriteAllFile(path, severalFiles()); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "tool", "benchstat", "-col", "kernel", path).CombinedOutput()
	if err != nil {
		t.Fatalf("benchstat: %v\n%s", err, out)
	}
	for _, want := range []string{"5.10.0-32-amd64", "6.1.0-56-amd64", "+7.51%"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("benchstat does not say %s:\n%s", want, out)
		}
	}
}
