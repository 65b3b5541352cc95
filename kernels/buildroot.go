// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// rootTools are what the makefiles of an external module call, besides the
// compiler, which brings binutils.
var rootTools = []string{"coreutils", "dash", "diffutils", "findutils", "grep", "libelf1t64", "make", "mawk", "sed"}

// buildRoot returns the directory of a minimal system of a Debian release, with
// a compiler. It is only unpacked, so neither root nor a maintainer script is
// needed, and [Kernel.Command] runs what is in it.
func (c *cache) buildRoot(ctx context.Context, release, compiler string) (string, error) {
	e, err := c.get(ctx, rootLink(release, compiler), func(ctx context.Context, a *apt) (source, error) {
		return resolveRoot(ctx, a, release, compiler)
	})
	if err != nil {
		return "", fmt.Errorf("%s of %s to build in: %w", compiler, release, err)
	}
	return e.dir, nil
}

func rootLink(release, compiler string) string {
	return filepath.Join("roots", release+"-"+compiler)
}

func resolveRoot(ctx context.Context, a *apt, release, compiler string) (source, error) {
	debian, err := a.debianMain(ctx)
	if err != nil {
		return source{}, err
	}
	b, err := a.only(ctx, debian, suite{name: release, foreign: true})
	if err != nil {
		return source{}, err
	}
	packages, err := b.closure(ctx, append(slices.Clone(rootTools), compiler))
	if err != nil {
		return source{}, err
	}
	list := sha256.New()
	version := ""
	for _, p := range packages {
		fmt.Fprintln(list, p.name, p.version)
		if p.name == compiler {
			version = p.version
		}
	}
	return source{
		name:     fmt.Sprintf("%s-%s_%.12x", release, compiler, list.Sum(nil)),
		version:  version,
		packages: packages,
		from:     b,
		fill: func(ctx context.Context, dir string, archives []string) ([]string, error) {
			return fillRoot(ctx, dir, compiler, archives)
		},
	}, nil
}

// installForm is a line of what apt-get would do: the package and its version.
var installForm = regexp.MustCompile(`(?m)^Inst (\S+) \((\S+) `)

// closure returns packages and all that they depend on, as apt would install
// them on a machine that has nothing yet.
func (a *apt) closure(ctx context.Context, names []string) ([]aptPackage, error) {
	args := []string{"install", "--simulate", "--no-install-recommends", "-o", "Dir::State::status=/dev/null"}
	out, _, err := a.run(ctx, "", "apt-get", append(args, names...)...)
	if err != nil {
		return nil, a.explain(fmt.Errorf("%s do not offer all of %s: %w", a.where, strings.Join(names, ", "), err))
	}
	var packages []aptPackage
	for _, m := range installForm.FindAllStringSubmatch(out, -1) {
		packages = append(packages, aptPackage{name: m[1], version: m[2]})
	}
	return packages, nil
}

// mountPoints of a root are where [Kernel.Command] puts what is not in it, and
// devices those of this machine that are among them.
var (
	mountPoints = []string{"dev", "kernel", "module", "proc", "tmp"}
	devices     = []string{"null", "urandom", "zero"}
)

// mergedDirs are links into usr in all Debian systems of today. The package
// that has them is not needed otherwise.
var mergedDirs = []string{"bin", "lib", "lib64", "sbin"}

func fillRoot(ctx context.Context, dir, compiler string, archives []string) ([]string, error) {
	for _, name := range mergedDirs {
		if err := os.MkdirAll(filepath.Join(dir, "usr", name), 0o755); err != nil {
			return nil, err
		}
		if err := os.Symlink("usr/"+name, filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	if err := makeMountPoints(dir); err != nil {
		return nil, err
	}
	for _, archive := range archives {
		if err := unpack(ctx, archive, dir, neededToBuild); err != nil {
			return nil, err
		}
	}
	// What a maintainer script would have chosen.
	if err := os.Symlink("mawk", filepath.Join(dir, "usr/bin/awk")); err != nil {
		return nil, err
	}
	for _, tool := range []string{"sh", "make", "awk", compiler} {
		if _, err := os.Stat(filepath.Join(dir, "usr/bin", tool)); err != nil {
			return nil, fmt.Errorf("the packages lack a tool: %w", err)
		}
	}
	return regularFiles(dir, filepath.Dir(archives[0]))
}

func makeMountPoints(root string) error {
	for _, name := range mountPoints {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	for _, name := range devices {
		if err := os.WriteFile(filepath.Join(root, "dev", name), nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// neededToBuild leaves out documentation, and libraries to link programs with,
// which are half of the size.
func neededToBuild(name string) bool {
	top, rest, _ := strings.Cut(name, "/")
	return !strings.HasPrefix(rest+"/", "share/") && !strings.HasSuffix(name, ".a") &&
		(top == "usr" && rest != "" || slices.Contains(mergedDirs, top))
}
