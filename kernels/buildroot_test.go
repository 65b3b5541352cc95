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

func TestRootDamageIsMended(t *testing.T) {
	tests := map[string]func(root string) error{
		"tool cut short": func(root string) error { return os.Truncate(filepath.Join(root, "usr/bin/x86_64-linux-gnu-gcc-14"), 1) },
		"library lost":   func(root string) error { return os.Remove(filepath.Join(root, "usr/lib/x86_64-linux-gnu/libc.so.6")) },
		"manifest lost":  func(root string) error { return os.Remove(filepath.Join(root, manifestName)) },
		"root lost":      os.RemoveAll,
		"fetch killed": func(root string) error {
			return os.Rename(root, filepath.Join(filepath.Dir(root), newPrefix+"killed"))
		},
	}
	f := withTrixie(t)
	opts := Options{Dir: t.TempDir()}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			k, err := Get(t.Context(), "7.3", opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(k.Root); err != nil {
				t.Fatal(err)
			}
			f.asked()
			again, err := Get(t.Context(), "7.3", opts)
			if err != nil {
				t.Fatal(err)
			}
			checkRootFiles(t, again.Root)
			asked := f.asked()
			if last := asked[len(asked)-1]; !strings.HasPrefix(last, "download -qq make=") || slices.ContainsFunc(asked, func(s string) bool { return strings.Contains(s, "linux-") }) {
				t.Errorf("apt-get was asked for %q", asked)
			}
			if left, err := entriesWith(filepath.Join(opts.Dir, "roots"), newPrefix, ""); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestRootFailureLeavesTheKernel(t *testing.T) {
	tests := map[string]struct {
		prepare func(f *fakeApt)
		want    string
	}{
		"download fails":     {func(f *fakeApt) { f.write("trixie/fail-download", "E: Could not connect", 0o644) }, "E: Could not connect"},
		"archive is damaged": {func(f *fakeApt) { f.write("trixie/debs/mawk_1%3a1.3.4_all.deb", "half a pack", 0o644) }, "unpack mawk_1%3a1.3.4_all.deb"},
		"release expired":    {func(f *fakeApt) { f.write("trixie/fail-update", "E: Release file is expired", 0o644) }, "E: Release file is expired"},
		"compiler unknown":   {func(f *fakeApt) { f.write("trixie/fail-install", "E: Unable to locate package gcc-14", 0o644) }, "do not offer all of"},
		"compiler not in it": {func(f *fakeApt) {
			f.write("trixie/install", strings.ReplaceAll(rootLists, "gcc-14", "nothing"), 0o644)
			f.add("nothing", "14.2.0-19", "", nil)
		}, "the packages lack a tool"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := withTrixie(t)
			test.prepare(f)
			opts := Options{Dir: t.TempDir()}
			_, err := Get(t.Context(), "7.3", opts)
			if err == nil || !strings.Contains(err.Error(), "kernel 7.3: gcc-14 of trixie to build in: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if left, _ := os.ReadDir(filepath.Join(opts.Dir, "roots")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			entries, err := List(opts)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(entries, func(e Entry) bool { return e.Series == "7.3" })
			if entries[i].Kernel == nil || entries[i].Kernel.Root != "" || !entries[i].NoRoot {
				t.Errorf("7.3 is %+v in the list", entries[i])
			}
		})
	}
}

func TestMakeInRoot(t *testing.T) {
	k := &Kernel{Release: split, HeadersDir: "/c/k e/usr/src/h", CommonDir: "/c/k e/usr/src/c", Compiler: "gcc-14", Root: "/c/roots/r"}
	t.Setenv("PATH", "/bin")
	t.Setenv("MAKEFLAGS", "w")
	cmd, err := k.Make(t.Context(), "/with space")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.Index(cmd.Args, "sh")
	want := []string{"sh", "-c", enterScript, "sh", mountNamespace(), "/c/roots/r", "/c/k e", "/with space",
		"make", "-C", "/kernel/usr/src/h", "-f", "/kernel/usr/src/c/Makefile", "KBUILD_OUTPUT=/kernel/usr/src/h",
		"CC=gcc-14", "HOSTCC=gcc-14", "CONFIG_DEBUG_INFO_BTF_MODULES=", "M=/module", "modules"}
	if diff := cmp.Diff(want, cmd.Args[i:]); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
	if slices.Contains(cmd.Env, "MAKEFLAGS=w") || !slices.Contains(cmd.Env, "DEB_BUILD_ARCH=amd64") {
		t.Errorf("environment %q", cmd.Env)
	}
}

// busyboxRoot is a system of one program, with a kernel beside it.
func busyboxRoot(t *testing.T) *Kernel {
	t.Helper()
	dir, err := Unpack(t.Context(), "busybox-static", Options{})
	if err != nil {
		t.Fatal(err)
	}
	busybox, err := filepath.Glob(filepath.Join(dir, "*/busybox"))
	if usr, _ := filepath.Glob(filepath.Join(dir, "usr/*/busybox")); err != nil || len(busybox)+len(usr) != 1 {
		t.Fatalf("busybox is at %q and %q, %v", busybox, usr, err)
	} else {
		busybox = append(busybox, usr...)
	}
	program, err := os.ReadFile(busybox[0])
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	k := &Kernel{Root: filepath.Join(base, "a root"), HeadersDir: filepath.Join(base, "entry/usr/src/headers")}
	for _, d := range []string{k.HeadersDir, filepath.Join(base, "module"), filepath.Join(k.Root, "usr/bin")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := makeMountPoints(k.Root); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"env", "sh", "ls", "touch", "make"} {
		if err := os.WriteFile(filepath.Join(k.Root, "usr/bin", tool), program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// Commands run in the root, and what that takes is gone when they are.
func TestCommandInRoot(t *testing.T) {
	if err := CanEnter(t.Context()); err != nil {
		t.Skip("this process may have no mounts of its own: ", err)
	}
	k := busyboxRoot(t)
	module := filepath.Join(filepath.Dir(k.Root), "module")
	const script = `echo "$PATH $TMPDIR $LC_ALL"; ls /; ls /dev; ls /kernel/usr/src; : > /module/built; : > /tmp/x; read x < /proc/self/stat; echo x > /dev/null; touch "$1"`
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	out, err := k.enter(t.Context(), module, []string{"sh", "-c", script, "sh", "/module/arg with space"}).CombinedOutput()
	want := "/usr/sbin:/usr/bin /tmp C\n" + strings.Join(slices.Concat(mountPoints, []string{"usr"}, devices, []string{"headers\n"}), "\n")
	if err != nil || string(out) != want {
		t.Errorf("%v, %q, want %q", err, out, want)
	}
	for _, name := range []string{"built", "arg with space"} {
		if _, err := os.Stat(filepath.Join(module, name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range mountPoints[1:] {
		if left, err := os.ReadDir(filepath.Join(k.Root, name)); err != nil || len(left) > 0 {
			t.Errorf("%s has %v, %v", name, left, err)
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), filepath.Base(filepath.Dir(k.Root))+"/") {
		t.Errorf("mounted on this machine: %v\n%s", err, mounts)
	}
	err = k.Command(t.Context(), "sh", "-c", "exit 3").Run()
	if err == nil || err.Error() != "exit status 3" {
		t.Errorf("error %v, want exit status 3", err)
	}
}

// Where nothing of its own can be mounted nothing is. The script gets mounts
// that it takes for this machine's.
func TestCommandMountsNothingHere(t *testing.T) {
	if err := CanEnter(t.Context()); err != nil {
		t.Skip("this process may have no mounts of its own: ", err)
	}
	k := busyboxRoot(t)
	cmd := k.enter(t.Context(), k.Root, []string{"ls", "/"})
	i := slices.Index(cmd.Args, enterScript)
	const here = `script=$1; shift 3; sh -c "$script" sh "$(readlink /proc/self/ns/mnt)" "$@"; echo "status $?"; grep -c 040root/ /proc/self/mounts`
	cmd.Args = slices.Concat(cmd.Args[:i], []string{here, "sh"}, cmd.Args[i:])
	out, _ := cmd.CombinedOutput()
	if want := "no mounts of its own to build in\nstatus 1\n0\n"; string(out) != want {
		t.Errorf("%q, want %q", out, want)
	}
}

func TestCommandOnThisMachine(t *testing.T) {
	k := &Kernel{}
	if diff := cmp.Diff([]string{"cc", "--version"}, k.Command(t.Context(), "cc", "--version").Args); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}
