// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const release = "6.1.0-56-amd64"

func TestGetFetchesAndKeeps(t *testing.T) {
	f := newFakeApt(t)
	f.addKernel(release, "6.1.0-56-common", "6.1.192-2")
	opts := Options{Dir: t.TempDir()}
	k, err := Get(t.Context(), "6.1", opts)
	if err != nil {
		t.Fatal(err)
	}
	wantAsked := []string{
		"update -qq",
		"download -qq linux-image-" + release + "=6.1.192-2 linux-headers-" + release + "=6.1.192-2 linux-headers-6.1.0-56-common=6.1.192-2 linux-kbuild-6.1=6.1.192-2",
	}
	if diff := cmp.Diff(wantAsked, f.asked()); diff != "" {
		t.Error("apt-get was asked for (-want +got)\n", diff)
	}
	dir := filepath.Join(opts.Dir, "kernels", release+"_6.1.192-2")
	want := &Kernel{
		Release: release, Version: "6.1.192-2", Vmlinux: filepath.Join(dir, "vmlinux"), Config: filepath.Join(dir, "boot/config-"+release),
		HeadersDir: filepath.Join(dir, "usr/src/linux-headers-"+release), CommonDir: filepath.Join(dir, "usr/src/linux-headers-6.1.0-56-common"),
		Compiler: "gcc-12",
	}
	if diff := cmp.Diff(want, k); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if b, err := os.ReadFile(k.Vmlinux); err != nil || string(b) != string(tinyELF(t)) {
		t.Errorf("vmlinux is % x, %v", b, err)
	}
	for _, name := range []string{"lib", "archives"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is in the cache: %v", name, err)
		}
	}
	// Neither apt nor anything else can be run from here on.
	t.Setenv("PATH", "")
	again, err := Get(t.Context(), "6.1", opts)
	if err != nil {
		t.Fatal("second time: ", err)
	}
	if diff := cmp.Diff(k, again); diff != "" {
		t.Error("second time (-first +second)\n", diff)
	}
}

// Both flavours of a series lie beside each other.
func TestGetRealTime(t *testing.T) {
	const realTime = "6.1.0-56-rt-amd64"
	f := newFakeApt(t)
	f.addKernel(release, "6.1.0-56-common", "6.1.192-2")
	f.addKernel(realTime, "6.1.0-56-common-rt", "6.1.192-2")
	opts := Options{Dir: t.TempDir()}
	for series, want := range map[string][2]string{
		"6.1":    {release, "linux-headers-6.1.0-56-common"},
		"6.1-rt": {realTime, "linux-headers-6.1.0-56-common-rt"},
	} {
		k, err := Get(t.Context(), series, opts)
		if err != nil {
			t.Fatal(err)
		}
		if k.Release != want[0] || filepath.Base(k.CommonDir) != want[1] {
			t.Errorf("%s: release %s, headers %s; want %s", series, k.Release, k.CommonDir, want)
		}
	}
}

func TestRefreshKeepsTheOldEntry(t *testing.T) {
	f := newFakeApt(t)
	f.add("tool", "1", "", map[string]string{"bin/tool": "old"})
	opts := Options{Dir: t.TempDir()}
	old, err := Unpack(t.Context(), "tool", opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "debs")); err != nil {
		t.Fatal(err)
	}
	f.add("tool", "1:2", "", map[string]string{"bin/tool": "new"})
	if same, err := Unpack(t.Context(), "tool", opts); err != nil || same != old {
		t.Errorf("without a refresh: %s, %v, want %s", same, err, old)
	}
	opts.Refresh = true
	fresh, err := Unpack(t.Context(), "tool", opts)
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{old: "old", fresh: "new"} {
		if b, err := os.ReadFile(filepath.Join(dir, "bin/tool")); err != nil || string(b) != want {
			t.Errorf("%s holds %q, %v, want %q", dir, b, err, want)
		}
	}
	if strings.Contains(fresh, ":") {
		t.Errorf("%s cannot be in a PATH", fresh)
	}
}

