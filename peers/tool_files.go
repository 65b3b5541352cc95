// SPDX-License-Identifier: MIT

package peers

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kprof-bench/guest"
)

// Where Debian keeps libraries, in the root of tools and in guests, and what loads
// programs.
const (
	libraryDir  = "/usr/lib/x86_64-linux-gnu"
	guestLibDir = "/lib/x86_64-linux-gnu"
	loaderName  = "ld-linux-x86-64.so.2"
	guestLoader = "/lib64/" + loaderName
)

// programFiles are programs in a root, and the libraries that they are linked with,
// for a guest that has nothing else.
func programFiles(root string, programs []string) ([]guest.File, error) {
	loader, err := inRoot(root, filepath.Join(libraryDir, loaderName))
	if err != nil {
		return nil, err
	}
	files := []guest.File{{Path: guestLoader, Mode: 0o755, Source: loader}}
	have := map[string]bool{loaderName: true}
	for _, p := range programs {
		path, err := inRoot(root, p)
		if err != nil {
			return nil, err
		}
		files = append(files, guest.File{Path: p, Mode: 0o755, Source: path})
		more, err := libraries(root, path, have)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		files = append(files, more...)
	}
	return files, nil
}

// pythonFiles are what a Python needs beside its program: modules in Python, one that
// is not, and what that calls.
func pythonFiles(root string, have []guest.File) ([]guest.File, error) {
	files, err := treeFiles(filepath.Join(root, pythonDir), pythonDir, isPython)
	if err != nil {
		return nil, err
	}
	more, err := treeFiles(filepath.Join(root, bccDir), bccDir, isPython)
	if err != nil {
		return nil, err
	}
	script, err := inRoot(root, funclatencyPath)
	if err != nil {
		return nil, err
	}
	files = append(append(files, more...), guest.File{Path: funclatencyPath, Mode: 0o755, Source: script})
	names := map[string]bool{}
	for _, f := range have {
		names[filepath.Base(f.Path)] = true
	}
	for _, f := range slices.Clone(files) {
		if filepath.Ext(f.Path) == ".so" {
			linked, err := libraries(root, f.Source, names)
			if err != nil {
				return nil, err
			}
			files = append(files, linked...)
		}
	}
	for _, name := range openedLibraries {
		linked, err := library(root, name, names)
		if err != nil {
			return nil, err
		}
		files = append(files, linked...)
	}
	return files, nil
}

// openedLibraries are those that modules in Python open themselves.
var openedLibraries = []string{"libbcc.so.0", "librt.so.1"}

const (
	pythonDir       = "/usr/lib/python3.11"
	bccDir          = "/usr/lib/python3/dist-packages/bcc"
	funclatencyPath = "/usr/sbin/funclatency-bpfcc"
)

// isPython leaves out all modules in machine code but the one that calls libraries.
func isPython(path string) bool {
	return filepath.Ext(path) == ".py" || strings.HasPrefix(filepath.Base(path), "_ctypes.")
}

// headerFiles are the headers of a kernel where compilers of BPF programs look for
// them.
func headerFiles(release, headers, common string) ([]guest.File, error) {
	var files []guest.File
	for _, part := range []struct{ from, to string }{
		{headers, "build"}, {common, "source"},
	} {
		for _, dir := range []string{"include", "arch/x86/include"} {
			more, err := treeFiles(filepath.Join(part.from, dir), filepath.Join("/lib/modules", release, part.to, dir), func(string) bool { return true })
			if err != nil {
				return nil, err
			}
			files = append(files, more...)
		}
	}
	return files, nil
}

// treeFiles are the files below a directory that are wanted, by their path in a guest.
func treeFiles(dir, to string, want func(path string) bool) ([]guest.File, error) {
	var files []guest.File
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !want(path) {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files = append(files, guest.File{Path: filepath.Join(to, rel), Source: path})
		return err
	})
	return files, err
}

// libraries are those that a file is linked with, and those that these are.
func libraries(root, path string, have map[string]bool) ([]guest.File, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	var files []guest.File
	for _, name := range names {
		more, err := library(root, name, have)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// library is a library that a guest has not yet, and those that it is linked with.
func library(root, name string, have map[string]bool) ([]guest.File, error) {
	if have[name] {
		return nil, nil
	}
	have[name] = true
	source, err := findLibrary(root, name)
	if err != nil {
		return nil, err
	}
	more, err := libraries(root, source, have)
	return append([]guest.File{{Path: filepath.Join(guestLibDir, name), Mode: 0o755, Source: source}}, more...), err
}

func findLibrary(root, name string) (string, error) {
	for _, dir := range []string{libraryDir, "/usr/lib"} {
		path, err := inRoot(root, filepath.Join(dir, name))
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("there is no %s below %s", name, root)
}

// mostLinks is more than lead to a library.
const mostLinks = 10

// inRoot finds a file in a root, whose links are meant as in it.
func inRoot(root, path string) (string, error) {
	for range mostLinks {
		full := filepath.Join(root, path)
		target, err := os.Readlink(full)
		if err != nil {
			_, err := os.Stat(full)
			return full, err
		}
		if !strings.HasPrefix(target, "/") {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return "", fmt.Errorf("%s in %s: too many links", path, root)
}
