// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
)

// Options say where and how packages are kept. The zero value works.
type Options struct {
	// Dir is the cache: kprof-bench in [os.UserCacheDir] unless given.
	Dir string
	// Progress is told in a few words what is being done, when something has
	// to be fetched.
	Progress func(string)
	// Downloaded is told how many bytes of packages have come.
	Downloaded func(int64)
	// Refresh asks apt for a newer version even when the cache has one.
	Refresh bool
}

func (o Options) progress(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

// Kernel is a kernel in the cache. Its files belong to the cache and are not
// to be written to, except by the build of a module.
type Kernel struct {
	Release    string // uname -r, like "6.1.0-56-amd64"
	Version    string // of the Debian package, like "6.1.192-2"
	Vmlinux    string // uncompressed ELF image without debug information
	Config     string // the configuration it was built with
	HeadersDir string // linux-headers-<release>
	CommonDir  string // linux-headers-<...>-common, or -common-rt
	Compiler   string // the compiler its modules are built with, like "gcc-12"
	// Root is the directory of the system that has the compiler, or empty when
	// that is this machine itself.
	Root string
	// Identity tells kernels of one release apart that are not Debian's: 12
	// hexadecimal digits of the SHA-256 of the image. It is empty for those that
	// are.
	Identity string
	// Variant is likewise of all that modules are built with.
	Variant string
}

var seriesForm = regexp.MustCompile(`^[1-9][0-9]*\.[0-9]+(` + realTime + `|` + cloud + `)?$`)

// CheckSeries refuses what [Get] would not understand.
func CheckSeries(series string) error {
	if !seriesForm.MatchString(series) {
		return fmt.Errorf("kernel series %q is not of the form 6.1, 6.1-rt or 6.1-cloud", series)
	}
	return nil
}

// Get returns the newest kernel of a series, from the cache if one is there
// already. A series is like "6.1", or "6.1-rt" for kernels with PREEMPT_RT, or
// "6.1-cloud" for those for virtual machines.
//
// Package sources of the machine are asked first, then the backports of its
// Debian release, and then the Debian release that the series is known to be
// in. Fetching one is a download of up to 125 MB and leaves up to 200 MB on the
// disk. When modules for it cannot be built with the compilers of the machine's
// own release, a system of the other one to build them in is fetched too, once
// for all kernels that want it: another 80 MB, and 200 MB on the disk.
func Get(ctx context.Context, series string, opts Options) (*Kernel, error) {
	if err := CheckSeries(series); err != nil {
		return nil, err
	}
	if runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("kernel %s: only amd64 machines are supported, this is %s", series, runtime.GOARCH)
	}
	c, err := openCache(opts)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", series, err)
	}
	e, err := c.get(ctx, kernelLink(series), func(ctx context.Context, a *apt) (source, error) {
		return resolveKernel(ctx, a, series)
	})
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", series, err)
	}
	k, err := newKernel(e)
	if err == nil && e.manifest.Root != "" {
		k.Root, err = c.buildRoot(ctx, e.manifest.Root, k.Compiler)
	}
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", series, err)
	}
	return k, nil
}

func kernelLink(series string) string { return filepath.Join("kernels", series) }

// Unpack returns the directory in the cache that holds the contents of a
// Debian package, like "busybox-static", as they would be installed in /.
func Unpack(ctx context.Context, pkg string, opts Options) (string, error) {
	if !packageForm.MatchString(pkg) {
		return "", fmt.Errorf("%q is no name of a Debian package", pkg)
	}
	c, err := openCache(opts)
	if err != nil {
		return "", fmt.Errorf("package %s: %w", pkg, err)
	}
	e, err := c.get(ctx, filepath.Join("packages", pkg), func(ctx context.Context, a *apt) (source, error) {
		return resolvePackage(ctx, a, pkg)
	})
	if err != nil {
		return "", fmt.Errorf("package %s: %w", pkg, err)
	}
	return e.dir, nil
}

func newKernel(e entry) (*Kernel, error) {
	release := e.manifest.Release
	headers := filepath.Join(e.dir, "usr/src/linux-headers-"+release)
	cc, err := compilerOf(headers)
	if err != nil {
		return nil, err
	}
	if e.manifest.Root == "" {
		cc = onThisMachine(cc)
	}
	common, err := commonHeaders(e.dir)
	if err != nil {
		return nil, err
	}
	if len(common) != 1 {
		return nil, fmt.Errorf("%s holds %d common header directories, not one; remove it and try again", e.dir, len(common))
	}
	return &Kernel{
		Release:    release,
		Version:    e.manifest.Version,
		Vmlinux:    filepath.Join(e.dir, "vmlinux"),
		Config:     filepath.Join(e.dir, configFile(release)),
		HeadersDir: headers,
		CommonDir:  common[0],
		Compiler:   cc,
	}, nil
}

// commonHeaders returns the directories of headers that kernels share: those
// with PREEMPT_RT had their own until 7.0.
func commonHeaders(entry string) ([]string, error) {
	var all []string
	for _, suffix := range []string{"-common", "-common" + realTime} {
		found, err := entriesWith(filepath.Join(entry, "usr/src"), headersPrefix, suffix)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// standIns are compilers of later releases of Debian that build the modules of
// kernels which were built with another.
var standIns = map[string]string{"gcc-10": "gcc-12"}

func onThisMachine(cc string) string {
	if later, ok := standIns[cc]; ok {
		if _, err := exec.LookPath(cc); err != nil {
			return later
		}
	}
	return cc
}

// compilerName finds the compiler in .kernelvariables, where it may carry a
// make variable or a target triple in front.
var compilerName = regexp.MustCompile(`(?m)^\s*(?:override\s+)?CC\s*:?=.*?\b(gcc-[0-9]+)\s*$`)

func compilerOf(headersDir string) (string, error) {
	file := filepath.Join(headersDir, ".kernelvariables")
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("find the kernel's compiler: %w", err)
	}
	m := compilerName.FindSubmatch(b)
	if m == nil {
		return "", fmt.Errorf("find the kernel's compiler: %s names none", file)
	}
	return string(m[1]), nil
}