func TestDamageIsMended(t *testing.T) {
	tests := map[string]func(t *testing.T, dir string) error{
		"file cut short":     func(t *testing.T, dir string) error { return os.Truncate(filepath.Join(dir, "bin/tool"), 1) },
		"file lost":          func(t *testing.T, dir string) error { return os.Remove(filepath.Join(dir, "bin/tool")) },
		"manifest lost":      func(t *testing.T, dir string) error { return os.Remove(filepath.Join(dir, manifestName)) },
		"manifest cut short": func(t *testing.T, dir string) error { return os.Truncate(filepath.Join(dir, manifestName), 5) },
		"entry lost":         func(t *testing.T, dir string) error { return os.RemoveAll(dir) },
		"link lost":          func(t *testing.T, dir string) error { return os.Remove(filepath.Join(filepath.Dir(dir), "tool")) },
		"link points outside": func(t *testing.T, dir string) error {
			return replaceLink(filepath.Join(filepath.Dir(dir), "tool"), "/")
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFakeApt(t)
			f.add("tool", "1", "", map[string]string{"bin/tool": "content"})
			opts := Options{Dir: t.TempDir()}
			dir, err := Unpack(t.Context(), "tool", opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(t, dir); err != nil {
				t.Fatal(err)
			}
			dir, err = Unpack(t.Context(), "tool", opts)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "bin/tool")); err != nil || string(b) != "content" {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
}

func TestFailureLeavesNoEntry(t *testing.T) {
	tests := map[string]struct {
		prepare func(f *fakeApt)
		want    string
	}{
		"update fails":       {func(f *fakeApt) { f.write("fail-update", "E: no lists", 0o644) }, "E: no lists; check the network"},
		"download fails":     {func(f *fakeApt) { f.write("fail-download", "E: Could not connect", 0o644) }, "E: Could not connect; check the network"},
		"archive is damaged": {func(f *fakeApt) { f.write("debs/tool_1_all.deb", "half a pack", 0o644) }, "unpack tool_1_all.deb"},
		"package is unknown, and why": {func(f *fakeApt) {
			f.write("warn-update", "W: Failed to fetch http://mirror/", 0o644)
			if err := os.RemoveAll(filepath.Join(f.dir, "show")); err != nil {
				f.t.Fatal(err)
			}
		}, "do not offer tool: apt-cache show: exit status 100: E: No packages found; updating the package lists gave: W: Failed to fetch"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFakeApt(t)
			f.add("tool", "1", "", map[string]string{"bin/tool": "content"})
			test.prepare(f)
			dir := t.TempDir()
			_, err := Unpack(t.Context(), "tool", Options{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			left, err := os.ReadDir(filepath.Join(dir, "packages"))
			if err != nil && !os.IsNotExist(err) || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestLeftoversAreCleared(t *testing.T) {
	f := newFakeApt(t)
	f.add("tool", "1", "", map[string]string{"bin/tool": "content"})
	opts := Options{Dir: t.TempDir()}
	leftover := filepath.Join(opts.Dir, "packages", newPrefix+"killed", "bin")
	if err := os.MkdirAll(leftover, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(t.Context(), "tool", opts); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(leftover); !os.IsNotExist(err) {
		t.Errorf("what a killed process left is still there: %v", err)
	}
}

func TestTwoAtOnceFetchOnce(t *testing.T) {
	f := newFakeApt(t)
	f.add("tool", "1", "", map[string]string{"bin/tool": "content"})
	opts := Options{Dir: t.TempDir()}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := Unpack(t.Context(), "tool", opts); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]string{"update -qq", "download -qq tool=1"}, f.asked()); diff != "" {
		t.Error("apt-get was asked for (-want +got)\n", diff)
	}
}

func TestWaitingForTheLockCanBeCancelled(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	c, err := openCache(opts)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := c.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancelCause(t.Context())
	tired := errors.New("tired of waiting")
	opts.Progress = func(string) { cancel(tired) }
	if _, err := Unpack(ctx, "tool", opts); !errors.Is(err, tired) {
		t.Errorf("error %v, want %v", err, tired)
	}
}

func TestDiskFullSaysSo(t *testing.T) {
	f := newFakeApt(t)
	f.add("tool", "1", "", nil)
	c, err := openCache(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.get(t.Context(), "packages/tool", func(context.Context, *apt) (source, error) {
		return source{}, &os.PathError{Op: "write", Path: "x", Err: unix.ENOSPC}
	})
	if err == nil || !strings.Contains(err.Error(), "disk full: make room") {
		t.Errorf("error %v", err)
	}
}

// TestRealKernel holds the cache's promises against the real thing.
func TestRealKernel(t *testing.T) {
	for _, series := range []string{"6.1", "6.12", "6.1-rt"} {
		t.Run(series, func(t *testing.T) { checkRealKernel(t, series) })
	}
}

func checkRealKernel(t *testing.T, series string) {
	k, err := Get(t.Context(), series, Options{Progress: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	number, flavour, _ := strings.Cut(series, "-")
	if !strings.HasPrefix(k.Release, number+".") || !strings.HasPrefix(k.Version, number+".") ||
		strings.HasSuffix(k.Release, "-rt-amd64") != (flavour == "rt") {
		t.Errorf("release %s, version %s", k.Release, k.Version)
	}
	if st, err := os.Stat(k.Vmlinux); err != nil || st.Size() < 20<<20 {
		t.Errorf("vmlinux: %v, %v", st, err)
	}
	module := t.TempDir()
	for name, content := range map[string]string{
		"Kbuild":    "obj-m := nothing.o\n",
		"nothing.c": "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\n",
	} {
		if err := os.WriteFile(filepath.Join(module, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A make that runs the tests must not be felt in the build.
	t.Setenv("MAKEFLAGS", "n")
	t.Setenv("ARCH", "arm64")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd, err := k.Make(ctx, module)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(module, "nothing.ko")); err != nil {
		t.Error(err)
	}
}
