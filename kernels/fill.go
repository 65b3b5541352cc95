// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Since 7.0 Debian's image package is empty: the kernel, its configuration and
// its modules are in packages of their own, which it depends on.
const (
	imagePrefix   = "linux-image-"
	binaryPrefix  = "linux-binary-"
	basePrefix    = "linux-base-"
	headersPrefix = "linux-headers-"
	kbuildPrefix  = "linux-kbuild-"
)

// kernelPackages returns those that make an entry of the cache: the kernel, and
// what its modules are built with.
func kernelPackages(ctx context.Context, a *apt, release, version string) ([]aptPackage, error) {
	image := aptPackage{name: imagePrefix + release, version: version}
	split, err := partsOf(ctx, a, image, binaryPrefix, basePrefix)
	if err != nil {
		return nil, err
	}
	packages := []aptPackage{image}
	if len(split) > 0 {
		packages = split
	}
	headers := aptPackage{name: headersPrefix + release, version: version}
	parts, err := partsOf(ctx, a, headers, headersPrefix, kbuildPrefix)
	return slices.Concat(packages, []aptPackage{headers}, parts), err
}

// partsOf returns the packages that a package depends on, of those whose names
// begin so. They are of its version.
func partsOf(ctx context.Context, a *apt, whole aptPackage, prefixes ...string) ([]aptPackage, error) {
	offers, err := a.versions(ctx, whole.name)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(offers, func(p aptPackage) bool { return p.version == whole.version })
	if i < 0 {
		return nil, fmt.Errorf("%s offer no %s in version %s; try again when they have caught up", a.where, whole.name, whole.version)
	}
	var parts []aptPackage
	for _, prefix := range prefixes {
		for _, dep := range offers[i].depends {
			// The package linux-base itself has tools and another version.
			if strings.HasPrefix(dep, prefix) {
				parts = append(parts, aptPackage{name: dep, version: whole.version})
			}
		}
	}
	return parts, nil
}

// fillKernel unpacks a kernel. An image package is 300 MB of modules that
// nobody asked for, and 8 MB in /boot.
func fillKernel(ctx context.Context, dir, release string, packages []aptPackage, archives []string) ([]string, error) {
	modules := path.Join("usr/lib/modules", release)
	for i, archive := range archives {
		want := everything
		if !strings.HasPrefix(packages[i].name, headersPrefix) && !strings.HasPrefix(packages[i].name, kbuildPrefix) {
			want = func(name string) bool {
				return name == "boot" || strings.HasPrefix(name, "boot/") ||
					name == path.Join(modules, "vmlinuz") || name == path.Join(modules, "config")
			}
		}
		if err := unpack(ctx, archive, dir, want); err != nil {
			return nil, err
		}
	}
	vmlinuz, config := filepath.Join(dir, "boot/vmlinuz-"+release), configFile(release)
	if _, err := os.Stat(vmlinuz); errors.Is(err, os.ErrNotExist) {
		vmlinuz = filepath.Join(dir, modules, "vmlinuz")
		if err := moveTo(filepath.Join(dir, config), filepath.Join(dir, modules, "config")); err != nil {
			return nil, err
		}
	}
	if err := extractVmlinux(ctx, vmlinuz, filepath.Join(dir, "vmlinux")); err != nil {
		return nil, err
	}
	headers := "usr/src/linux-headers-" + release
	return []string{
		"vmlinux",
		config,
		headers + "/.config",
		headers + "/.kernelvariables",
		headers + "/Module.symvers",
		// Through the links into linux-kbuild.
		headers + "/scripts/basic/fixdep",
		headers + "/scripts/mod/modpost",
		headers + "/tools/objtool/objtool",
	}, nil
}

// configFile is where an entry has its kernel's configuration.
func configFile(release string) string { return "boot/config-" + release }

func moveTo(to, from string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(from, to)
}
