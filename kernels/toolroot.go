// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ToolRoot returns the directory in the cache that holds Debian packages with all
// that they depend on, unpacked as they would be installed in /, for programs that are
// to run elsewhere than on this machine. Documentation is left out.
func ToolRoot(ctx context.Context, packages []string, opts Options) (string, error) {
	for _, p := range packages {
		if !packageForm.MatchString(p) {
			return "", fmt.Errorf("%q is no name of a Debian package", p)
		}
	}
	c, err := openCache(opts)
	if err != nil {
		return "", fmt.Errorf("tools: %w", err)
	}
	name := strings.Join(packages, "-")
	e, err := c.get(ctx, filepath.Join("tools", name), func(ctx context.Context, a *apt) (source, error) {
		return resolveTools(ctx, a, name, packages)
	})
	if err != nil {
		return "", fmt.Errorf("tools %s: %w", strings.Join(packages, ", "), err)
	}
	return e.dir, nil
}

func resolveTools(ctx context.Context, a *apt, name string, packages []string) (source, error) {
	all, err := a.closure(ctx, packages)
	if err != nil {
		return source{}, err
	}
	if len(all) == 0 {
		return source{}, errors.New("apt would install nothing")
	}
	list := sha256.New()
	version := ""
	for _, p := range all {
		fmt.Fprintln(list, p.name, p.version)
		if p.name == packages[0] {
			version = p.version
		}
	}
	return source{
		name: fmt.Sprintf("%s_%.12x", name, list.Sum(nil)), version: version, packages: all, from: a, fill: fillTools,
	}, nil
}

func fillTools(ctx context.Context, dir string, archives []string) ([]string, error) {
	for _, name := range mergedDirs {
		if err := os.MkdirAll(filepath.Join(dir, "usr", name), 0o755); err != nil {
			return nil, err
		}
		if err := os.Symlink("usr/"+name, filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	for _, archive := range archives {
		if err := unpack(ctx, archive, dir, neededToRun); err != nil {
			return nil, err
		}
	}
	return regularFiles(dir, filepath.Dir(archives[0]))
}

// unneeded are directories of usr/share that no program needs that runs alone.
var unneeded = []string{"doc", "man", "locale", "info", "lintian", "bug", "common-licenses", "i18n"}

func neededToRun(name string) bool {
	top, rest, _ := strings.Cut(name, "/")
	share, ok := strings.CutPrefix(rest, "share/")
	if ok && top == "usr" {
		dir, _, _ := strings.Cut(share, "/")
		return !slices.Contains(unneeded, dir)
	}
	return !strings.HasSuffix(name, ".a") && (top == "usr" && rest != "" || slices.Contains(mergedDirs, top) && rest != "")
}
