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
	"runtime"
	"strings"
	"time"
)

// BuildOptions says what to build a module from, against what, and where.
type BuildOptions struct {
	// Name is the module's, without ".ko".
	Name string
	// Source holds its Kbuild and C files, flat.
	Source fs.FS
	// Make returns the command that builds the external module in dir.
	Make func(ctx context.Context, dir string, args ...string) (*exec.Cmd, error)
	// Kernel is the release of the kernel it is for, and Version tells apart
	// what has the same release.
	Kernel, Version string
	// Compiler is the command that Make compiles with; its version is part
	// of what a build is known by.
	Compiler string
	// Check has sparse check the sources as they are compiled.
	Check bool
	// Command returns the command that runs a program where Make does. By
	// default that is here.
	Command func(ctx context.Context, name string, args ...string) *exec.Cmd
	// CacheDir keeps what was built, and what it was built in.
	CacheDir string
}

// Module is a module that was built.
type Module struct {
	Name string
	// Path of the .ko, without debug information.
	Path string
	// Revision is the first 12 hexadecimal digits of the SHA-256 of the sources,
	// or file- and those of the module itself where there are no sources.
	Revision string
	// Compiler is the first line of the compiler's --version; empty when it is
	// not known.
	Compiler string
}

// Log returns what make printed when the module was built.
func (m *Module) Log() ([]byte, error) {
	return os.ReadFile(filepath.Join(filepath.Dir(m.Path), logName))
}

// Warnings returns the lines in which a tool complained about the sources: the
// compiler with all the warnings of W=1, sparse if it was to check them, objtool.
func (m *Module) Warnings() ([]string, error) {
	log, err := m.Log()
	return diagnostics(log), err
}

const logName = "log"

// Build builds a module, or finds it in the cache when the same sources were
// built before for the same kernel with the same compiler. It is safe to run
// several at once. Of sources that were built before but for a few files only
// these are compiled, and the module is the same as if all were.
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

	setting := []string{o.Name, o.Version, version, fmt.Sprint(o.Check)}
	dir := o.cached(append(setting, revision)...)
	m.Path = filepath.Join(dir, o.Name+".ko")
	if _, err := os.Stat(m.Path); err == nil {
		now := time.Now()
		_ = os.Chtimes(dir, now, now) // the cache may not be this user's
		return m, nil
	}
	if err := buildInto(ctx, o, tree{o.cached(append(setting, "tree")...)}, dir); err != nil {
		return nil, fmt.Errorf("build %s.ko for %s: %w", o.Name, o.Kernel, err)
	}
	return m, nil
}

// cached is where something lies in the cache that is known by the words.
func (o BuildOptions) cached(words ...string) string {
	key := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return filepath.Join(o.CacheDir, o.Kernel, hex.EncodeToString(key[:8]))
}

// buildInto builds in the tree and moves the result to dir in one step, so that
// dir holds a whole module or does not exist.
func buildInto(ctx context.Context, o BuildOptions, t tree, dir string) error {
	unlock, err := t.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(dir, o.Name+".ko")); err == nil {
		return nil // somebody else has built the same meanwhile
	}
	out := filepath.Join(t.dir, "out")
	if err := errors.Join(os.RemoveAll(out), os.Mkdir(out, 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(out)
	log, err := t.build(ctx, o.Source, func(src string) ([]byte, error) { return o.compile(ctx, src, out) })
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, logName), log, 0o644); err != nil {
		return err
	}
	// A module that was lost may have left a log.
	if err := errors.Join(os.RemoveAll(dir), os.Rename(out, dir)); err != nil {
		return err
	}
	return removeOldest(filepath.Dir(dir), mostKept)
}

// compile makes the module in src, puts what is left of it without debug
// information into out, and returns what make printed.
func (o BuildOptions) compile(ctx context.Context, src, out string) ([]byte, error) {
	// Real paths: make compiles anew what it knows by another one.
	src, err := filepath.EvalSymlinks(src)
	if err != nil {
		return nil, err
	}
	args := []string{fmt.Sprintf("-j%d", runtime.GOMAXPROCS(0)), "--output-sync", "W=1"}
	if o.Check {
		args = append(args, "C=1")
	}
	cmd, err := o.Make(ctx, src, append(args, "modules")...)
	if err != nil {
		return nil, err
	}
	log, err := output(cmd)
	if err != nil {
		return log, err
	}
	ko := o.Name + ".ko"
	_, err = output(exec.CommandContext(ctx, "strip", "--strip-debug", "-o", filepath.Join(out, ko), filepath.Join(src, ko)))
	return log, err
}

// output runs a command and returns what it printed, which is in the error too.
func output(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return out, fmt.Errorf("%w: install the packages make and binutils", err)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, bytes.TrimSpace(out))
	}
	return out, err
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
