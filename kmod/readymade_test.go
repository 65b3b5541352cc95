// SPDX-License-Identifier: MIT

package kmod

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeModule assembles an object file with what a module says of itself.
func fakeModule(t *testing.T, path, section string, info ...string) {
	t.Helper()
	text := fmt.Sprintf(".section %s,\"a\"\n", section)
	for _, field := range info {
		text += fmt.Sprintf(".asciz %q\n", field)
	}
	cmd := exec.CommandContext(t.Context(), "gcc", "-c", "-x", "assembler", "-o", path, "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestReadymade(t *testing.T) {
	const magic = "vermagic=6.1.77-mine SMP preempt mod_unload modversions "
	for name, test := range map[string]struct {
		section string
		info    []string
		want    string // error
	}{
		"right":              {".modinfo", []string{"license=GPL", "name=profiler", magic}, ""},
		"of another kernel":  {".modinfo", []string{"name=profiler", "vermagic=6.1.0-56-amd64 SMP "}, "profiler.ko is built for Linux 6.1.0-56-amd64, and the kernel is 6.1.77-mine; build it for that one"},
		"a part of its name": {".modinfo", []string{"name=profiler", "vermagic=6.1.77 SMP "}, "is built for Linux 6.1.77, and"},
		"another module":     {".modinfo", []string{"name=ext4", magic}, `profiler.ko is module "ext4" and not profiler`},
		"an object file":     {".rodata", nil, "profiler.ko is no module: it has no section .modinfo"},
	} {
		dir := t.TempDir()
		fakeModule(t, filepath.Join(dir, "profiler.ko"), test.section, test.info...)
		m, err := Readymade(dir, ProfilerModule, "6.1.77-mine")
		if test.want != "" {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: error %v, want one with %q", name, err, test.want)
			}
			continue
		}
		if err != nil || m.Path != filepath.Join(dir, "profiler.ko") || len(m.Revision) != len("file-")+12 || m.Compiler != "" {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "profiler.ko"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]string{ProfilerModule: "profiler.ko is no module: ", TestbedModule: "kprof_testbed.ko: no such file or directory"} {
		if _, err := Readymade(dir, module, "6.1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", module, err, want)
		}
	}
}
