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

// built is a module, and the folder of its sources.
type built struct {
	name, folder string
	source       fs.FS
}

var modules = []built{
	{kmod.ProfilerModule, "profiler", kmod.ProfilerSource()},
	{kmod.TestbedModule, "testbed", kmod.TestbedSource()},
	{profilertest.PoisonModule, "profilertest/poison", profilertest.PoisonSource()},
}

// The compiler with W=1, sparse and objtool have had nothing to say when the
// modules were built that guests load.
func TestModulesBuildWithoutWarnings(t *testing.T) {
	onEachKernel(t, func(t *testing.T, k *kernels.Kernel, b built) {
		m := guesttest.ModuleFor(t, k, b.name, b.source)
		warnings, err := m.Warnings()
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range warnings {
			t.Errorf("%s", w)
		}
		log, err := m.Log()
		if err != nil {
			t.Fatal(err)
		}
		for _, did := range []string{"CC [M]", "CHECK"} {
			if !bytes.Contains(log, []byte(did)) && (did != "CHECK" || k.CanCheck()) {
				t.Errorf("no %s in the log of the build:\n%s", did, log)
			}
		}
	})
}

// onEachKernel runs a subtest for each module and each kernel it supports.
func onEachKernel(t *testing.T, test func(t *testing.T, k *kernels.Kernel, b built)) {
	for _, series := range kernels.Series {
		k := guesttest.KernelOf(t, series)
		for _, b := range modules {
			t.Run(series+"/"+b.folder, func(t *testing.T) { test(t, k, b) })
		}
	}
}

// The module's returns must stay known to the kernel, which patches them where
// the processor needs another kind.
func TestModulesKeepReturnSites(t *testing.T) {
	onEachKernel(t, func(t *testing.T, k *kernels.Kernel, b built) {
		if b.name == profilertest.PoisonModule {
			return // it has none
		}
		m := guesttest.ModuleFor(t, k, b.name, b.source)
		out, err := exec.CommandContext(t.Context(), "readelf", "-SW", m.Path).CombinedOutput()
		if err != nil || !strings.Contains(string(out), ".return_sites") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestModulesFollowKernelStyle(t *testing.T) {
	checkpatch := unpackCheckpatch(t)
	for _, b := range modules {
		files, err := filepath.Glob(filepath.Join(b.folder, "*.[chS]"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", b.folder, err, len(files))
		}
		args := append([]string{checkpatch, "--no-tree", "--terse", "--no-summary",
			// A version of the kernel is asked for in one header alone, and
			// is compared with what checkpatch takes for a variable.
			"--ignore", "LINUX_VERSION_CODE,CONSTANT_COMPARISON", "-f"}, files...)
		out, err := exec.CommandContext(t.Context(), "perl", args...).CombinedOutput()
		if err != nil || len(bytes.TrimSpace(out)) > 0 {
			t.Errorf("%s: %v\n%s", b.folder, err, out)
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
