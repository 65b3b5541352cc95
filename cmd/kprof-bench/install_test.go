// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kprof-bench/guest/guesttest"
	"kprof-bench/kernels"
)

// elsewhere is a directory that commands take for the root of a machine which
// runs another kernel.
type elsewhere struct {
	t      *testing.T
	kernel *kernels.Kernel
	root   string
}

// newElsewhere has the commands of this machine in their usual places, and before
// them those that would change it, in forms that change the directory. dkms and
// kmod need not be installed.
func newElsewhere(t *testing.T, k *kernels.Kernel) elsewhere {
	t.Helper()
	e := elsewhere{t, k, t.TempDir()}
	for _, dir := range []string{"bin", "dkms", "src", "tmp", e.modules()} {
		if err := os.MkdirAll(filepath.Join(e.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	kmod := e.unpacked("kmod", "bin/kmod", "usr/bin/kmod")
	for _, name := range []string{"depmod", "modprobe"} {
		// It goes by the name that it is called by.
		if err := os.Symlink(kmod, filepath.Join(e.root, name)); err != nil {
			t.Fatal(err)
		}
	}
	e.command("depmod", `exec "$root/depmod" -b "$root" "$release"`)
	e.command("modprobe", `exec "$root/modprobe" --dry-run --verbose -d "$root" -S "$release" "$@"`)
	e.command("modinfo", `exec "$root/depmod" -V`) // dkms tries it out
	e.command("dkms", `act=$1; shift
[ "$act" = add ] || set -- "$@" -k "$release" --kernelsourcedir "$KDIR" --config "$config" --no-depmod
exec bash `+e.unpacked("dkms", "usr/sbin/dkms")+` "$act" "$@" --dkmstree "$root/dkms" --sourcetree "$root/src" --installtree "$root/lib/modules"`)
	return e
}

// unpacked is a file of a Debian package, which has one of the names.
func (e elsewhere) unpacked(pkg string, names ...string) string {
	e.t.Helper()
	dir, err := kernels.Unpack(e.t.Context(), pkg, kernels.Options{})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	e.t.Fatalf("%s has none of %v", dir, names)
	return ""
}

func (e elsewhere) command(name, script string) {
	e.t.Helper()
	if err := os.WriteFile(filepath.Join(e.root, "bin", name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		e.t.Fatal(err)
	}
}

// modules is where modules of its kernel are.
func (e elsewhere) modules() string { return filepath.Join("lib/modules", e.kernel.Release) }

// run runs a line of shell there, in a directory of which the modules' sources
// are part, and returns what it printed.
func (e elsewhere) run(dir, line string) string {
	e.t.Helper()
	cmd := exec.CommandContext(e.t.Context(), "sh", "-c", line)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"PATH="+filepath.Join(e.root, "bin")+":"+os.Getenv("PATH"), "LC_ALL=C",
		"KDIR="+e.kernel.HeadersDir, "CC="+e.kernel.Compiler, "INSTALL_MOD_PATH="+e.root,
		"root="+e.root, "release="+e.kernel.Release, "config="+e.kernel.Config,
		// dkms would make a key for the whole machine to sign with.
		"sign_file=/nowhere", "tmp_location="+filepath.Join(e.root, "tmp"))
	cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "MAKE") })
	out, err := cmd.CombinedOutput()
	if err != nil {
		e.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// indentedUnder returns the blocks of indented lines below a heading of a
// Markdown text.
func indentedUnder(text, heading string) [][]string {
	_, text, _ = strings.Cut(text, "\n"+heading+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var blocks [][]string
	inside := false
	for line := range strings.Lines(text) {
		code, indented := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "    ")
		if indented && !inside {
			blocks = append(blocks, nil)
		}
		if inside = indented; inside {
			last := &blocks[len(blocks)-1]
			*last = append(*last, code)
		}
	}
	return blocks
}

// The commands that README.md has under "Install it" put the module where
// modprobe finds it, by hand and by DKMS.
func TestReadmeInstalls(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds the module twice")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := indentedUnder(string(readme), "## Install it")
	if len(blocks) < 2 {
		t.Fatalf("README.md has %d blocks of commands there, want two at least", len(blocks))
	}
	e := newElsewhere(t, guesttest.Kernel(t))
	tree := t.TempDir()
	for _, name := range []string{"profiler", "testbed"} {
		if err := os.CopyFS(filepath.Join(tree, "kmod", name), os.DirFS(filepath.Join("../../kmod", name))); err != nil {
			t.Fatal(err)
		}
	}
	e.run(tree, "make -s -C kmod/profiler clean; make -s -C kmod/testbed clean") // what the user has built
	const load = "modprobe profiler funcs=sys_getpid,sys_clone"
	for i, place := range []string{"extra", "updates/dkms"} {
		for _, line := range blocks[i] {
			e.run(tree, line)
		}
		e.run(tree, "depmod")
		installed := filepath.Join(e.root, e.modules(), place, "profiler.ko")
		want := "insmod " + installed + " funcs=sys_getpid,sys_clone"
		if got := strings.TrimSpace(e.run(tree, load)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if i == 0 && !slices.Contains(blocks[i], load) {
			t.Errorf("README.md has no %s", load)
		}
		if i == 0 {
			// DKMS does not replace a module of the same version.
			if err := os.Remove(installed); err != nil {
				t.Fatal(err)
			}
		}
	}
	if status := e.run(tree, "dkms status"); !strings.Contains(status, "kprof-profiler/1.0, "+e.kernel.Release+", x86_64: installed") {
		t.Errorf("dkms status: %s", status)
	}
}
