// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"kprof-bench/guest"
	"kprof-bench/kernels"
	"kprof-bench/kmod"
)

// need is a command or, with a slash in it, a file that make run uses, and the
// Debian package that has it.
type need struct{ what, pkg string }

// needs are those of scripts/setup.sh and of fetching a kernel. The C library's
// headers and sparse are for the tests, but make installs all in one go.
var needs = []need{
	{"qemu-system-x86_64", "qemu-system-x86"},
	{"gcc-12", "gcc-12"},
	{"gcc", "gcc"},
	{"/usr/include/stdio.h", "libc6-dev"},
	{"make", "make"},
	{"strip", "binutils"},
	{"/usr/lib/x86_64-linux-gnu/libelf.so.1", "libelf1"},
	{"sparse", "sparse"},
	{"xz", "xz-utils"},
	{"perl", "perl-base"},
	{"unshare", "util-linux"},
	{"mount", "mount"},
	{"apt-get", "apt"},
	{"dpkg-deb", "dpkg"},
}

func findTools(ctx context.Context) []finding {
	all := []finding{findGo(ctx)}
	for _, n := range needs {
		all = append(all, n.find(ctx))
	}
	return all
}

func (n need) find(ctx context.Context) finding {
	f := finding{Name: filepath.Base(n.what), State: good}
	var err error
	if strings.Contains(n.what, "/") {
		f.Detail = n.what
		_, err = os.Stat(n.what)
	} else {
		f.Detail, err = exec.LookPath(n.what)
	}
	if err != nil {
		return finding{Name: f.Name, State: bad, Detail: "not there", Mend: aptInstall + n.pkg}
	}
	switch n.pkg {
	case "qemu-system-x86":
		f.Detail = guest.QEMUVersion(ctx, n.what)
	case "gcc-12":
		f.Detail = firstLine(ctx, n.what, "--version")
	}
	if f.Detail == "" {
		f.State, f.Detail, f.Mend = bad, "does not run", strings.Replace(aptInstall, "install", "install --reinstall", 1)+n.pkg
	}
	return f
}

func firstLine(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

func findGo(ctx context.Context) finding {
	version := firstLine(ctx, "go", "version")
	if version == "" {
		return finding{Name: "go", State: bad, Detail: "not there: install Go 1.26 or later, from https://go.dev/dl"}
	}
	return finding{Name: "go", State: good, Detail: version}
}

// findKVM boots a guest, unless that was done before.
func findKVM(ctx context.Context, dir string, kernel *kernels.Kernel, progress func(string)) finding {
	f := finding{Name: "KVM", State: unused}
	if device, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err != nil {
		f.Detail = fmt.Sprintf("cannot be used, and is needed for --clock kvm alone: %v", err)
		return f
	} else {
		device.Close()
	}
	init, err := staticSelf()
	switch {
	case kernel == nil:
		f.State, f.Detail = unknown, "the device is there; what it does can be told when there is a kernel to boot"
	case err != nil:
		f.State, f.Detail = unknown, err.Error()
	default:
		progress("try KVM by booting a guest")
		ok, why, err := guest.ProveKVM(ctx, guest.Config{Vmlinux: kernel.Vmlinux, Init: init}, dir)
		switch {
		case err != nil:
			f.State, f.Detail = unknown, err.Error()
		case ok:
			f.State, f.Detail = good, why
		default:
			f.Detail = why + "; it is needed for --clock kvm alone"
		}
	}
	return f
}

// findBuildRoots looks for systems to build in, and whether they are of use.
func findBuildRoots(ctx context.Context, dir string) finding {
	f := finding{Name: "build roots", State: good, Detail: "none"}
	roots, err := kernels.Roots(kernels.Options{Dir: dir})
	if err != nil {
		return finding{Name: f.Name, State: unknown, Detail: err.Error()}
	}
	var names []string
	for _, r := range roots {
		names = append(names, r.Name)
	}
	if len(names) > 0 {
		f.Detail = strings.Join(names, ", ")
	}
	f.Detail += "; for kernels of other Debian releases they can be entered"
	if err := kernels.CanEnter(ctx); err != nil {
		f.State = unused
		f.Detail = fmt.Sprintf("cannot be entered, as is needed to build modules for Linux 7.3, which make test does, but by root: %v", err)
		f.Mend = permitNamespaces("/proc/sys")
	}
	return f
}

// permitNamespaces is the command that lets others than root make user
// namespaces, or nothing when it is none of the kernel's settings that keeps
// them from it.
func permitNamespaces(settings string) string {
	var wrong []string
	for _, s := range []struct{ name, forbids, permits string }{
		{"kernel/unprivileged_userns_clone", "0", "1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "0"},
		{"user/max_user_namespaces", "0", "10000"},
	} {
		value, err := os.ReadFile(filepath.Join(settings, s.name))
		if err == nil && strings.TrimSpace(string(value)) == s.forbids {
			wrong = append(wrong, strings.ReplaceAll(s.name, "/", ".")+"="+s.permits)
		}
	}
	if len(wrong) == 0 {
		return ""
	}
	return "sudo sysctl -w " + strings.Join(wrong, " ")
}

// findNative looks for what --native needs.
func findNative() finding {
	release := kmod.RunningRelease()
	f := finding{Name: "--native", State: good, Detail: "the headers of " + release + " are there"}
	if _, err := os.Stat(filepath.Join("/lib/modules", release, "build")); err != nil {
		f.State, f.Detail = unused, "the headers of the running kernel are not installed"
		f.Mend = aptInstall + "linux-headers-" + release
	}
	return f
}
