// SPDX-License-Identifier: MIT

package peers

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
		if have[name] {
			continue
		}
		have[name] = true
		source, err := findLibrary(root, name)
		if err != nil {
			return nil, err
		}
		files = append(files, guest.File{Path: filepath.Join(guestLibDir, name), Mode: 0o755, Source: source})
		more, err := libraries(root, source, have)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
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
