// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// realTime ends the name of a series whose kernels are of that flavour: built
// with PREEMPT_RT.
const realTime = "-rt"

// metaPackage depends on the newest kernel of a Debian release.
func metaPackage(series string) string {
	if strings.HasSuffix(series, realTime) {
		return "linux-image-rt-amd64"
	}
	return "linux-image-amd64"
}

// imageForm takes the series and the flavour out of an image package's name,
// such as linux-image-6.1.0-56-rt-amd64 or linux-image-6.12.95+deb12-amd64.
var imageForm = regexp.MustCompile(`^linux-image-(([0-9]+\.[0-9]+)\..*?(-rt)?-amd64)$`)

// resolveKernel finds the packages of the newest kernel of a series. Debian
// keeps those that are newer than the release itself in its backports, which
// are asked only for what is nowhere else.
func resolveKernel(ctx context.Context, a *apt, series string) (source, error) {
	src, err := resolveFrom(ctx, a, series)
	if _, other := errors.AsType[*seriesError](err); !other {
		return src, err
	}
	b, berr := a.backports(ctx)
	if berr != nil {
		return source{}, fmt.Errorf("%w; %w", err, berr)
	}
	src, berr = resolveFrom(ctx, b, series)
	if berr != nil {
		return source{}, fmt.Errorf("%w; %w", err, berr)
	}
	return src, nil
}

func resolveFrom(ctx context.Context, a *apt, series string) (source, error) {
	metas, err := a.versions(ctx, metaPackage(series))
	if err != nil {
		return source{}, err
	}
	release, version, err := pickRelease(metas, series)
	if err != nil {
		return source{}, a.explain(fmt.Errorf("not in %s, %w", a.where, err))
	}
	packages := []aptPackage{{name: "linux-image-" + release, version: version}, {name: "linux-headers-" + release, version: version}}
	extra, err := headerPackages(ctx, a, packages[1])
	if err != nil {
		return source{}, err
	}
	return source{
		name:     release + "_" + version,
		release:  release,
		version:  version,
		packages: append(packages, extra...),
		from:     a,
		fill: func(ctx context.Context, dir string, archives []string) ([]string, error) {
			return fillKernel(ctx, dir, release, archives)
		},
	}, nil
}

// seriesError says which series there are instead of the one that was asked for.
type seriesError struct{ offered []string }

func (e *seriesError) Error() string { return "which offer " + strings.Join(e.offered, ", ") }

func pickRelease(metas []aptPackage, series string) (release, version string, err error) {
	var offered []string
	for _, meta := range metas {
		for _, dep := range meta.depends {
			m := imageForm.FindStringSubmatch(dep)
			if m == nil {
				continue
			}
			switch found := m[2] + m[3]; {
			case found == series:
				return m[1], meta.version, nil
			case !slices.Contains(offered, found):
				offered = append(offered, found)
			}
		}
	}
	return "", "", &seriesError{offered}
}

// headerPackages returns the parts that linux-headers-<release> is made of.
func headerPackages(ctx context.Context, a *apt, headers aptPackage) ([]aptPackage, error) {
	offers, err := a.versions(ctx, headers.name)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(offers, func(p aptPackage) bool { return p.version == headers.version })
	if i < 0 {
		return nil, fmt.Errorf("%s offer no %s in version %s; try again when they have caught up", a.where, headers.name, headers.version)
	}
	var parts []aptPackage
	for _, dep := range offers[i].depends {
		if strings.HasPrefix(dep, "linux-headers-") || strings.HasPrefix(dep, "linux-kbuild-") {
			parts = append(parts, aptPackage{name: dep, version: headers.version})
		}
	}
	return parts, nil
}

// fillKernel unpacks a kernel. The image package is 300 MB of modules that
// nobody asked for, and 8 MB in /boot.
func fillKernel(ctx context.Context, dir, release string, archives []string) ([]string, error) {
	boot := func(name string) bool { return name == "boot" || strings.HasPrefix(name, "boot/") }
	if err := unpack(ctx, archives[0], dir, boot); err != nil {
		return nil, err
	}
	for _, archive := range archives[1:] {
		if err := unpack(ctx, archive, dir, everything); err != nil {
			return nil, err
		}
	}
	if err := extractVmlinux(ctx, filepath.Join(dir, "boot/vmlinuz-"+release), filepath.Join(dir, "vmlinux")); err != nil {
		return nil, err
	}
	headers := "usr/src/linux-headers-" + release
	return []string{
		"vmlinux",
		"boot/config-" + release,
		headers + "/.config",
		headers + "/.kernelvariables",
		headers + "/Module.symvers",
		// Through the links into linux-kbuild.
		headers + "/scripts/basic/fixdep",
		headers + "/scripts/mod/modpost",
		headers + "/tools/objtool/objtool",
	}, nil
}

func resolvePackage(ctx context.Context, a *apt, name string) (source, error) {
	offers, err := a.versions(ctx, name)
	if err != nil {
		return source{}, err
	}
	return source{
		// A colon, as an epoch has, would part this path from others in PATH.
		name:     name + "_" + strings.ReplaceAll(offers[0].version, ":", "%3a"),
		version:  offers[0].version,
		packages: []aptPackage{{name: name, version: offers[0].version}},
		from:     a,
		fill: func(ctx context.Context, dir string, archives []string) ([]string, error) {
			if err := unpack(ctx, archives[0], dir, everything); err != nil {
				return nil, err
			}
			return regularFiles(dir, filepath.Dir(archives[0]))
		},
	}, nil
}
