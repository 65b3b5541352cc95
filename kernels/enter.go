// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// enterScript runs a command in a root: $1 is what the mounts of this machine
// are called, $2 the root, $3 the entry of the kernel, $4 the directory of the
// module, and the command follows. What it mounts is seen by nobody else and
// goes with it, or else nothing is mounted: whoever removed the root later
// would remove what is mounted there. For that reason it gets few devices, one
// by one.
const enterScript = `set -e
root=$2 kernel=$3 module=$4
if [ "$(readlink /proc/self/ns/mnt)" = "$1" ]; then
	echo "no mounts of its own to build in" >&2
	exit 1
fi
shift 4
mount --rbind /proc "$root/proc"
for device in null zero urandom; do
	mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$kernel" "$root/kernel"
mount --bind "$module" "$root/module"
exec chroot "$root" /usr/bin/env PATH=/usr/sbin:/usr/bin TMPDIR=/tmp "$@"
`

// unshareArgs gives a command mounts of its own, which for others than root
// takes a user namespace, in which they are root.
func unshareArgs(euid int) []string {
	if euid == 0 {
		return []string{"--mount"}
	}
	return []string{"--user", "--map-root-user", "--mount"}
}

// CanEnter finds out whether this process may run commands in a system of its
// own, as modules for kernels of other Debian releases are built. The error
// says why not.
func CanEnter(ctx context.Context) error {
	// A container may allow the one and not the other.
	args := append(unshareArgs(os.Geteuid()), "--", "mount", "--rbind", "/proc", "/tmp")
	out, err := exec.CommandContext(ctx, "unshare", args...).CombinedOutput()
	if err != nil && len(out) > 0 {
		return errors.New(oneLine(string(out)))
	}
	return err
}

// Command returns the command that runs a program where the kernel's modules
// are built: on this machine, or in the system at Root, without the files of
// this machine.
func (k *Kernel) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if k.Root == "" {
		return exec.CommandContext(ctx, name, args...)
	}
	return k.enter(ctx, k.HeadersDir, append([]string{name}, args...))
}

// enter returns the command that runs argv in the root, with the kernel's entry
// of the cache at /kernel and dir at /module.
func (k *Kernel) enter(ctx context.Context, dir string, argv []string) *exec.Cmd {
	args := append(unshareArgs(os.Geteuid()), "--", "sh", "-c", enterScript, "sh", mountNamespace(), k.Root, k.entryDir(), dir)
	cmd := exec.CommandContext(ctx, "unshare", append(args, argv...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), disturbsMake),
		"LC_ALL=C",
		// Not all users have the directory of chroot in theirs.
		"PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin",
		// Kernels of 7.0 and later ask dpkg, which is not there.
		"DEB_BUILD_ARCH=amd64")
	return cmd
}

// mountNamespace is the kernel's name for what this process has mounted.
func mountNamespace() string {
	name, _ := os.Readlink("/proc/self/ns/mnt")
	return name
}

// entryDir is the entry of the cache that the kernel is in.
func (k *Kernel) entryDir() string {
	return filepath.Join(k.HeadersDir, "../../..")
}

// makeInRoot is Make for a kernel with a root. The paths are the same wherever
// the cache is.
func (k *Kernel) makeInRoot(ctx context.Context, dir string, args []string) (*exec.Cmd, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	inside := *k
	inside.HeadersDir = k.inside(k.HeadersDir)
	inside.CommonDir = k.inside(k.CommonDir)
	return k.enter(ctx, dir, slices.Concat([]string{"make"}, inside.MakeArgs("/module"), args)), nil
}

// inside is where a path in the kernel's entry is in the root.
func (k *Kernel) inside(path string) string {
	rel, err := filepath.Rel(k.entryDir(), path)
	if err != nil {
		return path // both are absolute, so there is none
	}
	return filepath.Join("/kernel", rel)
}
