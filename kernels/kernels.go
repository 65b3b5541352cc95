// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// Options say where and how packages are kept. The zero value works.
type Options struct {
	// Dir is the cache: kprof-bench in [os.UserCacheDir] unless given.
	Dir string
	// Progress is told in a few words what is being done, when something has
	// to be fetched.
	Progress func(string)
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
	Compiler   string // the compiler its modules want, like "gcc-12"
}

var seriesForm = regexp.MustCompile(`^[1-9][0-9]*\.[0-9]+(-rt)?$`)

// Get returns the newest kernel of a series, like "6.1", or "6.1-rt" for one with
// PREEMPT_RT, that the machine's package sources offer, or else the backports of
// its Debian release, from the cache if one is there already. Fetching one is a download of up to 125 MB and
// leaves up to 165 MB on the disk.
func Get(ctx context.Context, series string, opts Options) (*Kernel, error) {
	if !seriesForm.MatchString(series) {
		return nil, fmt.Errorf("kernel series %q is not of the form 6.1 or 6.1-rt", series)
	}
	if runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("kernel %s: only amd64 machines are supported, this is %s", series, runtime.GOARCH)
	}
	c, err := openCache(opts)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", series, err)
	}
	e, err := c.get(ctx, filepath.Join("kernels", series), func(ctx context.Context, a *apt) (source, error) {
		return resolveKernel(ctx, a, series)
	})
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", series, err)
	}
	k, err := newKernel(e)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", series, err)
	}
	return k, nil
}

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
	common, err := entriesWith(filepath.Join(e.dir, "usr/src"), "linux-headers-", commonSuffix(release))
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
		Config:     filepath.Join(e.dir, "boot/config-"+release),
		HeadersDir: headers,
		CommonDir:  common[0],
		Compiler:   cc,
	}, nil
}

// commonSuffix ends the name of the headers that the kernels of a flavour share.
func commonSuffix(release string) string {
	if strings.HasSuffix(release, realTime+"-amd64") {
		return "-common" + realTime
	}
	return "-common"
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
