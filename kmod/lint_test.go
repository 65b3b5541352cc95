// SPDX-License-Identifier: MIT

package kmod_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kprof-bench/guest/guesttest"
	"kprof-bench/kernels"
	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// Each module's sources, by the name of its folder.
var modules = map[string]fs.FS{
	"profiler":            kmod.ProfilerSource(),
	"testbed":             kmod.TestbedSource(),
	"profilertest/poison": profilertest.PoisonSource(),
}

// The compiler with W=1, sparse and objtool have nothing to say.
func TestModulesBuildWithoutWarnings(t *testing.T) {
	onEachKernel(t, func(t *testing.T, k *kernels.Kernel, _ string, source fs.FS) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, source); err != nil {
			t.Fatal(err)
		}
		cmd, err := k.Make(t.Context(), dir, "W=1", "C=2", "modules")
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if !bytes.Contains(out, []byte("CHECK")) {
			t.Errorf("sparse did not run:\n%s", out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "warning") || strings.Contains(line, "error") {
				t.Errorf("%s", line)
			}
		}
	})
}

// onEachKernel runs a subtest for each module and each kernel it supports.
func onEachKernel(t *testing.T, test func(t *testing.T, k *kernels.Kernel, module string, source fs.FS)) {
	for _, series := range guesttest.AllSeries {
		k := guesttest.KernelOf(t, series)
		for module, source := range modules {
			t.Run(series+"/"+module, func(t *testing.T) { test(t, k, module, source) })
		}
	}
}

// The module's returns must stay known to the kernel, which patches them where
// the processor needs another kind.
func TestModulesKeepReturnSites(t *testing.T) {
	onEachKernel(t, func(t *testing.T, k *kernels.Kernel, module string, source fs.FS) {
		name, ok := map[string]string{"profiler": kmod.ProfilerModule, "testbed": kmod.TestbedModule}[module]
		if !ok {
			return // the third has none
		}
		m := guesttest.ModuleFor(t, k, name, source)
		out, err := exec.CommandContext(t.Context(), "readelf", "-SW", m.Path).CombinedOutput()
		if err != nil || !strings.Contains(string(out), ".return_sites") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestModulesFollowKernelStyle(t *testing.T) {
	checkpatch := unpackCheckpatch(t)
	for name := range modules {
		files, err := filepath.Glob(filepath.Join(name, "*.[chS]"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", name, err, len(files))
		}
		args := append([]string{checkpatch, "--no-tree", "--terse", "--no-summary",
			// A version of the kernel is asked for in one header alone, and
			// is compared with what checkpatch takes for a variable.
			"--ignore", "LINUX_VERSION_CODE,CONSTANT_COMPARISON", "-f"}, files...)
		out, err := exec.CommandContext(t.Context(), "perl", args...).CombinedOutput()
		if err != nil || len(bytes.TrimSpace(out)) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// unpackCheckpatch returns the path of the kernel's own style checker, from
// Debian's package of the kernel's sources. It takes long to get at, and is
// kept.
func unpackCheckpatch(t *testing.T) string {
	t.Helper()
	pkg, err := kernels.Unpack(t.Context(), "linux-source-6.1", kernels.Options{})
	if err != nil {
		t.Fatal(err)
	}
	kept := pkg + "-checkpatch"
	script := filepath.Join(kept, "checkpatch.pl")
	if _, err := os.Stat(script); err == nil {
		return script
	}
	dir, err := os.MkdirTemp(filepath.Dir(pkg), "checkpatch-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const in = "linux-source-6.1/scripts/"
	out, err := exec.CommandContext(t.Context(), "tar", "-xJf", filepath.Join(pkg, "usr/src/linux-source-6.1.tar.xz"),
		"-C", dir, "--strip-components=2",
		in+"checkpatch.pl", in+"spelling.txt", in+"const_structs.checkpatch").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Rename(dir, kept); err != nil {
		t.Fatal(err)
	}
	return script
}
