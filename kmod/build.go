// SPDX-License-Identifier: MIT

package kmod

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BuildOptions says what to build a module from, against what, and where.
type BuildOptions struct {
	// Name is the module's, without ".ko".
	Name string
	// Source holds its Kbuild and C files, flat.
	Source fs.FS
	// Make returns the command that builds the external module in dir.
	Make func(ctx context.Context, dir string, args ...string) (*exec.Cmd, error)
	// Kernel is the release of the kernel it is for.
	Kernel string
	// Compiler is the command that Make compiles with; its version is part
	// of what a build is known by.
	Compiler string
	// Command returns the command that runs a program where Make does. By
	// default that is here.
	Command func(ctx context.Context, name string, args ...string) *exec.Cmd
	// CacheDir keeps what was built.
	CacheDir string
}

// Module is a module that was built.
type Module struct {
	Name string
	// Path of the .ko, without debug information.
	Path string
	// Revision is the first 12 hexadecimal digits of the SHA-256 of the sources.
	Revision string
	// Compiler is the first line of the compiler's --version.
	Compiler string
}

// Build builds a module, or finds it in the cache when the same sources were
// built before for the same kernel with the same compiler. It is safe to run
// several at once.
//
// The error has the compiler's output when the sources are at fault.
func Build(ctx context.Context, o BuildOptions) (*Module, error) {
	version, err := o.compilerVersion(ctx)
	if err != nil {
		return nil, err
	}
	revision, err := hashFS(o.Source)
	if err != nil {
		return nil, fmt.Errorf("read the sources of %s: %w", o.Name, err)
	}
	m := &Module{Name: o.Name, Revision: revision[:12], Compiler: version}

	key := sha256.Sum256([]byte(strings.Join([]string{o.Name, revision, o.Kernel, version}, "\x00")))
	dir := filepath.Join(o.CacheDir, o.Kernel, hex.EncodeToString(key[:8]))
	m.Path = filepath.Join(dir, o.Name+".ko")
	if _, err := os.Stat(m.Path); err == nil {
		return m, nil
	}
	if err := buildInto(ctx, o, dir); err != nil {
		return nil, fmt.Errorf("build %s.ko for %s: %w", o.Name, o.Kernel, err)
	}
	return m, nil
}

// buildInto builds in a directory of its own and moves the result to dir in
// one step, so that dir holds a whole module or does not exist.
func buildInto(ctx context.Context, o BuildOptions, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "building-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	src := filepath.Join(work, "src")
	if err := os.CopyFS(src, o.Source); err != nil {
		return err
	}
	cmd, err := o.Make(ctx, src, "modules")
	if err != nil {
		return err
	}
	if err := runQuiet(cmd); err != nil {
		return err
	}

	out := filepath.Join(work, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	ko := o.Name + ".ko"
	strip := exec.CommandContext(ctx, "strip", "--strip-debug", "-o", filepath.Join(out, ko), filepath.Join(src, ko))
	if err := runQuiet(strip); err != nil {
		return err
	}
	err = os.Rename(out, dir)
	if errors.Is(err, fs.ErrExist) {
		return nil // somebody else built the same meanwhile
	}
	return err
}

// runQuiet runs a command, and shows what it printed only when it fails.
func runQuiet(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: install the packages make and binutils", err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, bytes.TrimSpace(out))
	}
	return nil
}

// MakeNative returns the command that builds the external module in dir
// against the headers of the running kernel, for [BuildOptions].
func MakeNative(ctx context.Context, dir string, args ...string) (*exec.Cmd, error) {
	headers := filepath.Join("/lib/modules", RunningRelease(), "build")
	if _, err := os.Stat(headers); err != nil {
		return nil, fmt.Errorf("the headers of this kernel are not installed (apt-get install linux-headers-%s): %w", RunningRelease(), err)
	}
	return exec.CommandContext(ctx, "make", append([]string{"-C", headers, "M=" + dir}, args...)...), nil
}

func (o BuildOptions) compilerVersion(ctx context.Context) (string, error) {
	cc, command := o.Compiler, o.Command
	if command == nil {
		command = exec.CommandContext
	}
	out, err := command(ctx, cc, "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s, with which the kernel was built, is not installed; install the package %s", cc, cc)
	}
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", cc, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}

// hashFS returns the SHA-256 of the names and contents of all files.
func hashFS(fsys fs.FS) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := fsys.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s\x00%d\x00", path, info.Size())
		_, err = io.Copy(h, f)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}
