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

// Flavours end the names of the series whose kernels are of that flavour:
// built with PREEMPT_RT, or without drivers of real machines.
const (
	realTime = "-rt"
	cloud    = "-cloud"
)

// metaPackage depends on the newest kernel of a Debian release.
func metaPackage(series string) string {
	_, flavour, _ := strings.Cut(series, "-")
	if flavour != "" {
		flavour += "-"
	}
	return "linux-image-" + flavour + "amd64"
}

// releaseForm takes the series and the flavour out of a kernel's release, such
// as 6.1.0-56-rt-amd64 or 6.12.95+deb12-amd64.
var releaseForm = regexp.MustCompile(`^([0-9]+\.[0-9]+)\..*?(` + realTime + `|` + cloud + `)?-amd64$`)

// SeriesOf returns the series that a kernel is of, or nothing when its release
// is not of Debian's form.
func SeriesOf(release string) string {
	m := releaseForm.FindStringSubmatch(release)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}

// resolveKernel finds the packages of the newest kernel of a series. Debian
// keeps those that are newer than the release itself in its backports, and
// those that are older or newer still with its other releases; each is asked
// only for what is not in the one before.
func resolveKernel(ctx context.Context, a *apt, series string) (source, error) {
	src, err := resolveFrom(ctx, a, series)
	if _, other := errors.AsType[*seriesError](err); !other {
		return src, err
	}
	debian, serr := a.debianMain(ctx)
	if serr != nil {
		return source{}, fmt.Errorf("%w; %w", err, serr)
	}
	for _, s := range suitesFor(series, debian.codename) {
		src, serr := resolveIn(ctx, a, debian, s, series)
		if serr == nil || ctx.Err() != nil {
			return src, serr
		}
		err = fmt.Errorf("%w; %w", err, serr)
	}
	return source{}, err
}

func resolveIn(ctx context.Context, a *apt, debian aptSource, s suite, series string) (source, error) {
	b, err := a.only(ctx, debian, s)
	if err != nil {
		return source{}, err
	}
	src, err := resolveFrom(ctx, b, series)
	src.root = s.root
	return src, err
}

func resolveFrom(ctx context.Context, a *apt, series string) (source, error) {
	metas, err := a.versions(ctx, metaPackage(series))
	if ctx.Err() != nil {
		return source{}, err
	}
	if err != nil {
		return source{}, &seriesError{complaint: err}
	}
	release, version, err := pickRelease(metas, series)
	if err != nil {
		return source{}, a.explain(fmt.Errorf("not in %s, %w", a.where, err))
	}
	packages, err := kernelPackages(ctx, a, release, version)
	if err != nil {
		return source{}, err
	}
	return source{
		name:     release + "_" + version,
		release:  release,
		version:  version,
		packages: packages,
		from:     a,
		fill: func(ctx context.Context, dir string, archives []string) ([]string, error) {
			return fillKernel(ctx, dir, release, packages, archives)
		},
	}, nil
}

// seriesError says which series there are instead of the one that was asked for,
// or that there is no kernel of that flavour at all.
type seriesError struct {
	offered   []string
	complaint error
}

func (e *seriesError) Error() string {
	if e.complaint != nil {
		return e.complaint.Error()
	}
	return "which offer " + strings.Join(e.offered, ", ")
}

func (e *seriesError) Unwrap() error { return e.complaint }

func pickRelease(metas []aptPackage, series string) (release, version string, err error) {
	var offered []string
	for _, meta := range metas {
		for _, dep := range meta.depends {
			release, isImage := strings.CutPrefix(dep, imagePrefix)
			switch found := SeriesOf(release); {
			case !isImage || found == "":
			case found == series:
				return release, meta.version, nil
			case !slices.Contains(offered, found):
				offered = append(offered, found)
			}
		}
	}
	return "", "", &seriesError{offered: offered}
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
