// SPDX-License-Identifier: MIT

package kernels

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fetched returns the names in a directory of the cache.
func fetched(t *testing.T, opts Options, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(filepath.Join(opts.Dir, dir))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

func withThree(t *testing.T) (*fakeApt, Options) {
	t.Helper()
	f := withTrixie(t)
	f.suite = "trixie-backports/"
	f.addSplitKernel("7.3.4+deb13-rt-amd64", "7.3.4+deb13-common", "7.3.4-1~bpo13+1", "gcc-14")
	opts := Options{Dir: t.TempDir()}
	for _, series := range []string{"6.12", "7.3", "7.3-rt"} {
		if _, err := Get(t.Context(), series, opts); err != nil {
			t.Fatal(err)
		}
	}
	return f, opts
}

func TestList(t *testing.T) {
	_, opts := withThree(t)
	if err := os.Truncate(filepath.Join(opts.Dir, "kernels/6.12/vmlinux"), 1); err != nil {
		t.Fatal(err)
	}
	if err := replaceLink(filepath.Join(opts.Dir, "kernels/7.9"), split+"_7.3.4-1~bpo13+1"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "")
	entries, err := List(opts)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if size, err := e.Size(); err != nil || (size > 0) != (e.Kernel != nil) {
			t.Errorf("%s: size %d, %v", e.Series, size, err)
		}
		if e.NoRoot {
			t.Errorf("%s has no root", e.Series)
		}
		if e.Kernel != nil {
			got = append(got, e.Series+" "+e.Kernel.Release+" "+filepath.Base(e.Kernel.Root)[:13])
		}
	}
	want := []string{"7.3 " + split + " trixie-gcc-14", "7.3-rt 7.3.4+deb13-rt-amd64 trixie-gcc-14", "7.9 " + split + " trixie-gcc-14"}
	if diff := cmp.Diff(want, got); diff != "" || len(entries) != 13 {
		t.Errorf("%d entries, fetched are (-want +got)\n%s", len(entries), diff)
	}
	roots, err := Roots(opts)
	if err != nil || len(roots) != 1 || roots[0].Name != "trixie-gcc-14" {
		t.Errorf("roots %+v, %v", roots, err)
	} else if size, err := roots[0].Size(); err != nil || size < 4096 {
		t.Errorf("size of the root %d, %v", size, err)
	}
}

func TestListOfNothing(t *testing.T) {
	entries, err := List(Options{Dir: filepath.Join(t.TempDir(), "none")})
	if err != nil || len(entries) != 12 || slices.ContainsFunc(entries, func(e Entry) bool { return e.Kernel != nil }) {
		t.Errorf("%+v, %v", entries, err)
	}
}

func TestClean(t *testing.T) {
	_, opts := withThree(t)
	// A refresh has left an older one, of which the name is all there is.
	if err := os.Mkdir(filepath.Join(opts.Dir, "kernels/6.12.80+deb12-amd64_6.12.80-1"), 0o755); err != nil {
		t.Fatal(err)
	}
	const entry, rt = split + "_7.3.4-1~bpo13+1", "7.3.4+deb13-rt-amd64_7.3.4-1~bpo13+1"
	for _, release := range []string{"6.12.80+deb12-amd64", "7.3.4+deb13-rt-amd64", "5.10.0-1-amd64", split} {
		if err := os.MkdirAll(filepath.Join(opts.Dir, "modules", release, "built"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	modules := map[string][]string{
		"6.1": {"6.12.80+deb12-amd64", split, "7.3.4+deb13-rt-amd64"}, "6.12": {split, "7.3.4+deb13-rt-amd64"},
		"7.3": {"7.3.4+deb13-rt-amd64"}, "7.3-rt": nil,
	}
	roots := fetched(t, opts, "roots")
	for _, step := range []struct {
		series  string
		removes bool
		kernels []string
		roots   int
	}{
		{"6.1", true, []string{"6.12", newer + "_6.12.95-1~bpo12+1", "6.12.80+deb12-amd64_6.12.80-1", "7.3", "7.3-rt", entry, rt}, 2},
		{"6.12", true, []string{"7.3", "7.3-rt", entry, rt}, 2},
		{"7.3", true, []string{"7.3-rt", rt}, 2},
		{"7.3", false, []string{"7.3-rt", rt}, 2},
		{"7.3-rt", true, nil, 0},
	} {
		freed, err := Clean(t.Context(), step.series, opts)
		if err != nil || (freed > 0) != step.removes {
			t.Errorf("%s: %d bytes, %v", step.series, freed, err)
		}
		slices.Sort(step.kernels)
		if diff := cmp.Diff(step.kernels, fetched(t, opts, "kernels")); diff != "" {
			t.Errorf("after %s (-want +got)\n%s", step.series, diff)
		}
		if diff := cmp.Diff(modules[step.series], fetched(t, opts, "modules")); diff != "" {
			t.Errorf("modules after %s (-want +got)\n%s", step.series, diff)
		}
		if left := fetched(t, opts, "roots"); len(left) != step.roots {
			t.Errorf("after %s: roots %v of %v", step.series, left, roots)
		}
	}
	if _, err := Clean(t.Context(), "../apt", opts); err == nil || !strings.Contains(err.Error(), "not of the form") {
		t.Errorf("error %v", err)
	}
}

func TestCleanAll(t *testing.T) {
	f, opts := withThree(t)
	f.suite = ""
	f.add("tool", "1", "", map[string]string{"bin/tool": "content"})
	if _, err := Unpack(t.Context(), "tool", opts); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"modules/" + split, "snapshots/one"} {
		if err := os.MkdirAll(filepath.Join(opts.Dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	freed, err := CleanAll(t.Context(), opts)
	if err != nil || freed == 0 {
		t.Errorf("%d bytes, %v", freed, err)
	}
	if diff := cmp.Diff([]string{"lock", "packages"}, fetched(t, opts, ".")); diff != "" {
		t.Errorf("left (-want +got)\n%s", diff)
	}
	if freed, err := CleanAll(t.Context(), opts); err != nil || freed != 0 {
		t.Errorf("second time: %d bytes, %v", freed, err)
	}
	if _, err := Get(t.Context(), "7.3", opts); err != nil {
		t.Error("cannot be fetched again: ", err)
	}
}

func TestFeatures(t *testing.T) {
	k := &Kernel{Release: split, Config: filepath.Join(t.TempDir(), "config")}
	if _, err := k.Features(); err == nil || !strings.Contains(err.Error(), "features of "+split) {
		t.Errorf("without a configuration: %v", err)
	}
	if err := os.WriteFile(k.Config, []byte(fakeConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := k.Features()
	if want := (Features{KRetProbe: true, BTF: true}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

// The kernels that the tests use have what is known of them from elsewhere.
func TestFeaturesOfRealKernels(t *testing.T) {
	base := Features{KRetProbe: true, Rethook: true, DirectCalls: true, BTF: true}
	newer, realTime := base, base
	newer.FProbe, newer.IBT, realTime.RealTime = true, true, true
	for series, want := range map[string]Features{"6.1": base, "6.12": newer, "6.1-rt": realTime} {
		k, err := Get(t.Context(), series, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Features(); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", series, got, err, want)
		}
	}
}
