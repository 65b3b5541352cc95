// SPDX-License-Identifier: MIT

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The modules' sources in the repository.
const (
	profilerDir = "kmod/profiler"
	testbedDir  = "kmod/testbed"
)

// commitOf returns the commit that a name stands for in the repository of the
// working directory, or an error if there is no such thing, or no repository.
func commitOf(ctx context.Context, name string) (string, error) {
	out, err := git(ctx, ".", "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	return strings.TrimSpace(string(out)), err
}

// sourcesAt returns the sources of a module in a commit, which it writes into a
// directory.
func sourcesAt(ctx context.Context, commit, module, dir string) (fs.FS, error) {
	archive, err := gitAtTop(ctx, "archive", "--format=tar", commit, module)
	if err == nil {
		err = unpackTar(bytes.NewReader(archive), dir)
	}
	if err != nil {
		return nil, fmt.Errorf("sources of the modules in commit %s: %w", commit, err)
	}
	return sourceDir(filepath.Join(dir, module))
}

// gitAtTop runs git in the top directory of the repository, where paths begin.
func gitAtTop(ctx context.Context, args ...string) ([]byte, error) {
	top, err := git(ctx, ".", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	return git(ctx, strings.TrimSpace(string(top)), args...)
}

func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(exit.Stderr))
	}
	return out, err
}

// unpackTar writes the regular files of an archive into a directory.
func unpackTar(r io.Reader, dir string) error {
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("%q is no path within the archive", h.Name)
		}
		path := filepath.Join(dir, h.Name)
		text, err := io.ReadAll(in)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o777)
		}
		if err == nil {
			err = os.WriteFile(path, text, 0o666)
		}
		if err != nil {
			return err
		}
	}
}
