// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kprof-bench/guest/guesttest"
	"kprof-bench/kernels"
	"kprof-bench/kmod"
)

// What make run installs and what the doctor looks for are the same.
func TestDoctorKnowsWhatSetupInstalls(t *testing.T) {
	script, err := os.ReadFile("../../scripts/setup.sh")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^packages='([^']+)'$`).FindSubmatch(script)
	if m == nil {
		t.Fatal("scripts/setup.sh lists no packages")
	}
	for _, pkg := range strings.Fields(string(m[1])) {
		if !slices.ContainsFunc(needs, func(n need) bool { return n.pkg == pkg }) {
			t.Errorf("the doctor does not look for %s", pkg)
		}
	}
}

func TestNeedIsFound(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	broken := filepath.Join(dir, "gcc-12")
	if err := os.WriteFile(broken, []byte("#!/nowhere\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		need   need
		state  state
		detail string
		mend   string
	}{
		{need{"gcc-12", "gcc-12"}, bad, "does not run", "apt-get install --reinstall -y --no-install-recommends gcc-12"},
		{need{"gcc", "gcc"}, bad, "not there", aptInstall + "gcc"},
		{need{broken, "compiler"}, good, broken, ""},
		{need{broken + "x", "compiler"}, bad, "not there", aptInstall + "compiler"},
	} {
		f := test.need.find(t.Context())
		if f.State != test.state || f.Detail != test.detail || f.Mend != test.mend || f.Name != filepath.Base(test.need.what) {
			t.Errorf("%+v: %+v", test.need, f)
		}
	}
}

func TestRemedies(t *testing.T) {
	d := diagnosis{Findings: []finding{
		{Name: "a", State: bad, Mend: aptInstall + "pkg-a"},
		{Name: "fine", State: good, Mend: "do nothing"},
		{Name: "cache", State: bad, Detail: "full"},
		{Name: "optional", State: unused, Mend: aptInstall + "pkg-o"},
		{Name: "b", State: bad, Mend: aptInstall + "pkg-b"},
		{Name: "c", State: bad, Mend: "type this"},
	}}
	want := "  cache: full\n  type this\n  apt-get update && apt-get install -y --no-install-recommends pkg-a pkg-b\n"
	if got := strings.ReplaceAll(d.remedies(), "sudo ", ""); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSpaceIsMissed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a/b/c")
	if f := findSpace(dir, nil); f.State != good || !strings.HasPrefix(f.Detail, dir+", ") {
		t.Errorf("%+v", f)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("looking made a directory: %v", err)
	}
	if err := os.WriteFile(filepath.Dir(filepath.Dir(dir)), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if f := findSpace(dir, nil); f.State != bad || !strings.Contains(f.Detail, "cannot be written to") {
		t.Errorf("%+v", f)
	}
}

// What is missing takes room on the disk, and a fetch more while it lasts.
func TestSpaceWanted(t *testing.T) {
	one, all := wantedKernels[1:2], wantedKernels
	for name, test := range map[string]struct {
		missing       []wanted
		toRun, toTest int64
	}{
		"nothing":     {nil, 50e6, 250e6},
		"for a test":  {one, 50e6, (250 + 130 + 270) * 1e6},
		"all of them": {all, (50 + 130 + 270) * 1e6, (250 + 130 + 130 + 170 + 375 + 115 + 270) * 1e6},
	} {
		if toRun, toTest := spaceWanted(test.missing); toRun != test.toRun || toTest != test.toTest {
			t.Errorf("%s: %d and %d, want %d and %d", name, toRun, toTest, test.toRun, test.toTest)
		}
	}
}

func TestKernelIsFound(t *testing.T) {
	w := wanted{"7.3", "make test", 95, 375}
	kernel := func(compiler, root string) *kernels.Kernel {
		return &kernels.Kernel{Release: "7.3-amd64", Version: "7.3-1", Compiler: compiler, Root: root}
	}
	for name, test := range map[string]struct {
		entry kernels.Entry
		want  finding
	}{
		"not fetched": {kernels.Entry{}, finding{State: unused, Detail: "not fetched: make test does that, 95 MB by way of apt", Mend: "kprof-bench kernels fetch 7.3"}},
		"no root": {kernels.Entry{Kernel: kernel("gcc-14", ""), NoRoot: true},
			finding{State: unused, Detail: "7.3-amd64 with headers, version 7.3-1, built with gcc-14, which is not fetched: make test does that", Mend: "kprof-bench kernels fetch 7.3"}},
		"a root": {kernels.Entry{Kernel: kernel("gcc-14", "/roots/trixie-gcc-14_1")},
			finding{State: good, Detail: "7.3-amd64 with headers, version 7.3-1, built with gcc-14 in trixie-gcc-14_1"}},
		"no compiler": {kernels.Entry{Kernel: kernel("gcc-1", "")},
			finding{State: unused, Detail: "7.3-amd64 with headers, version 7.3-1, built with gcc-1, which is not there", Mend: aptInstall + "gcc-1"}},
	} {
		test.want.Name = "kernel 7.3"
		if got := w.find(test.entry); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// What the tests boot or build for is what the doctor looks for.
func TestDoctorKnowsTheKernels(t *testing.T) {
	for _, series := range slices.Concat(kernels.Series, guesttest.AllSeries, []string{kmod.DefaultSeries, kmod.RealTimeSeries}) {
		if !slices.ContainsFunc(wantedKernels, func(w wanted) bool { return w.series == series }) {
			t.Errorf("the doctor does not look for Linux %s", series)
		}
	}
}

func TestPermitNamespaces(t *testing.T) {
	for name, test := range map[string]struct {
		settings map[string]string
		want     string
	}{
		"permitted":   {map[string]string{"kernel/unprivileged_userns_clone": "1\n", "user/max_user_namespaces": "95\n"}, ""},
		"unknown":     {nil, ""},
		"Debian's":    {map[string]string{"kernel/unprivileged_userns_clone": "0\n"}, "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
		"two of them": {map[string]string{"kernel/apparmor_restrict_unprivileged_userns": "1\n", "user/max_user_namespaces": "0\n"}, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 user.max_user_namespaces=10000"},
	} {
		dir := t.TempDir()
		for file, value := range test.settings {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := permitNamespaces(dir); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
